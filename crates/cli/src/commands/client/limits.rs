use std::num::NonZeroU32;

use anyhow::{Result, bail};
use clap::{
    Args,
    builder::{PossibleValue, PossibleValuesParser, TypedValueParser},
};
use ipnet::IpNet;
use padan_domain::{
    CertificateName, ClientRules, Endpoint, GrantedFields, InvalidNetwork, RequestRate, UnknownField,
    parse_network,
};

const ANY_NETWORK: &str = "any";
const ALL_ENDPOINTS: &str = "all";

/// The limits of a client. Each of them has a word that lifts it.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of the command line")]
pub(super) struct LimitArguments {
    /// Network or address from which the client may call; may be repeated; `any` lifts this limit [default: any]
    #[arg(long, value_name = "CIDR", value_parser = parse_caller)]
    network: Vec<Caller>,
    /// Certificate that the client must present; may be repeated, then any of them is accepted [default: none needed]
    ///
    /// Needs TLS with `http.tls.client_ca_file`. NAME is sha256:DIGEST, or a DNS name, e-mail address or URI among the
    /// certificate's subject alternative names.
    #[arg(long, value_name = "NAME")]
    certificate: Vec<CertificateName>,
    /// Do not ask for a certificate
    #[arg(long, conflicts_with = "certificate")]
    no_certificate: bool,
    /// Endpoint that the client may call; may be repeated; `all` lifts this limit [default: all]
    #[arg(long, value_name = "NAME", value_parser = endpoint_parser())]
    endpoint: Vec<Callable>,
    /// Fields of basic verification that the client may have compared, with commas [default: default]
    ///
    /// The word `default` stands for all fields but `no_kk` and `mother_maiden_name`, which must be named, such as
    /// `--fields default,mother_maiden_name`. A field that is not allowed is answered null.
    #[arg(long, value_name = "NAMES", value_parser = parse_fields)]
    fields: Option<GrantedFields>,
    /// Maximum requests per second, counted by each service process [default for a new client: 20, and 40 at once]
    #[arg(long, value_name = "PER SECOND")]
    rate: Option<f64>,
    /// Do not limit the rate
    #[arg(long, conflicts_with_all = ["rate", "burst"])]
    no_rate: bool,
    /// Maximum requests at once, before the rate applies [default: as many as --rate allows in a second]
    #[arg(long)]
    burst: Option<u32>,
    /// Maximum requests per day in Jakarta, over all service processes [default: unlimited]
    #[arg(long, value_name = "REQUESTS", value_parser = parse_quota)]
    daily_quota: Option<NonZeroU32>,
    /// Do not limit the requests per day
    #[arg(long, conflicts_with = "daily_quota")]
    no_daily_quota: bool,
    /// Maximum requests per month in Jakarta, over all service processes [default: unlimited]
    #[arg(long, value_name = "REQUESTS", value_parser = parse_quota)]
    monthly_quota: Option<NonZeroU32>,
    /// Do not limit the requests per month
    #[arg(long, conflicts_with = "monthly_quota")]
    no_monthly_quota: bool,
}

/// From where a client may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Caller {
    Anywhere,
    In(IpNet),
}

/// What a client may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Callable {
    Everything,
    Only(Endpoint),
}

impl LimitArguments {
    /// The rules of a new client.
    pub(super) fn new_rules(&self) -> Result<ClientRules> {
        self.changed(&ClientRules { rate: Some(RequestRate::of_new_clients()), ..ClientRules::default() })
    }

    /// Whether the arguments name no limit.
    pub(super) fn is_empty(&self) -> bool {
        let Self { network, certificate, endpoint, fields, rate, burst, daily_quota, monthly_quota, .. } =
            self;
        let named =
            !(network.is_empty() && certificate.is_empty() && endpoint.is_empty() && fields.is_none())
                || rate.is_some()
                || burst.is_some()
                || daily_quota.is_some()
                || monthly_quota.is_some();
        !(named || self.no_certificate || self.no_rate || self.no_daily_quota || self.no_monthly_quota)
    }

