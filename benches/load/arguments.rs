use std::{path::PathBuf, time::Duration};

use clap::{Parser, ValueEnum};
use padan_load::Size;

/// Send verifications to a service and print how they were answered, as JSON
#[derive(Debug, Parser)]
#[command(name = "padan-load")]
pub(crate) struct Arguments {
    /// Where the service or its balancer listens
    #[arg(long, default_value = "http://127.0.0.1:8080", value_parser = address)]
    pub(crate) url: String,
    /// What is asked
    #[arg(long, value_enum, default_value_t = Asked::Faces)]
    pub(crate) ask: Asked,
    /// A folder with `people.csv` and `selfies.csv`, as for `padan demo`; people whose record is not active are left out
    #[arg(long, value_name = "DIR", default_value = "people")]
    pub(crate) people: PathBuf,
    /// Width and height to which the selfies are enlarged, such as 1080x1440, with grain so that they compress like photos;
    /// several times for several sizes in turn; not given, they are sent as they are
    #[arg(long = "size", value_name = "WxH")]
    pub(crate) sizes: Vec<Size>,
    /// Callers, each of whom asks again once answered
    #[arg(long, value_name = "N", default_value_t = 8, conflicts_with = "rate")]
    pub(crate) connections: usize,
    /// Requests a second, whatever becomes of those before
    #[arg(long, value_name = "R", value_parser = rate)]
    pub(crate) rate: Option<f64>,
    /// Requests under way at most with `--rate`; one that is due beyond it fails as `overrun`
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub(crate) most_under_way: usize,
    /// How long to send
    #[arg(long, default_value_t = 10, conflicts_with = "requests")]
    seconds: u32,
    /// How many requests to send, however long it takes
    #[arg(long, value_name = "N")]
    pub(crate) requests: Option<u64>,
    /// How long to send before that, by `--connections`, without counting anything
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    warm_up: u32,
    /// A process whose CPU time and memory are told, with its descendants', from the first request that is counted to
    /// the last answer; several times for several
    #[arg(long, value_name = "PID")]
    pub(crate) watch: Vec<u32>,
    /// After how long a request without an answer fails
    #[arg(long, default_value_t = 30)]
    timeout_seconds: u32,
    /// User name of the client
    #[arg(long, default_value = "demo")]
    pub(crate) user: String,
    /// Its password
    #[arg(long, env = "PADAN_LOAD_PASSWORD", hide_env_values = true, default_value = "demo")]
    pub(crate) password: String,
    /// Its API key
    #[arg(long, env = "PADAN_LOAD_API_KEY", hide_env_values = true, default_value = "demo")]
    pub(crate) api_key: String,
}

/// What is asked of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Asked {
    /// Face verifications, each with a selfie of the person
    Faces,
    /// Verifications of text fields
    Fields,
    /// Both in turn
    Both,
}

impl Arguments {
    /// How long to send, unless a number of requests ends it.
    pub(crate) fn seconds(&self) -> Option<Duration> {
        self.requests.is_none().then(|| Duration::from_secs(self.seconds.into()))
    }

    pub(crate) fn warm_up(&self) -> Duration {
        Duration::from_secs(self.warm_up.into())
    }

    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_seconds.into())
    }
}

/// Host and port of a URL without a path.
fn address(url: &str) -> Result<String, String> {
    let rest = url.strip_prefix("http://").ok_or("it has to begin with http://")?;
    let host = rest.trim_end_matches('/');
    match host.rsplit_once(':') {
        _ if host.contains('/') => Err("it has a path".into()),
        Some((_, port)) if port.parse::<u16>().is_ok() => Ok(host.to_owned()),
        _ => Ok(format!("{host}:80")),
    }
}

fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| "it is no number")?;
    if rate.is_finite() && rate > 0.0 { Ok(rate) } else { Err("it has to be more than 0".into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_host_and_port() {
        assert_eq!(address("http://127.0.0.1:8080/").as_deref(), Ok("127.0.0.1:8080"));
        assert_eq!(address("http://padan.example").as_deref(), Ok("padan.example:80"));
        assert!(address("https://padan.example").is_err() && address("http://padan.example/x").is_err());
    }

    #[test]
    fn a_rate_is_more_than_nothing() {
        assert_eq!(rate("2.5"), Ok(2.5));
        assert!(["0", "-1", "inf", "NaN", "many"].iter().all(|text| rate(text).is_err()));
    }
}
