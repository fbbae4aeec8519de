use std::{
    collections::BTreeMap,
    future::{Ready, ready},
    sync::LazyLock,
};

use actix_web::HttpResponse;
use padan_domain::ReasonCode;
use serde_json::{Value, json};
use utoipa::{
    PartialSchema as _,
    openapi::{
        ComponentsBuilder, ContentBuilder, HeaderBuilder, HttpMethod, Info, InfoBuilder, License,
        ObjectBuilder, OpenApi, OpenApiBuilder, PathItem, PathsBuilder, Ref, RefOr, Response,
        ResponseBuilder, Responses, ResponsesBuilder, Schema,
        example::ExampleBuilder,
        path::{Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn},
        request_body::{RequestBody, RequestBodyBuilder},
        schema::Type,
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
        server::ServerBuilder,
        tag::TagBuilder,
    },
};

use crate::{
    answer::{ErrorBody, respond_with_document},
    endpoint_docs::{EndpointDocs, text_field},
    endpoints::AuditedEndpoint,
    request_id::RequestId,
    sandbox_docs,
    status::status_of,
};

/// The path of the document.
pub(crate) const PATH: &str = "/openapi.json";

/// The tags of the endpoints, which are the first segments of their paths.
const TAGS: [(&str, &str); 2] = [
    ("identity", "Verifications of persons against the civil registry."),
    ("face", "Faces in photos, without the registry."),
];

/// The document of a service with a liveness set.
static DOCUMENT: LazyLock<Value> = LazyLock::new(|| serde_json::to_value(document(true)).unwrap_or_default());
static WITHOUT_LIVENESS: LazyLock<Value> =
    LazyLock::new(|| serde_json::to_value(document(false)).unwrap_or_default());

/// Serves the OpenAPI document of a service with a liveness set, or without one.
pub(crate) fn handle(has_liveness: bool) -> Ready<HttpResponse> {
    ready(respond_with_document(if has_liveness { &*DOCUMENT } else { &*WITHOUT_LIVENESS }))
}

/// The whole document, generated from the code that answers.
fn document(has_liveness: bool) -> OpenApi {
    let endpoints: Vec<_> =
        AuditedEndpoint::served(has_liveness).map(|audited| (audited.path, (audited.docs)())).collect();
    let paths =
        endpoints.iter().fold(PathsBuilder::new(), |paths, (path, docs)| paths.path(*path, post(path, docs)));
    let components = endpoints
        .into_iter()
        .flat_map(|(_, docs)| docs.schemas.into_iter().chain([docs.form, docs.json].map(as_component)))
        .fold(ComponentsBuilder::new(), |components, (name, schema)| components.schema(name, schema))
        .schema("Error", ErrorBody::schema())
        .schema("ReasonCode", reason_code_schema())
        .security_scheme(
            "basic",
            SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Basic).build()),
        )
        .security_scheme("api_key", SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("x-api-key"))));
    OpenApiBuilder::new()
        .info(info())
        .servers(Some([ServerBuilder::new()
            .url("/")
            .description(Some("The service that serves this document."))
            .build()]))
        .tags(Some(TAGS.map(|(name, text)| TagBuilder::new().name(name).description(Some(text)).build())))
        .paths(paths.build())
        .components(Some(components.build()))
        .build()
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
             `x-request-id`. It is echoed when it has at most 64 characters of `A-Z a-z 0-9 . _ -`. An id \
             that may hold a NIK, in whatever encoding, is echoed and not recorded: `Recorded-Request-Id` has the id \
             of the request in the service's records. Recorded are UUIDs of the versions 1, 4, 6 and 7 (unless their \
             digits read like a NIK), ULIDs, and ids that are too short for a NIK: up to 15 digits, up to 9 letters, \
             or a word and a number such as `order-123456`.\n\n\
             A form is `multipart/form-data` or `application/json`, of at most 16 MiB. Its fields may come in any \
             order, each once; others are ignored. In multipart, text is read in the charset of its part, or as \
             UTF-8, and a part may have `Content-Transfer-Encoding` base64 or quoted-printable. JSON is an object in \
             UTF-8 with a string for each field, and photos in base64; the limit is for the body as sent. A field that \
             is null counts as missing, while a field that need not be sent may be left out. The body may have \
             `Content-Encoding` gzip. A request may have 96 headers. The format of a \
             photo is recognised by its bytes. Problems are reported in the order: credentials, the client's rate, \
             its other rules (403), a full service, the client's quota, size and form of the body, the text fields in \
             their order, the photo's format, the registry, the service's own database, too many failed attempts, \
             the photo's content. An answer that cannot be recorded in the service's own database becomes a \
             503.\n\n\
             429 is answered when a rate or a quota is used up, when too many wrong credentials came from an \
             address, when too many attempts have failed (`TOO_MANY_FAILED_FACES`: faces that failed or were compared \
             for the person; `TOO_MANY_FAILED_FIELDS`: requests of the client with a wrong field or an unknown NIK, \
             for the person or altogether), and when the service is full. `Retry-After` is \
             the number of seconds to wait. Answers to a client with a daily or monthly quota carry \
             `RateLimit-Limit`, `RateLimit-Remaining` and `RateLimit-Reset` (seconds) of the quota with the fewest \
             requests left. Days and months are those of Asia/Jakarta. 503 means that the registry or the service's \
             own database cannot answer.\n\n\
             {}\n\n## Reason codes\n\n{}",
            sandbox_docs::section(),
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
        .description(Some("How the request ended. The codes are stable."))
        .enum_values(Some(ReasonCode::ALL.iter().map(|reason| reason.as_str())))
        .into()
}