    /// The rules `present` with the limits that the arguments name. All others stay.
    pub(super) fn changed(&self, present: &ClientRules) -> Result<ClientRules> {
        let quota = |given: Option<NonZeroU32>, is_lifted: bool, present: Option<NonZeroU32>| {
            given.or(present.filter(|_| !is_lifted))
        };
        let certificates = if self.certificate.is_empty() && !self.no_certificate {
            &present.certificates
        } else {
            &self.certificate
        };
        Ok(ClientRules {
            networks: self.networks(present)?,
            certificates: certificates.clone(),
            endpoints: self.endpoints(present)?,
            fields: self.fields.clone().unwrap_or_else(|| present.fields.clone()),
            rate: self.rate(present.rate)?,
            daily_quota: quota(self.daily_quota, self.no_daily_quota, present.daily_quota),
            monthly_quota: quota(self.monthly_quota, self.no_monthly_quota, present.monthly_quota),
        })
    }

    fn networks(&self, present: &ClientRules) -> Result<Vec<IpNet>> {
        match self.network.as_slice() {
            [] => Ok(present.networks.clone()),
            [Caller::Anywhere] => Ok(Vec::new()),
            several => several
                .iter()
                .map(|caller| match caller {
                    Caller::In(network) => Ok(*network),
                    Caller::Anywhere => bail!("`--network any` cannot be combined with other networks"),
                })
                .collect(),
        }
    }

    fn endpoints(&self, present: &ClientRules) -> Result<Option<Vec<Endpoint>>> {
        match self.endpoint.as_slice() {
            [] => Ok(present.endpoints.clone()),
            [Callable::Everything] => Ok(None),
            several => several
                .iter()
                .map(|callable| match callable {
                    Callable::Only(endpoint) => Ok(*endpoint),
                    Callable::Everything => bail!("`--endpoint all` cannot be combined with other endpoints"),
                })
                .collect::<Result<_>>()
                .map(Some),
        }
    }

    fn rate(&self, present: Option<RequestRate>) -> Result<Option<RequestRate>> {
        Ok(match (self.rate, self.burst, present) {
            (Some(rate), burst, _) => Some(RequestRate::new(rate, burst)?),
            (None, Some(burst), Some(present)) => Some(RequestRate::new(present.per_second(), Some(burst))?),
            (None, Some(_), None) => bail!("the client has no limit of its rate: give --rate with --burst"),
            (None, None, present) => present.filter(|_| !self.no_rate),
        })
    }
}

fn parse_caller(text: &str) -> Result<Caller, InvalidNetwork> {
    if text == ANY_NETWORK { Ok(Caller::Anywhere) } else { parse_network(text).map(Caller::In) }
}

/// Accepts the name of an endpoint, or `all`, and lists them in the help and in the error.
fn endpoint_parser() -> impl TypedValueParser<Value = Callable> {
    let names = Endpoint::ALL.map(Endpoint::as_str).into_iter().chain([ALL_ENDPOINTS]);
    PossibleValuesParser::new(names.map(PossibleValue::new)).try_map(|name| {
        if name == ALL_ENDPOINTS { Ok(Callable::Everything) } else { name.parse().map(Callable::Only) }
    })
}

fn parse_fields(list: &str) -> Result<GrantedFields, UnknownField> {
    GrantedFields::parse(list.split(',').map(str::trim))
}

