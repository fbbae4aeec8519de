//! Sign-in, sign-out and what a session shows of itself.

use std::{net::IpAddr, sync::Arc};

use actix_web::{
    HttpResponse,
    http::header::{HeaderValue, SET_COOKIE},
    web::Bytes,
};
use padan_domain::OperatorRole;
use padan_verification::{
    Management as UseCases, OperatorAccount, ProviderSignIn, SessionTimes, SignIn, SignedIn,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    browser::{BrowserSession, DEVICE_COOKIE, FLOW_COOKIE, PROVIDER_DEVICE_COOKIE, SESSION_COOKIE},
    call::{Call, moment, parsed_json},
    fault::Fault,
};

/// What somebody signs in with.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignInForm {
    /// The name of the operator.
    name: String,
    password: String,
    /// The one-time code, if the account has them.
    code: Option<String>,
}

/// The ways of signing in.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SignInWays {
    /// The name of the provider through which operators can sign in; null without one.
    provider: Option<String>,
}

/// Where a browser goes to sign in.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Departure {
    /// The address at the provider.
    address: String,
}

/// What the provider added to the address of the console.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProviderAnswer {
    state: String,
    code: Option<String>,
    /// Why there is no code.
    error: Option<String>,
    /// The issuer, if the provider added it.
    iss: Option<String>,
}

/// The session has ended.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SignedOut {
    /// Where the browser goes to sign out at the provider too; null without a provider that offers it.
    provider_address: Option<String>,
}

/// The operator who calls.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Session {
    name: String,
    /// What the provider says the operator is called, who signed in through it. `name` is then of the provider's subject.
    claimed_name: Option<String>,
    /// `support`, `operator` or `auditor`.
    role: &'static str,
    /// `session` in a browser, `token` of a program.
    kind: &'static str,
    /// From when on the session or the token is refused.
    expires_at: Option<String>,
    /// After how many seconds without a request the session ends.
    idle_seconds: Option<i64>,
    /// The header `X-CSRF-Token` of each request of this session that is no GET.
    csrf_token: Option<String>,
    /// The operations that the role permits, by their ids in the OpenAPI document.
    operations: Vec<&'static str>,
    /// Whether the role may see the faces of a verification by hand.
    show_faces: bool,
    /// Whether operators may give rights to others here. If not, they may only take them away.
    manage_operators: bool,
}

/// What a role permits.
struct Permitted {
    operations: Vec<&'static str>,
    show_faces: bool,
    manage_operators: bool,
}

/// A request to sign in.
pub(super) struct Visitor {
    pub(super) use_cases: Arc<UseCases>,
    pub(super) request_id: String,
    pub(super) peer: IpAddr,
    /// The text by which the browser is recognised.
    pub(super) device: Option<String>,
    /// The text by which the browser is recognised at a sign-in through the provider.
    pub(super) provider_device: Option<String>,
    /// The sign-in for which the browser left for the provider.
    pub(super) flow: Option<String>,
    pub(super) body: Bytes,
    /// The ids of the operations that a role permits.
    pub(super) operations_of: fn(OperatorRole) -> Vec<&'static str>,
    /// The roles that may see faces.
    pub(super) show_faces_to: Arc<[OperatorRole]>,
    /// Whether operators may give rights to others here.
    pub(super) manage_operators: bool,
}

/// The operator who signed in, if somebody did, and the answer.
pub(super) type Visited = Result<(Option<OperatorAccount>, HttpResponse), Fault>;

const DEVICE_SECONDS: u32 = 365 * 86_400;

pub(super) fn show_ways(visitor: &Visitor) -> HttpResponse {
    let provider = visitor.use_cases.provider_label().map(str::to_owned);
    HttpResponse::Ok().json(SignInWays { provider })
}

pub(super) async fn depart(visitor: Visitor) -> Visited {
    let departure = visitor.use_cases.depart_to_provider().await?.ok_or(Fault::NotFound)?;
    let kept = cookie(FLOW_COOKIE, &departure.flow, Some(departure.seconds));
    let response =
        HttpResponse::Ok().insert_header((SET_COOKIE, kept)).json(Departure { address: departure.address });
    Ok((None, response))
}

