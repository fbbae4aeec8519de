/// Why nobody was signed in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The provider does not answer as a provider should, or does not accept this service.
    #[error("{0}")]
    Unavailable(String),
    /// The provider answers, and does not say who somebody is in a way that counts. The text has nothing that others sent.
    #[error("{0}")]
    Refused(&'static str),
}
