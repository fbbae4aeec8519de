mod declare;
mod observe;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use padan_domain::{Percentage, ReasonCode};
use padan_verification::{AuditCommit, ClientName, JobStarted, Verifier};
use prometheus::{
    CounterVec, GaugeVec, Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec,
    Registry, process_collector::ProcessCollector,
};

use self::declare::{BYTES, Declare as _, MEGAPIXELS, PERCENT, ROWS, SECONDS};

declare::metrics! {
    /// Answers by endpoint, HTTP status and reason code.
    requests: IntCounterVec = "padan_http_requests_total", ["endpoint", "status", "reason"];
    /// Seconds from a request's head to its answer, by endpoint and status.
    request_duration: HistogramVec = "padan_http_request_duration_seconds", ["endpoint", "status"] in SECONDS;
    /// When the certificate of a listener ends, in seconds since 1970.
    certificate_expiry: IntGaugeVec = "padan_tls_certificate_expiry_timestamp_seconds", ["listener"];
    /// Requests that are being read or answered now.
    in_flight: IntGauge = "padan_http_in_flight", [];
    /// Requests of clients that may be read or judged at a time; more are refused.
    in_flight_limit: IntGauge = "padan_http_in_flight_limit", [];
    /// Bytes of bodies that are held in memory now.
    body_bytes_held: IntGauge = "padan_http_body_bytes_held", [];
    /// Bytes of bodies that may be held at a time; requests beyond it are refused.
    body_bytes_limit: IntGauge = "padan_http_body_bytes_limit", [];
    /// Requests whose client left before the answer, by endpoint.
    abandoned: IntCounterVec = "padan_http_abandoned_total", ["endpoint"];
    /// Handlers that panicked, by endpoint. Each is a fault to report.
    panics: IntCounterVec = "padan_http_panics_total", ["endpoint"];
    /// Seconds of each step of a verification.
    step_duration: HistogramVec = "padan_verification_step_duration_seconds", ["step"] in SECONDS;
    /// Similarity of compared faces in percent, by whether it passes.
    similarity: HistogramVec = "padan_similarity_percentage", ["outcome"] in PERCENT;
    /// Photos that wait for a worker.
    queue_depth: IntGauge = "padan_queue_depth", [];
    /// Photos that may wait for a worker; more are refused.
    queue_capacity: IntGauge = "padan_queue_capacity", [];
    /// Seconds that photos waited for a worker.
    queue_wait: Histogram = "padan_queue_wait_seconds", [] in SECONDS;
    /// Photos that were refused because the queue, or the budget of pixels, was full.
    queue_refused: IntCounter = "padan_queue_refused_total", [];
    /// Photos that nobody looked at, because their time was over or their client had left.
    queue_expired: IntCounter = "padan_queue_expired_total", [];
    /// Worker threads.
    workers: IntGauge = "padan_workers", [];
    /// Worker threads at work.
    workers_busy: IntGauge = "padan_workers_busy", [];
    /// Pixels of photos that workers have decoded.
    pixels_held: IntGauge = "padan_decoded_pixels_held", [];
    /// Pixels that workers may have decoded at a time; photos beyond it are refused.
    pixels_limit: IntGauge = "padan_decoded_pixels_limit", [];
    /// Size of selfies in bytes, as files.
    image_bytes: Histogram = "padan_image_bytes", [] in BYTES;
    /// Size of selfies in millions of pixels.
    image_megapixels: Histogram = "padan_image_megapixels", [] in MEGAPIXELS;
    /// Selfies that were turned away for what they show, by reason code.
    quality_rejections: IntCounterVec = "padan_quality_rejections_total", ["reason"];
    /// Connections to a database by state: what is open, how much of it is used, and what may be.
    pool_connections: IntGaugeVec = "padan_db_pool_connections", ["database", "host", "state"];
    /// Attempts to use a database, by how they ended: any, timeout, failure.
    pool_attempts: IntCounterVec = "padan_db_pool_attempts_total", ["database", "host", "outcome"];
    /// Seconds spent waiting for connections.
    pool_wait: CounterVec = "padan_db_pool_wait_seconds_total", ["database", "host"];
    /// Seconds that a replica of the registry is behind; absent while it does not answer.
    replica_lag: GaugeVec = "padan_registry_replica_lag_seconds", ["host"];
    /// Whether a replica of the registry is tried in its turn (1) or rests after a failure (0).
    registry_in_turn: IntGaugeVec = "padan_registry_in_turn", ["host"];
    /// Face templates by model contract; an estimate where there are many.
    templates: IntGaugeVec = "padan_templates", ["contract"];
    /// Face templates that could not be read, and were made anew: a key is missing, or rows are damaged.
    unreadable_templates: IntCounter = "padan_templates_unreadable_total", [];
    /// People whom the newest enrolment has done, by what became of them: enrolled, unusable, failed.
    enrolment_people: IntGaugeVec = "padan_enrolment_people", ["state"];
    /// Whether another model than the active one serves (1), because that one cannot be used here.
    model_behind: IntGauge = "padan_model_behind", [];
    /// Rows of the audit trail by outcome: durable, failed.
    audit_rows: IntCounterVec = "padan_audit_rows_total", ["outcome"];
    /// Rows that one commit of the audit trail made durable.
    audit_commit_rows: Histogram = "padan_audit_commit_rows", [] in ROWS;
    /// Seconds that one commit of the audit trail took.
    audit_commit_duration: Histogram = "padan_audit_commit_duration_seconds", [] in SECONDS;
    /// Answers by client, those of a client that was refused included.
    client_requests: IntCounterVec = "padan_client_requests_total", ["client"];
    /// Refusals by client and what they were for: rate, quota, forbidden, share.
    client_refusals: IntCounterVec = "padan_client_refusals_total", ["client", "reason"];
    /// How much of a client's quota is used or set aside, 0 to 1; absent without a quota and before its first request.
    client_quota_used: GaugeVec = "padan_client_quota_used_ratio", ["client", "period"];
    /// Whether a component was ready (1) when it was asked last.
    ready: IntGaugeVec = "padan_ready", ["component"];
    /// Always 1; the label says which version runs.
    build_info: IntGaugeVec = "padan_build_info", ["version"];
    /// Always 1; the labels say which model serves.
    model_info: IntGaugeVec = "padan_model_info", ["model_set", "contract"];
    /// Always 1; the label says by which scale percentages are made.
    calibration_info: IntGaugeVec = "padan_calibration_info", ["calibration"];
    /// Always 1; the labels say where the embedder computes, and in which numbers.
    device_info: IntGaugeVec = "padan_device_info", ["device", "precision"];
    /// Always 1; the label tells settings apart, secrets left out.
    config_info: IntGaugeVec = "padan_config_info", ["hash"];
}

