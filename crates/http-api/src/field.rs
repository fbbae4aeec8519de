use actix_web::web::Bytes;

/// The names of the fields that a form may have, each once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FieldNames<'a> {
    pub(crate) all: &'a [&'static str],
    /// Those that are photos, which JSON has in base64.
    pub(crate) files: &'a [&'static str],
}

/// A field of a known name, decoded.
pub(crate) struct Field {
    pub(crate) name: String,
    /// The charset of its text.
    pub(crate) charset: Option<String>,
    /// `None` for null in JSON.
    pub(crate) data: Option<Bytes>,
}

impl Field {
    /// Longer than any field's value. A longer text is refused without being decoded.
    pub(crate) const MAX_TEXT_BYTES: usize = 4096;
}
