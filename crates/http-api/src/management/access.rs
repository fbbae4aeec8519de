use std::{
    net::{IpAddr, Ipv4Addr},
    panic::AssertUnwindSafe,
    rc::Rc,
    sync::Arc,
    time::Instant,
};

use actix_web::{
    HttpMessage as _, HttpRequest, HttpResponse,
    http::header::{
        CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    },
    web,
};
use futures_util::FutureExt as _;
use padan_domain::{OperatorRole, ReasonCode};
use padan_verification::{Management as UseCases, Mandate, OperatorAccount, Verifier};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};

use super::{
    browser::{
        BrowserSession, DEVICE_COOKIE, FLOW_COOKIE, PROVIDER_DEVICE_COOKIE, SESSION_COOKIE, check_sign_in,
        check_site, cookie_of,
    },
    call::Call,
    fault::Fault,
    prefix::long_body,
    route::{Handler, OfVisitor, Route},
    routes::operations_of,
    session::Visitor,
};
use crate::{
    body::Body, config::Config, connections::Connections, credentials::bearer_token, limits::Limits,
    metrics::Metrics, panic, request_id::RequestId,
};

/// What the routes need. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Management {
    pub(crate) use_cases: Arc<UseCases>,
    pub(crate) verifier: Arc<Verifier>,
    pub(crate) connections: Connections,
    pub(crate) limits: Limits,
    pub(crate) metrics: Arc<Metrics>,
    show_faces_to: Arc<[OperatorRole]>,
    manage_operators: bool,
    in_flight: Arc<Semaphore>,
    long_bodies: Arc<Semaphore>,
    visitors: Arc<Semaphore>,
}

/// Requests that are answered at the same time.
const MAX_IN_FLIGHT: usize = 32;
/// Requests with photos or a calibration that are answered at the same time. They have 16 MB each at most.
const MAX_WITH_LONG_BODIES: usize = 4;
/// Sign-ins that are answered at the same time.
const MAX_VISITORS: usize = 64;

impl Management {
    pub(crate) fn new(
        use_cases: Arc<UseCases>,
        verifier: Arc<Verifier>,
        limits: Limits,
        metrics: Arc<Metrics>,
        config: &Config,
    ) -> Self {
        let connections = limits.connections.clone();
        let in_flight = Arc::new(Semaphore::new(MAX_IN_FLIGHT));
        let long_bodies = Arc::new(Semaphore::new(MAX_WITH_LONG_BODIES));
        let visitors = Arc::new(Semaphore::new(MAX_VISITORS));
        Self {
            use_cases,
            verifier,
            connections,
            limits,
            metrics,
            show_faces_to: config.show_faces_to.clone().into(),
            manage_operators: config.manage_operators,
            in_flight,
            long_bodies,
            visitors,
        }
    }
}

impl Management {
    /// Permission to read the body of a request, if the route takes long ones. An error while too many are in memory.
    fn permit_for_body(&self, route: &Route) -> Result<Option<OwnedSemaphorePermit>, TryAcquireError> {
        let is_long = long_body(route.path).is_some();
        is_long.then(|| Arc::clone(&self.long_bodies).try_acquire_owned()).transpose()
    }
}

/// Serves a request of a route: finds the operator, checks the role, calls the handler, logs and counts.
pub(super) async fn serve(
    route: &'static Route,
    request: HttpRequest,
    management: web::Data<Management>,
) -> HttpResponse {
    let began = Instant::now();
    let id = RequestId::of(request.headers());
    let Outcome { operator, result } = admit(route, &request, &management, &id).await;
    let fault = result.as_ref().err();
    let status = result.as_ref().map_or_else(Fault::status, HttpResponse::status).as_u16();
    management.metrics.managed(route.id, status);
    let operator = operator.as_ref().map_or("-", |account| account.name.as_str());
    let ms = began.elapsed().as_millis();
    let (id_text, peer) = (id.recorded(), caller(&request, &management));
    let cause = fault.and_then(Fault::cause);
    if status >= 500 {
        tracing::error!(id = id_text, operation = route.id, operator, %peer, status, ms, cause, "managed");
    } else {
        tracing::info!(id = id_text, operation = route.id, operator, %peer, status, ms, "managed");
    }
    let mut response = finished(result.unwrap_or_else(|fault| fault.response()));
    id.insert_into(response.headers_mut());
    response
}

