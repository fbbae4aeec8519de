use std::sync::Arc;

use crate::{
    config::Config,
    limits::Limits,
    metrics::Metrics,
    tls::{Certificates, TlsError},
};

/// What can be changed while the service runs.
#[derive(Clone)]
pub struct Controls {
    pub(crate) limits: Limits,
    pub(crate) certificates: Option<Certificates>,
    pub(crate) metrics: Arc<Metrics>,
}

impl Controls {
    /// The keys of `[http]` that [`change`](Self::change) takes up.
    pub const KEYS: [&str; 13] = [
        "trusted_proxies",
        "max_in_flight",
        "client_share",
        "body_limit_bytes",
        "body_memory_bytes",
        "body_timeout_ms",
        "drain_limit_bytes",
        "drain_timeout_ms",
        "saturated_seconds",
        "tls.certificate_file",
        "tls.private_key_file",
        "tls.client_ca_file",
        "tls.client_certificate_required",
    ];

    /// Takes up other settings, for requests and connections from now on, and reads the certificates again. When those are
    /// not in order they stay as they were.
    pub fn change(&self, config: &Config) -> Result<(), TlsError> {
        self.limits.change(config);
        match &self.certificates {
            Some(certificates) => {
                certificates.reload(&config.tls)?;
                self.tell_expiry(certificates);
                Ok(())
            }
            None if config.tls.certificate_file.is_some() => Err(TlsError::BY_A_START),
            None => Ok(()),
        }
    }

    /// Lets `/metrics` tell what tells the settings apart.
    pub fn tell_settings(&self, hash: &str) {
        self.metrics.configured(hash);
    }

    pub(crate) fn tell_expiry(&self, certificates: &Certificates) {
        if let Some(expires) = certificates.expires() {
            self.metrics.certificate_expires("public", expires);
        }
    }
}
