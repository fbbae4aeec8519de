/// Installs the cryptography that all TLS in this process uses. Call it before building an HTTP client, which does not
/// install one. A second call does nothing.
pub fn install_crypto_provider() {
    // The only error is that a provider was installed before.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
