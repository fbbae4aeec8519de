use actix_web::{
    HttpResponse,
    http::header::{
        CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, REFERRER_POLICY,
        X_CONTENT_TYPE_OPTIONS,
    },
};
use padan_domain::ReasonCode;

use crate::answer::{REASON_CODE, Report};

/// The path of the page.
pub(crate) const PATH: &str = "/docs";

/// What the page may load and do: only what this service serves, and no script or style within the page. Its forms send
/// requests by script, so no form may lead elsewhere.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// The page, which shows `/openapi.json` and sends requests, and what it consists of.
pub(crate) const FILES: [File; 6] = [
    File { path: PATH, media_type: "text/html; charset=utf-8", text: include_str!("docs_page/page.html") },
    File {
        path: "/docs.css",
        media_type: "text/css; charset=utf-8",
        text: include_str!("docs_page/page.css"),
    },
    File { path: "/docs.js", media_type: JAVASCRIPT, text: include_str!("docs_page/page.js") },
    File { path: "/docs-elements.js", media_type: JAVASCRIPT, text: include_str!("docs_page/elements.js") },
    File { path: "/docs-try-it.js", media_type: JAVASCRIPT, text: include_str!("docs_page/try_it.js") },
    File { path: "/docs-curl.js", media_type: JAVASCRIPT, text: include_str!("docs_page/curl.js") },
];

/// A file of the page. It loads nothing from anywhere else.
#[derive(Debug, Clone, Copy)]
pub(crate) struct File {
    pub(crate) path: &'static str,
    media_type: &'static str,
    text: &'static str,
}

impl File {
    /// Serves the file.
    pub(crate) fn respond(self) -> HttpResponse {
        let reason = ReasonCode::Served;
        let mut response = HttpResponse::Ok()
            .insert_header((CONTENT_TYPE, self.media_type))
            .insert_header((REASON_CODE, reason.as_str()))
            .insert_header((CONTENT_SECURITY_POLICY, POLICY))
            .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
            .insert_header((REFERRER_POLICY, "no-referrer"))
            // After an update of the service, the files have to fit each other.
            .insert_header((CACHE_CONTROL, "no-cache"))
            .body(self.text);
        response.extensions_mut().insert(Report { reason, cause: None });
        response
    }
}

/// Leads to the page. The address is relative, so that it stays right behind a proxy that serves below a path.
pub(crate) async fn redirect() -> HttpResponse {
    let reason = ReasonCode::Served;
    let mut response = HttpResponse::Found()
        .insert_header((REASON_CODE, reason.as_str()))
        .insert_header((LOCATION, PATH.trim_start_matches('/')))
        .json(serde_json::json!({ "documentation": PATH }));
    response.extensions_mut().insert(Report { reason, cause: None });
    response
}
