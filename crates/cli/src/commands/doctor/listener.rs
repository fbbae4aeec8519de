use chrono::{DateTime, TimeDelta, Utc};

use super::report::Sound;
use crate::settings::Settings;

/// As the alert `PadanCertificateNearExpiry` has it.
const ENOUGH: TimeDelta = TimeDelta::weeks(3);

/// What the public listener speaks, and until when.
pub(super) fn judge(settings: &Settings) -> Result<Sound, String> {
    let http = &settings.http;
    http.validate().map_err(|error| error.to_string())?;
    let expires = http.tls.check().map_err(|error| error.to_string())?;
    let place = format!("{}:{}", http.address, http.port);
    let Some(expires) = expires.and_then(|seconds| DateTime::from_timestamp(seconds, 0)) else {
        let exposed = (!http.address.is_loopback())
            .then(|| "whoever is on the way can read it, unless a proxy in front ends TLS".to_owned());
        return Ok(Sound::from(format!("plain HTTP on {place}")).but(exposed));
    };
    let doubt = doubt(expires, Utc::now())?;
    let until = expires.date_naive();
    Ok(Sound::from(format!("TLS on {place}, with a certificate until {until}")).but(doubt))
}

/// What is to be said of a certificate that ends soon; an error when it has ended.
fn doubt(expires: DateTime<Utc>, now: DateTime<Utc>) -> Result<Option<String>, String> {
    match expires - now {
        left if left < TimeDelta::zero() => {
            Err(format!("the certificate ended at {expires}: no client can connect"))
        }
        left if left < ENOUGH => Ok(Some(format!("that is in {} days: renew it", left.num_days()))),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_that_ends_soon_is_told() {
        let now: DateTime<Utc> = "2026-11-27T00:00:00Z".parse().unwrap();
        assert!(doubt(now - TimeDelta::seconds(1), now).unwrap_err().contains("no client can connect"));
        assert!(doubt(now + TimeDelta::days(20), now).unwrap().unwrap().contains("in 20 days"));
        assert_eq!(doubt(now + TimeDelta::days(22), now), Ok(None));
    }
}
