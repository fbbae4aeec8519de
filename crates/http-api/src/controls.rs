use std::sync::Arc;

use crate::{
    config::Config,
    limits::Limits,
    metrics::Metrics,
    tls::{Certificates, TlsError},
};

/// Changes the running service.
#[derive(Clone)]
pub struct Controls {
    pub(crate) limits: Limits,
    pub(crate) certificates: Option<Certificates>,
    pub(crate) metrics: Arc<Metrics>,
}

impl Controls {
    /// The keys of `[http]` that [`reload`](Self::reload) applies.
    pub const KEYS: [&str; 16] = [
        "trusted_proxies",
        "connections_per_address",
        "max_in_flight",
        "client_share",
        "body_limit_bytes",
        "body_memory_bytes",
        "body_timeout_ms",
        "body_bytes_per_second",
        "body_timeout_limit_ms",
        "drain_limit_bytes",
        "drain_timeout_ms",
        "saturated_seconds",
        "tls.certificate_file",
        "tls.private_key_file",
        "tls.client_ca_file",
        "tls.client_certificate_required",
    ];

    /// Applies changed settings to new requests and connections, and reads the certificates again.
    ///
    /// # Errors
    ///
    /// [`TlsError`] when the new certificates cannot be used. The limits are replaced nevertheless; the certificates in
    /// use stay.
    pub fn reload(&self, config: &Config) -> Result<(), TlsError> {
        self.limits.set(config);
        match &self.certificates {
            Some(certificates) => {
                certificates.reload(&config.tls)?;
                self.report_expiry(certificates);
                Ok(())
            }
            None if config.tls.certificate_file.is_some() => Err(TlsError::NEEDS_RESTART),
            None => Ok(()),
        }
    }

    /// Sets the hash of the settings that `/metrics` shows.
    pub fn set_settings_hash(&self, hash: &str) {
        self.metrics.set_settings_hash(hash);
    }

    pub(crate) fn report_expiry(&self, certificates: &Certificates) {
        if let Some(expires) = certificates.expires() {
            self.metrics.set_certificate_expiry("public", expires);
        }
    }
}
