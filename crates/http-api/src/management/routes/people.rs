//! The data about one person.

use actix_web::http::Method;

use crate::management::{
    people,
    route::{OPERATOR, OPERATOR_OR_AUDITOR, Route, handler, schema},
    trail,
};

pub(super) static ROUTES: [Route; 3] = [
    Route {
        method: Method::POST,
        path: "/people/search",
        id: "searchPerson",
        summary: "Finds the rows of the audit trail about a person.",
        roles: OPERATOR_OR_AUDITOR,
        act: Some("PERSON_SEARCHED"),
        body: Some(schema::<trail::PersonSearch>),
        status: 200,
        answer: Some(schema::<trail::AuditPage>),
        handler: handler!(trail::search_person),
    },
    Route {
        method: Method::POST,
        path: "/people/erasures/preview",
        id: "previewErasure",
        summary: "Counts what is stored about a person, and gives a confirmation of its erasure that is valid for five \
                  minutes.",
        roles: OPERATOR,
        act: Some("PERSON_LOOKED_UP"),
        body: Some(schema::<people::Person>),
        status: 200,
        answer: Some(schema::<people::ErasurePreview>),
        handler: handler!(people::preview),
    },
    Route {
        method: Method::POST,
        path: "/people/erasures",
        id: "erasePerson",
        summary: "Erases what is stored about a person, as the preview showed it.",
        roles: OPERATOR,
        act: Some("PERSON_FORGOTTEN"),
        body: Some(schema::<people::Erasure>),
        status: 200,
        answer: Some(schema::<people::Erased>),
        handler: handler!(people::erase),
    },
];
