//! TLS for the listeners, with certificates that a reload replaces.
//!
//! Start at [`Certificates::load`]. The listeners use TLS 1.2 and 1.3 and offer HTTP/1.1 only.

mod verifier;

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use parking_lot::RwLock;
use rustls::{
    RootCertStore, ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::{
        ClientHello, NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier,
        danger::ClientCertVerifier,
    },
    sign::CertifiedKey,
};
use serde::Deserialize;
use x509_parser::{certificate::X509Certificate, prelude::FromDer as _};

use self::verifier::Replaceable;

/// Section `[http.tls]` of the settings.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// The certificate chain of the public listener without its root, in PEM. Without it the listener uses plain
    /// HTTP.
    pub certificate_file: Option<PathBuf>,
    /// Its private key, in PEM.
    pub private_key_file: Option<PathBuf>,
    /// The authorities, in PEM, that issue client certificates. Without it no client certificate is requested.
    pub client_ca_file: Option<PathBuf>,
    /// Whether a connection without a client certificate is refused.
    pub client_certificate_required: bool,
    /// Whether a certificate that a client is bound to replaces its credentials when none are sent. The holder of its
    /// private key is then that client.
    pub client_certificate_suffices: bool,
    /// Whether the operators' listener is encrypted too, with the same certificate. It requests no client certificate.
    pub admin: bool,
}

/// Why TLS cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is missing or invalid.
    #[error("http.tls: {}: {problem}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What is wrong with the file, or with the file and the others together.
        problem: String,
    },
    /// The settings contradict each other.
    #[error("{0}")]
    Settings(&'static str),
}

/// The certificates in use.
#[derive(Clone)]
pub(crate) struct Certificates(Arc<InUse>);

struct InUse {
    certified: RwLock<Arc<CertifiedKey>>,
    /// Verifies client certificates, if they are requested.
    clients: Option<Arc<Replaceable>>,
}

/// The content of the files.
struct Loaded {
    certified: Arc<CertifiedKey>,
    clients: Option<Arc<dyn ClientCertVerifier>>,
}

impl TlsConfig {
    /// Reads the files and checks them against each other. Returns the expiry of the certificate in seconds since 1970,
    /// or `None` without a certificate.
    ///
    /// # Errors
    ///
    /// [`TlsError`] when a file is missing or invalid, or the settings contradict each other.
    pub fn check(&self) -> Result<Option<i64>, TlsError> {
        Ok(self.load()?.and_then(|loaded| expiry(&loaded.certified)))
    }

    fn load(&self) -> Result<Option<Loaded>, TlsError> {
        let (certificate, key) = match (&self.certificate_file, &self.private_key_file) {
            (Some(certificate), Some(key)) => (certificate, key),
            (None, None)
                if self.client_ca_file.is_none()
                    && !self.client_certificate_required
                    && !self.client_certificate_suffices
                    && !self.admin =>
            {
                return Ok(None);
            }
            _ => {
                return Err(TlsError::Settings(
                    "http.tls needs certificate_file and private_key_file, or nothing at all",
                ));
            }
        };
        let asks_for_certificate = self.client_certificate_required || self.client_certificate_suffices;
        if asks_for_certificate && self.client_ca_file.is_none() {
            return Err(TlsError::Settings(
                "http.tls.client_certificate_required and _suffices need client_ca_file, the authorities whose certificates are accepted",
            ));
        }
        let provider = Arc::new(ring::default_provider());
        Ok(Some(Loaded {
            certified: Arc::new(certified(certificate, key, &provider)?),
            clients: self.client_ca_file.as_deref().map(|file| self.verifier(file, &provider)).transpose()?,
        }))
    }

    fn verifier(
        &self,
        file: &Path,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
        let mut roots = RootCertStore::empty();
        for root in read_certificates(file)? {
            roots.add(root).map_err(|error| TlsError::of_file(file, error))?;
        }
        let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
        let builder =
            if self.client_certificate_required { builder } else { builder.allow_unauthenticated() };
        builder.build().map_err(|error| TlsError::of_file(file, error))
    }
}

