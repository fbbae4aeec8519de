use chrono::{DateTime, TimeDelta, Utc};

use super::report::CheckPassed;
use crate::settings::Settings;

/// The threshold of the alert `PadanCertificateNearExpiry`.
const MIN_VALIDITY: TimeDelta = TimeDelta::weeks(3);

/// Checks the public listener and the validity of its certificate.
pub(super) fn check(settings: &Settings) -> Result<CheckPassed, String> {
    let http = &settings.http;
    http.validate().map_err(|error| error.to_string())?;
    let expires = http.tls.check().map_err(|error| error.to_string())?;
    let address = format!("{}:{}", http.address, http.port);
    let Some(expires) = expires.and_then(|seconds| DateTime::from_timestamp(seconds, 0)) else {
        let exposed = (!http.address.is_loopback())
            .then(|| "requests are not encrypted, unless a proxy in front terminates TLS".to_owned());
        return Ok(CheckPassed::from(format!("plain HTTP on {address}")).with_warnings(exposed));
    };
    let warning = expiry_warning(expires, Utc::now())?;
    let until = expires.date_naive();
    Ok(CheckPassed::from(format!("TLS on {address}, certificate valid until {until}")).with_warnings(warning))
}

/// A warning about a certificate that expires soon; an error when it has expired.
fn expiry_warning(expires: DateTime<Utc>, now: DateTime<Utc>) -> Result<Option<String>, String> {
    match expires - now {
        left if left < TimeDelta::zero() => {
            Err(format!("the certificate expired at {expires}, so no client can connect: renew it"))
        }
        left if left < MIN_VALIDITY => {
            Ok(Some(format!("the certificate expires in {} days: renew it", left.num_days())))
        }
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_that_expires_soon_gives_a_warning() {
        let now: DateTime<Utc> = "2026-11-27T00:00:00Z".parse().unwrap();
        let expired = expiry_warning(now - TimeDelta::seconds(1), now);
        assert!(expired.unwrap_err().contains("no client can connect"));
        assert!(expiry_warning(now + TimeDelta::days(20), now).unwrap().unwrap().contains("in 20 days"));
        assert_eq!(expiry_warning(now + TimeDelta::days(22), now), Ok(None));
    }
}
