mod declare;
mod observe;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use padan_domain::{Percentage, ReasonCode};
use padan_verification::{AuditCommit, ClientName, JobStarted, KnownClient, MeasuredSimilarities, Verifier};
use parking_lot::Mutex;
use prometheus::{
    CounterVec, GaugeVec, Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec,
    Registry, process_collector::ProcessCollector,
};
use serde::{Deserialize, Serialize};

use self::declare::{BYTES, Declare as _, MEGAPIXELS, PERCENT, ROWS, SECONDS, SHARES};
use crate::{activity::Activity, visit::OwnLoad};

declare::metrics! {
    /// Answers by endpoint, HTTP status and reason code.
    requests: IntCounterVec = "padan_http_requests_total", ["endpoint", "status", "reason"];
    /// Seconds from the head of a request to its answer, by endpoint and status.
    request_duration: HistogramVec = "padan_http_request_duration_seconds", ["endpoint", "status"] in SECONDS;
    /// Expiry of a listener's certificate, in seconds since 1970.
    certificate_expiry: IntGaugeVec = "padan_tls_certificate_expiry_timestamp_seconds", ["listener"];
    /// Connections of the public listener that are open now.
    connections: IntGauge = "padan_http_connections", [];
    /// Limit of these connections; further ones wait until one is closed.
    connections_limit: IntGauge = "padan_http_connections_limit", [];
    /// Connections that were refused or ended, by reason: address, handshake, head, answer.
    connections_refused: IntCounterVec = "padan_http_connections_refused_total", ["reason"];
    /// Requests that are being read or answered now, admitted or not.
    in_flight: IntGauge = "padan_http_in_flight", [];
    /// Admitted requests that are being read or answered now: those that the limit counts.
    admitted: IntGauge = "padan_http_admitted", [];
    /// Limit of admitted requests in flight; further requests are refused.
    in_flight_limit: IntGauge = "padan_http_in_flight_limit", [];
    /// Bytes of request bodies in memory now.
    body_bytes_held: IntGauge = "padan_http_body_bytes_held", [];
    /// Limit of the bytes of request bodies in memory; requests beyond it are refused.
    body_bytes_limit: IntGauge = "padan_http_body_bytes_limit", [];
    /// Requests whose client closed the connection before the answer, by endpoint.
    abandoned: IntCounterVec = "padan_http_abandoned_total", ["endpoint"];
    /// Panics of handlers, by endpoint. Each is a fault to report.
    panics: IntCounterVec = "padan_http_panics_total", ["endpoint"];
    /// Requests to the management interface, by operation and status.
    managed: IntCounterVec = "padan_management_requests_total", ["operation", "status"];
    /// Seconds of each step of a verification.
    step_duration: HistogramVec = "padan_verification_step_duration_seconds", ["step"] in SECONDS;
    /// Similarity of compared faces in percent, by endpoint and by whether it passes.
    similarity: HistogramVec = "padan_similarity_percentage", ["endpoint", "outcome"] in PERCENT;
    /// Similarity in percent of selfies to templates of other people, who are drawn at random, by contract. For requests in
    /// which name and date of birth match.
    impostor_similarity: HistogramVec = "padan_impostor_similarity", ["contract"] in PERCENT;
    /// Similarity in percent of the same selfies to the portrait of the person, by contract. Nearly all are genuine.
    genuine_similarity: HistogramVec = "padan_genuine_similarity", ["contract"] in PERCENT;
    /// Templates of other people that were not counted, because they resemble the portrait of the person like the same face.
    impostors_told_apart: IntCounter = "padan_impostors_told_apart_total", [];
    /// People whose templates are held in memory, encrypted, to measure impostor similarity.
    impostor_reservoir: IntGauge = "padan_impostor_reservoir_people", [];
    /// False match rate that the scale in use states for a percentage: 50, 60, 75, 90.
    stated_fmr: GaugeVec = "padan_scale_false_match_rate", ["percentage"];
    /// Requests that the shadow model set was to embed as well, by its contract and by what came of them: compared, or why
    /// not. docs/json-output.md explains the outcomes (padan models shadow).
    shadow_requests: IntCounterVec = "padan_shadow_requests_total", ["contract", "outcome"];
    /// Compared requests by the intervals of five percent in which the two percentages lie: the one that decided, and the
    /// one of the shadow model set of this contract. The labels are where the intervals begin.
    shadow_percentages: IntCounterVec = "padan_shadow_percentages_total", ["contract", "percentage", "shadow_percentage"];
    /// Compared requests whose name and date of birth match, by what the shadow model set would change: same, pass (they
    /// would pass instead), fail.
    shadow_decisions: IntCounterVec = "padan_shadow_decisions_total", ["contract", "change"];
    /// Processor seconds that the shadow model set took.
    shadow_cpu: CounterVec = "padan_shadow_cpu_seconds_total", ["contract"];
    /// Share of the requests that the shadow model set embeds as well; absent without one.
    shadow_share: GaugeVec = "padan_shadow_share", ["model_set", "contract"];
    /// Whether the shadow model set is loaded (1) or cannot be (0); absent without one.
    shadow_loaded: IntGaugeVec = "padan_shadow_loaded", ["model_set", "contract"];
    /// Answers to sandbox clients, by client, endpoint, HTTP status and reason code. No other family counts them.
    sandbox_requests: IntCounterVec = "padan_sandbox_requests_total", ["client", "endpoint", "status", "reason"];
    /// Scores of selfies that were judged for liveness in a face verification, 0 to 1; refused ones included.
    spoof_score: Histogram = "padan_spoof_score", [] in SHARES;
    /// Photos in the inference queue.
    queue_depth: IntGauge = "padan_queue_depth", [];
    /// Length of the inference queue; further photos are refused.
    queue_capacity: IntGauge = "padan_queue_capacity", [];
    /// Seconds that photos waited in the inference queue.
    queue_wait: Histogram = "padan_queue_wait_seconds", [] in SECONDS;
    /// Photos that were refused because the inference queue or the pixel budget was full.
    queue_refused: IntCounter = "padan_queue_refused_total", [];
    /// Photos dropped from the queue because their deadline had passed or their client had left.
    queue_expired: IntCounter = "padan_queue_expired_total", [];
    /// Inference worker threads.
    workers: IntGauge = "padan_workers", [];
    /// Inference worker threads that are busy.
    workers_busy: IntGauge = "padan_workers_busy", [];
    /// Runs of the embedders that the workers share; 0 where each worker embeds by itself (`inference.embedding_batch` = 1).
    embedding_runs: IntCounter = "padan_embedding_runs_total", [];
    /// Faces in the runs of the embedders that the workers share. Divided by the runs: the faces of a run.
    embedding_faces: IntCounter = "padan_embedding_faces_total", [];
    /// Memory of the photos that workers decode now, in pixels of three bytes.
    pixels_held: IntGauge = "padan_decoded_pixels_held", [];
    /// Limit of that memory, in pixels of three bytes; photos beyond it are refused.
    pixels_limit: IntGauge = "padan_decoded_pixels_limit", [];
    /// Size of selfies in bytes.
    image_bytes: Histogram = "padan_image_bytes", [] in BYTES;
    /// Size of selfies in megapixels.
    image_megapixels: Histogram = "padan_image_megapixels", [] in MEGAPIXELS;
    /// Selfies that were refused for their content, by reason code.
    quality_rejections: IntCounterVec = "padan_quality_rejections_total", ["reason"];
    /// Connections to a database by state: the maximum, open, idle and used ones.
    pool_connections: IntGaugeVec = "padan_db_pool_connections", ["database", "host", "state"];
    /// Attempts to use a database by outcome: any, timeout, failure.
    pool_attempts: IntCounterVec = "padan_db_pool_attempts_total", ["database", "host", "outcome"];
    /// Seconds spent waiting for database connections.
    pool_wait: CounterVec = "padan_db_pool_wait_seconds_total", ["database", "host"];
    /// Replication lag of a registry replica in seconds; absent while the replica does not answer.
    replica_lag: GaugeVec = "padan_registry_replica_lag_seconds", ["host"];
    /// Whether a registry replica is in rotation (1) or is skipped for a while after a failure (0).
    registry_in_turn: IntGaugeVec = "padan_registry_in_turn", ["host"];
    /// Whether a registry replica is not asked (1) because its lag is above the limit of the settings, or not known.
    registry_too_far_behind: IntGaugeVec = "padan_registry_too_far_behind", ["host"];
    /// Face templates by model contract; estimated for large tables.
    templates: IntGaugeVec = "padan_templates", ["contract"];
    /// Face templates that could not be decrypted and were replaced: a key is missing, or rows are damaged.
    unreadable_templates: IntCounter = "padan_templates_unreadable_total", [];
    /// People processed by the latest enrolment, by result: enrolled, covered, unusable, failed. Covered ones have a
    /// template too, of a face that is covered or cut off on the portrait.
    enrolment_people: IntGaugeVec = "padan_enrolment_people", ["state"];
    /// Whether this process serves another model or calibration than the active one (1), because it cannot use the active
    /// one.
    model_behind: IntGauge = "padan_model_behind", [];
    /// Rows of the audit trail by outcome: durable, failed.
    audit_rows: IntCounterVec = "padan_audit_rows_total", ["outcome"];
    /// Rows per commit of the audit trail.
    audit_commit_rows: Histogram = "padan_audit_commit_rows", [] in ROWS;
    /// Seconds per commit of the audit trail.
    audit_commit_duration: Histogram = "padan_audit_commit_duration_seconds", [] in SECONDS;
    /// Answers by client, refusals included.
    client_requests: IntCounterVec = "padan_client_requests_total", ["client"];
    /// Answers by client in which a field differs or the NIK is unknown.
    client_misses: IntCounterVec = "padan_client_misses_total", ["client"];
    /// Faces by client that were compared for a person for whom half as many faces as are allowed had failed.
    repeated_faces: IntCounterVec = "padan_client_repeated_faces_total", ["client"];
    /// Refusals by client and reason: rate, quota, forbidden, share, turn, faces, fields. Turn: too many at once for a
    /// person. The last two: too many failed.
    client_refusals: IntCounterVec = "padan_client_refusals_total", ["client", "reason"];
    /// Processor seconds that the photos of a client took in the inference workers.
    client_cpu: CounterVec = "padan_client_cpu_seconds_total", ["client"];
    /// Clients in the store that are refused, because others than Padan wrote their rows or restored older ones.
    clients_not_signed: IntGauge = "padan_clients_not_signed", [];
    /// Used and reserved share of a client's quota, 0 to 1; absent without a quota and before the first request.
    client_quota_used: GaugeVec = "padan_client_quota_used_ratio", ["client", "period"];
    /// Whether a component was ready (1) at the last check.
    ready: IntGaugeVec = "padan_ready", ["component"];
    /// Always 1; the label is the version.
    build_info: IntGaugeVec = "padan_build_info", ["version"];
    /// Always 1; the labels identify the model that serves.
    model_info: IntGaugeVec = "padan_model_info", ["model_set", "contract"];
    /// Always 1; the label identifies the calibration of the percentages.
    calibration_info: IntGaugeVec = "padan_calibration_info", ["calibration"];
    /// Always 1; the labels are the embedder's device and precision.
    device_info: IntGaugeVec = "padan_device_info", ["device", "precision"];
    /// Always 1; the label is a hash of the settings without secrets.
    config_info: IntGaugeVec = "padan_config_info", ["hash"];
}

