use std::{
    fmt,
    io::{self, Write as _},
};

use chrono::Local;
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{Layer, layer::Context};

use crate::log::is_muted;

/// Writes one line to stderr for each request that the service answered, for a person who watches the demo.
///
/// It reads the event that the service logs. Its other fields, such as the time of each step, are in the log of
/// `padan serve`.
pub(crate) struct RequestLines;

impl<S: Subscriber> Layer<S> for RequestLines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        if *metadata.level() != Level::INFO || metadata.target() != "padan_http_api::edge" || is_muted() {
            return;
        }
        let mut request = Request::default();
        event.record(&mut request);
        let line = format!("{} {request}\n", Local::now().format("%H:%M:%S"));
        // Nobody can be told that stderr is closed.
        let _ = io::stderr().lock().write_all(line.as_bytes());
    }
}

/// The fields of an answered request, or of one whose client left, that a line shows.
#[derive(Default)]
struct Request {
    status: Option<u64>,
    reason: String,
    endpoint: String,
    client: String,
    ms: f64,
}

impl Visit for Request {
    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "status" {
            self.status = Some(value);
        }
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        if field.name() == "ms" {
            self.ms = value;
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "reason" => value.clone_into(&mut self.reason),
            "endpoint" => value.clone_into(&mut self.endpoint),
            "client" => value.clone_into(&mut self.client),
            _ => {}
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}

impl fmt::Display for Request {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.status {
            Some(status) => write!(out, "{status} {:<24}", self.reason)?,
            None => write!(out, "    {:<24}", "client left")?,
        }
        write!(out, " {:<20} client {:<8} {:>6.1} ms", self.endpoint, self.client, self.ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_shows_status_reason_endpoint_client_and_time() {
        let request = Request {
            status: Some(200),
            reason: "VERIFICATION_SUCCESS".into(),
            endpoint: "face-verification".into(),
            client: "demo".into(),
            ms: 41.26,
        };
        assert_eq!(
            request.to_string(),
            "200 VERIFICATION_SUCCESS     face-verification    client demo       41.3 ms"
        );
    }

    #[test]
    fn a_client_that_left_has_a_line_without_a_status() {
        let request = Request { endpoint: "verification".into(), client: "-".into(), ..Request::default() };
        assert_eq!(
            request.to_string(),
            "    client left              verification         client -           0.0 ms"
        );
    }
}
