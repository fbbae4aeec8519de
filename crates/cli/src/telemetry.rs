mod traces;

use std::io::{self, IsTerminal as _};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use tracing::{Metadata, level_filters::LevelFilter};
use tracing_subscriber::{
    Layer, Registry,
    filter::{FilterFn, Targets, filter_fn},
    fmt,
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
pub(crate) struct LogFilter(reload::Handle<Targets, Registry>);

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

fn filter(Config { filter, .. }: &Config) -> Result<Targets> {
    let refused =
        || format!("log.filter: expected levels such as `info,padan_store=debug`, found `{filter}`");
    // Directives for spans and fields would be read as names of modules.
    ensure!(!filter.contains('['), refused());
    filter.parse().with_context(refused)
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
    // If a log was started before, it serves as well.
    let _ = Registry::default().with(quiet_lines()).with(library_limits()).try_init();
}

/// Lines of warnings and errors, on stderr.
fn quiet_lines() -> impl Layer<Registry> {
    let lines = fmt::layer().with_writer(io::stderr).without_time().with_ansi(io::stderr().is_terminal());
    lines.with_filter(
        Targets::new().with_default(LevelFilter::WARN).with_target("actix_http", LevelFilter::OFF),
    )
}

#[cfg(test)]
mod tests {
    use tracing::{Level, enabled, subscriber::with_default};

    use super::*;

    #[test]
    fn a_filter_has_levels_by_module_and_nothing_else() {
        let check = |filter: &str| check(&Config { filter: filter.to_owned(), format: Format::Text });
        for filter in ["info,actix_http=off", "debug", "info,padan_registry=debug,padan::commands=trace"] {
            check(filter).unwrap();
        }
        for filter in ["info,padan_store=loud", "info,[request]=trace", "padan_store[{nik}]=trace"] {
            assert!(check(filter).unwrap_err().to_string().starts_with("log.filter: "), "{filter}");
        }
    }

    #[test]
    fn no_filter_makes_a_library_log_more_than_warnings_or_the_database_driver_anything() {
        let filter: Targets = "trace,sqlx=trace,sqlx::query=trace,actix_http=trace".parse().unwrap();
        let lines = fmt::layer().with_writer(io::sink).with_filter(filter);
        with_default(Registry::default().with(lines).with(library_limits()), || {
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
