//! Signing in and out, and the state of the process.

use std::future::ready;

use actix_web::http::Method;
use futures_util::FutureExt as _;

use crate::management::{
    route::{ALL, Handler, Route, handler, schema},
    session, state,
};

pub(super) static ROUTES: [Route; 7] = [
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
        method: Method::GET,
        path: "/sign-in",
        id: "showSignIn",
        summary: "Shows the ways of signing in. It needs no session.",
        roles: ALL,
        act: None,
        body: None,
        status: 200,
        answer: Some(schema::<session::SignInWays>),
        handler: Handler::OfVisitor(|visitor| ready(Ok((None, session::show_ways(&visitor)))).boxed_local()),
    },
    Route {
        method: Method::POST,
        path: "/sign-in/provider",
        id: "beginProviderSignIn",
        summary: "Begins a sign-in through the OpenID Connect provider: says where the browser goes, and sets a cookie \
                  that ties what follows to it. 404 without a provider.",
        roles: ALL,
        act: None,
        body: None,
        status: 200,
        answer: Some(schema::<session::Departure>),
        handler: Handler::OfVisitor(|visitor| session::depart(visitor).boxed_local()),
    },
    Route {
        method: Method::POST,
        path: "/session/provider",
        id: "signInFromProvider",
        summary: "Begins a session for somebody who comes back from the provider. 404 without a provider.",
        roles: ALL,
        act: Some("OPERATOR_SIGNED_IN or OPERATOR_SIGN_IN_FAILED"),
        body: Some(schema::<session::ProviderAnswer>),
        status: 200,
        answer: Some(schema::<session::Session>),
        handler: Handler::OfVisitor(|visitor| session::sign_in_from_provider(visitor).boxed_local()),
    },
    Route {
        method: Method::DELETE,
        path: "/session",
        id: "signOut",
        summary: "Ends the session, and says where the browser signs out at the provider too.",
        roles: ALL,
        act: Some("OPERATOR_SIGNED_OUT"),
        body: None,
        status: 200,
        answer: Some(schema::<session::SignedOut>),
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
];
