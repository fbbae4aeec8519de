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

/// A loop over photos, without a service.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BareLoop<'a> {
    pub(crate) photos: &'a [Photo],
    /// How long the loop runs before the measurement.
    pub(crate) warm_up: Duration,
    /// How long the measurement takes.
    pub(crate) duration: Duration,
}

/// The printed figures.
#[derive(Debug, Serialize)]
pub(crate) struct Figures {
    threads: usize,
    images: usize,
    seconds: f64,
    images_per_second: f64,
    /// CPU time of the process, user and system.
    cpu_seconds: f64,
    cpu_seconds_per_image: f64,
    /// The mean wall-clock time of each step.
    step_ms: Steps,
    model_set: String,
    device: &'static str,
    /// The number format in which the embedder computes.
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

impl BareLoop<'_> {
    /// Runs each pipeline on its own thread. The threads share the photos, which are used in turn.
    pub(crate) fn run(self, pipelines: Vec<Pipeline>, identity: &Identity) -> Result<Figures> {
        let threads = pipelines.len();
        let process = ProcessTree::of(std::process::id())?;
        // The measurement begins when all threads are warm, and ends when all are done.
        let (warm, done) = (Barrier::new(threads + 1), Barrier::new(threads + 1));
        let next = AtomicUsize::new(0);
        let (cpu_seconds, seconds, timings) = thread::scope(|scope| {
            let workers = pipelines.into_iter().map(|mut pipeline| {
                let (warm, done, next) = (&warm, &done, &next);
                scope.spawn(move || {
                    let warmed = self.analyse_photos(&mut pipeline, next, self.warm_up);
                    warm.wait();
                    let timings =
                        warmed.and_then(|_| self.analyse_photos(&mut pipeline, next, self.duration));
                    done.wait();
                    timings
                })
            });
            let workers: Vec<_> = workers.collect();
            warm.wait();
            let (before, began) = (process.cpu_seconds(), Instant::now());
            done.wait();
            let (cpu_seconds, seconds) = (process.cpu_seconds()? - before?, began.elapsed());
            let mut timings = Vec::new();
            for thread in workers {
                timings.extend(thread.join().map_err(|_| anyhow!("a thread has panicked"))??);
            }
            anyhow::Ok((cpu_seconds, seconds.as_secs_f64(), timings))
        })?;
        let images = timings.len();
        ensure!(images > 0, "no photo was analysed within {} s", self.duration.as_secs());
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
                .context("cannot find the library of ONNX Runtime")?,
        })
    }

    /// Analyses photos, each with the next number, until the time is over.
    fn analyse_photos(
        self,
        pipeline: &mut Pipeline,
        next: &AtomicUsize,
        duration: Duration,
    ) -> Result<Vec<Timings>> {
        let until = Instant::now() + duration;
        let mut timings = Vec::new();
        while Instant::now() < until {
            let photo = &self.photos[next.fetch_add(1, Relaxed) % self.photos.len()];
            let (analysis, fault) = pipeline.examine(photo)?;
            ensure!(
                fault.is_none(),
                "the service would reject a photo, so its figures could not be compared"
            );
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
