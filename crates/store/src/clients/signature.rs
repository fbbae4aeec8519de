use std::fmt;

/// Whether Padan wrote the row of a client or an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientSignature {
    /// It did.
    Right,
    /// The row has no signature: an older release or another program wrote it.
    Missing,
    /// The key of the signature is not among `store.audit_keys`.
    UnknownKey,
    /// The row is not the one that was signed.
    Wrong,
}

impl fmt::Display for ClientSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Right => "was written by Padan",
            Self::Missing => "has no signature",
            Self::UnknownKey => "was signed with a key that is not among store.audit_keys",
            Self::Wrong => "was changed by others than Padan",
        })
    }
}
