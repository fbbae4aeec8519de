use std::{
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow};
use serde::Serialize;

use crate::process_tree::ProcessTree;

/// Between two looks at the memory.
const PERIOD: Duration = Duration::from_millis(250);

/// Watches what a process and its descendants use, from now on.
#[derive(Debug)]
pub struct Watch {
    pid: u32,
    tree: ProcessTree,
    began: Instant,
    cpu_seconds_before: f64,
    // Dropped to end the watching.
    watching: Sender<()>,
    looking: JoinHandle<Result<Vec<Look>>>,
}

/// What was used meanwhile. Memory is PSS, in MB of 1,000,000 bytes, looked at four times a second.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Usage {
    /// The process.
    pub pid: u32,
    /// How many there were at the end, with its descendants.
    pub processes: usize,
    /// How long it was watched.
    pub seconds: f64,
    /// CPU time of user and system.
    pub cpu_seconds: f64,
    /// The most memory.
    pub peak_mb: f64,
    /// The memory at the beginning.
    pub first_mb: f64,
    /// The memory at the end.
    pub last_mb: f64,
    /// The slope of a straight line through the second half of all looks.
    pub growth_mb_per_minute: f64,
}

#[derive(Debug, Clone, Copy)]
struct Look {
    seconds: f64,
    mb: f64,
}

impl Watch {
    /// Begins to watch the process of this number.
    pub fn start(pid: u32) -> Result<Self> {
        let tree = ProcessTree::of(pid)?;
        let (watching, ended) = channel();
        let began = Instant::now();
        let looking = thread::spawn(move || look(tree, began, &ended));
        Ok(Self { pid, tree, began, cpu_seconds_before: tree.cpu_seconds()?, watching, looking })
    }

    /// Ends watching. Fails when the process has ended before.
    pub fn finish(self) -> Result<Usage> {
        let cpu_seconds = self.tree.cpu_seconds()? - self.cpu_seconds_before;
        let seconds = self.began.elapsed().as_secs_f64();
        drop(self.watching);
        let looks = self.looking.join().map_err(|_| anyhow!("the thread that watches has panicked"))??;
        Ok(Usage {
            pid: self.pid,
            processes: self.tree.count()?,
            seconds: rounded(seconds),
            cpu_seconds: rounded(cpu_seconds),
            peak_mb: rounded(looks.iter().map(|look| look.mb).fold(0.0, f64::max)),
            first_mb: rounded(looks.first().map_or(0.0, |look| look.mb)),
            last_mb: rounded(looks.last().map_or(0.0, |look| look.mb)),
            growth_mb_per_minute: rounded(60.0 * slope(&looks[looks.len() / 2..])),
        })
    }
}

/// Looks until the other side is dropped.
fn look(tree: ProcessTree, began: Instant, ended: &Receiver<()>) -> Result<Vec<Look>> {
    let mut looks = Vec::new();
    loop {
        let mb = tree.memory()? as f64 / 1e6;
        looks.push(Look { seconds: began.elapsed().as_secs_f64(), mb });
        if ended.recv_timeout(PERIOD) != Err(RecvTimeoutError::Timeout) {
            return Ok(looks);
        }
    }
}

/// MB a second, by least squares; 0 for fewer than two looks.
fn slope(looks: &[Look]) -> f64 {
    let count = looks.len() as f64;
    let mean = |of: fn(&Look) -> f64| looks.iter().map(of).sum::<f64>() / count;
    let (middle, mb) = (mean(|look| look.seconds), mean(|look| look.mb));
    let above: f64 = looks.iter().map(|look| (look.seconds - middle) * (look.mb - mb)).sum();
    let below: f64 = looks.iter().map(|look| (look.seconds - middle).powi(2)).sum();
    if below > 0.0 { above / below } else { 0.0 }
}

fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_straight_line_has_its_slope() {
        let looks = [0.0, 1.0, 2.0, 5.0].map(|seconds| Look { seconds, mb: 100.0 + 3.0 * seconds });
        assert!((slope(&looks) - 3.0).abs() < 1e-9);
        assert_eq!(slope(&looks[..1]), 0.0);
        assert_eq!(slope(&[]), 0.0);
    }

    #[test]
    fn what_this_process_does_is_seen() {
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
