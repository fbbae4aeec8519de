use padan_domain::ReasonCode;
use serde_json::Value;
use utoipa::openapi::{
    ObjectBuilder, RefOr, Schema,
    schema::{KnownFormat, SchemaFormat, Type},
};

/// What the OpenAPI document says about an endpoint, from the endpoint's own file.
pub struct EndpointDocs {
    pub(crate) summary: &'static str,
    pub(crate) description: &'static str,
    pub(crate) operation_id: &'static str,
    /// The fields of its form.
    pub(crate) form: Schema,
    /// The same fields in JSON.
    pub(crate) json: Schema,
    /// The name of the schema of an answer with a result.
    pub(crate) answer: &'static str,
    /// That schema, and those that it refers to, by name.
    pub(crate) schemas: Vec<(&'static str, RefOr<Schema>)>,
    /// Every reason that an answer may give.
    pub(crate) reasons: &'static [ReasonCode],
    /// An example body for a reason with a result; `None` for a reason that is answered with an error body.
    pub(crate) example: fn(ReasonCode) -> Option<Value>,
}

/// A text field of a form, or a header. An empty description is left out.
pub(crate) fn text_field(description: &str) -> ObjectBuilder {
    let described = Some(description).filter(|text| !text.is_empty());
    ObjectBuilder::new().schema_type(Type::String).description(described)
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
