//! A route of the management interface, with the roles that may call it.

use actix_web::{HttpResponse, http::Method};
use futures_util::future::LocalBoxFuture;
use padan_domain::OperatorRole::{self, Auditor, Operator, Support};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};

use super::{
    call::Call,
    fault::Fault,
    session::{Visited, Visitor},
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
pub(super) type OfVisitor = fn(Visitor) -> LocalBoxFuture<'static, Visited>;

/// The name of a schema. Adds it, and those that it refers to, to the list.
pub(super) type NamedSchema = fn(&mut Vec<(String, RefOr<Schema>)>) -> String;

pub(super) fn schema<T: ToSchema + PartialSchema>(schemas: &mut Vec<(String, RefOr<Schema>)>) -> String {
    schemas.push((T::name().into_owned(), T::schema()));
    T::schemas(schemas);
    T::name().into_owned()
}

/// What serves a route, by its function.
macro_rules! handler {
    ($function:path) => {
        $crate::management::route::Handler::OfOperator(|call| {
            futures_util::FutureExt::boxed_local($function(call))
        })
    };
}
pub(super) use handler;

pub(super) const ALL: &[OperatorRole] = &[Support, Operator, Auditor];
pub(super) const OPERATOR: &[OperatorRole] = &[Operator];
pub(super) const SUPPORT_OR_OPERATOR: &[OperatorRole] = &[Support, Operator];
pub(super) const AUDITOR: &[OperatorRole] = &[Auditor];
pub(super) const OPERATOR_OR_AUDITOR: &[OperatorRole] = &[Operator, Auditor];
