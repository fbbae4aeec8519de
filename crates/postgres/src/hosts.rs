//! URLs with several hosts, as libpq has them.

/// A URL of which each part leads to one host.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Hosts {
    /// One URL for each host, in order.
    pub(crate) urls: Vec<String>,
    /// The value of `target_session_attrs`.
    pub(crate) wanted: Option<String>,
}

/// The parameters that say where the servers are.
const PLACES: [&str; 3] = ["host", "hostaddr", "port"];
const WANTED: &str = "target_session_attrs";

impl Hosts {
    /// Splits a URL. One with a single host stays as it is, but for `target_session_attrs`, which the driver does not
    /// know.
    ///
    /// # Errors
    ///
    /// When a host is empty, or the number of ports does not fit. The text contains no credentials.
    pub(crate) fn of(url: &str) -> Result<Self, String> {
        let (scheme, rest) = url.split_once("://").ok_or("it has no scheme")?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        let (user, places) = authority.rsplit_once('@').unwrap_or(("", authority));
        let parameters: Vec<_> = query.split('&').filter(|pair| !pair.is_empty()).collect();
        let wanted = value_of(&parameters, WANTED).map(decoded);
        let list = |key: &str| value_of(&parameters, key).map(decoded).filter(|value| value.contains(','));
        let named = list("hostaddr").or_else(|| list("host"));
        if named.is_none() && !places.contains(',') {
            let kept = without(&parameters, &[WANTED]);
            return Ok(Self { urls: vec![joined(scheme, authority, path, &kept)], wanted });
        }
        let places = match named {
            Some(hosts) => with_ports(&hosts, value_of(&parameters, "port").map(decoded).as_deref())?,
            None => places.split(',').map(str::to_owned).collect(),
        };
        if places.iter().any(|place| place.is_empty() || place.starts_with(':')) {
            return Err("a host in its list is empty".to_owned());
        }
        let kept = without(&parameters, &[PLACES.as_slice(), &[WANTED]].concat());
        let user = if user.is_empty() { String::new() } else { format!("{user}@") };
        let urls = places.iter().map(|place| joined(scheme, &format!("{user}{place}"), path, &kept));
        Ok(Self { urls: urls.collect(), wanted })
    }
}

/// The last value of a parameter, which is the one that counts.
fn value_of<'q>(parameters: &[&'q str], key: &str) -> Option<&'q str> {
    let mut pairs = parameters.iter().rev().filter_map(|pair| pair.split_once('='));
    pairs.find(|(found, _)| *found == key).map(|(_, value)| value)
}

fn without(parameters: &[&str], keys: &[&str]) -> String {
    let is_kept = |pair: &&&str| !keys.contains(&pair.split('=').next().unwrap_or_default());
    parameters.iter().filter(is_kept).copied().collect::<Vec<_>>().join("&")
}

fn joined(scheme: &str, authority: &str, path: &str, query: &str) -> String {
    let mark = if query.is_empty() { "" } else { "?" };
    format!("{scheme}://{authority}{path}{mark}{query}")
}

/// Hosts and ports, in the form that they have in a URL. One port is that of all hosts.
fn with_ports(hosts: &str, ports: Option<&str>) -> Result<Vec<String>, String> {
    let hosts: Vec<_> = hosts.split(',').collect();
    let ports: Vec<_> = ports.map(|ports| ports.split(',').collect()).unwrap_or_default();
    if ports.len() > 1 && ports.len() != hosts.len() {
        return Err(format!("it names {} hosts and {} ports", hosts.len(), ports.len()));
    }
    let port_of = |index: usize| ports.get(index).or(ports.first()).copied().unwrap_or_default();
    let place = |(index, host): (usize, &&str)| {
        let port = port_of(index);
        let colon = if port.is_empty() { "" } else { ":" };
        format!("{}{colon}{port}", in_url(host))
    };
    Ok(hosts.iter().enumerate().map(place).collect())
}

/// A host as a part of a URL: a folder with its slashes encoded, an IPv6 address in brackets.
fn in_url(host: &str) -> String {
    if host.starts_with('/') {
        host.replace('/', "%2F")
    } else if host.contains(':') && !host.starts_with('[') {
        format!("[{host}]")
    } else {
        host.to_owned()
    }
}

/// A value with its percent signs decoded. What is no valid encoding stays.
fn decoded(value: &str) -> String {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(url: &str) -> Vec<String> {
        Hosts::of(url).unwrap().urls
    }

    #[test]
    fn a_single_host_stays_as_it_is() {
        for url in [
            "postgres://localhost/d",
            "postgresql://u:p%2Cq@[::1]:5433/d?sslmode=verify-full&host=/run",
            "postgres://u,v:p,q@h/d?application_name=a,b",
            "postgres:///d?host=/tmp&port=1",
        ] {
            assert_eq!(Hosts::of(url).unwrap(), Hosts { urls: vec![url.to_owned()], wanted: None });
        }
    }

    #[test]
    fn hosts_are_taken_from_where_libpq_has_them() {
        assert_eq!(
            urls("postgres://u:p,q@a:1,b,[::1]:3/d?sslmode=verify-full&target_session_attrs=primary"),
            [
                "postgres://u:p,q@a:1/d?sslmode=verify-full",
                "postgres://u:p,q@b/d?sslmode=verify-full",
                "postgres://u:p,q@[::1]:3/d?sslmode=verify-full"
            ]
        );
        assert_eq!(
            urls("postgres://u@/d?host=a,%2Ftmp,::1&port=1,2,3"),
            ["postgres://u@a:1/d", "postgres://u@%2Ftmp:2/d", "postgres://u@[::1]:3/d"]
        );
        // One port is that of all, and the parameter counts before the hosts at the beginning.
        assert_eq!(urls("postgres://x,y/d?host=a%2Cb&port=7"), ["postgres://a:7/d", "postgres://b:7/d"]);
        assert_eq!(
            urls("postgres:///d?hostaddr=10.0.0.1,10.0.0.2"),
            ["postgres://10.0.0.1/d", "postgres://10.0.0.2/d"]
        );
    }

    #[test]
    fn the_wanted_kind_of_server_is_taken_out_of_the_url() {
        let hosts = Hosts::of("postgres://h/d?target_session_attrs=read%2Dwrite&sslmode=require").unwrap();
        assert_eq!(hosts.urls, ["postgres://h/d?sslmode=require"]);
        assert_eq!(hosts.wanted.as_deref(), Some("read-write"));
    }

    #[test]
    fn a_list_with_a_gap_is_refused_without_credentials() {
        for url in [
            "postgres://u:s3cret@a,,b/d",
            "postgres://u:s3cret@a,:5/d",
            "postgres://u:s3cret@/d?host=a,b,c&port=1,2",
        ] {
            let refusal = Hosts::of(url).unwrap_err();
            assert!(!refusal.contains("s3cret"), "{refusal}");
        }
    }
}