/// What the public listener is busy with.
#[derive(Debug, Clone, Copy, Deserialize, Serialize)]
pub struct Load {
    /// Requests that are being read or answered.
    pub in_flight: i64,
    /// Those of them that the limit counts.
    pub admitted: i64,
    /// The limit.
    pub admitted_limit: i64,
    /// Open connections.
    pub connections: i64,
    /// The most that may be open.
    pub connections_limit: i64,
}

/// An answered request, as the edge counts it.
pub(crate) struct Answered<'a> {
    pub(crate) endpoint: &'static str,
    pub(crate) status: u16,
    pub(crate) reason: ReasonCode,
    pub(crate) took: Duration,
    pub(crate) steps: &'a [(&'static str, Duration)],
    pub(crate) similarity: Option<Percentage>,
    /// The score of a selfie that was judged for liveness.
    pub(crate) spoof: Option<f64>,
    pub(crate) client: Option<&'a KnownClient>,
    /// Whether a field differs, or the NIK is unknown.
    pub(crate) is_miss: bool,
    /// Whether a face was compared for a person for whom many faces have failed.
    pub(crate) is_repeated_face: bool,
    /// Which load of its own client the request was refused for.
    pub(crate) own_load: Option<OwnLoad>,
}

impl Metrics {
    /// Counts an answer, its duration and its steps.
    pub(crate) fn answered(&self, answered: &Answered<'_>) {
        let Answered { endpoint, status, reason, took, steps, similarity, .. } = *answered;
        let status = status.to_string();
        if let Some(KnownClient { name, is_sandbox: true }) = answered.client {
            let labels = [name.as_str(), endpoint, status.as_str(), reason.as_str()];
            self.sandbox_requests.with_label_values(&labels).inc();
            return;
        }
        self.requests.with_label_values(&[endpoint, status.as_str(), reason.as_str()]).inc();
        self.request_duration.with_label_values(&[endpoint, status.as_str()]).observe(took.as_secs_f64());
        for (step, taken) in steps {
            self.step_duration.with_label_values(&[*step]).observe(taken.as_secs_f64());
        }
        if let Some(percentage) = similarity {
            let outcome = if percentage.passes() { "match" } else { "no_match" };
            self.similarity.with_label_values(&[endpoint, outcome]).observe(percentage.value());
        }
        if let Some(spoof) = answered.spoof {
            self.spoof_score.observe(spoof);
        }
        if is_quality_rejection(reason) {
            self.quality_rejections.with_label_values(&[reason.as_str()]).inc();
        }
        if let Some(client) = answered.client {
            self.answered_to(&client.name, answered);
        }
    }

