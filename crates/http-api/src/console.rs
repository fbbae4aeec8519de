//! The console in the browser, on the operators' listener at `/console/`.
//!
//! Its files are built from `console/` and are part of the program. Its pages call the management interface and nothing
//! else.

use std::{collections::BTreeMap, io::Write as _, sync::LazyLock};

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder,
    http::header::{
        ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
        HeaderName, IF_NONE_MATCH, LOCATION, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
    },
    web,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use flate2::{Compression, write::GzEncoder};
use sha2::{Digest as _, Sha256};

/// The page.
const INDEX: &str = "index.html";

/// What the page may load and do: only what this listener serves, no script or style within the page, and no form that
/// the browser sends by itself. Photos are shown from the memory of the browser.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; \
                      connect-src 'self'; media-src 'self' blob:; worker-src 'none'; form-action 'none'; \
                      base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";

/// Headers of each file, beside those about its form.
const HEADERS: [(HeaderName, &str); 6] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("permissions-policy"), "camera=(self), microphone=(), geolocation=()"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// The files of the folder `console/dist`, by their paths below it.
static FILES: LazyLock<BTreeMap<&'static str, File>> = LazyLock::new(|| {
    let files = include!(concat!(env!("OUT_DIR"), "/console_files.rs"));
    files.into_iter().map(|(path, bytes)| (path, File::new(path, bytes))).collect()
});

struct File {
    media_type: &'static str,
    /// Whether its name changes with its bytes, so that a browser need not ask for it again.
    is_immutable: bool,
    bytes: &'static [u8],
    compressed: Vec<u8>,
    tag: String,
}

impl File {
    fn new(path: &str, bytes: &'static [u8]) -> Self {
        Self {
            media_type: media_type_of(path),
            is_immutable: path.starts_with("assets/"),
            bytes,
            compressed: compress(bytes),
            tag: format!("\"{}\"", URL_SAFE_NO_PAD.encode(&Sha256::digest(bytes)[..18])),
        }
    }

    fn respond(&'static self, request: &HttpRequest) -> HttpResponse {
        let asked = |name, word: &str| {
            request
                .headers()
                .get_all(name)
                .filter_map(|value| value.to_str().ok())
                .any(|text| text.contains(word))
        };
        if asked(IF_NONE_MATCH, &self.tag) {
            return self.head(HttpResponse::NotModified()).finish();
        }
        let mut response = self.head(HttpResponse::Ok());
        response.insert_header((CONTENT_TYPE, self.media_type));
        if asked(ACCEPT_ENCODING, "gzip") && self.compressed.len() < self.bytes.len() {
            return response.insert_header((CONTENT_ENCODING, "gzip")).body(self.compressed.as_slice());
        }
        response.body(self.bytes)
    }

    fn head(&self, mut response: HttpResponseBuilder) -> HttpResponseBuilder {
        let caching = if self.is_immutable { "public, max-age=31536000, immutable" } else { "no-cache" };
        for header in HEADERS {
            response.insert_header(header);
        }
        response
            .insert_header((CACHE_CONTROL, caching))
            .insert_header((ETAG, self.tag.as_str()))
            .insert_header((VARY, "Accept-Encoding"));
        response
    }
}

/// Compressed once. Writing to a vector cannot fail; if it did, the file would be sent as it is.
fn compress(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    match encoder.write_all(bytes).and_then(|()| encoder.finish()) {
        Ok(compressed) => compressed,
        Err(_) => bytes.to_vec(),
    }
}

fn media_type_of(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// Mounts the console.
pub(crate) fn endpoints(config: &mut web::ServiceConfig) {
    config.route("/console", web::get().to(redirect)).route("/console/{path:.*}", web::get().to(serve));
}

/// Leads to the page. The address is relative, so that it stays right behind a proxy that serves below a path.
async fn redirect() -> HttpResponse {
    HttpResponse::PermanentRedirect().insert_header((LOCATION, "console/")).finish()
}

async fn serve(request: HttpRequest, path: web::Path<String>) -> HttpResponse {
    let name = if path.is_empty() { INDEX } else { path.as_str() };
    FILES.get(name).map_or_else(|| HttpResponse::NotFound().finish(), |file| file.respond(&request))
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use actix_web::{
        App, body,
        dev::ServiceResponse,
        http::StatusCode,
        test::{TestRequest, call_service, init_service},
    };
    use flate2::read::GzDecoder;

    use super::*;

    async fn get(path: &str, headers: &[(&'static str, &str)]) -> ServiceResponse {
        let app = init_service(App::new().configure(endpoints)).await;
        let request = headers
            .iter()
            .fold(TestRequest::get().uri(path), |request, header| request.insert_header(*header));
        call_service(&app, request.to_request()).await
    }

    fn header<'a>(response: &'a ServiceResponse, name: &str) -> &'a str {
        response.headers().get(name).unwrap().to_str().unwrap()
    }

    async fn text_of(response: ServiceResponse) -> Vec<u8> {
        body::to_bytes(response.into_body()).await.unwrap().to_vec()
    }

    #[actix_web::test]
    async fn the_page_and_all_that_it_names_are_served_without_anything_inline() {
        let page = get("/console/", &[]).await;
        assert_eq!(page.status(), StatusCode::OK);
        assert_eq!(header(&page, "cache-control"), "no-cache");
        let policy = header(&page, "content-security-policy");
        assert!(!policy.contains("unsafe") && policy.contains("default-src 'none'"), "{policy}");
        let page = String::from_utf8(text_of(page).await).unwrap();
        assert!(!page.contains("<style") && !page.contains(" style=") && !page.contains("://"), "{page}");
        let names: Vec<_> =
            page.split('"').filter_map(|part| part.strip_prefix("./")).map(ToOwned::to_owned).collect();
        assert!(names.len() >= 3, "{names:?}");
        for name in names {
            let file = get(&format!("/console/{name}"), &[]).await;
            assert_eq!(file.status(), StatusCode::OK, "{name}");
            assert_ne!(header(&file, "content-type"), "application/octet-stream", "{name}");
            let is_immutable = header(&file, "cache-control").contains("immutable");
            assert_eq!(is_immutable, name.starts_with("assets/"), "{name}");
        }
    }

    #[actix_web::test]
    async fn a_file_is_compressed_on_demand_and_not_sent_again() {
        let plain = text_of(get("/console/", &[]).await).await;
        let compressed = get("/console/", &[("accept-encoding", "gzip, br")]).await;
        assert_eq!(header(&compressed, "content-encoding"), "gzip");
        let tag = header(&compressed, "etag").to_owned();
        let mut inflated = Vec::new();
        GzDecoder::new(text_of(compressed).await.as_slice()).read_to_end(&mut inflated).unwrap();
        assert_eq!(inflated, plain);
        let again = get("/console/", &[("if-none-match", &tag)]).await;
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        assert!(text_of(again).await.is_empty());
    }

    #[actix_web::test]
    async fn the_path_without_a_slash_leads_to_the_page_and_others_to_nothing() {
        let redirect = get("/console", &[]).await;
        assert_eq!(header(&redirect, "location"), "console/");
        for path in
            ["/console/nothing", "/console/../Cargo.toml", "/console/assets/", "/console/%2e%2e/index.html"]
        {
            assert_eq!(get(path, &[]).await.status(), StatusCode::NOT_FOUND, "{path}");
        }
    }

    #[test]
    fn the_files_have_less_than_300_kilobytes_compressed() {
        let total: usize = FILES.values().map(|file| file.compressed.len()).sum();
        assert!(total > 10_000 && total < 300_000, "{total}");
    }
}
