//! Requests to the provider.

use std::time::Duration;

use reqwest::{Client, RequestBuilder, StatusCode, header::ACCEPT, redirect::Policy};
use serde::de::DeserializeOwned;

use crate::{
    config::{Config, ConfigError, is_loopback},
    fault::Fault,
};

/// Many times the longest document of a provider.
const MAX_ANSWER_BYTES: usize = 512 * 1024;

/// An answer that came whole.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    body: Vec<u8>,
    what: &'static str,
}

/// The client of all requests. It follows no redirect, so that a document or an answer leads nowhere else.
pub(crate) fn client(config: &Config) -> Result<Client, ConfigError> {
    let time = Duration::from_millis(config.timeout_ms.get());
    let builder =
        Client::builder().redirect(Policy::none()).timeout(time).connect_timeout(time).referer(false);
    let builder = builder.tls_certs_merge(config.read_authorities()?);
    // What is on this machine is not asked through a proxy of the network.
    let builder = if is_loopback(&config.issuer_address()?) { builder.no_proxy() } else { builder };
    builder.build().map_err(|fault| ConfigError::of_client(&fault))
}

/// Sends a request and reads the answer, within the limits. `what` names it in faults.
pub(crate) async fn send(request: RequestBuilder, what: &'static str) -> Result<Answer, Fault> {
    let failed = |error: reqwest::Error| {
        let reason = if error.is_timeout() {
            "does not answer in time".to_owned()
        } else {
            let error = error.without_url();
            let cause =
                std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source()).last();
            format!("cannot be reached: {}", cause.map(ToString::to_string).unwrap_or_default())
        };
        Fault::Unavailable(format!("the provider's {what} {reason}"))
    };
    let mut response = request.header(ACCEPT, "application/json").send().await.map_err(failed)?;
    let status = response.status();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if body.len() + chunk.len() > MAX_ANSWER_BYTES {
            return Err(Fault::Unavailable(format!("the provider's {what} sends more than 512 KiB")));
        }
        body.extend_from_slice(&chunk);
    }
    if status.is_redirection() {
        return Err(Fault::Unavailable(format!(
            "the provider's {what} answers {} with a redirect, which is not followed",
            status.as_u16()
        )));
    }
    Ok(Answer { status, body, what })
}

impl Answer {
    /// The document of a successful answer.
    pub(crate) fn document<T: DeserializeOwned>(&self) -> Result<T, Fault> {
        if self.status != StatusCode::OK {
            return Err(Fault::Unavailable(format!(
                "the provider's {} answers {}",
                self.what,
                self.status.as_u16()
            )));
        }
        self.json().ok_or_else(|| {
            Fault::Unavailable(format!("the provider's {} sends no JSON of the right form", self.what))
        })
    }

    /// The body, if it is JSON of this form.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(&self.body).ok()
    }
}
