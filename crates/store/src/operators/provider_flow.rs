//! A sign-in through a provider, from when a browser leaves for the provider to when it comes back.
//!
//! The browser keeps a signed text meanwhile. The secrets of the flow follow from it under the audit key, so that the
//! database has nothing of them, each process can go on with it, and who reads the text learns none of them.

use chrono::{DateTime, Utc};
use subtle::ConstantTimeEq as _;

use crate::{audit::keys::AuditKeys, error::StoreError, handles::Operators};

/// What ties the parts of one sign-in together.
pub struct ProviderFlow {
    /// What the browser keeps.
    pub text: String,
    /// When it began.
    pub began_at: DateTime<Utc>,
    /// Comes back with the browser.
    pub state: String,
    /// Comes back in the token.
    pub nonce: String,
    /// Proves that the code is used by who asked for it.
    pub verifier: String,
}

const RANDOM_BYTES: usize = 32;
const SIGNATURE: &str = "padan provider flow 1";
const SECRETS: [&str; 3] =
    ["padan provider flow state 1", "padan provider flow nonce 1", "padan provider flow verifier 1"];

impl Operators {
    /// Begins a sign-in.
    ///
    /// # Errors
    ///
    /// When the key cannot sign, or there are no random bytes.
    pub fn new_provider_flow(&self, now: DateTime<Utc>) -> Result<ProviderFlow, StoreError> {
        let mut random = [0; RANDOM_BYTES];
        getrandom::fill(&mut random).map_err(|_| StoreError::no_random_bytes())?;
        let key_id = self.0.audit_keys().current_id();
        let flow = flow_of(self.0.audit_keys(), key_id, now.timestamp(), &random);
        flow.ok_or(StoreError::Cryptography("the audit key cannot sign"))
    }

    /// The sign-in whose text a browser sends; `None` when this service did not begin it.
    pub fn provider_flow(&self, text: &str) -> Option<ProviderFlow> {
        read_flow(self.0.audit_keys(), text)
    }
}

fn read_flow(keys: &AuditKeys, text: &str) -> Option<ProviderFlow> {
    let mut parts = text.split('.');
    let (key_id, began_at, random) = (parts.next()?, parts.next()?, parts.next()?);
    let random: [u8; RANDOM_BYTES] = hex::decode(random).ok()?.try_into().ok()?;
    let flow = flow_of(keys, key_id, began_at.parse().ok()?, &random)?;
    bool::from(flow.text.as_bytes().ct_eq(text.as_bytes())).then_some(flow)
}

fn flow_of(keys: &AuditKeys, key_id: &str, began_at: i64, random: &[u8]) -> Option<ProviderFlow> {
    let secret = |purpose| {
        let secret = keys.signature(key_id, purpose)?.integer(began_at).with(Some(random)).finish();
        Some(hex::encode(secret))
    };
    let [state, nonce, verifier] = SECRETS.map(secret);
    Some(ProviderFlow {
        text: format!("{key_id}.{began_at}.{}.{}", hex::encode(random), secret(SIGNATURE)?),
        began_at: DateTime::from_timestamp(began_at, 0)?,
        state: state?,
        nonce: nonce?,
        verifier: verifier?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_text_that_the_service_made_is_a_flow_and_it_reveals_no_secret() {
        let keys = AuditKeys::from_hex(&"0123456789abcdef".repeat(4).into()).unwrap();
        let flow = flow_of(&keys, keys.current_id(), 1_770_000_000, &[7; RANDOM_BYTES]).unwrap();
        let same = read_flow(&keys, &flow.text).unwrap();
        assert_eq!([&same.state, &same.nonce, &same.verifier], [&flow.state, &flow.nonce, &flow.verifier]);
        let secrets = [&flow.state, &flow.nonce, &flow.verifier];
        assert!(secrets.iter().all(|secret| secret.len() == 64 && !flow.text.contains(secret.as_str())));
        assert!(flow.state != flow.nonce && flow.nonce != flow.verifier && flow.state != flow.verifier);
        let other = AuditKeys::from_hex(&"123456789abcdef0".repeat(4).into()).unwrap();
        assert!(read_flow(&other, &flow.text).is_none());
        for changed in [
            flow.text.replacen("1770000000", "1770000001", 1),
            flow.text.replacen("0707", "0708", 1),
            flow.text.replacen("1770000000", "+1770000000", 1),
            flow.text.to_uppercase(),
            format!("{}.", flow.text),
            flow.text[..flow.text.len() - 1].to_owned(),
            String::new(),
            "...".to_owned(),
        ] {
            assert!(read_flow(&keys, &changed).is_none(), "{changed}");
        }
    }
}
