use std::{
    io,
    sync::{Arc, LazyLock},
};

use parking_lot::Mutex;
use tracing_subscriber::{
    Layer as _, filter::Targets, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

/// What all services of this process have logged, in the format of the program's JSON log.
static LOG: LazyLock<CapturedLog> = LazyLock::new(CapturedLog::install);

#[derive(Clone, Default)]
struct CapturedLog(Arc<Mutex<Vec<u8>>>);

/// The part of the process's log since a service was started.
pub(crate) struct LogOfService {
    begins: usize,
}

impl LogOfService {
    pub(crate) fn begin() -> Self {
        Self { begins: LOG.0.lock().len() }
    }

    /// It has the lines of other services of the process as well.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&LOG.0.lock()[self.begins..]).into_owned()
    }
}

impl CapturedLog {
    fn install() -> Self {
        let log = Self::default();
        let lines = fmt::layer().json().flatten_event(true).with_writer({
            let log = log.clone();
            move || log.clone()
        });
        // The default of `log.filter`, without what the program never logs of libraries.
        let filter: Targets = "warn,actix_http=off,sqlx=off,padan=info".parse().unwrap();
        tracing_subscriber::registry().with(lines.with_filter(filter)).init();
        log
    }
}

impl io::Write for CapturedLog {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
