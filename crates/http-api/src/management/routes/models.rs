//! Model sets and calibrations.

use actix_web::http::Method;

use crate::management::{
    calibration, models,
    route::{OPERATOR, OPERATOR_OR_AUDITOR, Route, handler, schema},
};

pub(super) static ROUTES: [Route; 5] = [
    Route {
        method: Method::GET,
        path: "/models",
        id: "listModels",
        summary: "Lists the model sets and their calibrations: active, in use and known on this machine.",
        roles: OPERATOR_OR_AUDITOR,
        act: None,
        body: None,
        status: 200,
        answer: Some(schema::<models::Models>),
        handler: handler!(models::list),
    },
    Route {
        method: Method::POST,
        path: "/models/activation/preview",
        id: "previewActivation",
        summary: "Shows which decisions a model set would change, as counted while it was measured beside the active one.",
        roles: OPERATOR_OR_AUDITOR,
        act: None,
        body: Some(schema::<models::Candidate>),
        status: 200,
        answer: Some(schema::<models::ActivationPreview>),
        handler: handler!(models::preview),
    },
    Route {
        method: Method::POST,
        path: "/models/activation",
        id: "activateModel",
        summary: "Activates a model set with its calibration for all services.",
        roles: OPERATOR,
        act: Some("MODEL_ACTIVATED"),
        body: Some(schema::<models::Activation>),
        status: 200,
        answer: Some(schema::<models::Activated>),
        handler: handler!(models::activate),
    },
    Route {
        method: Method::POST,
        path: "/calibration/preview",
        id: "previewCalibration",
        summary: "Shows how the pass mark would move with a calibration, without activating it.",
        roles: OPERATOR,
        act: None,
        body: Some(schema::<calibration::WantedCalibration>),
        status: 200,
        answer: Some(schema::<calibration::CalibrationChange>),
        handler: handler!(calibration::preview),
    },
    Route {
        method: Method::POST,
        path: "/calibration/activation",
        id: "activateCalibration",
        summary: "Activates a calibration of a model set for all services, and shows how the pass mark moved.",
        roles: OPERATOR,
        act: Some("CALIBRATION_ACTIVATED"),
        body: Some(schema::<calibration::WantedCalibration>),
        status: 200,
        answer: Some(schema::<calibration::CalibrationChange>),
        handler: handler!(calibration::activate),
    },
];
