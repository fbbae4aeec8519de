use std::{collections::BTreeMap, sync::LazyLock};

use actix_web::HttpResponse;
use padan_domain::ReasonCode;
use serde_json::{Value, json};
use utoipa::{
    PartialSchema as _, ToSchema as _,
    openapi::{
        ComponentsBuilder, ContentBuilder, HeaderBuilder, HttpMethod, Info, InfoBuilder, License,
        ObjectBuilder, OpenApi, OpenApiBuilder, PathItem, PathsBuilder, Ref, RefOr, Response,
        ResponseBuilder, Responses, ResponsesBuilder, Schema,
        example::ExampleBuilder,
        path::{Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn},
        request_body::{RequestBody, RequestBodyBuilder},
        schema::{KnownFormat, SchemaFormat, Type},
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

use crate::{
    answer::{ErrorBody, respond_with_document},
    basic_verification,
    face_verification::{self, FaceAnswer, FaceResult},
    request_id::RequestId,
    status::status_of,
};

/// Where it is.
pub(crate) const PATH: &str = "/openapi.json";

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| serde_json::to_value(document()).unwrap_or_default());

/// The API's description.
pub(crate) async fn handle() -> HttpResponse {
    respond_with_document(&*DOCUMENT)
}

/// What an endpoint's file says about it.
pub(crate) struct Documented {
    pub(crate) summary: &'static str,
    pub(crate) description: &'static str,
    pub(crate) operation_id: &'static str,
    /// The fields of its form.
    pub(crate) form: Schema,
    /// The schema of an answer with a result.
    pub(crate) answer: &'static str,
    pub(crate) reasons: &'static [ReasonCode],
    /// The body with which a reason is answered; `None` where it is the body of an error.
    pub(crate) example: fn(ReasonCode) -> Option<Value>,
}

/// The whole document, made of the code that answers.
fn document() -> OpenApi {
    let paths = PathsBuilder::new()
        .path(face_verification::PATH, post(&face_verification::documented()))
        .path(basic_verification::PATH, post(&basic_verification::documented()));
    let components = ComponentsBuilder::new()
        .schema(FaceAnswer::name(), FaceAnswer::schema())
        .schema(FaceResult::name(), FaceResult::schema())
        .schema(basic_verification::ANSWER, basic_verification::answer_schema())
        .schema("Error", ErrorBody::schema())
        .schema("ReasonCode", reason_code_schema())
        .security_scheme(
            "basic",
            SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Basic).build()),
        )
        .security_scheme("api_key", SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("x-api-key"))));
    OpenApiBuilder::new().info(info()).paths(paths.build()).components(Some(components.build())).build()
}

fn info() -> Info {
    let mut license = License::new("Apache-2.0");
    license.identifier = Some("Apache-2.0".to_owned());
    InfoBuilder::new()
        .title("Padan")
        .version(env!("CARGO_PKG_VERSION"))
        .license(Some(license))
        .description(Some(format!(
            "Verifies identities against the Indonesian civil registry.\n\n\
             Every answer carries `Request-Id` and `Reason-Code`. A request may bring its own id in \
             `x-request-id`; it is kept when it is at most 64 characters of `A-Z a-z 0-9 . _ -`. One with sixteen digits in a row, \
             which may be a NIK, is answered and not recorded: `Recorded-Request-Id` then has the id under which \
             the service's records have the request.\n\n\
             A form is `multipart/form-data` of at most 16 MiB. Its parts may come in any order; text is read \
             in the charset of its part, UTF-8 without one. A photo's format is told by its bytes. Problems are \
             reported in the order: credentials, the client's rate, a full service, the client's quota, size and form of the body, the text fields in \
             their order, the photo's format, the registry, the photo's content.\n\n\
             429 is answered when a rate or a quota is used up, when too many wrong credentials came from an \
             address, when too many faces have failed for a person, and when the service is full; `Retry-After` says \
             in how many seconds to try again. Answers to a client with a daily or monthly quota carry \
             `RateLimit-Limit`, `RateLimit-Remaining` and `RateLimit-Reset` (seconds) of the one that is nearest to its \
             end; days and months are those of Asia/Jakarta. 503 means that the registry or the service's own database cannot answer.\n\n\
             ## Reason codes\n\n{}",
            reason_table()
        )))
        .build()
}

fn reason_table() -> String {
    let rows = ReasonCode::ALL
        .iter()
        .map(|reason| format!("| `{reason}` | {} | {} |", status_of(*reason).as_u16(), reason.reason()));
    let head = ["| Reason-Code | status | reason |".to_owned(), "|---|---|---|".to_owned()];
    head.into_iter().chain(rows).collect::<Vec<_>>().join("\n")
}

fn reason_code_schema() -> Schema {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some("How the request ended, as a stable word."))
        .enum_values(Some(ReasonCode::ALL.iter().map(|reason| reason.as_str())))
        .into()
}

