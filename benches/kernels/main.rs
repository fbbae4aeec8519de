//! `padan-kernels` analyses photos with the face pipeline in a bare loop, on as many threads as the service has
//! workers, and prints the cost as JSON. This is the part of a service's CPU time that only faster models or kernels
//! can reduce.
//!
//! The settings come from a file that `padan config show` has printed, so that they equal the service's. The set-up and
//! the first second of the loop are not counted.

mod bare_loop;
mod parts;

use std::{fs, num::NonZeroUsize, path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use padan_domain::Photo;
use padan_inference::Config;
use padan_load::{Size, read_people, read_selfies};

use crate::{bare_loop::BareLoop, parts::Parts};

/// Analyse selfies with the face pipeline in a bare loop, and print the cost as JSON
#[derive(Debug, Parser)]
#[command(name = "padan-kernels")]
struct Arguments {
    /// File with the output of `padan config show`
    #[arg(long, value_name = "FILE")]
    settings: PathBuf,
    /// Folder with `people.csv` and `selfies.csv`, as for `padan-load`
    #[arg(long, value_name = "DIR", default_value = "people")]
    people: PathBuf,
    /// Enlarge the selfies to this width and height, as for `padan-load`; may be repeated
    #[arg(long = "size", value_name = "WxH")]
    sizes: Vec<Size>,
    /// Number of threads [default: the number of workers that the service would have]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// Embed up to this many faces in one run [default: `inference.embedding_batch`]
    #[arg(long, value_name = "FACES", conflicts_with = "parts")]
    embedding_batch: Option<NonZeroUsize>,
    /// How long to measure
    #[arg(long, default_value_t = 6)]
    seconds: u32,
    /// Print instead the processor time of each step, of this many rounds over the photos on one thread
    #[arg(long, value_name = "ROUNDS", conflicts_with_all = ["threads", "seconds"])]
    parts: Option<u32>,
}

/// The section of the settings that is needed here.
#[derive(serde::Deserialize)]
struct Settings {
    inference: Config,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let mut config = settings(&arguments)?;
    config.workers = arguments.threads.or(config.workers);
    config.embedding_batch = arguments.embedding_batch.or(config.embedding_batch);
    let photos = photos(&arguments)?;
    if let Some(rounds) = arguments.parts {
        config.workers = Some(NonZeroUsize::MIN);
        let (mut pipelines, _) = padan_inference::load(&config)?;
        let pipeline = pipelines.first_mut().context("no pipeline was built")?;
        return print(&Parts::measure(pipeline, &photos, rounds)?);
    }
    let (pipelines, identity) = padan_inference::load(&config)?;
    let bare_loop = BareLoop {
        photos: &photos,
        warm_up: Duration::from_secs(1),
        duration: Duration::from_secs(arguments.seconds.into()),
    };
    print(&bare_loop.run(pipelines, &identity)?)
}

#[expect(clippy::print_stdout, reason = "the figures")]
fn print(figures: &impl serde::Serialize) -> Result<()> {
    println!("{}", serde_json::to_string_pretty(figures).context("cannot write the figures as JSON")?);
    Ok(())
}

fn settings(arguments: &Arguments) -> Result<Config> {
    let file = arguments.settings.display();
    let text = fs::read_to_string(&arguments.settings).with_context(|| format!("cannot read {file}"))?;
    let settings: Settings =
        toml::from_str(&text).with_context(|| format!("{file} contains no valid settings"))?;
    Ok(settings.inference)
}

fn photos(arguments: &Arguments) -> Result<Vec<Photo>> {
    let people = read_people(&arguments.people)?;
    let selfies = read_selfies(&arguments.people, &people, &arguments.sizes)?;
    ensure!(!selfies.is_empty(), "there are no selfies in {}", arguments.people.display());
    selfies
        .into_iter()
        .map(|selfie| Photo::try_from(selfie.photo).context("a selfie is not a photo"))
        .collect()
}