    fn answered_to(&self, client: &ClientName, answered: &Answered<'_>) {
        let client = client.as_str();
        self.client_requests.with_label_values(&[client]).inc();
        self.client_misses.with_label_values(&[client]).inc_by(answered.is_miss.into());
        self.repeated_faces.with_label_values(&[client]).inc_by(answered.is_repeated_face.into());
        if let Some(refused) = refusal_label(answered.reason, answered.own_load) {
            self.client_refusals.with_label_values(&[client, refused]).inc();
        }
    }

    /// Counts a request whose client closed the connection before the answer.
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

    /// Counts a request to the management interface.
    pub(crate) fn managed(&self, operation: &str, status: u16) {
        self.managed.with_label_values(&[operation, status.to_string().as_str()]).inc();
    }

    /// Counts a panic of a handler.
    pub(crate) fn panicked(&self, endpoint: &str) {
        self.panics.with_label_values(&[endpoint]).inc();
    }

    /// The gauge of open connections.
    pub(crate) fn connections(&self) -> &IntGauge {
        &self.connections
    }

    /// Sets the limit of open connections.
    pub(crate) fn set_connections_limit(&self, limit: usize) {
        self.connections_limit.set(i64::try_from(limit).unwrap_or(i64::MAX));
    }

    /// The counter of connections that were refused or ended for this reason.
    pub(crate) fn connections_refused(&self, reason: &str) -> IntCounter {
        self.connections_refused.with_label_values(&[reason])
    }

