//! The routes of the management interface, with the roles that may call each of them.

use actix_web::{HttpResponse, http::Method};
use futures_util::{FutureExt as _, future::LocalBoxFuture};
use padan_domain::OperatorRole::{self, Auditor, Operator, Support};
use padan_verification::OperatorAccount;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};

use super::{
    by_hand,
    call::Call,
    clients, export,
    fault::Fault,
    models, people, requests,
    session::{self, Visitor},
    state, trail, usage, verifications,
};

/// A route of the management interface.
pub(crate) struct Route {
    pub(super) method: Method,
    /// The path below `/admin/v1`.
    pub(super) path: &'static str,
    /// The id of the operation in the OpenAPI document, in metrics and in the log.
    pub(super) id: &'static str,
    pub(super) summary: &'static str,
    /// The roles that may call it.
    pub(super) roles: &'static [OperatorRole],
    /// What the audit trail records of it.
    pub(super) act: Option<&'static str>,
    pub(super) body: Option<NamedSchema>,
    pub(super) status: u16,
    pub(super) answer: Option<NamedSchema>,
    pub(super) handler: Handler,
}

/// What serves a route.
#[derive(Clone, Copy)]
pub(super) enum Handler {
    /// Takes the request of an operator whose role permits it.
    OfOperator(OfOperator),
    /// Takes the request of somebody who is no operator yet.
    OfVisitor(OfVisitor),
}

pub(super) type OfOperator = fn(Call) -> LocalBoxFuture<'static, Result<HttpResponse, Fault>>;
pub(super) type OfVisitor =
    fn(Visitor) -> LocalBoxFuture<'static, Result<(OperatorAccount, HttpResponse), Fault>>;

/// The name of a schema. Adds it, and those that it refers to, to the list.
pub(super) type NamedSchema = fn(&mut Vec<(String, RefOr<Schema>)>) -> String;

fn schema<T: ToSchema + PartialSchema>(schemas: &mut Vec<(String, RefOr<Schema>)>) -> String {
    schemas.push((T::name().into_owned(), T::schema()));
    T::schemas(schemas);
    T::name().into_owned()
}

macro_rules! handler {
    ($function:path) => {
        Handler::OfOperator(|call| $function(call).boxed_local())
    };
}

const ALL: &[OperatorRole] = &[Support, Operator, Auditor];
const OPERATOR: &[OperatorRole] = &[Operator];
const SUPPORT_OR_OPERATOR: &[OperatorRole] = &[Support, Operator];
const AUDITOR: &[OperatorRole] = &[Auditor];
const OPERATOR_OR_AUDITOR: &[OperatorRole] = &[Operator, Auditor];

