/// Chooses the cryptography of all TLS in this process. To be called before an HTTP client is built, which brings none
/// of its own; calling it again does nothing.
pub(crate) fn choose_cryptography() {
    // The error says that it was chosen before.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
