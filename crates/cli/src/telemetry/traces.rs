use std::num::NonZeroU64;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

#[cfg(feature = "otlp")]
pub(crate) use self::exporting::Traces;
#[cfg(not(feature = "otlp"))]
pub(crate) use self::lacking::Traces;

/// Section `[traces]`: what is exported of requests, and where to.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TracesConfig {
    /// The collector's URL; empty is none.
    endpoint: String,
    /// The share of requests, from 0 to 1, that no caller has decided about.
    sample_ratio: f64,
    /// How long the collector may take.
    #[cfg_attr(not(feature = "otlp"), expect(dead_code, reason = "nothing is sent"))]
    timeout_ms: NonZeroU64,
}

impl TracesConfig {
    fn is_wanted(&self) -> bool {
        !self.endpoint.is_empty()
    }

    fn validate(&self) -> Result<()> {
        ensure!((0.0..=1.0).contains(&self.sample_ratio), "traces.sample_ratio lies outside of 0 to 1");
        if self.is_wanted() {
            let url: reqwest::Url = self.endpoint.parse().context("traces.endpoint is no URL")?;
            ensure!(
                matches!(url.scheme(), "http" | "https") && url.has_host(),
                "traces.endpoint must be such as http://127.0.0.1:4318"
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

    /// How long the end waits for the last spans.
    const LAST_SPANS: Duration = Duration::from_secs(3);

    /// Traces on their way to a collector, by a thread of their own.
    pub(crate) struct Traces(SdkTracerProvider);

    impl Traces {
        /// Whether the settings can be used.
        pub(crate) fn check(config: &TracesConfig) -> Result<()> {
            config.validate()
        }

        /// Starts to export; `None` when no collector is named. Not to be called within a runtime.
        pub(crate) fn start(config: &TracesConfig) -> Result<Option<Self>> {
            config.validate()?;
            if !config.is_wanted() {
                return Ok(None);
            }
            tls::choose_cryptography();
            let exporter = SpanExporter::builder()
                .with_http()
                .with_protocol(Protocol::HttpBinary)
                .with_endpoint(format!("{}/v1/traces", config.endpoint.trim_end_matches('/')))
                .with_timeout(Duration::from_millis(config.timeout_ms.get()))
                .build()
                .context("traces cannot be exported")?;
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

        /// Makes traces of our own spans; a dependency's hold what is nobody's business.
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

        /// Sends what is left, for a moment at most.
        pub(crate) fn finish(self) {
            if let Err(error) = self.0.shutdown_with_timeout(LAST_SPANS) {
                tracing::warn!("the last traces are lost: {error}");
            }
        }
    }
}

#[cfg(not(feature = "otlp"))]
mod lacking {
    use anyhow::{Result, ensure};
    use tracing_subscriber::layer::Identity;

    use super::TracesConfig;

    /// Traces, which this build does not export.
    pub(crate) enum Traces {}

    impl Traces {
        /// Whether the settings can be used.
        pub(crate) fn check(config: &TracesConfig) -> Result<()> {
            config.validate()?;
            ensure!(
                !config.is_wanted(),
                "traces.endpoint is set, and this program was built without the feature otlp"
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