/// Ends the sign-in through the provider. The text that the browser kept counts once, whatever becomes of it.
pub(super) async fn sign_in_from_provider(visitor: Visitor) -> Visited {
    let ProviderAnswer { state, code, error, iss } = parsed_json(&visitor.body)?;
    let answer = code.ok_or_else(|| error.unwrap_or_default());
    let permitted_to = visitor.permitted_to();
    let Visitor { use_cases, request_id, peer, provider_device: device, flow, .. } = visitor;
    let attempt = ProviderSignIn { flow, state, answer, issuer: iss, device, peer };
    let signed_in = use_cases.sign_in_from_provider(attempt, &request_id).await;
    let signed_in = signed_in?.ok_or(Fault::NotFound)?;
    let permitted = permitted_to(signed_in.account.role);
    let (account, mut response) = begun(signed_in, &use_cases, PROVIDER_DEVICE_COOKIE, permitted);
    let removed = HeaderValue::from_str(&cookie(FLOW_COOKIE, "", Some(0)));
    response.headers_mut().append(SET_COOKIE, removed.map_err(|error| Fault::Internal(error.to_string()))?);
    Ok((Some(account), response))
}

pub(super) async fn sign_in(visitor: Visitor) -> Visited {
    let SignInForm { name, password, code } = parsed_json(&visitor.body)?;
    let permitted_to = visitor.permitted_to();
    let Visitor { use_cases, request_id, peer, device, .. } = visitor;
    let attempt = SignIn { name, password, code, device, peer };
    let signed_in = use_cases.sign_in(attempt, &request_id).await?;
    let permitted = permitted_to(signed_in.account.role);
    let (account, response) = begun(signed_in, &use_cases, DEVICE_COOKIE, permitted);
    Ok((Some(account), response))
}

/// The answer to a sign-in: the session, in the body and in cookies.
fn begun(
    signed_in: SignedIn,
    use_cases: &UseCases,
    device_cookie: &str,
    permitted: Permitted,
) -> (OperatorAccount, HttpResponse) {
    let token = signed_in.token.reveal();
    let browser = BrowserSession::of(signed_in.session, token);
    let account = &signed_in.account;
    let shown = Session::of(account, Some(&browser), use_cases.session_times(), permitted);
    let response = HttpResponse::Ok()
        .append_header((SET_COOKIE, cookie(SESSION_COOKIE, token, None)))
        .append_header((SET_COOKIE, cookie(device_cookie, &signed_in.device, Some(DEVICE_SECONDS))))
        .json(shown);
    (signed_in.account, response)
}

pub(super) async fn show(call: Call) -> Result<HttpResponse, Fault> {
    let (account, browser) = (call.mandate.account(), call.browser.as_ref());
    let permitted = Permitted {
        operations: call.operations.clone(),
        show_faces: call.may_see_faces,
        manage_operators: call.may_manage_operators,
    };
    let shown = Session::of(account, browser, call.mandate.session_times(), permitted);
    Ok(HttpResponse::Ok().json(shown))
}

pub(super) async fn sign_out(call: Call) -> Result<HttpResponse, Fault> {
    let Some(browser) = &call.browser else {
        return Err(Fault::Conflict("a token has no session that could be ended".to_owned()));
    };
    let provider_address = call.mandate.sign_out(&browser.session).await?;
    let removed = cookie(SESSION_COOKIE, "", Some(0));
    Ok(HttpResponse::Ok().insert_header((SET_COOKIE, removed)).json(SignedOut { provider_address }))
}

impl Visitor {
    /// What a role permits whoever signs in.
    fn permitted_to(&self) -> impl Fn(OperatorRole) -> Permitted + use<> {
        let (operations_of, manage_operators) = (self.operations_of, self.manage_operators);
        let show_faces_to = Arc::clone(&self.show_faces_to);
        move |role| Permitted {
            operations: operations_of(role),
            show_faces: show_faces_to.contains(&role),
            manage_operators,
        }
    }
}

impl Session {
    fn of(
        account: &OperatorAccount,
        browser: Option<&BrowserSession>,
        times: SessionTimes,
        permitted: Permitted,
    ) -> Self {
        let Permitted { operations, show_faces, manage_operators } = permitted;
        let ends = browser.map(|browser| browser.session.expires_at);
        let expires_at = match (ends, account.expires_at) {
            (Some(session), Some(account)) => Some(session.min(account)),
            (session, account) => session.or(account),
        };
        Self {
            name: account.name.to_string(),
            claimed_name: account.provider.as_ref().map(|provider| provider.claimed_name.clone()),
            role: account.role.as_str(),
            kind: if browser.is_some() { "session" } else { "token" },
            expires_at: expires_at.map(moment),
            idle_seconds: browser.map(|_| times.idle.num_seconds()),
            csrf_token: browser.map(|browser| browser.csrf_token.clone()),
            operations,
            show_faces,
            manage_operators,
        }
    }
}

/// A cookie that scripts cannot read and other sites cannot make the browser send. Its value is hexadecimal digits and
/// dots.
fn cookie(name: &str, value: &str, seconds: Option<u32>) -> String {
    let time = seconds.map(|seconds| format!("; Max-Age={seconds}")).unwrap_or_default();
    format!("{name}={value}; Path=/{time}; Secure; HttpOnly; SameSite=Strict")
}