fn as_component((name, schema): (&'static str, Schema)) -> (&'static str, RefOr<Schema>) {
    (name, schema.into())
}

fn post(path: &str, docs: &EndpointDocs) -> PathItem {
    let operation: Operation = OperationBuilder::new()
        .summary(Some(docs.summary))
        .description(Some(docs.description))
        .operation_id(Some(docs.operation_id))
        .tag(path.split('/').nth(1).unwrap_or_default())
        .security(SecurityRequirement::new("basic", [""; 0]).add("api_key", [""; 0]))
        .parameter(own_request_id())
        .request_body(Some(form(docs)))
        .responses(responses(docs))
        .build();
    PathItem::new(HttpMethod::Post, operation)
}

fn own_request_id() -> Parameter {
    ParameterBuilder::new()
        .name(RequestId::CLIENTS_OWN.as_str())
        .parameter_in(ParameterIn::Header)
        .description(Some(
            "The client's own id for the request: 1 to 64 characters of `A-Z a-z 0-9 . _ -`. Any other is replaced by a \
             new id, and the request is answered as usual.",
        ))
        .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
        .build()
}

fn form(docs: &EndpointDocs) -> RequestBody {
    let content = |name| ContentBuilder::new().schema(Some(Ref::from_schema_name(name))).build();
    RequestBodyBuilder::new()
        .content("multipart/form-data", content(docs.form.0))
        .content("application/json", content(docs.json.0))
        .required(Some(utoipa::openapi::Required::True))
        .build()
}

fn responses(docs: &EndpointDocs) -> Responses {
    let mut by_status: BTreeMap<u16, Vec<ReasonCode>> = BTreeMap::new();
    for reason in docs.all_reasons() {
        by_status.entry(status_of(reason).as_u16()).or_default().push(reason);
    }
    by_status
        .into_iter()
        .fold(ResponsesBuilder::new(), |responses, (status, reasons)| {
            responses.response(status.to_string(), response(docs, status, &reasons))
        })
        .build()
}

fn response(docs: &EndpointDocs, status: u16, reasons: &[ReasonCode]) -> Response {
    let has_result = reasons.iter().any(|reason| (docs.example)(*reason).is_some());
    let schema = if has_result { docs.answer } else { "Error" };
    let codes = reasons.iter().map(|reason| format!("`{reason}`")).collect::<Vec<_>>().join(", ");
    let examples = reasons.iter().map(|reason| {
        let error = || json!({ "verification_status": false, "reason": example_text(*reason) });
        let body = (docs.example)(*reason).unwrap_or_else(error);
        (reason.as_str(), ExampleBuilder::new().value(Some(body)).build())
    });
    let content = ContentBuilder::new()
        .schema(Some(RefOr::Ref(Ref::from_schema_name(schema))))
        .examples_from_iter(examples)
        .build();
    let builder = ResponseBuilder::new()
        .description(codes)
        .content("application/json", content)
        .header("Request-Id", text_header("The id of the request."))
        .header(
            "RateLimit-Remaining",
            text_header(
                "Remaining requests of the quota with the fewest requests left, for a client with quotas; \
                 RateLimit-Limit and RateLimit-Reset come with it.",
            ),
        )
        .header("Sandbox", text_header("`true` in answers to sandbox clients, which are about nobody."))
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

/// The text of a reason in an example. If the answer names a field, the example does.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoints::AUDITED;

    #[test]
    fn the_document_matches_its_snapshot() {
        insta::assert_json_snapshot!("openapi", &*DOCUMENT, { ".info.version" => "[version]" });
    }

    #[test]
    fn fields_have_their_lengths_and_an_unsuitable_id_is_no_error() {
        let post = |path: &str| &DOCUMENT["paths"][path]["post"];
        let fields = |path: &str| {
            let schema = &post(path)["requestBody"]["content"]["multipart/form-data"]["schema"]["$ref"];
            &DOCUMENT.pointer(schema.as_str().unwrap().trim_start_matches('#')).unwrap()["properties"]
        };
        let lengths = |field: &Value| (field["minLength"].as_u64(), field["maxLength"].as_u64());
        for path in ["/identity/v1/face-verification", "/identity/v1/verification"] {
            let fields = fields(path);
            assert_eq!(lengths(&fields["nik"]), (Some(16), Some(16)));
            assert_eq!(lengths(&fields["name"]), (Some(1), Some(256)));
            assert_eq!(lengths(&fields["date_of_birth"]), (Some(10), Some(10)));
            let id = &post(path)["parameters"][0];
            assert_eq!((&id["name"], &id["schema"]["pattern"]), (&"x-request-id".into(), &Value::Null));
            assert!(id["description"].as_str().unwrap().contains("replaced by a new id"), "{id}");
            assert_eq!(post(path)["tags"], json!(["identity"]));
        }
        for path in ["/face/v1/match", "/face/v1/passive-liveness"] {
            assert_eq!(post(path)["tags"], json!(["face"]));
        }
        assert_eq!(lengths(&fields("/identity/v1/verification")["no_kk"]), (Some(16), Some(16)));
        assert_eq!(DOCUMENT["servers"][0]["url"], "/");
        let described = DOCUMENT["tags"].as_array().unwrap().iter().map(|tag| tag["name"].as_str());
        assert_eq!(described.collect::<Vec<_>>(), [Some("identity"), Some("face")]);
    }

    #[test]
    fn every_reason_code_is_documented() {
        let text = DOCUMENT.to_string();
        let known = DOCUMENT.pointer("/components/schemas/ReasonCode/enum").unwrap().as_array().unwrap();
        for reason in ReasonCode::ALL {
            assert!(known.contains(&json!(reason.as_str())), "{reason}");
            assert!(text.contains(&format!("| `{reason}` | {}", status_of(*reason).as_u16())), "{reason}");
        }
    }

    /// Only answers of the server itself have a reason that no endpoint lists.
    #[test]
    fn every_reason_code_is_listed_by_an_endpoint() {
        let listed: Vec<_> =
            AUDITED.iter().flat_map(|endpoint| (endpoint.docs)().all_reasons().collect::<Vec<_>>()).collect();
        let others = ReasonCode::ALL.iter().filter(|reason| !listed.contains(reason)).copied();
        assert_eq!(others.collect::<Vec<_>>(), [ReasonCode::Served, ReasonCode::NotFound]);
    }

    /// Where a value does not fit its schema: wrong types, missing properties, unknown properties.
    fn faults(value: &Value, schema: &Value, place: &str) -> Vec<String> {
        let schema = schema["$ref"].as_str().map_or(schema, |reference| {
            DOCUMENT.pointer(reference.trim_start_matches('#')).expect("the schema is in the document")
        });
        let is_of = |name: &Value| match name.as_str() {
            Some("object") => value.is_object(),
            Some("string") => value.is_string(),
            Some("boolean") => value.is_boolean(),
            Some("number") => value.is_number(),
            Some("null") => value.is_null(),
            _ => panic!("{place}: the test does not know the type {name}"),
        };
        let types = schema["type"].as_array().cloned().unwrap_or_else(|| vec![schema["type"].clone()]);
        if !types.iter().any(is_of) {
            return vec![format!("{place} is {value}, not of the type {}", schema["type"])];
        }
        let Some(object) = value.as_object() else { return Vec::new() };
        let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let missing = required.filter(|name| !object.contains_key(*name));
        let missing = missing.map(|name| format!("{place} has no {name}")).collect::<Vec<_>>();
        let properties = object.iter().flat_map(|(name, value)| match &schema["properties"][name] {
            Value::Null => vec![format!("{place} has {name}, which its schema does not know")],
            property => faults(value, property, &format!("{place}.{name}")),
        });
        missing.into_iter().chain(properties).collect()
    }

    #[test]
    fn every_example_fits_its_schema() {
        let mut faulty = Vec::new();
        let mut examples = 0;
        for (path, item) in DOCUMENT["paths"].as_object().unwrap() {
            for (status, response) in item["post"]["responses"].as_object().unwrap() {
                let content = &response["content"]["application/json"];
                for (name, example) in content["examples"].as_object().unwrap() {
                    let place = format!("{path} {status} {name}");
                    faulty.extend(faults(&example["value"], &content["schema"], &place));
                    examples += 1;
                }
            }
        }
        assert!(examples > 60, "{examples} examples are not all");
        assert!(faulty.is_empty(), "{faulty:#?}");
    }

    #[test]
    fn every_reference_resolves() {
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
