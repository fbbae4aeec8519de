use padan_domain::{BasicField, ReasonCode};
use serde_json::Value;
use utoipa::openapi::{
    ObjectBuilder, RefOr, Schema,
    schema::{KnownFormat, SchemaFormat, Type},
};

/// A person of the demo, for examples.
const SAMPLE_NIK: &str = "3174011403870000";
const SAMPLE_NAME: &str = "Budi Santoso";
const SAMPLE_DATE_OF_BIRTH: &str = "14-03-1987";

/// What the OpenAPI document says about an endpoint, from the endpoint's own file.
pub struct EndpointDocs {
    pub(crate) summary: &'static str,
    pub(crate) description: &'static str,
    pub(crate) operation_id: &'static str,
    /// The fields of its form, and the name of this schema.
    pub(crate) form: (&'static str, Schema),
    /// The same fields in JSON.
    pub(crate) json: (&'static str, Schema),
    /// The name of the schema of an answer with a result.
    pub(crate) answer: &'static str,
    /// That schema, and those that it refers to, by name.
    pub(crate) schemas: Vec<(&'static str, RefOr<Schema>)>,
    /// The reasons that an answer may give, beside [`COMMON_REASONS`].
    pub(crate) reasons: &'static [ReasonCode],
    /// An example body for a reason with a result; `None` for a reason that is answered with an error body.
    pub(crate) example: fn(ReasonCode) -> Option<Value>,
}

/// The reasons that an answer of every endpoint may give.
const COMMON_REASONS: &[ReasonCode] = &[
    ReasonCode::Unauthorized,
    ReasonCode::Forbidden,
    ReasonCode::MethodNotAllowed,
    ReasonCode::RequestTimeout,
    ReasonCode::BodyTooLarge,
    ReasonCode::HeadersTooLarge,
    ReasonCode::TooManyFailures,
    ReasonCode::RateLimited,
    ReasonCode::QuotaExceeded,
    ReasonCode::Overloaded,
    ReasonCode::Internal,
    ReasonCode::StoreUnavailable,
];

impl EndpointDocs {
    /// Every reason that an answer may give.
    pub(crate) fn all_reasons(&self) -> impl Iterator<Item = ReasonCode> {
        self.reasons.iter().chain(COMMON_REASONS).copied()
    }
}

/// A text field of a form, or a header. An empty description is left out.
pub(crate) fn text_field(description: &str) -> ObjectBuilder {
    let described = Some(description).filter(|text| !text.is_empty());
    ObjectBuilder::new().schema_type(Type::String).description(described)
}

/// A NIK in a form.
pub(crate) fn nik_field() -> ObjectBuilder {
    text_field("The 16 digits of the identity number.")
        .pattern(Some("^[0-9]{16}$"))
        .min_length(Some(16))
        .max_length(Some(16))
        .examples([SAMPLE_NIK])
}

/// A text of a card in a form.
pub(crate) fn card_field(field: BasicField) -> ObjectBuilder {
    let described = text_field(field.description());
    let lengths = |field: ObjectBuilder, from, to| field.min_length(Some(from)).max_length(Some(to));
    match field {
        BasicField::Name => lengths(described, 1, 256).examples([SAMPLE_NAME]),
        BasicField::DateOfBirth => lengths(described, 10, 10)
            .pattern(Some("^[0-9]{2}-[0-9]{2}-[0-9]{4}$"))
            .examples([SAMPLE_DATE_OF_BIRTH]),
        BasicField::FamilyCard => lengths(described, 16, 16).pattern(Some("^[0-9]{16}$")),
        _ => lengths(described, 1, 256),
    }
}

/// A photo in a form.
pub(crate) fn photo_field(description: &str) -> ObjectBuilder {
    text_field(description).format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary)))
}

/// A photo in JSON.
pub(crate) fn base64_photo_field(description: &str) -> ObjectBuilder {
    text_field(&format!("{description} In base64; line breaks and a `data:` prefix are ignored."))
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Byte)))
}
