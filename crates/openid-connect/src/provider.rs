use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use chrono::{DateTime, TimeDelta, Utc};
use padan_domain::OperatorRole;
use reqwest::{Client, StatusCode, Url, header::AUTHORIZATION};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;

use crate::{
    claims::{Claims, has_groups, name_of, role_of},
    config::{Config, ConfigError},
    fault::Fault,
    id_token::{Expected, IdToken, expiry, subject},
    identity::{Identity, account_of, shown_name},
    keys::{Keys, Verified},
    metadata::Metadata,
    requests::{client, send},
};

/// A provider that says who somebody is.
pub struct Provider {
    config: Config,
    secret: Option<SecretString>,
    client: Client,
    known: Mutex<Knowledge>,
}

/// What ties the parts of one sign-in together. Each is a secret of 256 bits as text.
#[derive(Clone)]
pub struct FlowSecrets {
    /// Comes back with the browser.
    pub state: String,
    /// Comes back in the ID token.
    pub nonce: String,
    /// Proves that the code is used by who asked for it.
    pub verifier: String,
}

/// What was read from the provider.
#[derive(Default)]
struct Knowledge {
    document: Option<(Instant, Arc<Metadata>)>,
    keys: Option<(Instant, Arc<Keys>)>,
    /// The last failure, which is the answer to others for a moment, so that they need not all wait for a time-out.
    failure: Option<(Instant, Fault)>,
}

#[derive(Deserialize)]
struct Tokens {
    id_token: String,
    access_token: Option<String>,
}

#[derive(Deserialize)]
struct TokenFault {
    error: String,
}

/// How long the provider's document and keys are used before they are read again.
const KNOWN_FOR: Duration = Duration::from_mins(10);
/// How long keys are used at least, however often a token names another one.
const KEYS_KNOWN_FOR: Duration = Duration::from_secs(1);
/// How long a failure is remembered.
const FAILED_FOR: Duration = Duration::from_secs(2);
/// A code is a few dozen characters at common providers.
const MAX_CODE_BYTES: usize = 4096;

impl Provider {
    /// Prepares the sign-in. Nothing is connected to, so that a service starts while its provider is down.
    ///
    /// # Errors
    ///
    /// When the settings cannot work, or a file cannot be read.
    pub fn new(config: &Config) -> Result<Self, ConfigError> {
        config.validate()?;
        Ok(Self {
            secret: config.read_client_secret()?,
            client: client(config)?,
            config: config.clone(),
            known: Mutex::default(),
        })
    }

    /// The name of the provider on the button.
    pub fn label(&self) -> &str {
        &self.config.label
    }

    /// How long a session of this identity lasts.
    pub fn session_lifetime(&self, identity: &Identity, now: DateTime<Utc>) -> TimeDelta {
        let longest = TimeDelta::seconds(self.config.session_seconds.get().into());
        if self.config.end_with_id_token { longest.min(identity.expires_at - now) } else { longest }
    }

    /// Whether somebody of this issuer may still have this role by the settings.
    pub fn grants(&self, issuer: &str, role: OperatorRole) -> bool {
        self.config.issuer == issuer && self.config.roles.iter().any(|of| of.role == role)
    }

    /// Reads the provider's document and keys. Returns the number of keys.
    ///
    /// # Errors
    ///
    /// When the provider cannot be used.
    pub async fn check(&self) -> Result<usize, Fault> {
        let metadata = self.metadata().await?;
        Ok(self.keys(&metadata, KNOWN_FOR).await?.len())
    }

