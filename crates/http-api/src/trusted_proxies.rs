use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use actix_web::http::header::{HeaderMap, X_FORWARDED_FOR};
use ipnet::IpNet;

/// The proxies whose `X-Forwarded-For` is trusted. The header of any other peer is ignored.
#[derive(Debug, Clone, Default)]
pub(crate) struct TrustedProxies(Arc<[IpNet]>);

impl TrustedProxies {
    pub(crate) fn new(networks: &[IpNet]) -> Self {
        Self(networks.into())
    }

    /// The caller's address. Each proxy appends the address of its own caller to `X-Forwarded-For`, so the header is
    /// read from the right, past the trusted proxies, to the first address that is not one of them. The caller may have
    /// written everything left of it. If an entry is not an address, the proxy that sent it counts as the caller.
    pub(crate) fn caller(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut caller = peer.to_canonical();
        let values: Vec<_> = headers.get_all(X_FORWARDED_FOR).collect();
        let entries =
            values.into_iter().rev().flat_map(|value| value.as_bytes().rsplit(|byte| *byte == b','));
        for entry in entries {
            if !self.trusts(caller) {
                break;
            }
            let Some(named) = address(entry) else { break };
            caller = named;
        }
        caller
    }

    /// Whether the address is that of a trusted proxy.
    pub(crate) fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// An address as proxies write it: plain, or with a port, in which case an IPv6 address has brackets.
fn address(entry: &[u8]) -> Option<IpAddr> {
    let text = str::from_utf8(entry).ok()?.trim();
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().or_else(|_| text.parse::<SocketAddr>().map(|address| address.ip()));
    address.ok().map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn caller(peer: &str, forwarded: &[&str]) -> String {
        let proxies = TrustedProxies::new(&["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()]);
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(X_FORWARDED_FOR, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        proxies.caller(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn only_a_trusted_proxy_names_the_caller() {
        assert_eq!(caller("10.0.0.1", &["192.0.2.7"]), "192.0.2.7");
        assert_eq!(caller("::ffff:10.0.0.1", &["192.0.2.7"]), "192.0.2.7", "a listener on [::]");
        assert_eq!(caller("192.0.2.9", &["192.0.2.7"]), "192.0.2.9");
        assert_eq!(caller("10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn entries_that_the_caller_wrote_are_ignored() {
        assert_eq!(caller("10.0.0.1", &["203.0.113.1, 192.0.2.7, 10.0.0.2"]), "192.0.2.7");
        assert_eq!(caller("10.0.0.1", &["203.0.113.1", "192.0.2.7"]), "192.0.2.7");
        assert_eq!(caller("10.0.0.1", &["10.0.0.3, 10.0.0.2"]), "10.0.0.3", "the request began inside");
    }

    #[test]
    fn ports_and_brackets_are_removed_from_addresses() {
        assert_eq!(caller("10.0.0.1", &["192.0.2.7:4711"]), "192.0.2.7");
        assert_eq!(caller("fd00::1", &["[2001:db8::7]:4711"]), "2001:db8::7");
        assert_eq!(caller("fd00::1", &["[2001:db8::7]"]), "2001:db8::7");
    }

    #[test]
    fn an_invalid_entry_ends_the_reading_at_the_proxy_that_sent_it() {
        assert_eq!(caller("10.0.0.1", &["192.0.2.7, unknown"]), "10.0.0.1");
        assert_eq!(caller("10.0.0.1", &["192.0.2.7, unknown, 10.0.0.2"]), "10.0.0.2");
        assert_eq!(caller("10.0.0.1", &["192.0.2.7,"]), "10.0.0.1");
    }

    proptest! {
        #[test]
        fn the_entry_of_the_proxy_counts_for_any_text_of_the_caller(text in "[ -~]{0,60}") {
            prop_assert_eq!(caller("10.0.0.1", &[&format!("{text}, 192.0.2.7")]), "192.0.2.7");
        }
    }
}
