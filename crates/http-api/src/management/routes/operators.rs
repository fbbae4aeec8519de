//! Operators.

use actix_web::http::Method;

use crate::management::{
    operators,
    route::{OPERATOR, Route, handler, schema},
};

pub(super) static ROUTES: [Route; 6] = [
    Route {
        method: Method::GET,
        path: "/operators",
        id: "listOperators",
        summary: "Lists the operators of the store, and those who are signed in through the provider.",
        roles: OPERATOR,
        act: None,
        body: None,
        status: 200,
        answer: Some(schema::<operators::Operators>),
        handler: handler!(operators::list),
    },
    Route {
        method: Method::POST,
        path: "/operators",
        id: "addOperator",
        summary: "Adds an operator. The answer has its secrets, which are shown only this once. It needs \
                  `http.manage_operators`.",
        roles: OPERATOR,
        act: Some("OPERATOR_ADDED and OPERATOR_PASSWORD_SET and OPERATOR_CODE_SET"),
        body: Some(schema::<operators::OperatorAdditionForm>),
        status: 201,
        answer: Some(schema::<operators::OperatorSecrets>),
        handler: handler!(operators::add),
    },
    Route {
        method: Method::PATCH,
        path: "/operators/{name}",
        id: "changeOperator",
        summary: "Changes role or expiry of another operator. It needs `http.manage_operators`.",
        roles: OPERATOR,
        act: Some("OPERATOR_CHANGED"),
        body: Some(schema::<operators::OperatorChange>),
        status: 200,
        answer: Some(schema::<operators::OperatorEntry>),
        handler: handler!(operators::change),
    },
    Route {
        method: Method::PUT,
        path: "/operators/{name}/state",
        id: "setOperatorState",
        summary: "Disables another operator, whose sessions end, or enables it. To enable needs `http.manage_operators`.",
        roles: OPERATOR,
        act: Some("OPERATOR_CHANGED"),
        body: Some(schema::<operators::OperatorState>),
        status: 200,
        answer: Some(schema::<operators::OperatorEntry>),
        handler: handler!(operators::set_state),
    },
    Route {
        method: Method::POST,
        path: "/operators/{name}/rotation",
        id: "rotateOperator",
        summary: "Gives another operator new secrets. The answer has them; they are shown only this once. It needs \
                  `http.manage_operators`.",
        roles: OPERATOR,
        act: Some("OPERATOR_ROTATED and OPERATOR_PASSWORD_SET and OPERATOR_CODE_SET"),
        body: Some(schema::<operators::OperatorRotation>),
        status: 200,
        answer: Some(schema::<operators::OperatorSecrets>),
        handler: handler!(operators::rotate),
    },
    Route {
        method: Method::DELETE,
        path: "/operators/{name}/sessions",
        id: "endSessions",
        summary: "Ends all sessions of an account, also of one that the provider knows. 404 when it has none.",
        roles: OPERATOR,
        act: Some("OPERATOR_SESSIONS_ENDED"),
        body: None,
        status: 204,
        answer: None,
        handler: handler!(operators::end_sessions),
    },
];
