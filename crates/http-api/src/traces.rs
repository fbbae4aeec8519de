//! The trace that a request belongs to, by W3C's header `traceparent`.
//!
//! Start at [`TraceParent::of`]. The program sets up the export of traces. This module gives a request's span its
//! parent and its attributes, and an answer its header if traces are exported.

use actix_web::http::{
    Method,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use tracing::Span;

use crate::request_id::{has_a_run_of_digits, has_a_well_structured_nik};

/// The header of W3C Trace Context.
pub(crate) const HEADER: HeaderName = HeaderName::from_static("traceparent");

/// A span of the caller, as the header describes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TraceParent {
    trace_id: u128,
    parent_id: u64,
    flags: u8,
}

/// An answered request, as its span describes it.
#[cfg_attr(not(feature = "otlp"), expect(dead_code, reason = "nothing is exported"))]
pub(crate) struct Answered<'a> {
    pub(crate) request_id: &'a str,
    pub(crate) method: &'a Method,
    pub(crate) endpoint: &'static str,
    pub(crate) client: &'a str,
    pub(crate) status: u16,
    pub(crate) reason: &'static str,
}

impl TraceParent {
    /// The span of the caller. `None` when the header is missing, repeated or malformed, and when its ids may contain an
    /// identity number, which must not be stored.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(HEADER);
        let value = values.next()?.to_str().ok()?;
        let is_alone = values.next().is_none();
        Self::parse(value).filter(|parent| is_alone && !has_a_run_of_digits(&parent.ids()))
    }

    /// `00-` followed by 32, 16 and 2 hexadecimal digits. Later versions may have more fields.
    fn parse(text: &str) -> Option<Self> {
        let (version, rest) = text.split_once('-')?;
        let (trace_id, rest) = rest.split_once('-')?;
        let (parent_id, rest) = rest.split_once('-')?;
        let (flags, is_longer) = rest.split_once('-').map_or((rest, false), |(flags, _)| (flags, true));
        let version = digits(version, 2)?;
        if version == 0xff || (version == 0 && is_longer) {
            return None;
        }
        let parent = Self {
            trace_id: digits(trace_id, 32)?,
            parent_id: digits(parent_id, 16)?.try_into().ok()?,
            flags: digits(flags, 2)?.try_into().ok()?,
        };
        (parent.trace_id != 0 && parent.parent_id != 0).then_some(parent)
    }

    /// Both ids, in hexadecimal digits.
    fn ids(&self) -> String {
        format!("{:032x}-{:016x}", self.trace_id, self.parent_id)
    }

    /// The id of the trace, in hexadecimal digits.
    pub(crate) fn trace_id(&self) -> String {
        format!("{:032x}", self.trace_id)
    }

    /// The same, unless its digits read like an identity number, as those of one random id of four do.
    pub(crate) fn harmless_trace_id(&self) -> Option<String> {
        let id = self.trace_id();
        let digits: String = id.chars().filter(char::is_ascii_digit).collect();
        (!has_a_well_structured_nik(&digits)).then_some(id)
    }

    /// The header's value.
    pub(crate) fn value(&self) -> Option<HeaderValue> {
        let text = format!("00-{:032x}-{:016x}-{:02x}", self.trace_id, self.parent_id, self.flags);
        HeaderValue::from_str(&text).ok()
    }
}

/// The value of exactly `count` lower-case hexadecimal digits.
fn digits(text: &str, count: usize) -> Option<u128> {
    let is_lower = text.len() == count && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    u128::from_str_radix(text, 16).ok().filter(|_| is_lower)
}

pub(crate) use exported::{describe, join, own};

