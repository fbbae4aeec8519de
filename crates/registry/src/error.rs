/// Why the registry gave no answer. All variants but `Config` are answered with the documented 503.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// No replica could be reached, or none could run the query. The text has one part for each replica that was tried.
    #[error("the civil registry is unavailable: {0}")]
    Unavailable(String),
    /// Each replica that was tried refused the query or the connection, and will until somebody changes something. The
    /// text is as above.
    #[error("the civil registry is unavailable: {0}")]
    Refused(String),
    /// The look-up did not end in time. The text names the limit that was exceeded.
    #[error("the civil registry did not answer in time: {0}")]
    Timeout(String),
    /// A row breaks the contract of the view. The text does not quote the value, since it is personal.
    #[error(
        "the civil registry is inconsistent: {table}.{column} has a value that the contract does not allow"
    )]
    Inconsistent {
        /// The view.
        table: &'static str,
        /// The column.
        column: &'static str,
    },
    /// The settings cannot work; the text names the key.
    #[error("{0}")]
    Config(String),
}

impl RegistryError {
    /// A column of the view has a value that the contract does not allow.
    pub(crate) fn inconsistent(column: &'static str) -> Self {
        Self::Inconsistent { table: "padan.citizen", column }
    }
}
