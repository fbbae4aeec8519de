//! The routes of the management interface. docs/management.md has the same table; a test compares them and calls each
//! route in each role.

mod clients;
mod enrolments;
mod models;
mod operators;
mod people;
mod requests;
mod session;
mod trail;
mod verification;

use padan_domain::OperatorRole;

use super::route::Route;

/// Every route.
pub(super) fn routes() -> impl Iterator<Item = &'static Route> {
    let groups: [&[Route]; 9] = [
        &session::ROUTES,
        &verification::ROUTES,
        &requests::ROUTES,
        &clients::ROUTES,
        &operators::ROUTES,
        &trail::ROUTES,
        &people::ROUTES,
        &models::ROUTES,
        &enrolments::ROUTES,
    ];
    groups.into_iter().flatten()
}

/// The ids of the operations that a role permits.
pub(super) fn operations_of(role: OperatorRole) -> Vec<&'static str> {
    routes().filter(|route| route.roles.contains(&role)).map(|route| route.id).collect()
}
