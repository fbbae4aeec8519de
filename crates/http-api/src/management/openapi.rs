use std::{
    collections::BTreeMap,
    future::{Ready, ready},
    sync::LazyLock,
};

use actix_web::HttpResponse;
use serde_json::{Map, Value, json};
use utoipa::{PartialSchema as _, openapi::RefOr};

use super::{
    access::finished,
    browser::SESSION_COOKIE,
    fault::FaultBody,
    prefix::PREFIX,
    route::{Handler, Route},
    routes::routes,
};

static DOCUMENT: LazyLock<Value> = LazyLock::new(document);

/// Serves the OpenAPI document of the management interface. It needs no token, since it has nothing secret.
pub(super) fn handle() -> Ready<HttpResponse> {
    ready(finished(HttpResponse::Ok().json(&*DOCUMENT)))
}

/// The document, generated from the table of routes. `x-roles` has the roles of an operation, and `x-audit-row` the row
/// that it leaves.
fn document() -> Value {
    let mut schemas = vec![("Fault".to_owned(), FaultBody::schema())];
    let mut paths: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for route in routes() {
        let operation = operation(route, &mut schemas);
        let path = paths.entry(format!("{PREFIX}{}", route.path)).or_default();
        path.insert(route.method.as_str().to_ascii_lowercase(), operation);
    }
    let schemas: BTreeMap<String, RefOr<_>> = schemas.into_iter().collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Padan management",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
            "description": "The management interface of Padan, for operators and their programs. Each request needs the \
                token of an operator or the cookie of a session, whose role decides what it may do (`x-roles`). Every change, search and export \
                leaves a row in the audit trail before it is answered (`x-audit-row`). A NIK is sent in bodies only.",
        },
        "servers": [{ "url": "/", "description": "The operators' listener that serves this document." }],
        "security": [{ "token": [] }, { "session": [], "csrf": [] }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "token": { "type": "http", "scheme": "bearer" },
                "session": { "type": "apiKey", "in": "cookie", "name": SESSION_COOKIE },
                "csrf": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "X-CSRF-Token",
                    "description": "`csrf_token` of the session. GET needs none.",
                },
            },
        },
    })
}

fn operation(route: &Route, schemas: &mut Vec<(String, RefOr<utoipa::openapi::Schema>)>) -> Value {
    let roles: Vec<_> = route.roles.iter().map(|role| role.as_str()).collect();
    let mut operation = json!({
        "operationId": route.id,
        "summary": route.summary,
        "x-roles": roles,
        "x-audit-row": route.act,
        "responses": responses(route, schemas),
    });
    if let Some(fields) = photo_form(route.path) {
        operation["requestBody"] = multipart(fields);
    }
    if let Handler::OfVisitor(_) = route.handler {
        operation["security"] = json!([]);
    }
    if let Some(body) = route.body {
        operation["requestBody"] = json!({ "required": true, "content": content(&body(schemas)) });
    }
    let parameters = parameters(route);
    if !parameters.is_empty() {
        operation["parameters"] = parameters.into();
    }
    operation
}

fn responses(route: &Route, schemas: &mut Vec<(String, RefOr<utoipa::openapi::Schema>)>) -> Value {
    let mut responses = Map::new();
    let answer = route.answer.map(|answer| content(&answer(schemas)));
    let mut done = json!({ "description": "Done." });
    if let Some(answer) = answer {
        done["content"] = answer;
    } else if route.status == 200 {
        let media_type =
            if route.path == "/requests/live" { "text/event-stream" } else { "application/x-ndjson" };
        done["content"] = json!({ media_type: { "schema": { "type": "string" } } });
    }
    responses.insert(route.status.to_string(), done);
    let faults = [
        ("400", "The input is wrong."),
        ("401", "There is no valid token or session, or the sign-in failed."),
        ("403", "The role of the operator does not permit the request, or another site may have sent it."),
        ("404", "There is no such object."),
        ("408", "The body did not arrive whole and in time."),
        ("409", "The state does not permit it."),
        ("413", "The body is too long."),
        (
            "429",
            "Too many wrong tokens or sign-ins, or too many requests in progress: `Retry-After` says when to try again.",
        ),
        ("500", "A fault of the service."),
        ("503", "The store cannot answer."),
    ];
    for (status, description) in faults {
        responses
            .insert(status.to_owned(), json!({ "description": description, "content": content("Fault") }));
    }
    responses.into()
}

fn content(schema: &str) -> Value {
    json!({ "application/json": { "schema": { "$ref": format!("#/components/schemas/{schema}") } } })
}

/// The fields of a form with photos, all required.
fn photo_form(path: &str) -> Option<&'static [&'static str]> {
    match path {
        "/verifications" => Some(&["nik", "name", "date_of_birth", "face_image"]),
        "/comparisons" => Some(&["captured_image", "stored_image"]),
        _ => None,
    }
}

fn multipart(fields: &[&str]) -> Value {
    let property = |field: &&str| {
        let schema = if field.ends_with("_image") {
            json!({ "type": "string", "contentMediaType": "application/octet-stream" })
        } else {
            json!({ "type": "string" })
        };
        ((*field).to_owned(), schema)
    };
    let properties: Map<String, Value> = fields.iter().map(property).collect();
    let schema = json!({ "type": "object", "required": fields, "properties": properties });
    json!({ "required": true, "content": { "multipart/form-data": { "schema": schema } } })
}

fn parameters(route: &Route) -> Vec<Value> {
    let text = json!({ "type": "string" });
    let of_path = ["name", "id"].into_iter().filter(|name| route.path.contains(&format!("{{{name}}}")));
    let of_path = of_path.map(|name| json!({ "name": name, "in": "path", "required": true, "schema": text }));
    let of_usage = [
        ("client", "Only calls of this client."),
        ("from", "Only calls on or after this day, yyyy-mm-dd; 31 days ago by default."),
        ("to", "Only calls before this day."),
    ];
    let of_usage = of_usage.map(
        |(name, description)| json!({ "name": name, "in": "query", "description": description, "schema": text }),
    );
    let of_query = match route.path {
        "/usage" => of_usage.into(),
        "/requests/live" => of_usage.into_iter().take(1).collect(),
        "/verifications" | "/comparisons" => vec![json!({
            "name": "faces", "in": "query", "schema": { "type": "boolean" },
            "description": "Whether the answer has the aligned faces, for roles in `http.show_faces_to`.",
        })],
        _ => Vec::new(),
    };
    of_path.chain(of_query).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_document_has_not_changed_by_accident() {
        insta::assert_snapshot!(serde_json::to_string_pretty(&*DOCUMENT).unwrap());
    }

    #[test]
    fn every_reference_resolves_and_every_operation_has_an_id_of_its_own() {
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
        let ids: HashSet<_> = routes().map(|route| route.id).collect();
        assert_eq!(ids.len(), routes().count());
    }

    /// A wrong role must not get by because a route names it by mistake: what changes something is for operators.
    #[test]
    fn an_auditor_and_support_change_nothing() {
        let reads = [
            "search",
            "export",
            "list",
            "show",
            "sign",
            "beginProviderSignIn",
            "startVerification",
            "startExport",
            "continueExport",
            "downloadExport",
            "removeExport",
            "watch",
            "previewActivation",
            "verifyByHand",
            "compareByHand",
        ];
        for route in routes() {
            let is_for_operators_alone = route.roles == [padan_domain::OperatorRole::Operator];
            assert!(
                is_for_operators_alone || reads.iter().any(|read| route.id.starts_with(read)),
                "{}",
                route.id
            );
        }
    }
}