    /// The gauge of requests in flight.
    pub(crate) fn in_flight(&self) -> &IntGauge {
        &self.in_flight
    }

    /// The gauge of admitted requests in flight.
    pub(crate) fn admitted(&self) -> &IntGauge {
        &self.admitted
    }

    /// Sets the limit of requests in flight.
    pub(crate) fn set_in_flight_limit(&self, limit: usize) {
        self.in_flight_limit.set(i64::try_from(limit).unwrap_or(i64::MAX));
    }

    /// Sets the limit of bytes of bodies, and returns the gauge of the bytes in memory.
    pub(crate) fn set_body_bytes_limit(&self, bytes: usize) -> IntGauge {
        self.body_bytes_limit.set(i64::try_from(bytes).unwrap_or(i64::MAX));
        self.body_bytes_held.clone()
    }

    /// The expiry of the public listener's certificate, in seconds since 1970; `None` without TLS.
    pub(crate) fn public_certificate_expiry(&self) -> Option<i64> {
        Some(self.certificate_expiry.with_label_values(&["public"]).get()).filter(|at| *at != 0)
    }

    /// What the public listener is busy with now.
    pub(crate) fn load(&self) -> Load {
        Load {
            in_flight: self.in_flight.get(),
            admitted: self.admitted.get(),
            admitted_limit: self.in_flight_limit.get(),
            connections: self.connections.get(),
            connections_limit: self.connections_limit.get(),
        }
    }

