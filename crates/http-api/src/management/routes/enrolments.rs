//! Enrolments.

use actix_web::http::Method;

use crate::management::{
    enrolments,
    route::{OPERATOR, OPERATOR_OR_AUDITOR, Route, handler, schema},
};

pub(super) static ROUTES: [Route; 3] = [
    Route {
        method: Method::GET,
        path: "/enrolments",
        id: "listEnrolments",
        summary: "Shows how far each enrolment is, and those that were started here.",
        roles: OPERATOR_OR_AUDITOR,
        act: None,
        body: None,
        status: 200,
        answer: Some(schema::<enrolments::Enrolments>),
        handler: handler!(enrolments::list),
    },
    Route {
        method: Method::POST,
        path: "/enrolments",
        id: "startEnrolment",
        summary: "Starts the enrolment of all people. A process of `padan enroll --wait` does the work.",
        roles: OPERATOR,
        act: Some("ENROLMENT_STARTED"),
        body: Some(schema::<enrolments::EnrolmentStart>),
        status: 202,
        answer: Some(schema::<enrolments::EnrolmentJob>),
        handler: handler!(enrolments::start),
    },
    Route {
        method: Method::PUT,
        path: "/enrolments/{id}/state",
        id: "setEnrolmentState",
        summary: "Pauses, continues or stops an enrolment that was started here.",
        roles: OPERATOR,
        act: Some("ENROLMENT_PAUSED or ENROLMENT_CONTINUED or ENROLMENT_STOPPED"),
        body: Some(schema::<enrolments::EnrolmentWish>),
        status: 200,
        answer: Some(schema::<enrolments::EnrolmentJob>),
        handler: handler!(enrolments::set_state),
    },
];
