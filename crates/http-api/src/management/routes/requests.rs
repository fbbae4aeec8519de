//! Requests of clients, found or watched.

use actix_web::http::Method;

use crate::management::{
    requests,
    route::{ALL, OPERATOR_OR_AUDITOR, Route, handler, schema},
    trail,
};

pub(super) static ROUTES: [Route; 3] = [
    Route {
        method: Method::POST,
        path: "/requests/search",
        id: "searchRequest",
        summary: "Finds the rows of one request in the audit trail.",
        roles: ALL,
        act: Some("REQUEST_SEARCHED"),
        body: Some(schema::<trail::RequestSearch>),
        status: 200,
        answer: Some(schema::<trail::AuditPage>),
        handler: handler!(trail::search_request),
    },
    Route {
        method: Method::POST,
        path: "/requests/list",
        id: "listRequests",
        summary: "Lists requests of clients by client, reason and time, page by page.",
        roles: OPERATOR_OR_AUDITOR,
        act: Some("AUDIT_SEARCHED"),
        body: Some(schema::<requests::RequestList>),
        status: 200,
        answer: Some(schema::<trail::AuditPage>),
        handler: handler!(requests::list),
    },
    Route {
        method: Method::GET,
        path: "/requests/live",
        id: "watchRequests",
        summary: "Sends each row of a request as an event `row` when it is written, for two minutes.",
        roles: OPERATOR_OR_AUDITOR,
        act: Some("AUDIT_SEARCHED"),
        body: None,
        status: 200,
        answer: None,
        handler: handler!(requests::watch),
    },
];
