use std::num::NonZeroU64;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

#[cfg(not(feature = "otlp"))]
pub(crate) use self::disabled::Traces;
#[cfg(feature = "otlp")]
pub(crate) use self::exporting::Traces;

/// Section `[traces]`: which traces of requests are exported, and where to.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TracesConfig {
    /// The collector's URL; no traces are exported when it is empty.
    endpoint: String,
    /// The share of requests, from 0 to 1, that are traced when the caller has not decided.
    sample_ratio: f64,
    /// The timeout of an export.
    #[cfg_attr(not(feature = "otlp"), expect(dead_code, reason = "nothing is sent"))]
    timeout_ms: NonZeroU64,
}

impl TracesConfig {
    fn is_enabled(&self) -> bool {
        !self.endpoint.is_empty()
    }

    fn validate(&self) -> Result<()> {
        ensure!(
            (0.0..=1.0).contains(&self.sample_ratio),
            "traces.sample_ratio: expected a number from 0 to 1, found {}",
            self.sample_ratio
        );
        if self.is_enabled() {
            let url: reqwest::Url = self.endpoint.parse().context("traces.endpoint is not a URL")?;
            ensure!(
                matches!(url.scheme(), "http" | "https") && url.has_host(),
                "traces.endpoint: expected an http or https URL such as http://127.0.0.1:4318"
            );
        }
        Ok(())
    }
}

#[cfg(feature = "otlp")]
mod exporting {
    use std::time::Duration;

    use anyhow::{Context, Result};
    use opentelemetry::{KeyValue, trace::TracerProvider as _};
    use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _};
    use opentelemetry_sdk::{
        Resource,
        trace::{Sampler, SdkTracerProvider},
    };
    use tracing::{Level, Subscriber};
    use tracing_subscriber::{Layer, filter::Targets, registry::LookupSpan};

    use super::TracesConfig;
    use crate::tls;

    /// How long the program waits at its end for the last spans to be sent.
    const LAST_SPANS_TIMEOUT: Duration = Duration::from_secs(3);

    /// The export of traces to a collector, on a thread of its own.
    pub(crate) struct Traces(SdkTracerProvider);

    impl Traces {
        /// Checks the settings without starting anything.
        pub(crate) fn check(config: &TracesConfig) -> Result<()> {
            config.validate()
        }

        /// Starts the export; `None` when no collector is configured. Do not call it within a Tokio runtime.
        pub(crate) fn start(config: &TracesConfig) -> Result<Option<Self>> {
            config.validate()?;
            if !config.is_enabled() {
                return Ok(None);
            }
            tls::install_crypto_provider();
            let exporter = SpanExporter::builder()
                .with_http()
                .with_protocol(Protocol::HttpBinary)
                .with_endpoint(format!("{}/v1/traces", config.endpoint.trim_end_matches('/')))
                .with_timeout(Duration::from_millis(config.timeout_ms.get()))
                .build()
                .context("cannot export traces")?;
            let resource = Resource::builder_empty()
                .with_service_name("padan")
                .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
                .build();
            let provider = SdkTracerProvider::builder()
                .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(config.sample_ratio))))
                .with_resource(resource)
                .with_batch_exporter(exporter)
                .build();
            Ok(Some(Self(provider)))
        }

        /// Turns this project's spans into traces. Spans of libraries are left out: they may contain personal data.
        pub(in crate::telemetry) fn layer<S>(&self) -> Box<dyn Layer<S> + Send + Sync>
        where
            S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
        {
            let spans = tracing_opentelemetry::layer()
                .with_tracer(self.0.tracer("padan"))
                .with_location(false)
                .with_threads(false)
                .with_tracked_inactivity(false);
            spans.with_filter(Targets::new().with_target("padan", Level::INFO)).boxed()
        }

        /// Sends the remaining spans, within a time limit.
        pub(crate) fn finish(self) {
            if let Err(error) = self.0.shutdown_with_timeout(LAST_SPANS_TIMEOUT) {
                tracing::warn!("the last traces were not sent: {error}");
            }
        }
    }
}

#[cfg(not(feature = "otlp"))]
mod disabled {
    use anyhow::{Result, ensure};
    use tracing_subscriber::layer::Identity;

    use super::TracesConfig;

    /// The export of traces, which this build does not contain.
    pub(crate) enum Traces {}

    impl Traces {
        /// Checks the settings without starting anything.
        pub(crate) fn check(config: &TracesConfig) -> Result<()> {
            config.validate()?;
            ensure!(
                !config.is_enabled(),
                "traces.endpoint is set, but this program was built without the feature otlp"
            );
            Ok(())
        }

        /// Starts nothing.
        pub(crate) fn start(config: &TracesConfig) -> Result<Option<Self>> {
            Self::check(config)?;
            Ok(None)
        }

        pub(in crate::telemetry) fn layer(&self) -> Identity {
            match *self {}
        }

        /// Sends nothing.
        pub(crate) fn finish(self) {
            match self {}
        }
    }
}