    /// Sets the hash of the settings.
    pub(crate) fn set_settings_hash(&self, hash: &str) {
        self.config_info.reset();
        self.config_info.with_label_values(&[hash]).set(1);
    }

    /// Sets the expiry of a listener's certificate, in seconds since 1970.
    pub(crate) fn set_certificate_expiry(&self, listener: &str, at: i64) {
        self.certificate_expiry.with_label_values(&[listener]).set(at);
    }

    /// Measures the photos that workers start on and the commits of the audit trail.
    pub(crate) fn subscribe(self: &Arc<Self>, verifier: &Verifier, activity: Activity) {
        let (of_photos, of_commits) = (Arc::clone(self), Arc::clone(self));
        let of_similarities = Arc::clone(self);
        verifier.observe_similarities(move |measured| of_similarities.measured(measured));
        verifier.observe(
            move |job| of_photos.on_job_started(job),
            move |AuditCommit { rows, took }| {
                activity.committed(took);
                of_commits.audit_commit_rows.observe(rows as f64);
                of_commits.audit_commit_duration.observe(took.as_secs_f64());
            },
        );
    }

    fn measured(&self, measured: &MeasuredSimilarities) {
        let contract = &[measured.contract.as_str()];
        self.genuine_similarity.with_label_values(contract).observe(measured.genuine.value());
        let impostors = self.impostor_similarity.with_label_values(contract);
        measured.impostors.iter().for_each(|percentage| impostors.observe(percentage.value()));
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

/// Whether a selfie was refused for its content.
fn is_quality_rejection(reason: ReasonCode) -> bool {
    matches!(
        reason,
        ReasonCode::NoFace
            | ReasonCode::FaceCovered
            | ReasonCode::SpoofSuspected
            | ReasonCode::SeveralFaces
            | ReasonCode::FaceTooSmall
            | ReasonCode::FaceBlurred
            | ReasonCode::FaceTooDark
            | ReasonCode::FaceTooBright
            | ReasonCode::FaceTurned
            | ReasonCode::NoFaceCaptured
            | ReasonCode::NoFaceStored
            | ReasonCode::ManyFacesCaptured
            | ReasonCode::ManyFacesStored
            | ReasonCode::NoFaceToJudge
            | ReasonCode::TooManyFacesToJudge
    )
}

/// The label of a refusal that the client caused by its own rules, load or trials; `None` for any other answer.
fn refusal_label(reason: ReasonCode, own_load: Option<OwnLoad>) -> Option<&'static str> {
    match reason {
        ReasonCode::RateLimited => Some("rate"),
        ReasonCode::QuotaExceeded => Some("quota"),
        ReasonCode::Forbidden => Some("forbidden"),
        ReasonCode::TooManyFailedFaces => Some("faces"),
        ReasonCode::TooManyFailedFields => Some("fields"),
        ReasonCode::Overloaded => own_load.map(|load| match load {
            OwnLoad::Share => "share",
            OwnLoad::Turn => "turn",
        }),
        _ => None,
    }
}
