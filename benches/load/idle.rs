use anyhow::{Context as _, Result};
use procfs::{CurrentSI as _, KernelStats};

/// Returns how long each processor has been idle since the machine started, in seconds. Waiting for a disk counts as
/// idle.
///
/// # Errors
/// When /proc/stat cannot be read.
pub fn idle_seconds() -> Result<Vec<f64>> {
    let processors = KernelStats::current().context("cannot read /proc/stat")?.cpu_time;
    let idle =
        processors.iter().map(|times| times.idle_duration() + times.iowait_duration().unwrap_or_default());
    Ok(idle.map(|time| time.as_secs_f64()).collect())
}
