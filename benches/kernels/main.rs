//! `padan-kernels` puts photos through the face pipeline in a bare loop, on as many threads as the service has workers,
//! and prints what that costs, as JSON: what of a service's CPU time nothing but better kernels could take away.
//!
//! Settings are those of a file that `padan config show` printed, so that they are the service's own. What is done
//! before the loop, and for its first second, is not counted.

mod lap;

use std::{fs, num::NonZeroUsize, path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use padan_domain::Photo;
use padan_inference::Config;
use padan_load::{Size, read_people, read_selfies};

use crate::lap::Lap;

/// Put selfies through the face pipeline in a bare loop and print what it costs, as JSON
#[derive(Debug, Parser)]
#[command(name = "padan-kernels")]
struct Arguments {
    /// Settings as `padan config show` prints them
    #[arg(long, value_name = "FILE")]
    settings: PathBuf,
    /// A folder with `people.csv` and `selfies.csv`, as for `padan-load`
    #[arg(long, value_name = "DIR", default_value = "people")]
    people: PathBuf,
    /// Width and height to which the selfies are enlarged, as for `padan-load`; several times for several
    #[arg(long = "size", value_name = "WxH")]
    sizes: Vec<Size>,
    /// Threads, instead of as many as the service would have workers
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// How long to go on
    #[arg(long, default_value_t = 6)]
    seconds: u32,
}

/// What is read of the settings.
#[derive(serde::Deserialize)]
struct Settings {
    inference: Config,
}

#[expect(clippy::print_stdout, reason = "the figures")]
fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let mut config = settings(&arguments)?;
    config.workers = arguments.threads.or(config.workers);
    let photos = photos(&arguments)?;
    let (pipelines, identity) = padan_inference::load(&config)?;
    let lap = Lap {
        photos: &photos,
        warm_up: Duration::from_secs(1),
        seconds: Duration::from_secs(arguments.seconds.into()),
    };
    let figures = lap.run(pipelines, &identity)?;
    println!("{}", serde_json::to_string_pretty(&figures).context("the figures are no JSON")?);
    Ok(())
}

fn settings(arguments: &Arguments) -> Result<Config> {
    let file = arguments.settings.display();
    let text = fs::read_to_string(&arguments.settings).with_context(|| format!("cannot read {file}"))?;
    let settings: Settings = toml::from_str(&text).with_context(|| format!("{file} has no settings"))?;
    Ok(settings.inference)
}

fn photos(arguments: &Arguments) -> Result<Vec<Photo>> {
    let people = read_people(&arguments.people)?;
    let selfies = read_selfies(&arguments.people, &people, &arguments.sizes)?;
    ensure!(!selfies.is_empty(), "there are no selfies in {}", arguments.people.display());
    selfies.into_iter().map(|selfie| Photo::try_from(selfie.photo).context("a selfie is no photo")).collect()
}