/// Every route. docs/management.md has the same table; a test compares them and calls each route in each role.
pub(super) static ROUTES: [Route; 28] = [
    Route {
        method: Method::GET,
        path: "/session",
        id: "showSession",
        summary: "Shows the operator who calls, and what the role permits.",
        roles: ALL,
        act: None,
        body: None,
        status: 200,
        answer: Some(schema::<session::Session>),
        handler: handler!(session::show),
    },
    Route {
        method: Method::POST,
        path: "/session",
        id: "signIn",
        summary: "Begins a session in a browser, by a password and, if the account has them, a one-time code. The \
                  answer sets the cookie of the session.",
        roles: ALL,
        act: Some("OPERATOR_SIGNED_IN or OPERATOR_SIGN_IN_FAILED"),
        body: Some(schema::<session::SignInForm>),
        status: 200,
        answer: Some(schema::<session::Session>),
        handler: Handler::OfVisitor(|visitor| session::sign_in(visitor).boxed_local()),
    },
    Route {
        method: Method::DELETE,
        path: "/session",
        id: "signOut",
        summary: "Ends the session.",
        roles: ALL,
        act: Some("OPERATOR_SIGNED_OUT"),
        body: None,
        status: 204,
        answer: None,
        handler: handler!(session::sign_out),
    },
    Route {
        method: Method::GET,
        path: "/health",
        id: "showHealth",
        summary: "Shows the state of this process, the registry's replicas, the store and the queue.",
        roles: ALL,
        act: None,
        body: None,
        status: 200,
        answer: Some(schema::<state::Health>),
        handler: handler!(state::health),
    },
    Route {
        method: Method::POST,
        path: "/verifications",
        id: "verifyByHand",
        summary: "Verifies a person by hand, with the form of a face verification. A refusal is part of the answer.",
        roles: SUPPORT_OR_OPERATOR,
        act: Some("VERIFIED_BY_HAND"),
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
        act: Some("VERIFIED_BY_HAND"),
        body: None,
        status: 200,
        answer: Some(schema::<by_hand::HandComparison>),
        handler: handler!(by_hand::compare),
    },
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
    Route {
        method: Method::GET,
        path: "/clients",
        id: "listClients",
        summary: "Lists the clients in the store.",
        roles: OPERATOR_OR_AUDITOR,
        act: None,
        body: None,
        status: 200,
        answer: Some(schema::<clients::ClientList>),
        handler: handler!(clients::list),
    },
    Route {
        method: Method::POST,
        path: "/clients",
        id: "addClient",
        summary: "Adds a client. The answer has its secrets, which are shown only this once.",
        roles: OPERATOR,
        act: Some("CLIENT_ADDED"),
        body: Some(schema::<clients::ClientAddition>),
        status: 201,
        answer: Some(schema::<clients::ClientSecrets>),
        handler: handler!(clients::add),
    },
    Route {
        method: Method::GET,
        path: "/clients/{name}",
        id: "showClient",
        summary: "Shows a client and how much of its quotas it has used.",
        roles: OPERATOR_OR_AUDITOR,
        act: None,
        body: None,
        status: 200,
        answer: Some(schema::<clients::ClientDetails>),
        handler: handler!(clients::show),
    },
    Route {
        method: Method::DELETE,
        path: "/clients/{name}",
        id: "removeClient",
        summary: "Removes a client. Its rows in the audit trail and its usage stay.",
        roles: OPERATOR,
        act: Some("CLIENT_REMOVED"),
        body: None,
        status: 204,
        answer: None,
        handler: handler!(clients::remove),
    },
    Route {
        method: Method::PATCH,
        path: "/clients/{name}/rules",
        id: "changeClientRules",
        summary: "Changes the limits of a client that are named; the others stay.",
        roles: OPERATOR,
        act: Some("CLIENT_CHANGED"),
        body: Some(schema::<clients::ClientRulesChange>),
        status: 200,
        answer: Some(schema::<clients::ClientDetails>),
        handler: handler!(clients::change_rules),
    },
    Route {
        method: Method::PUT,
        path: "/clients/{name}/state",
        id: "setClientState",
        summary: "Disables or enables a client.",
        roles: OPERATOR,
        act: Some("CLIENT_DISABLED or CLIENT_ENABLED"),
        body: Some(schema::<clients::ClientState>),
        status: 200,
        answer: Some(schema::<clients::ClientDetails>),
        handler: handler!(clients::set_state),
    },
    Route {
        method: Method::POST,
        path: "/clients/{name}/rotation",
        id: "rotateClient",
        summary: "Gives a client new secrets. The answer has them; they are shown only this once.",
        roles: OPERATOR,
        act: Some("CLIENT_ROTATED"),
        body: Some(schema::<clients::ClientRotation>),
        status: 200,
        answer: Some(schema::<clients::ClientSecrets>),
        handler: handler!(clients::rotate),
    },
    Route {
        method: Method::GET,
        path: "/usage",
        id: "showUsage",
        summary: "Counts calls by client, day in Jakarta, endpoint and outcome.",
        roles: OPERATOR_OR_AUDITOR,
        act: None,
        body: None,
        status: 200,
        answer: Some(schema::<usage::Usage>),
        handler: handler!(usage::show),
    },
    Route {
        method: Method::POST,
        path: "/audit/search",
        id: "searchAudit",
        summary: "Searches the audit trail by kind, client, reason and time, page by page.",
        roles: AUDITOR,
        act: Some("AUDIT_SEARCHED"),
        body: Some(schema::<trail::AuditSearch>),
        status: 200,
        answer: Some(schema::<trail::AuditPage>),
        handler: handler!(trail::search_trail),
    },
    Route {
        method: Method::POST,
        path: "/audit/exports",
        id: "exportAudit",
        summary: "Exports rows of the audit trail as JSON lines, oldest first.",
        roles: AUDITOR,
        act: Some("AUDIT_EXPORTED"),
        body: Some(schema::<export::AuditExport>),
        status: 200,
        answer: None,
        handler: handler!(export::export),
    },
    Route {
        method: Method::GET,
        path: "/audit/verifications",
        id: "listVerifications",
        summary: "Lists the last verifications of the audit trail by this process.",
        roles: OPERATOR_OR_AUDITOR,
        act: None,
        body: None,
        status: 200,
        answer: Some(schema::<verifications::VerificationList>),
        handler: handler!(verifications::list),
    },
    Route {
        method: Method::POST,
        path: "/audit/verifications",
        id: "startVerification",
        summary: "Starts a verification of the whole audit trail, which runs beside the requests.",
        roles: OPERATOR_OR_AUDITOR,
        act: Some("AUDIT_VERIFIED"),
        body: None,
        status: 202,
        answer: Some(schema::<verifications::VerificationEntry>),
        handler: handler!(verifications::start),
    },
    Route {
        method: Method::GET,
        path: "/audit/verifications/{id}",
        id: "showVerification",
        summary: "Shows the progress or the result of a verification.",
        roles: OPERATOR_OR_AUDITOR,
        act: None,
        body: None,
        status: 200,
        answer: Some(schema::<verifications::VerificationEntry>),
        handler: handler!(verifications::show),
    },
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
        method: Method::GET,
        path: "/enrolments",
        id: "listEnrolments",
        summary: "Shows how far each enrolment is.",
        roles: OPERATOR_OR_AUDITOR,
        act: None,
        body: None,
        status: 200,
        answer: Some(schema::<models::Enrolments>),
        handler: handler!(models::enrolments),
    },
];

/// The ids of the operations that a role permits.
pub(super) fn operations_of(role: OperatorRole) -> Vec<&'static str> {
    ROUTES.iter().filter(|route| route.roles.contains(&role)).map(|route| route.id).collect()
}
