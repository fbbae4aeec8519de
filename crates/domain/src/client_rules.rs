use std::{
    fmt,
    net::IpAddr,
    num::{NonZeroU32, NonZeroU64},
    str::FromStr,
    time::Duration,
};

use ipnet::IpNet;

use crate::{
    client_certificate::{CertificateName, ClientCertificate},
    granted_fields::GrantedFields,
    quota_period::QuotaPeriod,
};

/// The restrictions of a client: networks, certificates, endpoints, fields, rate and quotas.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ClientRules {
    /// The networks from which it may call; empty means any.
    pub networks: Vec<IpNet>,
    /// The certificates that it may present; empty means that it needs none.
    pub certificates: Vec<CertificateName>,
    /// The endpoints that it may call; `None` means all, including those of later versions.
    pub endpoints: Option<Vec<Endpoint>>,
    /// The fields of basic verification that it may have compared.
    pub fields: GrantedFields,
    /// The limit of its call rate; `None` is no limit.
    pub rate: Option<RequestRate>,
    /// Requests in a day; `None` is no limit.
    pub daily_quota: Option<NonZeroU32>,
    /// Requests in a calendar month; `None` is no limit.
    pub monthly_quota: Option<NonZeroU32>,
}

/// An endpoint for which a client needs permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// Compares name, date of birth and face with the registry.
    FaceVerification,
    /// Compares text fields with the registry.
    Verification,
    /// Compares the faces in two photos that the client sends.
    FaceMatch,
    /// Judges by a photo whether a face is that of a living person.
    PassiveLiveness,
}

/// A rate limit: the mean number of requests a second, and the number that may come at once. Each process counts its
/// own requests.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RequestRate {
    per_second: f64,
    burst: NonZeroU32,
}

/// The rate is out of range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("requests per second must lie in 0.001 to 100000, and the burst in 1 to 1000000")]
pub struct InvalidRequestRate;

/// The text is not the name of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be the name of an endpoint, such as verification")]
pub struct UnknownEndpoint;

/// The text is neither an address nor a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be addresses or networks such as 10.0.0.0/8")]
pub struct InvalidNetwork;

impl ClientRules {
    /// Whether the client may call from an address.
    pub fn admits(&self, peer: IpAddr) -> bool {
        // A listener on [::] gets the mapped addresses of IPv4 callers.
        let peer = peer.to_canonical();
        self.networks.is_empty() || self.networks.iter().any(|network| network.contains(&peer))
    }

    /// Whether the client may call with this certificate, or without one.
    pub fn accepts(&self, certificate: Option<&ClientCertificate>) -> bool {
        self.certificates.is_empty() || certificate.is_some_and(|certificate| self.lists(certificate))
    }

    /// Whether the client's list of certificates contains this one.
    pub fn lists(&self, certificate: &ClientCertificate) -> bool {
        self.certificates.iter().any(|name| certificate.has_name(name))
    }

    /// Whether the client may call an endpoint.
    pub fn permits(&self, endpoint: Endpoint) -> bool {
        self.endpoints.as_ref().is_none_or(|endpoints| endpoints.contains(&endpoint))
    }

    /// The quota for a period; `None` is no limit.
    pub fn quota(&self, period: QuotaPeriod) -> Option<NonZeroU32> {
        match period {
            QuotaPeriod::Day => self.daily_quota,
            QuotaPeriod::Month => self.monthly_quota,
        }
    }
}

/// Parses a network in CIDR notation, or a single address as a network of one address. Bits beyond the prefix are
/// cleared.
///
/// # Errors
///
/// [`InvalidNetwork`] when the text is neither.
pub fn parse_network(text: &str) -> Result<IpNet, InvalidNetwork> {
    let single = |text: &str| text.parse().map(|address: IpAddr| IpNet::from(address));
    text.parse::<IpNet>().or_else(|_| single(text)).map(|network| network.trunc()).map_err(|_| InvalidNetwork)
}

impl Endpoint {
    /// Every endpoint.
    pub const ALL: [Self; 4] =
        [Self::FaceVerification, Self::Verification, Self::FaceMatch, Self::PassiveLiveness];

    /// The name in settings, logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FaceVerification => "face-verification",
            Self::Verification => "verification",
            Self::FaceMatch => "face-match",
            Self::PassiveLiveness => "passive-liveness",
        }
    }
}

