use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use padan_verification::{AuditFigures, PoolFigures, Verifier, VerifierFigures};
use prometheus::{
    Counter, CounterVec, Encoder as _, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry, TextEncoder,
};

/// Declares metrics as fields; a field's doc is the help text of its metric.
macro_rules! metrics {
    ($($(#[doc = $help:literal])+ $field:ident: $kind:ident = $name:literal, [$($label:literal),*];)+) => {
        /// Everything that `/metrics` tells.
        pub(crate) struct Metrics {
            registry: Registry,
            observing: Mutex<()>,
            $($(#[doc = $help])+ $field: $kind,)+
        }

        impl Metrics {
            /// Metrics that nothing has been counted in yet.
            pub(crate) fn new() -> Result<Self, prometheus::Error> {
                let registry = Registry::new();
                $(
                    let $field = $kind::declare($name, concat!($($help),+).trim(), &[$($label),*])?;
                    registry.register(Box::new($field.clone()))?;
                )+
                Ok(Self { registry, observing: Mutex::new(()), $($field,)+ })
            }
        }
    };
}

metrics! {
    /// Answers by endpoint, HTTP status and reason code.
    requests: IntCounterVec = "padan_http_requests_total", ["endpoint", "status", "reason"];
    /// Seconds from a request's head to its answer, by endpoint and status.
    request_seconds: HistogramVec = "padan_http_request_seconds", ["endpoint", "status"];
    /// Seconds of each step of a verification.
    step_seconds: HistogramVec = "padan_verification_step_seconds", ["step"];
    /// Requests that are being read or answered now.
    in_flight: IntGauge = "padan_http_in_flight", [];
    /// Requests whose client left before the answer, by endpoint.
    abandoned: IntCounterVec = "padan_http_abandoned_total", ["endpoint"];
    /// Handlers that panicked, by endpoint. Each is a fault to report.
    panics: IntCounterVec = "padan_http_panics_total", ["endpoint"];
    /// Photos that wait for a worker.
    queued: IntGauge = "padan_inference_queued", [];
    /// Photos that may wait for a worker; more are refused.
    queue_length: IntGauge = "padan_inference_queue_length", [];
    /// Worker threads by state.
    workers: IntGaugeVec = "padan_inference_workers", ["state"];
    /// Photos that were not looked at since the start: refused by a full queue, or dropped after their time.
    dropped: IntCounterVec = "padan_inference_dropped_total", ["why"];
    /// Connections to a database by state: max, open, idle, in use.
    connections: IntGaugeVec = "padan_database_connections", ["database", "host", "state"];
    /// Attempts to use a database since the start, by how they ended: any, timeout, failure.
    database_attempts: IntCounterVec = "padan_database_attempts_total", ["database", "host", "end"];
    /// Seconds spent waiting for connections since the start.
    database_wait: CounterVec = "padan_database_wait_seconds_total", ["database", "host"];
    /// Whether a replica of the registry is tried in its turn (1) or rests after a failure (0).
    registry_in_turn: IntGaugeVec = "padan_registry_in_turn", ["host"];
    /// Rows of the audit trail since the start, by outcome: durable, failed.
    audit_rows: IntCounterVec = "padan_audit_rows_total", ["outcome"];
    /// Commits that made rows of the audit trail durable; rows divided by it is how many share one.
    audit_commits: IntCounter = "padan_audit_commits_total", [];
    /// Seconds that commits of the audit trail took since the start.
    audit_commit_time: Counter = "padan_audit_commit_seconds_total", [];
    /// Face templates that could not be read since the start, and were made anew: a key is missing, or rows are damaged.
    unreadable_templates: IntCounter = "padan_templates_unreadable_total", [];
    /// Whether another model than the active one serves (1), because that one cannot be used here.
    model_behind: IntGauge = "padan_model_behind", [];
    /// Always 1; the labels say what runs.
    build: IntGaugeVec = "padan_build_info", ["version", "model_set", "model_contract", "device"];
}

/// What the edge knows of an answered request.
pub(crate) struct Answered {
    pub(crate) endpoint: &'static str,
    pub(crate) status: u16,
    pub(crate) reason: &'static str,
    pub(crate) took: Duration,
}

impl Metrics {
    /// Counts an answer and the steps it took.
    pub(crate) fn answered(&self, answered: &Answered, steps: &[(&'static str, Duration)]) {
        let status = answered.status.to_string();
        self.requests.with_label_values(&[answered.endpoint, status.as_str(), answered.reason]).inc();
        self.request_seconds
            .with_label_values(&[answered.endpoint, status.as_str()])
            .observe(answered.took.as_secs_f64());
        for (step, taken) in steps {
            self.step_seconds.with_label_values(&[*step]).observe(taken.as_secs_f64());
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

    /// Counts a panic.
    pub(crate) fn panicked(&self, endpoint: &str) {
        self.panics.with_label_values(&[endpoint]).inc();
    }

    /// Requests under way, to be counted up and down.
    pub(crate) fn in_flight(&self) -> &IntGauge {
        &self.in_flight
    }

    /// The text that Prometheus reads, with the verifier's figures as of now.
    pub(crate) fn text(&self, verifier: &Verifier) -> Result<Vec<u8>, prometheus::Error> {
        self.observe(verifier);
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }

    fn observe(&self, verifier: &Verifier) {
        // Counters are raised to what the parts have counted; two scrapes at once would raise them twice.
        let _one_at_a_time = self.observing.lock().unwrap_or_else(PoisonError::into_inner);
        let VerifierFigures { engine, registry, store, audit, unreadable_templates, model_behind } =
            verifier.figures();
        raise(&self.unreadable_templates, unreadable_templates);
        self.model_behind.set(model_behind.into());
        self.queued.set(whole(engine.queued));
        self.queue_length.set(whole(engine.queue_length));
        self.workers.with_label_values(&["all"]).set(whole(engine.workers));
        self.workers.with_label_values(&["busy"]).set(whole(engine.busy));
        raise(&self.dropped.with_label_values(&["refused"]), engine.refused);
        raise(&self.dropped.with_label_values(&["expired"]), engine.expired);
        for replica in &registry {
            let name = replica.pool.name.as_str();
            self.registry_in_turn.with_label_values(&[name]).set(replica.in_turn.into());
            self.observe_pool("registry", &replica.pool);
        }
        self.observe_pool("store", &store);
        if let Some(AuditFigures { rows, commits, failed, commit_time }) = audit {
            raise(&self.audit_rows.with_label_values(&["durable"]), rows);
            raise(&self.audit_rows.with_label_values(&["failed"]), failed);
            raise(&self.audit_commits, commits);
            let grown = commit_time.as_secs_f64() - self.audit_commit_time.get();
            self.audit_commit_time.inc_by(grown.max(0.0));
        }
        let identity = verifier.engine_identity();
        // The model may have been exchanged.
        self.build.reset();
        self.build
            .with_label_values(&[
                env!("CARGO_PKG_VERSION"),
                identity.model_set.as_str(),
                identity.contract.as_str(),
                identity.device,
            ])
            .set(1);
    }

    fn observe_pool(&self, database: &str, pool: &PoolFigures) {
        let host = pool.name.as_str();
        for (state, count) in [
            ("max", pool.max_connections),
            ("open", pool.connections),
            ("idle", pool.idle),
            ("in use", pool.in_use),
        ] {
            self.connections.with_label_values(&[database, host, state]).set(count.into());
        }
        for (end, count) in
            [("any", pool.acquisitions), ("timeout", pool.timeouts), ("failure", pool.failures)]
        {
            raise(&self.database_attempts.with_label_values(&[database, host, end]), count);
        }
        let waited = self.database_wait.with_label_values(&[database, host]);
        waited.inc_by((pool.acquire_wait.as_secs_f64() - waited.get()).max(0.0));
    }
}

fn whole(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn raise(counter: &IntCounter, to: u64) {
    counter.inc_by(to.saturating_sub(counter.get()));
}

/// Makes a metric of one kind from its name, help and labels.
trait Declare: Sized {
    fn declare(name: &str, help: &str, labels: &[&str]) -> Result<Self, prometheus::Error>;
}

impl Declare for IntCounterVec {
    fn declare(name: &str, help: &str, labels: &[&str]) -> Result<Self, prometheus::Error> {
        Self::new(Opts::new(name, help), labels)
    }
}

impl Declare for IntCounter {
    fn declare(name: &str, help: &str, _labels: &[&str]) -> Result<Self, prometheus::Error> {
        Self::with_opts(Opts::new(name, help))
    }
}

impl Declare for Counter {
    fn declare(name: &str, help: &str, _labels: &[&str]) -> Result<Self, prometheus::Error> {
        Self::with_opts(Opts::new(name, help))
    }
}

impl Declare for IntGaugeVec {
    fn declare(name: &str, help: &str, labels: &[&str]) -> Result<Self, prometheus::Error> {
        Self::new(Opts::new(name, help), labels)
    }
}

impl Declare for CounterVec {
    fn declare(name: &str, help: &str, labels: &[&str]) -> Result<Self, prometheus::Error> {
        Self::new(Opts::new(name, help), labels)
    }
}

impl Declare for IntGauge {
    fn declare(name: &str, help: &str, _labels: &[&str]) -> Result<Self, prometheus::Error> {
        Self::with_opts(Opts::new(name, help))
    }
}

impl Declare for HistogramVec {
    fn declare(name: &str, help: &str, labels: &[&str]) -> Result<Self, prometheus::Error> {
        // Fine where a verification on one core lies, 10 ms to 1 s, and up to the longest budget.
        const SECONDS: [f64; 15] =
            [0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 10.0];
        Self::new(HistogramOpts::new(name, help).buckets(SECONDS.to_vec()), labels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fields_doc_is_the_help_text() {
        let metrics = Metrics::new().unwrap();
        let answered = Answered {
            endpoint: "face-verification",
            status: 200,
            reason: "VERIFIED",
            took: Duration::from_millis(40),
        };
        metrics.answered(&answered, &[("embed", Duration::from_millis(12))]);
        let mut text = Vec::new();
        TextEncoder::new().encode(&metrics.registry.gather(), &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert!(
            text.contains(
                "# HELP padan_http_requests_total Answers by endpoint, HTTP status and reason code."
            )
        );
        assert!(text.contains(
            "padan_http_requests_total{endpoint=\"face-verification\",reason=\"VERIFIED\",status=\"200\"} 1"
        ));
        assert!(text.contains("padan_verification_step_seconds_count{step=\"embed\"} 1"));
    }
}