/// What the edge knows of an answered request.
pub(crate) struct Answered<'a> {
    pub(crate) endpoint: &'static str,
    pub(crate) status: u16,
    pub(crate) reason: ReasonCode,
    pub(crate) took: Duration,
    pub(crate) steps: &'a [(&'static str, Duration)],
    pub(crate) similarity: Option<Percentage>,
    pub(crate) client: Option<&'a ClientName>,
    /// The client has as many requests in flight as it may.
    pub(crate) is_over_share: bool,
}

impl Metrics {
    /// Counts an answer and the steps it took.
    pub(crate) fn answered(&self, answered: &Answered<'_>) {
        let Answered { endpoint, status, reason, took, steps, similarity, client, is_over_share } = *answered;
        let status = status.to_string();
        self.requests.with_label_values(&[endpoint, status.as_str(), reason.as_str()]).inc();
        self.request_duration.with_label_values(&[endpoint, status.as_str()]).observe(took.as_secs_f64());
        for (step, taken) in steps {
            self.step_duration.with_label_values(&[*step]).observe(taken.as_secs_f64());
        }
        if let Some(percentage) = similarity {
            let outcome = if percentage.passes() { "match" } else { "no_match" };
            self.similarity.with_label_values(&[outcome]).observe(percentage.value());
        }
        if is_of_quality(reason) {
            self.quality_rejections.with_label_values(&[reason.as_str()]).inc();
        }
        if let Some(client) = client {
            self.client_requests.with_label_values(&[client.as_str()]).inc();
            if let Some(refused) = refused_for(reason, is_over_share) {
                self.client_refusals.with_label_values(&[client.as_str(), refused]).inc();
            }
        }
    }

    /// Counts a request whose client left.
    pub(crate) fn abandoned(&self, endpoint: &str) {
        self.abandoned.with_label_values(&[endpoint]).inc();
    }

    #[cfg(test)]
    pub(crate) fn abandoned_from(&self, endpoint: &str) -> u64 {
        self.abandoned.with_label_values(&[endpoint]).get()
    }

    #[cfg(test)]
    pub(crate) fn body_bytes(&self) -> i64 {
        self.body_bytes_held.get()
    }

