//! An ID token: a JSON Web Token that says who somebody is.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    claims::Claims,
    config::Config,
    fault::Fault,
    keys::{Algorithm, Keys, Verified},
};

/// A token whose signature was not verified yet.
pub(crate) struct IdToken<'a> {
    algorithm: Algorithm,
    key_id: Option<String>,
    /// Header and claims as they were signed.
    signed: &'a str,
    signature: Vec<u8>,
}

/// What a token must say.
pub(crate) struct Expected<'a> {
    pub(crate) config: &'a Config,
    pub(crate) nonce: &'a str,
    pub(crate) now: DateTime<Utc>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    /// Extensions that must be understood. None is.
    crit: Option<Value>,
}

/// The token is made for this sign-in, so it is new.
const MAX_AGE: TimeDelta = TimeDelta::minutes(10);
/// The longest subject by the standard.
const MAX_SUBJECT_BYTES: usize = 255;

impl<'a> IdToken<'a> {
    /// Reads the header. A token that is not signed, or by a shared secret, is refused.
    pub(crate) fn parse(text: &'a str) -> Result<Self, Fault> {
        const FORM: Fault = Fault::Refused("the ID token is not a signed JSON Web Token");
        let (signed, signature) = text.rsplit_once('.').ok_or(FORM)?;
        let (header, claims) = signed.split_once('.').ok_or(FORM)?;
        if claims.contains('.') {
            return Err(FORM);
        }
        let header: Header = decoded(header).ok_or(FORM)?;
        if header.crit.is_some() || header.typ.is_some_and(|kind| !kind.eq_ignore_ascii_case("JWT")) {
            return Err(Fault::Refused("the ID token is of a kind that is not supported"));
        }
        let algorithm = Algorithm::named(&header.alg)
            .ok_or(Fault::Refused("the ID token has no signature by an asymmetric algorithm"))?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| FORM)?;
        Ok(Self { algorithm, key_id: header.kid, signed, signature })
    }

    pub(crate) fn verify(&self, keys: &Keys) -> Verified {
        keys.verify(self.algorithm, self.key_id.as_deref(), self.signed.as_bytes(), &self.signature)
    }

    /// The claims of a token whose signature is right, checked.
    pub(crate) fn claims(&self, expected: &Expected<'_>) -> Result<Claims, Fault> {
        let claims = self.signed.split_once('.').and_then(|(_, claims)| decoded(claims));
        let claims: Claims = claims.ok_or(Fault::Refused("the ID token has no claims"))?;
        check_parties(&claims, expected.config)?;
        check_times(&claims, expected)?;
        if claims.get("nonce").and_then(Value::as_str) != Some(expected.nonce) {
            return Err(Fault::Refused("the ID token is of another sign-in: its nonce is wrong"));
        }
        if subject(&claims).is_none() {
            return Err(Fault::Refused("the ID token has no subject of 1 to 255 characters"));
        }
        Ok(claims)
    }

    /// Refuses an access token that the ID token was not issued with.
    pub(crate) fn check_access_token(&self, claims: &Claims, access_token: &str) -> Result<(), Fault> {
        match claims.get("at_hash") {
            Some(hash) if hash.as_str() != Some(&self.algorithm.half_hash(access_token)) => {
                Err(Fault::Refused("the access token does not belong to the ID token"))
            }
            _ => Ok(()),
        }
    }
}

/// What the issuer calls the person.
pub(crate) fn subject(claims: &Claims) -> Option<&str> {
    let subject = claims.get("sub")?.as_str()?;
    (1..=MAX_SUBJECT_BYTES).contains(&subject.len()).then_some(subject)
}

/// When the token expires.
pub(crate) fn expiry(claims: &Claims) -> Option<DateTime<Utc>> {
    moment(claims, "exp")
}

fn check_parties(claims: &Claims, config: &Config) -> Result<(), Fault> {
    if claims.get("iss").and_then(Value::as_str) != Some(&config.issuer) {
        return Err(Fault::Refused("the ID token is of another issuer"));
    }
    let is_ours = |value: &Value| value.as_str() == Some(&config.client_id);
    // Another recipient of the token could use it here, so it must have none.
    let is_for_us = match claims.get("aud") {
        Some(Value::Array(audience)) => !audience.is_empty() && audience.iter().all(is_ours),
        Some(audience) => is_ours(audience),
        None => false,
    };
    if !is_for_us || !claims.get("azp").is_none_or(is_ours) {
        return Err(Fault::Refused("the ID token is for another client"));
    }
    Ok(())
}

fn check_times(claims: &Claims, expected: &Expected<'_>) -> Result<(), Fault> {
    let skew = TimeDelta::seconds(expected.config.clock_skew_seconds.into());
    let (earliest, latest) = (expected.now - skew, expected.now + skew);
    let expires_at = expiry(claims).ok_or(Fault::Refused("the ID token does not say when it expires"))?;
    if expires_at <= earliest {
        return Err(Fault::Refused("the ID token has expired, or a clock is wrong"));
    }
    let issued_at =
        moment(claims, "iat").ok_or(Fault::Refused("the ID token does not say when it was issued"))?;
    if issued_at > latest || issued_at < earliest - MAX_AGE {
        return Err(Fault::Refused("the ID token was not issued now, or a clock is wrong"));
    }
    if claims.contains_key("nbf") && moment(claims, "nbf").is_none_or(|at| at > latest) {
        return Err(Fault::Refused("the ID token does not count yet, or a clock is wrong"));
    }
    Ok(())
}

/// A number of seconds since 1970, possibly with a fraction.
fn moment(claims: &Claims, name: &str) -> Option<DateTime<Utc>> {
    let seconds = claims.get(name)?.as_f64()?;
    // Beyond it, the type of the moment has no value.
    (seconds.abs() < 1e11).then(|| DateTime::from_timestamp(seconds.floor() as i64, 0))?
}

fn decoded<T: for<'de> Deserialize<'de>>(text: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}