/// Adds the headers that every answer has. None of them may stay in a cache: many have secrets or personal data.
pub(super) fn finished(mut response: HttpResponse) -> HttpResponse {
    let headers: [(HeaderName, &str); 3] =
        [(CACHE_CONTROL, "no-store"), (X_CONTENT_TYPE_OPTIONS, "nosniff"), (REFERRER_POLICY, "no-referrer")];
    for (name, value) in headers {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

struct Outcome {
    operator: Option<OperatorAccount>,
    result: Result<HttpResponse, Fault>,
}

async fn admit(
    route: &'static Route,
    request: &HttpRequest,
    management: &web::Data<Management>,
    id: &RequestId,
) -> Outcome {
    let refused = |operator, fault| Outcome { operator, result: Err(fault) };
    let handler = match route.handler {
        Handler::OfOperator(handler) => handler,
        Handler::OfVisitor(handler) => return admit_visitor(handler, request, management, id).await,
    };
    let Identified { account, browser } = match identify(request, management).await {
        Ok(identified) => identified,
        Err(fault) => return refused(None, fault),
    };
    if !route.roles.contains(&account.role) {
        return refused(Some(account), Fault::Forbidden);
    }
    // A short body is read before, so that a slow caller takes nobody's place.
    let Ok(long_body) = management.permit_for_body(route) else { return refused(Some(account), Fault::Busy) };
    let body = match read_body(request).await {
        Ok(body) => body,
        Err(fault) => return refused(Some(account), fault),
    };
    let Ok(permit) = Arc::clone(&management.in_flight).try_acquire_owned() else {
        return refused(Some(account), Fault::Busy);
    };
    let mandate = management.use_cases.on_behalf_of(account.clone(), id.recorded());
    let call = Call { browser, ..call_of(request, management, mandate, body, id.recorded()) };
    // A task of its own, so that an act is completed when its caller leaves.
    let handled = actix_web::rt::spawn(async move {
        let _permits = (permit, long_body);
        AssertUnwindSafe(handler(call)).catch_unwind().await
    });
    let result = match handled.await {
        Ok(Ok(result)) => result,
        Ok(Err(panic)) => Err(Fault::Internal(format!("a handler panicked: {}", panic::message(&*panic)))),
        Err(error) => Err(Fault::Internal(error.to_string())),
    };
    Outcome { operator: Some(account), result }
}

/// Who sent a request.
struct Identified {
    account: OperatorAccount,
    /// The session, if a browser sent it.
    browser: Option<BrowserSession>,
}

/// Finds the operator by the token, or without one by the cookie of a session.
async fn identify(request: &HttpRequest, management: &Management) -> Result<Identified, Fault> {
    let peer = caller(request, management);
    if let Some(token) = bearer_token(request.headers()) {
        let account = management.use_cases.authenticate(token, peer).await?;
        return Ok(Identified { account, browser: None });
    }
    let token = cookie_of(request.headers(), SESSION_COOKIE).ok_or(Fault::Unauthorized)?;
    let (session, account) = management.use_cases.session(token.as_bytes(), peer).await?;
    let browser = BrowserSession::of(session, &token);
    browser.check_request(request)?;
    Ok(Identified { account, browser: Some(browser) })
}

/// Serves a request of somebody who is no operator yet.
async fn admit_visitor(
    handler: OfVisitor,
    request: &HttpRequest,
    management: &web::Data<Management>,
    id: &RequestId,
) -> Outcome {
    let refused = |fault| Outcome { operator: None, result: Err(fault) };
    let is_safe = request.method().is_safe();
    let checked = if is_safe { check_site(request.headers()) } else { check_sign_in(request.headers()) };
    if let Err(fault) = checked {
        return refused(fault);
    }
    let body = match read_body(request).await {
        Ok(body) => body,
        Err(fault) => return refused(fault),
    };
    // Taken after the body, so that a slow caller takes nobody's place.
    let Ok(permit) = Arc::clone(&management.visitors).try_acquire_owned() else {
        return refused(Fault::Busy);
    };
    let visitor = Visitor {
        use_cases: Arc::clone(&management.use_cases),
        request_id: id.recorded().to_owned(),
        peer: caller(request, management),
        device: cookie_of(request.headers(), DEVICE_COOKIE),
        provider_device: cookie_of(request.headers(), PROVIDER_DEVICE_COOKIE),
        flow: cookie_of(request.headers(), FLOW_COOKIE),
        body,
        operations_of,
        show_faces_to: Arc::clone(&management.show_faces_to),
        manage_operators: management.manage_operators,
    };
    // A task of its own, so that an attempt is counted and recorded when its caller leaves.
    let handled = actix_web::rt::spawn(async move {
        let _permit = permit;
        AssertUnwindSafe(handler(visitor)).catch_unwind().await
    });
    match handled.await {
        Ok(Ok(Ok((operator, response)))) => Outcome { operator, result: Ok(response) },
        Ok(Ok(Err(fault))) => refused(fault),
        Ok(Err(panic)) => {
            refused(Fault::Internal(format!("a handler panicked: {}", panic::message(&*panic))))
        }
        Err(error) => refused(Fault::Internal(error.to_string())),
    }
}

fn call_of(
    request: &HttpRequest,
    management: &web::Data<Management>,
    mandate: Mandate,
    body: web::Bytes,
    request_id: &str,
) -> Call {
    Call {
        may_manage_operators: management.manage_operators,
        may_see_faces: management.show_faces_to.contains(&mandate.account().role),
        operations: operations_of(mandate.account().role),
        mandate,
        verifier: Arc::clone(&management.verifier),
        connections: management.connections.clone(),
        parameter: request.match_info().load::<String>().ok(),
        query: request.query_string().to_owned(),
        content_type: content_type(request),
        request_id: request_id.to_owned(),
        body,
        browser: None,
    }
}

fn content_type(request: &HttpRequest) -> String {
    let value = request.headers().get(CONTENT_TYPE);
    value.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).unwrap_or_default()
}

async fn read_body(request: &HttpRequest) -> Result<web::Bytes, Fault> {
    let body = request.extensions().get::<Rc<Body>>().cloned();
    let body = body.ok_or_else(|| Fault::Internal("a route is mounted outside the listener".to_owned()))?;
    body.read(request).await.map_err(|refusal| match refusal.reason() {
        ReasonCode::BodyTooLarge => Fault::BodyTooLarge,
        ReasonCode::Overloaded => Fault::Busy,
        _ => Fault::BodyIncomplete,
    })
}

/// The caller's address, behind the proxies that are trusted.
fn caller(request: &HttpRequest, management: &Management) -> IpAddr {
    let peer = request.peer_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip());
    management.limits.for_request().proxies.caller(peer, request.headers())
}