#[cfg(feature = "otlp")]
mod exported {
    use opentelemetry::{
        Context,
        trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState},
    };
    use tracing_opentelemetry::OpenTelemetrySpanExt as _;

    use super::{Answered, Method, Span, TraceParent};

    /// Makes the caller's span the parent of `span`, which must not have begun.
    pub(crate) fn join(span: &Span, TraceParent { trace_id, parent_id, flags }: TraceParent) {
        let parent = SpanContext::new(
            TraceId::from_bytes(trace_id.to_be_bytes()),
            SpanId::from_bytes(parent_id.to_be_bytes()),
            TraceFlags::new(flags),
            true,
            TraceState::NONE,
        );
        // The error means that no traces are exported.
        let _ = span.set_parent(Context::new().with_remote_span_context(parent));
    }

    /// The span itself, as the parent of other spans. `None` when no traces are exported.
    pub(crate) fn own(span: &Span) -> Option<TraceParent> {
        let context = span.context();
        let own = context.span().span_context().clone();
        own.is_valid().then(|| TraceParent {
            trace_id: u128::from_be_bytes(own.trace_id().to_bytes()),
            parent_id: u64::from_be_bytes(own.span_id().to_bytes()),
            flags: own.trace_flags().to_u8(),
        })
    }

    /// The name of a known method. A caller may send any word as a method.
    fn known(method: &Method) -> &str {
        match *method {
            Method::GET | Method::HEAD | Method::POST | Method::PUT | Method::DELETE | Method::OPTIONS => {
                method.as_str()
            }
            _ => "_OTHER",
        }
    }

    /// Sets the attributes of an answered request.
    pub(crate) fn describe(span: &Span, answered: &Answered<'_>) {
        let method = known(answered.method);
        span.context().span().update_name(format!("{method} {}", answered.endpoint));
        for (key, value) in [
            ("http.request.method", method),
            ("padan.endpoint", answered.endpoint),
            ("padan.client", answered.client),
            ("padan.reason", answered.reason),
            ("padan.request_id", answered.request_id),
        ] {
            span.set_attribute(key, value.to_owned());
        }
        span.set_attribute("http.response.status_code", i64::from(answered.status));
    }
}

#[cfg(not(feature = "otlp"))]
mod exported {
    use super::{Answered, Span, TraceParent};

    pub(crate) fn join(_: &Span, _: TraceParent) {}

    pub(crate) fn own(_: &Span) -> Option<TraceParent> {
        None
    }

    pub(crate) fn describe(_: &Span, _: &Answered<'_>) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    // The example of W3C's recommendation.
    const EXAMPLE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn parent(values: &[&str]) -> Option<TraceParent> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(HEADER, HeaderValue::from_str(value).unwrap());
        }
        TraceParent::of(&headers)
    }

    #[test]
    fn the_span_of_a_caller_is_read_and_written() {
        let read = parent(&[EXAMPLE]).unwrap();
        assert_eq!(read.trace_id(), "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(read.harmless_trace_id(), Some(read.trace_id()));
        assert_eq!(read.value().unwrap(), EXAMPLE);
        let later = EXAMPLE.replacen("00", "cc", 1) + "-what-the-future-will-be-like";
        assert_eq!(parent(&[&later]), Some(read));
    }

    #[test]
    fn a_trace_whose_digits_are_an_identity_number_is_not_for_the_log() {
        for id in ["3a1b7c4d0e1f1a4b0c3d8e7f0a0b0c0d", "31740114abcd03870000abcdabcdabcd"] {
            let read = parent(&[&format!("00-{id}-b7ad6b7169203331-01")]).unwrap();
            assert_eq!((read.trace_id().as_str(), read.harmless_trace_id()), (id, None));
        }
    }

    #[test]
    fn a_malformed_header_is_ignored() {
        for wrong in [
            "",
            "00",
            &EXAMPLE.to_uppercase(),
            &EXAMPLE[..54],
            &format!("{EXAMPLE}-"),
            &EXAMPLE.replacen("00", "ff", 1),
            &EXAMPLE.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)),
            &EXAMPLE.replace("b7ad6b7169203331", &"0".repeat(16)),
            &EXAMPLE.replace("b7ad", "+7ad"),
            &EXAMPLE.replace("b7ad6b7169203331", "3174011403870000"),
            &EXAMPLE.replace("0af7651916cd43dd8448eb211c80319c", "0af7651916cd43dd3174011403870000"),
            // Divided between the two ids.
            &EXAMPLE.replace("80319c-b7ad6b7169203331", "f03174-011403870000aaaa"),
        ] {
            assert_eq!(parent(&[wrong]), None, "{wrong}");
        }
        assert_eq!(parent(&[]), None);
        assert_eq!(parent(&[EXAMPLE, EXAMPLE]), None);
    }
}
