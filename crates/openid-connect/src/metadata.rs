//! What the provider says about itself.

use reqwest::{Client, Url};
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::Value;

use crate::{
    config::{Config, is_protected},
    fault::Fault,
    requests::send,
};

/// The document of OpenID Connect Discovery, as far as it is used.
#[derive(Debug, Deserialize)]
pub(crate) struct Metadata {
    issuer: String,
    #[serde(deserialize_with = "address")]
    pub(crate) authorization_endpoint: Url,
    #[serde(deserialize_with = "address")]
    pub(crate) token_endpoint: Url,
    #[serde(deserialize_with = "address")]
    pub(crate) jwks_uri: Url,
    #[serde(default, deserialize_with = "optional_address")]
    pub(crate) userinfo_endpoint: Option<Url>,
    /// Where a browser goes to sign out, as the document has it: it may be no address that can be used.
    #[serde(default)]
    end_session_endpoint: Option<Value>,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Vec<String>,
    /// Whether the issuer is among the parameters with which browsers come back.
    #[serde(default)]
    pub(crate) authorization_response_iss_parameter_supported: bool,
}

impl Metadata {
    /// Reads the document of the issuer, which must name the issuer.
    pub(crate) async fn read(client: &Client, config: &Config) -> Result<Self, Fault> {
        let issuer = config.issuer_address().map_err(|error| Fault::Unavailable(error.to_string()))?;
        let address = format!("{}/.well-known/openid-configuration", config.issuer.trim_end_matches('/'));
        let found: Self = send(client.get(address), "document").await?.document()?;
        if found.issuer != config.issuer {
            return Err(Fault::Unavailable(format!(
                "the provider's document is of another issuer than openid_connect.issuer: {}",
                found.issuer.chars().filter(|c| !c.is_control()).take(200).collect::<String>()
            )));
        }
        let endpoints = [&found.authorization_endpoint, &found.token_endpoint, &found.jwks_uri];
        for endpoint in endpoints.into_iter().chain(&found.userinfo_endpoint) {
            if !is_protected_beside(&issuer, endpoint) {
                return Err(Fault::Unavailable(
                    "the provider's document has an address that is not protected by TLS".to_owned(),
                ));
            }
        }
        Ok(found)
    }

    /// Where a browser goes to sign out, if the provider has such a page whose address is protected. Without one, people
    /// still sign in.
    pub(crate) fn end_session_endpoint(&self) -> Option<Url> {
        let address: Url = self.end_session_endpoint.as_ref()?.as_str()?.parse().ok()?;
        let issuer: Url = self.issuer.parse().ok()?;
        is_protected_beside(&issuer, &address).then_some(address)
    }

    /// Whether the service's secret is sent in the body, since the provider takes it no other way.
    pub(crate) fn takes_secret_in_body(&self) -> bool {
        let methods = &self.token_endpoint_auth_methods_supported;
        let takes = |method: &str| methods.iter().any(|known| known == method);
        takes("client_secret_post") && !takes("client_secret_basic")
    }
}

/// Whether requests to an address are encrypted, or stay on this machine as those to the issuer do.
fn is_protected_beside(issuer: &Url, address: &Url) -> bool {
    is_protected(address) && (address.scheme() == "https" || issuer.scheme() == "http")
}

fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Url, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
}

fn optional_address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Url>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| text.parse().map_err(D::Error::custom)).transpose()
}