impl FromStr for Endpoint {
    type Err = UnknownEndpoint;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|endpoint| endpoint.as_str() == text).ok_or(UnknownEndpoint)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl RequestRate {
    /// Checks a rate. The default burst is the requests of one second.
    ///
    /// # Errors
    ///
    /// [`InvalidRequestRate`] when the rate or the burst is out of range.
    ///
    /// ```
    /// use padan_domain::RequestRate;
    /// assert_eq!(RequestRate::new(2.5, None)?.burst().get(), 3);
    /// assert!(RequestRate::new(0.0, None).is_err());
    /// # Ok::<(), padan_domain::InvalidRequestRate>(())
    /// ```
    pub fn new(per_second: f64, burst: Option<u32>) -> Result<Self, InvalidRequestRate> {
        if !(0.001..=100_000.0).contains(&per_second) {
            return Err(InvalidRequestRate);
        }
        let burst = burst.unwrap_or(per_second.ceil() as u32);
        let burst = NonZeroU32::new(burst).filter(|burst| burst.get() <= 1_000_000);
        Ok(Self { per_second, burst: burst.ok_or(InvalidRequestRate)? })
    }

    /// The rate of a client that was added without one.
    pub fn of_new_clients() -> Self {
        Self { per_second: 20.0, burst: NonZeroU32::MIN.saturating_add(39) }
    }

    /// The mean number of requests a second.
    pub fn per_second(&self) -> f64 {
        self.per_second
    }

    /// Requests that may come at once.
    pub fn burst(&self) -> NonZeroU32 {
        self.burst
    }

    /// The time after which one more request is allowed, at least ten microseconds.
    pub fn interval(&self) -> Duration {
        let nanoseconds = NonZeroU64::new((1e9 / self.per_second) as u64).unwrap_or(NonZeroU64::MIN);
        Duration::from_nanos(nanoseconds.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(networks: &[&str]) -> ClientRules {
        let networks = networks.iter().map(|text| parse_network(text).unwrap()).collect();
        ClientRules { networks, ..ClientRules::default() }
    }

    #[test]
    fn networks_restrict_a_client() {
        let rules = from(&["10.0.0.0/8", "192.0.2.7", "2001:db8::/32"]);
        let admits = |peer: &str| rules.admits(peer.parse().unwrap());
        assert!(admits("10.200.3.4"));
        assert!(admits("192.0.2.7"));
        assert!(admits("2001:db8::1"));
        assert!(admits("::ffff:10.1.1.1"), "a mapped address is an IPv4 address");
        assert!(!admits("11.0.0.1"));
        assert!(!admits("192.0.2.8"));
        assert!(from(&[]).admits("11.0.0.1".parse().unwrap()));
        assert_eq!(parse_network("10.1.2.3/8").unwrap().to_string(), "10.0.0.0/8");
        for text in ["", "10.0.0.0/33", "10.0.0", "example.org"] {
            assert_eq!(parse_network(text), Err(InvalidNetwork), "{text}");
        }
    }

    #[test]
    fn endpoints_restrict_a_client() {
        assert!(Endpoint::ALL.into_iter().all(|endpoint| ClientRules::default().permits(endpoint)));
        let rules = ClientRules { endpoints: Some(vec![Endpoint::Verification]), ..ClientRules::default() };
        assert!(rules.permits(Endpoint::Verification) && !rules.permits(Endpoint::FaceVerification));
        assert_eq!("verification".parse(), Ok(Endpoint::Verification));
        assert_eq!("everything".parse::<Endpoint>(), Err(UnknownEndpoint));
    }

    #[test]
    fn a_client_with_certificates_needs_one_of_them() {
        let certificates = vec!["bank.example".parse().unwrap()];
        let bound = ClientRules { certificates, ..ClientRules::default() };
        let of = |name: &str| ClientCertificate { sha256: [0; 32], alternative_names: vec![name.to_owned()] };
        assert!(bound.accepts(Some(&of("bank.example"))));
        assert!(!bound.accepts(Some(&of("shop.example"))) && !bound.accepts(None));
        let free = ClientRules::default();
        assert!(free.accepts(None) && free.accepts(Some(&of("shop.example"))));
        assert!(!free.lists(&of("shop.example")), "no certificate is listed");
    }

    #[test]
    fn the_rate_of_new_clients_is_within_range() {
        assert_eq!(RequestRate::new(20.0, Some(40)), Ok(RequestRate::of_new_clients()));
    }

    #[test]
    fn rates_and_bursts_out_of_range_are_refused() {
        assert_eq!(RequestRate::new(4.0, None).unwrap().interval(), Duration::from_millis(250));
        assert_eq!(RequestRate::new(0.5, None).unwrap().burst().get(), 1);
        assert_eq!(RequestRate::new(0.001, Some(1_000_000)).unwrap().interval(), Duration::from_secs(1000));
        for (per_second, burst) in [
            (f64::NAN, None),
            (f64::INFINITY, None),
            (-1.0, None),
            (0.0, None),
            (100_001.0, None),
            (1.0, Some(0)),
            (1.0, Some(1_000_001)),
        ] {
            assert_eq!(RequestRate::new(per_second, burst), Err(InvalidRequestRate), "{per_second}");
        }
    }
}