    /// Counts a panic.
    pub(crate) fn panicked(&self, endpoint: &str) {
        self.panics.with_label_values(&[endpoint]).inc();
    }

    /// Requests under way, to be counted up and down.
    pub(crate) fn in_flight(&self) -> &IntGauge {
        &self.in_flight
    }

    /// Notes how many requests of clients may be under way.
    pub(crate) fn limit_in_flight(&self, places: usize) {
        self.in_flight_limit.set(i64::try_from(places).unwrap_or(i64::MAX));
    }

    /// Notes how many bytes bodies may take, and gives what shows how many they do.
    pub(crate) fn limit_bodies(&self, bytes: usize) -> IntGauge {
        self.body_bytes_limit.set(i64::try_from(bytes).unwrap_or(i64::MAX));
        self.body_bytes_held.clone()
    }

    /// Notes what tells the settings apart.
    pub(crate) fn configured(&self, hash: &str) {
        self.config_info.reset();
        self.config_info.with_label_values(&[hash]).set(1);
    }

    /// Notes when the certificate of a listener ends.
    pub(crate) fn certificate_expires(&self, listener: &str, at: i64) {
        self.certificate_expiry.with_label_values(&[listener]).set(at);
    }

    /// Measures the photos that workers start on and the commits of the audit trail.
    pub(crate) fn subscribe(self: &Arc<Self>, verifier: &Verifier) {
        let (of_photos, of_commits) = (Arc::clone(self), Arc::clone(self));
        verifier.observe(
            Arc::new(move |job| of_photos.on_job_started(job)),
            move |AuditCommit { rows, took }| {
                of_commits.audit_commit_rows.observe(rows as f64);
                of_commits.audit_commit_duration.observe(took.as_secs_f64());
            },
        );
    }

    fn on_job_started(&self, photo: JobStarted) {
        self.queue_wait.observe(photo.waited.as_secs_f64());
        if photo.is_selfie {
            self.image_bytes.observe(photo.bytes as f64);
            if let Some(megapixels) = photo.megapixels {
                self.image_megapixels.observe(megapixels);
            }
        }
    }
}

/// Whether a selfie was turned away for what it shows.
fn is_of_quality(reason: ReasonCode) -> bool {
    matches!(
        reason,
        ReasonCode::NoFace
            | ReasonCode::SeveralFaces
            | ReasonCode::FaceTooSmall
            | ReasonCode::FaceBlurred
            | ReasonCode::FaceTooDark
            | ReasonCode::FaceTooBright
            | ReasonCode::FaceTurned
    )
}

/// What a client was refused for; `None` when it was not, or not for anything of its own.
fn refused_for(reason: ReasonCode, is_over_share: bool) -> Option<&'static str> {
    match reason {
        ReasonCode::RateLimited => Some("rate"),
        ReasonCode::QuotaExceeded => Some("quota"),
        ReasonCode::Forbidden => Some("forbidden"),
        ReasonCode::Overloaded if is_over_share => Some("share"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use prometheus::{Encoder as _, TextEncoder};

    use super::*;

    #[test]
    fn a_fields_doc_is_the_help_text_and_an_answer_is_counted_wherever_it_belongs() {
        let metrics = Metrics::new().unwrap();
        let client = "bank".parse().unwrap();
        metrics.answered(&Answered {
            endpoint: "face-verification",
            status: 429,
            reason: ReasonCode::Overloaded,
            took: Duration::from_millis(40),
            steps: &[("embed", Duration::from_millis(12))],
            similarity: Some(Percentage::new(74.996)),
            client: Some(&client),
            is_over_share: true,
        });
        let mut text = Vec::new();
        TextEncoder::new().encode(&metrics.registry.gather(), &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        for line in [
            "# HELP padan_http_requests_total Answers by endpoint, HTTP status and reason code.",
            "padan_http_requests_total{endpoint=\"face-verification\",reason=\"OVERLOADED\",status=\"429\"} 1",
            "padan_verification_step_duration_seconds_count{step=\"embed\"} 1",
            "padan_similarity_percentage_bucket{outcome=\"no_match\",le=\"70\"} 0",
            "padan_similarity_percentage_bucket{outcome=\"no_match\",le=\"75\"} 1",
            "padan_client_requests_total{client=\"bank\"} 1",
            "padan_client_refusals_total{client=\"bank\",reason=\"share\"} 1",
        ] {
            assert!(text.contains(line), "{line} is not in {text}");
        }
    }
}
