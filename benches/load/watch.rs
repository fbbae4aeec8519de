use std::{
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow};
use serde::Serialize;

use crate::process_tree::ProcessTree;

/// The time between two samples of the memory.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(250);

/// Watches the usage of a process and its descendants.
#[derive(Debug)]
pub struct Watch {
    pid: u32,
    tree: ProcessTree,
    began: Instant,
    cpu_seconds_before: f64,
    // Dropped to end the sampling.
    stop: Sender<()>,
    sampling: JoinHandle<Result<Vec<Sample>>>,
}

/// The usage of a process and its descendants. Memory is PSS, in MB of 1,000,000 bytes, sampled four times per second.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Usage {
    /// The process id.
    pub pid: u32,
    /// The number of processes at the end, including descendants.
    pub processes: usize,
    /// How long it was watched.
    pub seconds: f64,
    /// CPU time of user and system.
    pub cpu_seconds: f64,
    /// The peak memory.
    pub peak_mb: f64,
    /// The memory at the beginning.
    pub first_mb: f64,
    /// The memory at the end.
    pub last_mb: f64,
    /// The slope of a straight line through the second half of all samples.
    pub growth_mb_per_minute: f64,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    seconds: f64,
    mb: f64,
}

impl Watch {
    /// Starts watching the process with this id.
    ///
    /// # Errors
    /// When there is no such process.
    pub fn start(pid: u32) -> Result<Self> {
        let tree = ProcessTree::of(pid)?;
        let (stop, stopped) = channel();
        let began = Instant::now();
        let sampling = thread::spawn(move || sample(tree, began, &stopped));
        Ok(Self { pid, tree, began, cpu_seconds_before: tree.cpu_seconds()?, stop, sampling })
    }

    /// Stops watching and returns the usage.
    ///
    /// # Errors
    /// When the process has ended before.
    pub fn finish(self) -> Result<Usage> {
        let cpu_seconds = self.tree.cpu_seconds()? - self.cpu_seconds_before;
        let seconds = self.began.elapsed().as_secs_f64();
        drop(self.stop);
        let samples = self.sampling.join().map_err(|_| anyhow!("the sampling thread has panicked"))??;
        Ok(Usage {
            pid: self.pid,
            processes: self.tree.count()?,
            seconds: rounded(seconds),
            cpu_seconds: rounded(cpu_seconds),
            peak_mb: rounded(samples.iter().map(|sample| sample.mb).fold(0.0, f64::max)),
            first_mb: rounded(samples.first().map_or(0.0, |sample| sample.mb)),
            last_mb: rounded(samples.last().map_or(0.0, |sample| sample.mb)),
            growth_mb_per_minute: rounded(60.0 * slope(&samples[samples.len() / 2..])),
        })
    }
}

/// Samples the memory until the sender of `stopped` is dropped.
fn sample(tree: ProcessTree, began: Instant, stopped: &Receiver<()>) -> Result<Vec<Sample>> {
    let mut samples = Vec::new();
    loop {
        let mb = tree.memory()? as f64 / 1e6;
        samples.push(Sample { seconds: began.elapsed().as_secs_f64(), mb });
        if stopped.recv_timeout(SAMPLE_INTERVAL) != Err(RecvTimeoutError::Timeout) {
            return Ok(samples);
        }
    }
}

/// The slope in MB per second, by least squares; 0 for fewer than two samples.
fn slope(samples: &[Sample]) -> f64 {
    let count = samples.len() as f64;
    let mean = |of: fn(&Sample) -> f64| samples.iter().map(of).sum::<f64>() / count;
    let (mean_seconds, mean_mb) = (mean(|sample| sample.seconds), mean(|sample| sample.mb));
    let covariance: f64 =
        samples.iter().map(|sample| (sample.seconds - mean_seconds) * (sample.mb - mean_mb)).sum();
    let variance: f64 = samples.iter().map(|sample| (sample.seconds - mean_seconds).powi(2)).sum();
    if variance > 0.0 { covariance / variance } else { 0.0 }
}

fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_straight_line_has_its_slope() {
        let samples = [0.0, 1.0, 2.0, 5.0].map(|seconds| Sample { seconds, mb: 100.0 + 3.0 * seconds });
        assert!((slope(&samples) - 3.0).abs() < 1e-9);
        assert_eq!(slope(&samples[..1]), 0.0);
        assert_eq!(slope(&[]), 0.0);
    }

    #[test]
    fn the_usage_of_this_process_is_measured() {
        let watch = Watch::start(std::process::id()).unwrap();
        let mut grown = Vec::new();
        let until = Instant::now() + Duration::from_millis(800);
        while Instant::now() < until {
            grown.extend_from_slice(&[1_u8; 10_000]);
        }
        let usage = watch.finish().unwrap();
        assert!(usage.cpu_seconds > 0.1 && usage.seconds >= 0.8, "{usage:?}");
        assert!(usage.peak_mb > usage.first_mb + 1.0, "{usage:?} {}", grown.len());
    }
}