impl Certificates {
    /// Reads the files. `None` when the settings name none.
    pub(crate) fn load(config: &TlsConfig) -> Result<Option<Self>, TlsError> {
        let Some(Loaded { certified, clients }) = config.load()? else { return Ok(None) };
        let clients = clients.map(|verifier| Arc::new(Replaceable::new(verifier)));
        Ok(Some(Self(Arc::new(InUse { certified: RwLock::new(certified), clients }))))
    }

    /// Reads the files again, for new connections. When one is invalid, all certificates in use stay.
    pub(crate) fn reload(&self, config: &TlsConfig) -> Result<(), TlsError> {
        let Loaded { certified, clients } = config.load()?.ok_or(TlsError::NEEDS_RESTART)?;
        match (&self.0.clients, clients) {
            (Some(in_use), Some(verifier)) => in_use.replace(verifier),
            (None, None) => {}
            _ => return Err(TlsError::NEEDS_RESTART),
        }
        *self.0.certified.write() = certified;
        Ok(())
    }

    /// The settings of the public listener.
    pub(crate) fn for_clients(&self) -> Result<ServerConfig, rustls::Error> {
        let Some(verifier) = &self.0.clients else { return self.without_client_certificates() };
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(rustls::DEFAULT_VERSIONS)?
            .with_client_cert_verifier(Arc::clone(verifier) as Arc<dyn ClientCertVerifier>);
        let mut config = builder.with_cert_resolver(Arc::clone(&self.0) as Arc<dyn ResolvesServerCert>);
        // A resumed session would keep the client certificate of its first connection, even if it has been revoked
        // since.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        Ok(config)
    }

    /// The settings of a listener that requests no client certificate.
    pub(crate) fn without_client_certificates(&self) -> Result<ServerConfig, rustls::Error> {
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(rustls::DEFAULT_VERSIONS)?
            .with_no_client_auth();
        Ok(builder.with_cert_resolver(Arc::clone(&self.0) as Arc<dyn ResolvesServerCert>))
    }

    /// The expiry of the certificate, in seconds since 1970.
    pub(crate) fn expires(&self) -> Option<i64> {
        expiry(&self.0.current())
    }
}

impl InUse {
    fn current(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.certified.read())
    }
}

impl ResolvesServerCert for InUse {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current())
    }
}

impl fmt::Debug for InUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InUse")
    }
}

impl TlsError {
    pub(crate) const NEEDS_RESTART: Self =
        Self::Settings("TLS and client certificates can only be turned on or off by a restart");

    fn of_file(file: &Path, problem: impl fmt::Display) -> Self {
        Self::File { file: file.to_owned(), problem: problem.to_string() }
    }
}

impl From<TlsError> for io::Error {
    fn from(error: TlsError) -> Self {
        Self::other(error)
    }
}

fn certified(certificate: &Path, key: &Path, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
    let chain = read_certificates(certificate)?;
    // An error about a private key must not quote it.
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| {
        TlsError::of_file(key, format!("no private key in PEM can be read: {}", in_words(&error)))
    })?;
    let certified =
        CertifiedKey::from_der(chain, private, provider).map_err(|error| TlsError::of_file(key, error))?;
    let readable = certified.cert.first().is_some_and(|first| X509Certificate::from_der(first).is_ok());
    if readable {
        Ok(certified)
    } else {
        Err(TlsError::of_file(certificate, "the first is no X.509 certificate"))
    }
}

fn expiry(certified: &CertifiedKey) -> Option<i64> {
    let (_, certificate) = X509Certificate::from_der(certified.cert.first()?).ok()?;
    Some(certificate.validity().not_after.timestamp())
}

fn read_certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| TlsError::of_file(file, in_words(&error)))?;
    if certificates.is_empty() {
        Err(TlsError::of_file(file, "no certificate in PEM"))
    } else {
        Ok(certificates)
    }
}

/// The reason without the library's own text, which may quote the file.
fn in_words(error: &rustls::pki_types::pem::Error) -> String {
    use rustls::pki_types::pem::Error;
    match error {
        Error::Io(error) => error.to_string(),
        Error::NoItemsFound => "nothing of that kind in it".to_owned(),
        _ => "it is not PEM".to_owned(),
    }
}
