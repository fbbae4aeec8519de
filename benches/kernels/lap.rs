use std::{
    path::PathBuf,
    sync::{
        Barrier,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow, ensure};
use padan_domain::Photo;
use padan_inference::{Identity, Pipeline, Timings};
use padan_load::ProcessTree;
use serde::Serialize;

/// Photos, and for how long they go round.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lap<'a> {
    pub(crate) photos: &'a [Photo],
    /// Before anything is counted.
    pub(crate) warm_up: Duration,
    pub(crate) seconds: Duration,
}

/// What is printed.
#[derive(Debug, Serialize)]
pub(crate) struct Figures {
    threads: usize,
    images: usize,
    seconds: f64,
    images_per_second: f64,
    /// CPU time of the process, of user and system.
    cpu_seconds: f64,
    cpu_seconds_per_image: f64,
    /// The mean of each step, by the clock.
    step_ms: Steps,
    model_set: String,
    device: &'static str,
    /// The numbers that the embedder computes with there.
    precision: &'static str,
    runtime_library: PathBuf,
}

#[derive(Debug, Serialize)]
struct Steps {
    decode: f64,
    detect: f64,
    align: f64,
    quality: f64,
    embed: f64,
    all: f64,
}

impl Lap<'_> {
    /// A thread for each pipeline; all take the photos in turn.
    pub(crate) fn run(self, pipelines: Vec<Pipeline>, identity: &Identity) -> Result<Figures> {
        let threads = pipelines.len();
        let process = ProcessTree::of(std::process::id())?;
        // They begin together, and go on counting together once all are warm.
        let (warm, done) = (Barrier::new(threads + 1), Barrier::new(threads + 1));
        let next = AtomicUsize::new(0);
        let (cpu_seconds, seconds, timings) = thread::scope(|scope| {
            let looking = pipelines.into_iter().map(|mut pipeline| {
                let (warm, done, next) = (&warm, &done, &next);
                scope.spawn(move || {
                    let warmed = self.go_round(&mut pipeline, next, self.warm_up);
                    warm.wait();
                    let timings = warmed.and_then(|_| self.go_round(&mut pipeline, next, self.seconds));
                    done.wait();
                    timings
                })
            });
            let looking: Vec<_> = looking.collect();
            warm.wait();
            let (before, began) = (process.cpu_seconds(), Instant::now());
            done.wait();
            let (cpu_seconds, seconds) = (process.cpu_seconds()? - before?, began.elapsed());
            let mut timings = Vec::new();
            for thread in looking {
                timings.extend(thread.join().map_err(|_| anyhow!("a thread has panicked"))??);
            }
            anyhow::Ok((cpu_seconds, seconds.as_secs_f64(), timings))
        })?;
        let images = timings.len();
        ensure!(images > 0, "not one photo was looked at in {} s", self.seconds.as_secs());
        Ok(Figures {
            threads,
            images,
            seconds,
            images_per_second: images as f64 / seconds,
            cpu_seconds,
            cpu_seconds_per_image: cpu_seconds / images as f64,
            step_ms: Steps::mean(&timings),
            model_set: identity.model_set.clone(),
            device: identity.placement.device.name(),
            precision: identity.placement.precision.name(),
            runtime_library: identity
                .runtime_library
                .canonicalize()
                .context("the runtime's library is gone")?,
        })
    }

    fn go_round(self, pipeline: &mut Pipeline, next: &AtomicUsize, during: Duration) -> Result<Vec<Timings>> {
        let until = Instant::now() + during;
        let mut timings = Vec::new();
        while Instant::now() < until {
            let photo = &self.photos[next.fetch_add(1, Relaxed) % self.photos.len()];
            let (analysis, fault) = pipeline.examine(photo)?;
            ensure!(fault.is_none(), "the service would turn a photo away, so that the two do not compare");
            timings.push(analysis.timings);
        }
        Ok(timings)
    }
}

impl Steps {
    fn mean(timings: &[Timings]) -> Self {
        let mean = |of: fn(&Timings) -> Duration| {
            let sum: Duration = timings.iter().map(of).sum();
            1000.0 * sum.as_secs_f64() / timings.len() as f64
        };
        Self {
            decode: mean(|timings| timings.decode),
            detect: mean(|timings| timings.detect),
            align: mean(|timings| timings.align),
            quality: mean(|timings| timings.quality),
            embed: mean(|timings| timings.embed),
            all: mean(Timings::work),
        }
    }
}
