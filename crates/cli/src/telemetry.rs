mod traces;

use std::{
    io::{self, IsTerminal, Write},
    sync::atomic::{AtomicBool, Ordering},
};

use anyhow::{Context, Result};
use serde::Deserialize;
use tracing::{Metadata, level_filters::LevelFilter};
use tracing_subscriber::{
    EnvFilter, Layer as _, Registry,
    filter::{FilterFn, filter_fn},
    fmt::{self, MakeWriter},
    layer::SubscriberExt as _,
    reload,
    util::SubscriberInitExt as _,
};

pub(crate) use self::traces::{Traces, TracesConfig};

/// Section `[log]`: what the program writes to stderr about itself.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Levels by module, as `tracing` reads them: `info`, or `info,padan_registry=debug`.
    filter: String,
    /// One line of text or one JSON object an event.
    format: Format,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Format {
    Text,
    Json,
}

/// What the log shows, to be changed while it is written.
pub(crate) struct LogFilter(reload::Handle<EnvFilter, Registry>);

impl LogFilter {
    /// From now on that of other settings.
    pub(crate) fn change(&self, config: &Config) -> Result<()> {
        self.0.reload(filter(config)?).context("the log has ended")
    }
}

/// Starts to write events to stderr, so that stdout stays for data.
pub(crate) fn start(config: &Config) -> Result<LogFilter> {
    start_with_traces(config, None)
}

/// The same, and exports traces.
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
        .with(caps())
        .try_init()
        .context("the log is started already")?;
    Ok(LogFilter(handle))
}

/// Whether the settings can be used.
pub(crate) fn check(config: &Config) -> Result<()> {
    filter(config).map(drop)
}

fn filter(Config { filter, .. }: &Config) -> Result<EnvFilter> {
    EnvFilter::try_new(filter)
        .with_context(|| format!("log.filter `{filter}` is no list of levels, such as `info`"))
}

/// Holds libraries back, whatever levels a filter asks for: it is laid over the filter, so that no directive reaches past it.
fn caps() -> FilterFn {
    filter_fn(may_tell)
}

/// Whether it is known that a line holds nothing personal and no secret. A library's own lines quote what passes through:
/// heads of requests, statements.
fn may_tell(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    let most = if target.starts_with("padan") {
        LevelFilter::TRACE
    } else if target.starts_with("sqlx") {
        // Its warnings quote what a site's view raises, and parameters of URLs that it does not know.
        LevelFilter::OFF
    } else {
        LevelFilter::WARN
    };
    *metadata.level() <= most
}

/// For commands that speak to a person: only what went wrong.
pub(crate) fn start_quietly() {
    let filter = EnvFilter::new("warn,actix_http=off");
    let events = fmt::fmt().with_env_filter(filter).with_writer(Muteable).without_time();
    // A second start is a mistake that costs nothing here.
    let _ = events.with_ansi(io::stderr().is_terminal()).finish().with(caps()).try_init();
}

/// Keeps quiet, after [`start_quietly`], about what is provoked on purpose, for as long as the value lives.
pub(crate) struct Muted(());

static IS_MUTED: AtomicBool = AtomicBool::new(false);

impl Muted {
    pub(crate) fn begin() -> Self {
        IS_MUTED.store(true, Ordering::Relaxed);
        Self(())
    }
}

impl Drop for Muted {
    fn drop(&mut self) {
        IS_MUTED.store(false, Ordering::Relaxed);
    }
}

/// Stderr, or nowhere.
struct Muteable;

impl MakeWriter<'_> for Muteable {
    type Writer = Box<dyn Write>;

    fn make_writer(&self) -> Self::Writer {
        if IS_MUTED.load(Ordering::Relaxed) { Box::new(io::sink()) } else { Box::new(io::stderr()) }
    }
}

#[cfg(test)]
mod tests {
    use tracing::{Level, enabled, subscriber::with_default};

    use super::*;

    #[test]
    fn no_directive_lets_a_library_tell_more_than_warnings_and_the_driver_anything() {
        let filter = EnvFilter::new("trace,sqlx=trace,sqlx::query=trace,actix_http=trace,[request]=trace");
        let events = fmt::fmt().with_env_filter(filter).with_writer(io::sink).finish().with(caps());
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
