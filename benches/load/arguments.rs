use std::{path::PathBuf, time::Duration};

use clap::{Parser, ValueEnum};
use padan_load::Size;

/// Send verifications to a service and print statistics of the answers as JSON
#[derive(Debug, Parser)]
#[command(name = "padan-load")]
pub(crate) struct Arguments {
    /// URL of the service or its load balancer
    #[arg(long, default_value = "http://127.0.0.1:8080", value_parser = address)]
    pub(crate) url: String,
    /// Which requests are sent
    #[arg(long, value_enum, default_value_t = RequestKind::Faces)]
    pub(crate) ask: RequestKind,
    /// Folder with `people.csv` and `selfies.csv`, as for `padan-demo run`; only people with an active record are used
    #[arg(long, value_name = "DIR", default_value = "people")]
    pub(crate) people: PathBuf,
    /// Enlarge the selfies to this width and height, such as 1080x1440; may be repeated, then the sizes are sent in
    /// turn
    ///
    /// Enlarged selfies get grain, so that they compress like a camera's photos. Without this option the files are sent
    /// as they are.
    #[arg(long = "size", value_name = "WxH")]
    pub(crate) sizes: Vec<Size>,
    /// Send this photo instead of the selfies, for each person; may be repeated, then the photos are sent in turn
    #[arg(long = "photo", value_name = "FILE", conflicts_with = "sizes")]
    pub(crate) photos: Vec<PathBuf>,
    /// Closed loop: number of callers, each of which sends its next request after an answer
    #[arg(long, value_name = "N", default_value_t = 8, conflicts_with = "rate")]
    pub(crate) connections: usize,
    /// Open loop: requests per second, independent of the answers
    #[arg(long, value_name = "R", value_parser = rate)]
    pub(crate) rate: Option<f64>,
    /// Maximum requests in flight with `--rate`; a request beyond this limit fails as `overrun`
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub(crate) max_in_flight: usize,
    /// How long to send
    #[arg(long, default_value_t = 10, conflicts_with = "requests")]
    seconds: u32,
    /// Number of requests to send, instead of a time
    #[arg(long, value_name = "N")]
    pub(crate) requests: Option<u64>,
    /// How long to send with `--connections` before the measurement, without counting
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    warm_up: u32,
    /// Also print the CPU time and memory of this process and its descendants during the measurement; may be repeated
    #[arg(long, value_name = "PID")]
    pub(crate) watch: Vec<u32>,
    /// Timeout of a request
    #[arg(long, default_value_t = 30)]
    timeout_seconds: u32,
    /// User name of the client
    #[arg(long, default_value = "demo")]
    pub(crate) user: String,
    /// Password of the client
    #[arg(long, env = "PADAN_LOAD_PASSWORD", hide_env_values = true, default_value = "demo")]
    pub(crate) password: String,
    /// API key of the client
    #[arg(long, env = "PADAN_LOAD_API_KEY", hide_env_values = true, default_value = "demo")]
    pub(crate) api_key: String,
}

/// The kind of requests that are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RequestKind {
    /// Face verifications, each with a selfie of the person
    Faces,
    /// Verifications of text fields
    Fields,
    /// Both in turn
    Both,
}

impl Arguments {
    /// How long to send; `None` when a number of requests is given.
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

/// Parses a URL without a path into host and port.
fn address(url: &str) -> Result<String, String> {
    let rest = url.strip_prefix("http://").ok_or("expected a URL that begins with http://")?;
    let host = rest.trim_end_matches('/');
    match host.rsplit_once(':') {
        _ if host.contains('/') => Err("expected a URL without a path".into()),
        Some((_, port)) if port.parse::<u16>().is_ok() => Ok(host.to_owned()),
        _ => Ok(format!("{host}:80")),
    }
}

fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| "expected a number")?;
    if rate.is_finite() && rate > 0.0 { Ok(rate) } else { Err("expected a number above 0".into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_gives_host_and_port() {
        assert_eq!(address("http://127.0.0.1:8080/").as_deref(), Ok("127.0.0.1:8080"));
        assert_eq!(address("http://padan.example").as_deref(), Ok("padan.example:80"));
        assert!(address("https://padan.example").is_err() && address("http://padan.example/x").is_err());
    }

    #[test]
    fn a_rate_is_above_zero() {
        assert_eq!(rate("2.5"), Ok(2.5));
        assert!(["0", "-1", "inf", "NaN", "many"].iter().all(|text| rate(text).is_err()));
    }
}