    /// The address at the provider where a browser goes to sign in.
    ///
    /// # Errors
    ///
    /// When the provider's document cannot be read.
    pub async fn authorization(&self, flow: &FlowSecrets) -> Result<String, Fault> {
        let metadata = self.metadata().await?;
        let mut address = metadata.authorization_endpoint.clone();
        let scopes = ["openid"].into_iter().chain(self.config.scopes.iter().map(String::as_str));
        address
            .query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.config.client_id)
            .append_pair("redirect_uri", self.return_address()?.as_str())
            .append_pair("scope", &scopes.collect::<Vec<_>>().join(" "))
            .append_pair("state", &flow.state)
            .append_pair("nonce", &flow.nonce)
            .append_pair("code_challenge", &URL_SAFE_NO_PAD.encode(Sha256::digest(&flow.verifier)))
            .append_pair("code_challenge_method", "S256");
        Ok(address.into())
    }

    /// The address at the provider where a browser goes to sign out there too, and from where it comes back. `None` when
    /// the provider has none, or the settings say that the session there goes on.
    ///
    /// The service keeps no ID token, so it names itself instead: many providers then ask the person to confirm.
    ///
    /// # Errors
    ///
    /// When the provider's document cannot be read.
    pub async fn sign_out(&self) -> Result<Option<String>, Fault> {
        if !self.config.sign_out_at_provider {
            return Ok(None);
        }
        let Some(mut address) = self.metadata().await?.end_session_endpoint() else { return Ok(None) };
        address
            .query_pairs_mut()
            .append_pair("client_id", &self.config.client_id)
            .append_pair("post_logout_redirect_uri", self.return_address()?.as_str());
        Ok(Some(address.into()))
    }

    /// Exchanges the code that a browser brought back for the identity of its user. `issuer` is that of the same answer, if
    /// it had one.
    ///
    /// # Errors
    ///
    /// [`Fault::Unavailable`] when the provider cannot be used; [`Fault::Refused`] when the code or the ID token does not
    /// count.
    pub async fn redeem(
        &self,
        code: &str,
        issuer: Option<&str>,
        flow: &FlowSecrets,
        now: DateTime<Utc>,
    ) -> Result<Identity, Fault> {
        let metadata = self.metadata().await?;
        let must_be_named = metadata.authorization_response_iss_parameter_supported;
        if issuer.map_or(must_be_named, |issuer| issuer != self.config.issuer) {
            return Err(Fault::Refused("the browser came back from another issuer"));
        }
        if code.is_empty() || code.len() > MAX_CODE_BYTES {
            return Err(Fault::Refused("the code is empty or too long"));
        }
        let tokens = self.exchange(&metadata, code, flow).await?;
        let token = IdToken::parse(&tokens.id_token)?;
        self.verify(&metadata, &token).await?;
        let mut claims = token.claims(&Expected { config: &self.config, nonce: &flow.nonce, now })?;
        if let (false, Some(access_token)) = (has_groups(&claims, &self.config), &tokens.access_token) {
            token.check_access_token(&claims, access_token)?;
            self.add_user_information(&metadata, access_token, &mut claims).await?;
        }
        self.identity(&claims)
    }

    fn identity(&self, claims: &Claims) -> Result<Identity, Fault> {
        const NO_SUBJECT: Fault = Fault::Refused("the ID token has no subject that can be used");
        let subject = subject(claims).ok_or(NO_SUBJECT)?;
        let claimed_name = name_of(claims, &self.config).map(shown_name).filter(|name| !name.is_empty());
        Ok(Identity {
            issuer: self.config.issuer.clone(),
            account: account_of(subject).ok_or(NO_SUBJECT)?,
            claimed_name: claimed_name.unwrap_or_else(|| shown_name(subject)),
            subject: subject.to_owned(),
            role: role_of(claims, &self.config).map(|of| of.role),
            expires_at: expiry(claims).ok_or(NO_SUBJECT)?,
        })
    }

    fn return_address(&self) -> Result<Url, Fault> {
        self.config.return_address().map_err(|error| Fault::Unavailable(error.to_string()))
    }

    async fn exchange(&self, metadata: &Metadata, code: &str, flow: &FlowSecrets) -> Result<Tokens, Fault> {
        let return_address = self.return_address()?;
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", return_address.as_str()),
            ("code_verifier", &flow.verifier),
        ];
        let mut request = self.client.post(metadata.token_endpoint.clone());
        match &self.secret {
            Some(secret) if !metadata.takes_secret_in_body() => {
                request = request.header(AUTHORIZATION, basic(&self.config.client_id, secret));
            }
            secret => {
                form.push(("client_id", &self.config.client_id));
                form.extend(secret.as_ref().map(|secret| ("client_secret", secret.expose_secret())));
            }
        }
        let request = request
            .header(reqwest::header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form_text(&form));
        let answer = send(request, "token endpoint").await?;
        if [StatusCode::BAD_REQUEST, StatusCode::UNAUTHORIZED].contains(&answer.status) {
            return Err(match answer.json::<TokenFault>() {
                Some(fault) if fault.error == "invalid_grant" => {
                    Fault::Refused("the provider does not accept the code: it was used, has expired or is of others")
                }
                Some(fault) if fault.error == "invalid_client" => Fault::Unavailable(
                    "the provider does not know this service: check openid_connect.client_id and client_secret_file"
                        .to_owned(),
                ),
                _ => Fault::Unavailable("the provider's token endpoint refuses the request".to_owned()),
            });
        }
        answer.document()
    }

    /// Verifies the signature; with the keys of now, if none of those that are known fits.
    async fn verify(&self, metadata: &Metadata, token: &IdToken<'_>) -> Result<(), Fault> {
        let mut verified = token.verify(&*self.keys(metadata, KNOWN_FOR).await?);
        if verified == Verified::NoKey {
            verified = token.verify(&*self.keys(metadata, KEYS_KNOWN_FOR).await?);
        }
        match verified {
            Verified::Right => Ok(()),
            Verified::Wrong => Err(Fault::Refused("the signature of the ID token is wrong")),
            Verified::NoKey => {
                Err(Fault::Refused("the ID token is signed with a key that the provider does not have"))
            }
        }
    }

    /// Adds the claims that the provider tells by its user information endpoint. Those of the ID token stay.
    async fn add_user_information(
        &self,
        metadata: &Metadata,
        access_token: &str,
        claims: &mut Claims,
    ) -> Result<(), Fault> {
        let Some(address) = &metadata.userinfo_endpoint else { return Ok(()) };
        let request = self.client.get(address.clone()).bearer_auth(access_token);
        let told: Claims = send(request, "user information endpoint").await?.document()?;
        if subject(&told) != subject(claims) {
            return Err(Fault::Refused("the provider's user information is of another person"));
        }
        for (name, value) in told {
            claims.entry(name).or_insert(value);
        }
        Ok(())
    }

    async fn metadata(&self) -> Result<Arc<Metadata>, Fault> {
        let mut known = self.known.lock().await;
        let former = match &known.document {
            Some((at, document)) if at.elapsed() < KNOWN_FOR => return Ok(Arc::clone(document)),
            former => former.as_ref().map(|(_, document)| Arc::clone(document)),
        };
        if let Some((at, failure)) = &known.failure
            && at.elapsed() < FAILED_FOR
        {
            return former.ok_or(failure.clone());
        }
        match Metadata::read(&self.client, &self.config).await {
            Ok(document) => {
                let document = Arc::new(document);
                (known.document, known.failure) = (Some((Instant::now(), Arc::clone(&document))), None);
                Ok(document)
            }
            Err(failure) => {
                known.failure = Some((Instant::now(), failure.clone()));
                former.ok_or(failure)
            }
        }
    }

    /// The provider's keys, read less than so long ago.
    async fn keys(&self, metadata: &Metadata, known_for: Duration) -> Result<Arc<Keys>, Fault> {
        let mut known = self.known.lock().await;
        if let Some((at, keys)) = &known.keys
            && at.elapsed() < known_for
        {
            return Ok(Arc::clone(keys));
        }
        let read: Keys = send(self.client.get(metadata.jwks_uri.clone()), "key set").await?.document()?;
        let keys = Arc::new(read);
        known.keys = Some((Instant::now(), Arc::clone(&keys)));
        Ok(keys)
    }
}

/// Credentials as RFC 6749 (2.3.1) has them: encoded as in a form before they are joined.
fn basic(client_id: &str, secret: &SecretString) -> String {
    let encoded = |text: &str| form_text(&[("", text)])[1..].to_owned();
    let pair = format!("{}:{}", encoded(client_id), encoded(secret.expose_secret()));
    format!("Basic {}", STANDARD.encode(pair))
}

/// `application/x-www-form-urlencoded`.
fn form_text(pairs: &[(&str, &str)]) -> String {
    let encoded = |text: &str| {
        let is_kept = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        let encode =
            |byte: u8| if is_kept(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
        text.bytes().map(encode).collect::<String>()
    };
    pairs
        .iter()
        .map(|(name, value)| format!("{}={}", encoded(name), encoded(value)))
        .collect::<Vec<_>>()
        .join("&")
}
