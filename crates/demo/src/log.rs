//! The log of the demo, on stderr: warnings and errors, and a line for each request.

use std::{
    io::{self, IsTerminal as _, Write},
    sync::atomic::{AtomicBool, Ordering},
};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::{
    Layer, Registry,
    filter::Targets,
    fmt::{self, MakeWriter},
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

/// Starts the log, and beside it a layer that gets the event of each request.
pub(crate) fn start<L: Layer<Registry> + Send + Sync>(requests: L) {
    let lines = fmt::layer().with_writer(Muteable).without_time().with_ansi(io::stderr().is_terminal());
    // Warnings of the database driver quote what it processes.
    let levels = Targets::new()
        .with_default(LevelFilter::WARN)
        .with_targets([("actix_http", LevelFilter::OFF), ("sqlx", LevelFilter::OFF)]);
    let edge = Targets::new().with_target("padan_http_api::edge", LevelFilter::INFO);
    // If a log was started before, it serves as well.
    let _ =
        Registry::default().with(lines.with_filter(levels).and_then(requests.with_filter(edge))).try_init();
}

/// While this value lives, the log writes nothing. Used while errors are provoked on purpose.
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
