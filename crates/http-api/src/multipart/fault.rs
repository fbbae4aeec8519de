/// Why a body is not a complete multipart form. The texts are those of the answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MalformedMultipart {
    /// A part is malformed, or there are too many.
    #[error("Malformed multipart form")]
    Form,
    /// The Content-Type has no boundary, or an empty one.
    #[error("Content-Type multipart/form-data has no boundary")]
    NoBoundary,
    /// The boundary is longer than any client's.
    #[error("The boundary in Content-Type is too long")]
    LongBoundary,
    /// The parameters of the Content-Type follow a comma.
    #[error("Content-Type has a comma before boundary, where a semicolon must be")]
    CommaForSemicolon,
    /// The parameters of the Content-Type follow a blank.
    #[error("Content-Type has a blank before boundary, where a semicolon must be")]
    BlankForSemicolon,
    /// There is no body, or it has no bytes.
    #[error("Request has no body")]
    NoBody,
    /// The boundary is not in the body.
    #[error("The boundary in Content-Type does not occur in the body")]
    BoundaryNotInBody,
    /// The last boundary is missing.
    #[error("Multipart form ends before its closing boundary")]
    CutOff,
    /// A part has a header twice, with different values.
    #[error("A part has {0} twice")]
    RepeatedHeader(String),
    /// A part has an encoding that is not supported.
    #[error("{header} {encoding} of a part is not supported")]
    UnsupportedEncoding {
        /// The header that names the encoding.
        header: &'static str,
        /// The encoding, shortened.
        encoding: String,
    },
    /// A text is in a charset that is not supported.
    #[error("charset {0} of a part is not supported")]
    UnsupportedCharset(String),
    /// A part cannot be decoded.
    #[error("A part is not valid {0}, its Content-Transfer-Encoding")]
    InvalidEncoding(&'static str),
}

/// An encoding that a client named, for a text that refuses it: short, and without characters that no name has.
pub(crate) fn shown_encoding(value: &str) -> String {
    const MAX_CHARACTERS: usize = 40;
    let printable =
        |c: &char| c.is_ascii_graphic() && !matches!(c, '"' | '\\' | '<' | '>' | '&') || *c == ' ';
    let shown: String = value.trim().chars().filter(printable).take(MAX_CHARACTERS).collect();
    if shown.is_empty() { "without a name".to_owned() } else { shown }
}
