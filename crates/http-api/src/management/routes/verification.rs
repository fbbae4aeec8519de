//! Verifications and comparisons by hand.

use actix_web::http::Method;

use crate::management::{
    by_hand,
    route::{Route, SUPPORT_OR_OPERATOR, handler, schema},
};

pub(super) static ROUTES: [Route; 2] = [
    Route {
        method: Method::POST,
        path: "/verifications",
        id: "verifyByHand",
        summary: "Verifies a person by hand, with the form of a face verification. A refusal is part of the answer.",
        roles: SUPPORT_OR_OPERATOR,
        act: Some("VERIFIED_BY_HAND and FACES_SHOWN"),
        body: None,
        status: 200,
        answer: Some(schema::<by_hand::HandVerification>),
        handler: handler!(by_hand::verify),
    },
    Route {
        method: Method::POST,
        path: "/comparisons",
        id: "compareByHand",
        summary: "Compares two photos by hand, with the form of a face match. A refusal is part of the answer.",
        roles: SUPPORT_OR_OPERATOR,
        act: Some("VERIFIED_BY_HAND and FACES_SHOWN"),
        body: None,
        status: 200,
        answer: Some(schema::<by_hand::HandComparison>),
        handler: handler!(by_hand::compare),
    },
];