fn post(documented: &Documented) -> PathItem {
    let operation: Operation = OperationBuilder::new()
        .summary(Some(documented.summary))
        .description(Some(documented.description))
        .operation_id(Some(documented.operation_id))
        .security(SecurityRequirement::new("basic", [""; 0]).add("api_key", [""; 0]))
        .parameter(own_request_id())
        .request_body(Some(form(documented.form.clone())))
        .responses(responses(documented))
        .build();
    PathItem::new(HttpMethod::Post, operation)
}

fn own_request_id() -> Parameter {
    ParameterBuilder::new()
        .name(RequestId::CLIENTS_OWN.as_str())
        .parameter_in(ParameterIn::Header)
        .description(Some("An id of the client's own, kept as the request's id."))
        .schema(Some(ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[A-Za-z0-9._-]{1,64}$"))))
        .build()
}

fn form(schema: Schema) -> RequestBody {
    RequestBodyBuilder::new()
        .content("multipart/form-data", ContentBuilder::new().schema(Some(schema)).build())
        .required(Some(utoipa::openapi::Required::True))
        .build()
}

fn responses(documented: &Documented) -> Responses {
    let mut by_status: BTreeMap<u16, Vec<ReasonCode>> = BTreeMap::new();
    for reason in documented.reasons {
        by_status.entry(status_of(*reason).as_u16()).or_default().push(*reason);
    }
    by_status
        .into_iter()
        .fold(ResponsesBuilder::new(), |responses, (status, reasons)| {
            responses.response(status.to_string(), response(documented, status, &reasons))
        })
        .build()
}

fn response(documented: &Documented, status: u16, reasons: &[ReasonCode]) -> Response {
    let has_result = reasons.iter().any(|reason| (documented.example)(*reason).is_some());
    let schema = if has_result { documented.answer } else { "Error" };
    let codes = reasons.iter().map(|reason| format!("`{reason}`")).collect::<Vec<_>>().join(", ");
    let examples = reasons.iter().map(|reason| {
        let error = || json!({ "verification_status": false, "reason": example_text(*reason) });
        let body = (documented.example)(*reason).unwrap_or_else(error);
        (reason.as_str(), ExampleBuilder::new().value(Some(body)).build())
    });
    let content = ContentBuilder::new()
        .schema(Some(RefOr::Ref(Ref::from_schema_name(schema))))
        .examples_from_iter(examples)
        .build();
    let builder = ResponseBuilder::new()
        .description(codes)
        .content("application/json", content)
        .header("Request-Id", text_header("The id under which the request is known."))
        .header(
            "RateLimit-Remaining",
            text_header("Requests that are left of the quota nearest to its end; with RateLimit-Limit and RateLimit-Reset, for a client with quotas."),
        )
        .header(
            "Reason-Code",
            HeaderBuilder::new().schema(Some(Ref::from_schema_name("ReasonCode"))).build(),
        );
    match status {
        401 => builder.header("WWW-Authenticate", text_header("Basic.")),
        405 => builder.header("Allow", text_header("The methods that the path takes.")),
        429 => builder.header("Retry-After", text_header("Seconds to wait.")),
        _ => builder,
    }
    .build()
}

/// A reason's text, with a field's name where the answer would have one.
fn example_text(reason: ReasonCode) -> &'static str {
    match reason {
        ReasonCode::MissingField => "nik is required",
        ReasonCode::InvalidField => "Invalid no_kk format",
        other => other.reason(),
    }
}

fn text_header(description: &str) -> utoipa::openapi::Header {
    HeaderBuilder::new().schema(Some(text_field(""))).description(Some(description)).build()
}

/// A field of a form that is text.
pub(crate) fn text_field(description: &str) -> ObjectBuilder {
    let described = Some(description).filter(|text| !text.is_empty());
    ObjectBuilder::new().schema_type(Type::String).description(described)
}

/// A field of a form that is a photo.
pub(crate) fn photo_field(description: &str) -> ObjectBuilder {
    text_field(description).format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_is_what_was_agreed() {
        insta::assert_json_snapshot!("openapi", &*DOCUMENT, { ".info.version" => "[version]" });
    }

    #[test]
    fn every_reason_code_is_in_it() {
        let text = DOCUMENT.to_string();
        let known = DOCUMENT.pointer("/components/schemas/ReasonCode/enum").unwrap().as_array().unwrap();
        for reason in ReasonCode::ALL {
            assert!(known.contains(&json!(reason.as_str())), "{reason}");
            assert!(text.contains(&format!("| `{reason}` | {}", status_of(*reason).as_u16())), "{reason}");
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        fn visit(value: &Value) {
            match value {
                Value::Object(map) => {
                    if let Some(Value::String(reference)) = map.get("$ref") {
                        assert!(DOCUMENT.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
                    }
                    map.values().for_each(visit);
                }
                Value::Array(values) => values.iter().for_each(visit),
                _ => {}
            }
        }
        visit(&DOCUMENT);
    }
}
