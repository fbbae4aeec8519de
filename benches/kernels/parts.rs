use std::time::Duration;

use anyhow::{Context as _, Result};
use padan_domain::Photo;
use padan_inference::{Pipeline, RetryBudget};
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

/// The processor time of each step, in µs. Unlike wall-clock times, it can be compared on a machine with other work.
#[derive(Debug, Serialize)]
pub(crate) struct Parts {
    photos: usize,
    rounds: u32,
    steps: Vec<Part>,
}

/// A step on all photos in all rounds.
#[derive(Debug, Serialize)]
struct Part {
    name: &'static str,
    first_decile_us: f64,
    median_us: f64,
}

const NAMES: [&str; 6] =
    ["decode", "first detection", "detections in the window", "align", "quality", "embed"];

impl Parts {
    /// Runs the steps on this thread, photo by photo. The first round is not counted.
    pub(crate) fn measure(pipeline: &mut Pipeline, photos: &[Photo], rounds: u32) -> Result<Self> {
        let mut times = NAMES.map(|_| Vec::new());
        for round in 0..=rounds {
            for photo in photos {
                let laps = steps(pipeline, photo)?;
                if round > 0 {
                    times.iter_mut().zip(laps).for_each(|(times, lap)| times.push(lap));
                }
            }
        }
        let parts = NAMES.into_iter().zip(times).map(|(name, times)| Part::of(name, times));
        Ok(Self { photos: photos.len(), rounds, steps: parts.collect() })
    }
}

impl Part {
    fn of(name: &'static str, mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let at = |index: usize| times.get(index).map_or(0.0, |time| time.as_secs_f64() * 1e6);
        Self { name, first_decile_us: at(times.len() / 10), median_us: at(times.len() / 2) }
    }
}

/// The processor time of each step of one photo.
fn steps(pipeline: &mut Pipeline, photo: &Photo) -> Result<[Duration; 6]> {
    let mut retries = RetryBudget::unlimited();
    let mut watch = CpuWatch::start();
    let mut picture = pipeline.decode(photo)?;
    let decode = watch.lap();
    let faces = pipeline.detect(&mut picture, &mut retries)?;
    let subject = Pipeline::subject(&faces).context("a selfie has no face")?;
    let detect = watch.lap();
    let subject = pipeline.refine(&mut picture, subject, &mut retries)?;
    let refine = watch.lap();
    let crop = pipeline.align(&picture, &subject)?;
    let align = watch.lap();
    let _ = Pipeline::quality(&crop, &subject);
    let quality = watch.lap();
    pipeline.embed(&crop)?;
    Ok([decode, detect, refine, align, quality, watch.lap()])
}

/// A clock that runs while this thread does.
struct CpuWatch(Duration);

impl CpuWatch {
    fn start() -> Self {
        Self(Self::now())
    }

    fn lap(&mut self) -> Duration {
        let now = Self::now();
        now.saturating_sub(std::mem::replace(&mut self.0, now))
    }

    fn now() -> Duration {
        Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
    }
}
