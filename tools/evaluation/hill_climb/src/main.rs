//! `padan-hill-climb` changes a photo step by step, by the percentage in the answers, until it passes for a person whose
//! portrait it does not have, and prints how many queries that takes.
//!
//! It has no service and no limits: the photos go through the pipeline of a selfie, quality rules included. The attacker
//! is a simple one, so the figures are upper bounds: a better one needs fewer queries. The same photos and seed give the
//! same figures.

mod climb;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    thread,
};

use anyhow::{Context as _, Result, anyhow};
use bytes::Bytes;
use clap::Parser;
use image::{Rgb, RgbImage, imageops, imageops::FilterType};
use padan_domain::{Calibration, Embedding, PercentageStep, Photo};
use padan_inference::{Config, Pipeline};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use crate::climb::{Oracle, Outcome, climb};

/// Measure how many queries it takes to change a photo until it passes for another person
#[derive(Debug, Parser)]
#[command(name = "padan-hill-climb")]
struct Arguments {
    /// The portrait of a person to pass for; may be repeated
    #[arg(long, value_name = "FILE", required = true)]
    portrait: Vec<PathBuf>,
    /// A photo of another person to begin with; may be repeated. The mean of all of them with noise is another beginning
    #[arg(long, value_name = "FILE", required = true)]
    stranger: Vec<PathBuf>,
    /// The step in which the percentage is shown, as `verification.percentage_step`; may be repeated
    #[arg(long, value_name = "STEP", default_values_t = [0.01, 5.0])]
    step: Vec<f64>,
    /// After how many queries a climb is given up
    #[arg(long, default_value_t = 1000)]
    queries: u32,
    /// Settings with all keys of the section [inference]
    #[arg(long, value_name = "FILE", default_value = "config/default.toml")]
    settings: PathBuf,
    /// Seed of the changes
    #[arg(long, default_value_t = 19)]
    seed: u64,
}

/// The section of the settings that is needed here.
#[derive(serde::Deserialize)]
struct Settings {
    inference: Config,
}

/// A climb to do.
struct Task {
    portrait: Embedding,
    beginning: &'static str,
    start: RgbImage,
    step: f64,
}

/// The size to which photos are scaled: large enough for every quality rule, and small enough for many queries.
const WIDTH: u32 = 240;
const HEIGHT: u32 = 320;
/// How many photos of noise alone are tried.
const NOISE_PHOTOS: u32 = 200;

#[expect(clippy::print_stdout, reason = "the figures")]
fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let text = fs::read_to_string(&arguments.settings)
        .with_context(|| format!("cannot read {}", arguments.settings.display()))?;
    let Settings { inference } = toml::from_str(&text).context("invalid settings")?;
    let (mut pipelines, identity) = padan_inference::load(&inference)?;
    let first = pipelines.first_mut().context("no pipeline")?;
    let tasks = tasks(&arguments, first)?;
    let faces = faces_in_noise(first, &identity.calibration, &tasks[0].portrait, arguments.seed)?;
    println!("photos of noise alone that were not refused: {faces} of {NOISE_PHOTOS}\n");
    println!("| beginning | step | first | best | compared | refused for quality | passes |");
    println!("|---|---|---|---|---|---|---|");
    for (task, outcome) in run(&tasks, pipelines, &identity.calibration, &arguments)? {
        let Outcome { first, best, compared, refused, passed } = outcome;
        let passes = if passed { "yes" } else { "no" };
        println!(
            "| {} | {} | {first:.2} | {best:.2} | {compared} | {refused} | {passes} |",
            task.beginning, task.step
        );
    }
    Ok(())
}

/// A climb for each portrait, beginning and step.
fn tasks(arguments: &Arguments, pipeline: &mut Pipeline) -> Result<Vec<Task>> {
    let strangers = arguments.stranger.iter().map(|file| read(file)).collect::<Result<Vec<_>>>()?;
    let mut tasks = Vec::new();
    for (number, file) in arguments.portrait.iter().enumerate() {
        let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        let (analysis, _) = pipeline.examine(&Photo::try_from(Bytes::from(bytes))?)?;
        let other = strangers[number % strangers.len()].clone();
        let mut random = StdRng::seed_from_u64(arguments.seed.wrapping_add(number as u64));
        let noisy = noisy_mean(&strangers, &mut random);
        for (beginning, start) in [("another face", other), ("noise on a mean face", noisy)] {
            for step in arguments.step.iter().copied() {
                let portrait = analysis.embedding.clone();
                tasks.push(Task { portrait, beginning, start: start.clone(), step });
            }
        }
    }
    Ok(tasks)
}

/// Does the climbs, on a thread for each pipeline.
fn run<'a>(
    tasks: &'a [Task],
    pipelines: Vec<Pipeline>,
    calibration: &Calibration,
    arguments: &Arguments,
) -> Result<Vec<(&'a Task, Outcome)>> {
    let next = Mutex::new(tasks.iter().enumerate());
    let outcomes = Mutex::new(Vec::new());
    let work = |mut pipeline: Pipeline| -> Result<()> {
        loop {
            let task = next.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some((at, task)) = task else { return Ok(()) };
            let step = PercentageStep::try_from(task.step).context("--step")?;
            let portrait = &task.portrait;
            let mut oracle = Oracle { pipeline: &mut pipeline, calibration, portrait, step };
            let mut random = StdRng::seed_from_u64(arguments.seed);
            let outcome = climb(&mut oracle, &task.start, arguments.queries, &mut random)?;
            outcomes.lock().unwrap_or_else(PoisonError::into_inner).push((at, task, outcome));
        }
    };
    thread::scope(|scope| {
        let threads: Vec<_> = pipelines.into_iter().map(|pipeline| scope.spawn(|| work(pipeline))).collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().unwrap_or_else(|_| Err(anyhow!("a thread panicked"))))
    })?;
    let mut outcomes = outcomes.into_inner().unwrap_or_else(PoisonError::into_inner);
    outcomes.sort_by_key(|(at, ..)| *at);
    Ok(outcomes.into_iter().map(|(_, task, outcome)| (task, outcome)).collect())
}

fn read(file: &Path) -> Result<RgbImage> {
    let photo = image::open(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(imageops::resize(&photo.into_rgb8(), WIDTH, HEIGHT, FilterType::Triangle))
}

/// The mean of photos, a face of nobody, under noise.
fn noisy_mean(photos: &[RgbImage], random: &mut StdRng) -> RgbImage {
    RgbImage::from_fn(WIDTH, HEIGHT, |x, y| {
        Rgb(std::array::from_fn(|channel| {
            let sum: u32 = photos.iter().map(|photo| u32::from(photo.get_pixel(x, y)[channel])).sum();
            let mean = sum as f32 / photos.len() as f32;
            (mean + random.random_range(-25.0_f32..=25.0)).clamp(0.0, 255.0) as u8
        }))
    })
}

/// How many photos of noise alone are compared at all.
fn faces_in_noise(
    pipeline: &mut Pipeline,
    calibration: &Calibration,
    portrait: &Embedding,
    seed: u64,
) -> Result<u32> {
    let mut random = StdRng::seed_from_u64(seed);
    let step = PercentageStep::try_from(0.01)?;
    let mut oracle = Oracle { pipeline, calibration, portrait, step };
    let mut faces = 0;
    for _ in 0..NOISE_PHOTOS {
        let noise = RgbImage::from_fn(WIDTH, HEIGHT, |_, _| Rgb([0; 3].map(|_| random.random::<u8>())));
        faces += u32::from(oracle.ask(&noise)?.is_some());
    }
    Ok(faces)
}
