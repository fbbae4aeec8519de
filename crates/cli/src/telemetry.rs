mod traces;

use std::{
    io::{self, IsTerminal, Write},
    sync::atomic::{AtomicBool, Ordering},
};

use anyhow::{Context, Result};
use serde::Deserialize;
use tracing::{Metadata, level_filters::LevelFilter};
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    filter::{FilterFn, filter_fn},
    fmt::{self, MakeWriter},
    layer::SubscriberExt as _,
    reload,
    util::SubscriberInitExt as _,
};

pub(crate) use self::traces::{Traces, TracesConfig};

/// Section `[log]`: the log that the program writes to stderr.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Levels by module, as `tracing` reads them: `info`, or `info,padan_registry=debug`.
    filter: String,
    /// A line of text or a JSON object for each event.
    format: Format,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Format {
    Text,
    Json,
}

/// The filter of the running log, which can be replaced.
pub(crate) struct LogFilter(reload::Handle<EnvFilter, Registry>);

impl LogFilter {
    /// Replaces the filter.
    pub(crate) fn change(&self, config: &Config) -> Result<()> {
        self.0.reload(filter(config)?).context("the log is closed")
    }
}

/// Starts the log on stderr; stdout is for data.
pub(crate) fn start(config: &Config) -> Result<LogFilter> {
    start_with_traces(config, None)
}

/// Starts the log on stderr and the export of traces.
pub(crate) fn start_with_traces(config: &Config, traces: Option<&Traces>) -> Result<LogFilter> {
    let (filter, handle) = reload::Layer::new(filter(config)?);
    let lines = fmt::layer().with_writer(io::stderr);
    let lines = match config.format {
        Format::Text => lines.with_ansi(io::stderr().is_terminal()).boxed(),
        Format::Json => lines.json().flatten_event(true).boxed(),
    };
    let spans = traces.map(Traces::layer);
    Registry::default()
        .with(lines.with_filter(filter))
        .with(spans)
        .with(library_limits())
        .try_init()
        .context("the log was started before")?;
    Ok(LogFilter(handle))
}

/// Checks the settings without starting anything.
pub(crate) fn check(config: &Config) -> Result<()> {
    filter(config).map(drop)
}

fn filter(Config { filter, .. }: &Config) -> Result<EnvFilter> {
    EnvFilter::try_new(filter).with_context(|| {
        format!("log.filter: expected levels such as `info,padan_store=debug`, found `{filter}`")
    })
}

/// Limits what libraries may log, whatever levels the configured filter enables.
fn library_limits() -> FilterFn {
    filter_fn(is_free_of_secrets)
}

/// Returns whether an event cannot contain personal data or secrets. Events of libraries quote what they process, such
/// as request headers and SQL statements.
fn is_free_of_secrets(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    let finest_level = if target.starts_with("padan") {
        LevelFilter::TRACE
    } else if target.starts_with("sqlx") {
        // Its warnings quote errors raised by a site's view, and unknown parameters of database URLs.
        LevelFilter::OFF
    } else {
        LevelFilter::WARN
    };
    *metadata.level() <= finest_level
}

/// Starts a log of warnings and errors only, for commands whose output is read by a person.
pub(crate) fn start_quietly() {
    let filter = EnvFilter::new("warn,actix_http=off");
    let events = fmt::fmt().with_env_filter(filter).with_writer(Muteable).without_time();
    // If a log was started before, it serves as well.
    let _ = events.with_ansi(io::stderr().is_terminal()).finish().with(library_limits()).try_init();
}

/// Starts that log, and beside it a layer that gets each event.
pub(crate) fn start_for_demo<L: Layer<Registry> + Send + Sync>(requests: L) {
    let filter = EnvFilter::new("warn,actix_http=off");
    let events = fmt::layer().with_writer(Muteable).without_time().with_ansi(io::stderr().is_terminal());
    let events = events.with_filter(filter).and_then(requests);
    // If a log was started before, it serves as well.
    let _ = Registry::default().with(events).with(library_limits()).try_init();
}

/// While this value lives, the log of [`start_quietly`] and [`start_for_demo`] writes nothing. Used while errors are provoked on purpose.
pub(crate) struct Muted(());

static IS_MUTED: AtomicBool = AtomicBool::new(false);

impl Muted {
    pub(crate) fn begin() -> Self {
        IS_MUTED.store(true, Ordering::Relaxed);
        Self(())
    }
}

/// Returns whether a [`Muted`] lives.
pub(crate) fn is_muted() -> bool {
    IS_MUTED.load(Ordering::Relaxed)
}

impl Drop for Muted {
    fn drop(&mut self) {
        IS_MUTED.store(false, Ordering::Relaxed);
    }
}

/// Writes to stderr, but discards everything while a [`Muted`] lives.
struct Muteable;

impl MakeWriter<'_> for Muteable {
    type Writer = Box<dyn Write>;

    fn make_writer(&self) -> Self::Writer {
        if is_muted() { Box::new(io::sink()) } else { Box::new(io::stderr()) }
    }
}

#[cfg(test)]
mod tests {
    use tracing::{Level, enabled, subscriber::with_default};

    use super::*;

    #[test]
    fn no_filter_makes_a_library_log_more_than_warnings_or_the_database_driver_anything() {
        let filter = EnvFilter::new("trace,sqlx=trace,sqlx::query=trace,actix_http=trace,[request]=trace");
        let events = fmt::fmt().with_env_filter(filter).with_writer(io::sink).finish().with(library_limits());
        with_default(events, || {
            let request = tracing::info_span!(target: "padan_http_api::edge", "request");
            let _within = request.enter();
            assert!(enabled!(target: "padan_registry::replica", Level::TRACE));
            assert!(enabled!(target: "actix_http::h1::dispatcher", Level::WARN));
            assert!(!enabled!(target: "actix_http::h1::dispatcher", Level::INFO));
            assert!(!enabled!(target: "sqlx::query", Level::ERROR));
            assert!(!enabled!(target: "sqlx::postgres::notice", Level::ERROR));
            assert!(!enabled!(target: "sqlx_postgres::options::parse", Level::ERROR));
        });
    }
}