fn parse_quota(text: &str) -> Result<NonZeroU32, &'static str> {
    text.parse().map_err(|_| {
        "must be a number of requests from 1 to 4294967295; `--no-daily-quota` and `--no-monthly-quota` lift a quota, \
         and `padan client disable` refuses all requests"
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        limits: LimitArguments,
    }

    fn parse(line: &str) -> Result<LimitArguments, clap::Error> {
        Line::try_parse_from(["padan"].into_iter().chain(line.split_whitespace())).map(|line| line.limits)
    }

    fn limited() -> ClientRules {
        ClientRules {
            networks: vec!["10.0.0.0/8".parse().unwrap()],
            certificates: vec!["bank.example".parse().unwrap()],
            endpoints: Some(vec![Endpoint::Verification]),
            fields: GrantedFields::parse(["name"]).unwrap(),
            rate: Some(RequestRate::new(2.0, Some(9)).unwrap()),
            daily_quota: NonZeroU32::new(100),
            monthly_quota: NonZeroU32::new(1000),
        }
    }

    fn changed(line: &str) -> ClientRules {
        parse(line).unwrap().changed(&limited()).unwrap()
    }

    #[test]
    fn one_limit_changes_and_all_others_stay() {
        let rate = Some(RequestRate::new(5.0, None).unwrap());
        assert_eq!(changed("--rate 5"), ClientRules { rate, ..limited() });
        let rate = Some(RequestRate::new(2.0, Some(4)).unwrap());
        assert_eq!(changed("--burst 4"), ClientRules { rate, ..limited() });
        let networks = vec!["192.0.2.0/24".parse().unwrap(), "192.0.3.7/32".parse().unwrap()];
        assert_eq!(
            changed("--network 192.0.2.0/24 --network 192.0.3.7"),
            ClientRules { networks, ..limited() }
        );
        let certificates = vec!["shop.example".parse().unwrap()];
        assert_eq!(changed("--certificate shop.example"), ClientRules { certificates, ..limited() });
        let endpoints = Some(vec![Endpoint::FaceVerification]);
        assert_eq!(changed("--endpoint face-verification"), ClientRules { endpoints, ..limited() });
        let fields = GrantedFields::default();
        assert_eq!(changed("--fields default"), ClientRules { fields, ..limited() });
        assert_eq!(changed("--daily-quota 7"), ClientRules { daily_quota: NonZeroU32::new(7), ..limited() });
        assert_eq!(
            changed("--monthly-quota 7"),
            ClientRules { monthly_quota: NonZeroU32::new(7), ..limited() }
        );
    }

    #[test]
    fn each_limit_is_lifted_by_a_word_of_its_own() {
        assert_eq!(changed("--network any"), ClientRules { networks: Vec::new(), ..limited() });
        assert_eq!(changed("--no-certificate"), ClientRules { certificates: Vec::new(), ..limited() });
        assert_eq!(changed("--endpoint all"), ClientRules { endpoints: None, ..limited() });
        assert_eq!(changed("--no-rate"), ClientRules { rate: None, ..limited() });
        assert_eq!(changed("--no-daily-quota"), ClientRules { daily_quota: None, ..limited() });
        assert_eq!(changed("--no-monthly-quota"), ClientRules { monthly_quota: None, ..limited() });
    }

    #[test]
    fn it_is_known_whether_a_limit_is_named() {
        assert!(parse("").unwrap().is_empty());
        for line in [
            "--network any",
            "--certificate a.example",
            "--no-certificate",
            "--endpoint all",
            "--fields default",
            "--rate 1",
            "--no-rate",
            "--burst 1",
            "--daily-quota 1",
            "--no-daily-quota",
            "--monthly-quota 1",
            "--no-monthly-quota",
        ] {
            assert!(!parse(line).unwrap().is_empty(), "{line}");
        }
    }

    #[test]
    fn contradictions_are_refused() {
        for line in [
            "--rate 1 --no-rate",
            "--burst 1 --no-rate",
            "--daily-quota 1 --no-daily-quota",
            "--monthly-quota 1 --no-monthly-quota",
            "--certificate a.example --no-certificate",
            "--endpoint shoes",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
        for line in ["--network any --network 10.0.0.0/8", "--endpoint all --endpoint verification"] {
            assert!(parse(line).unwrap().changed(&limited()).is_err(), "{line}");
        }
        assert!(parse("--burst 3").unwrap().changed(&ClientRules::default()).is_err(), "no rate to change");
    }

    #[test]
    fn a_quota_of_nothing_says_what_to_do_instead() {
        for line in ["--daily-quota 0", "--monthly-quota 0"] {
            let error = parse(line).unwrap_err().to_string();
            assert!(error.contains("from 1") && error.contains("--no-daily-quota"), "{error}");
            assert!(error.contains("padan client disable"), "{error}");
        }
    }
}
