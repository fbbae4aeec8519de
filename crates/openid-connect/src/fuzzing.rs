//! The fuzz target of this crate: an ID token and the keys that verify it. Only in tests and in `make fuzz`.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use padan_domain::OperatorRole;

use crate::{
    claims::{Claims, has_groups, name_of, role_of},
    config::{Config, RoleOfGroup},
    id_token::{Expected, IdToken, expiry, subject},
    identity::{account_of, shown_name},
    keys::{Keys, Verified},
};

/// The public key of RFC 8037, appendix A.2.
const KEYS: &str =
    r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
/// What that appendix signs with it: the only text with a right signature.
const SIGNED: &str = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
const NONCE: &str = "nonce";
/// 1 January 2026.
const NOW: i64 = 1_767_225_600;
const SKEW_SECONDS: u32 = 60;

/// Reads a text as an ID token; and its lines as header, claims, signature in Base64 and keys of one.
///
/// # Panics
///
/// When a property does not hold.
pub fn id_token(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(token) = IdToken::parse(&text) {
        check_signature(&token, &text);
    }
    let mut lines = text.splitn(4, '\n');
    let mut next = || lines.next().unwrap_or_default();
    let (header, claims, signature, keys) = (next(), next(), next(), next());
    let encoded = |part: &str| URL_SAFE_NO_PAD.encode(part);
    let composed = format!("{}.{}.{signature}", encoded(header), encoded(claims));
    let Ok(token) = IdToken::parse(&composed) else { return };
    check_signature(&token, &composed);
    if let Ok(keys) = serde_json::from_str::<Keys>(keys) {
        let verified = token.verify(&keys);
        assert!(keys.len() > 0 || verified == Verified::NoKey, "no key verifies a signature");
    }
    let config = config();
    let now = DateTime::from_timestamp(NOW, 0).unwrap_or_default();
    if let Ok(claims) = token.claims(&Expected { config: &config, nonce: NONCE, now }) {
        check_claims(&claims, &config, now);
    }
}

/// The signature of nothing else is right.
fn check_signature(token: &IdToken<'_>, text: &str) {
    let Ok(keys) = serde_json::from_str(KEYS) else { return };
    if token.verify(&keys) == Verified::Right {
        assert_eq!(
            text.rsplit_once('.').map(|(signed, _)| signed),
            Some(SIGNED),
            "a forged signature is right"
        );
    }
}

/// Claims that were accepted are of this sign-in, and the account that they name can be stored and shown.
fn check_claims(claims: &Claims, config: &Config, now: DateTime<Utc>) {
    let is = |name: &str, value: &str| claims.get(name).and_then(|claim| claim.as_str()) == Some(value);
    assert!(is("iss", &config.issuer), "the issuer is another one");
    assert!(is("nonce", NONCE), "the nonce is another one");
    let expires_at = expiry(claims).map(|at| at.timestamp() + i64::from(SKEW_SECONDS));
    assert!(expires_at.is_some_and(|at| at > now.timestamp()), "the token has expired");
    let subject = subject(claims).unwrap_or_default();
    assert!(!subject.is_empty(), "the token has no subject");
    if let Some(account) = account_of(subject) {
        let account = account.to_string();
        assert!(account.starts_with("oidc:") && account.len() <= 64 && account.is_ascii(), "{account}");
    }
    for name in name_of(claims, config).into_iter().chain([subject]) {
        let shown = shown_name(name);
        assert!(shown.chars().count() <= 80 && !shown.chars().any(char::is_control), "{shown:?}");
    }
    if let Some(role) = role_of(claims, config) {
        assert!(has_groups(claims, config), "a role without groups");
        assert!(
            claims.values().any(|value| value.to_string().contains(&format!("\"{}\"", role.group))),
            "a role whose group nobody named"
        );
    }
}

fn config() -> Config {
    let role = |role, group: &str| RoleOfGroup { role, group: group.to_owned() };
    Config {
        enabled: true,
        issuer: "https://idp.example".to_owned(),
        client_id: "padan".to_owned(),
        client_secret_file: None,
        public_address: "https://padan.example".to_owned(),
        scopes: Vec::new(),
        groups_claim: "/realm/roles".to_owned(),
        name_claim: "name".to_owned(),
        roles: vec![role(OperatorRole::Auditor, "audit"), role(OperatorRole::Operator, "ops")],
        label: "Bank".to_owned(),
        sign_out_at_provider: false,
        session_seconds: std::num::NonZeroU32::MIN,
        end_with_id_token: true,
        clock_skew_seconds: SKEW_SECONDS,
        timeout_ms: std::num::NonZeroU64::MIN,
        ca_file: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_standard_has_a_right_signature() {
        // RFC 8037, appendix A.4.
        let signature =
            "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
        let text = format!("{SIGNED}.{signature}");
        let token = IdToken::parse(&text).unwrap();
        assert_eq!(token.verify(&serde_json::from_str(KEYS).unwrap()), Verified::Right);
    }

    #[test]
    fn short_round_of_id_token() {
        padan_fuzz_round::short_round("id_token", id_token);
    }
}
