//! `padan-covered-faces` draws surgical masks and dark glasses on photos and cuts photos off within the face, runs all of
//! them through the face pipeline, and prints what tells them from bare faces, and how often they match.
//!
//! Coverings are drawn on whole photos, before detection, so the detector and the alignment see them as well. The same
//! photos and seed give the same figures. `models/README.md` has the figures and how they were made.

mod covering;
mod examination;
mod measures;
mod rates;
mod separation;
mod statistics;

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use padan_evaluation::{Exclusions, Labelled, LabelledPhoto};
use padan_inference::Config;
use rand::{SeedableRng as _, rngs::StdRng, seq::SliceRandom as _};

use crate::{
    covering::Covering,
    examination::{Examined, examine_all},
    measures::Measures,
};

/// Measure what tells covered and cut-off faces from bare ones
#[derive(Debug, Parser)]
#[command(name = "padan-covered-faces")]
struct Arguments {
    /// Photos with their identities, as for `padan evaluate`; may be repeated
    #[arg(long, value_name = "DIR|CSV", required = true)]
    identities: Vec<PathBuf>,
    /// Wrongly labelled photos and pairs, as for `padan evaluate`
    #[arg(long, value_name = "CSV")]
    leave_out: Option<PathBuf>,
    /// How many photos to draw at random, person by person; 0 for all
    #[arg(long, default_value_t = 300)]
    photos: usize,
    /// Only measure the photos as they are
    #[arg(long)]
    only_bare: bool,
    /// Settings with all keys of the section [inference]
    #[arg(long, value_name = "FILE", default_value = "config/default.toml")]
    settings: PathBuf,
    /// Write the measures of each photo to this file
    #[arg(long, value_name = "CSV")]
    out: Option<PathBuf>,
    /// Write the drawn photos into this folder, to look at them
    #[arg(long, value_name = "DIR")]
    pictures: Option<PathBuf>,
    /// Seed for the choice of photos and for the coverings
    #[arg(long, default_value_t = 18)]
    seed: u64,
}

/// The section of the settings that is needed here.
#[derive(serde::Deserialize)]
struct Settings {
    inference: Config,
}

#[expect(clippy::print_stdout, reason = "the figures")]
fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let text = fs::read_to_string(&arguments.settings)
        .with_context(|| format!("cannot read {}", arguments.settings.display()))?;
    let Settings { inference } = toml::from_str(&text).context("invalid settings")?;
    let left_out = arguments.leave_out.as_deref().map(Exclusions::read).transpose()?.unwrap_or_default();
    let labelled = Labelled::from_identities(&arguments.identities, 1, left_out)?;
    let photos = chosen(&labelled.photos, arguments.photos, arguments.seed);
    ensure!(!photos.is_empty(), "there are no photos");
    let (pipelines, identity) = padan_inference::load(&inference)?;
    let coverings = if arguments.only_bare { &Covering::ALL[..1] } else { &Covering::ALL[..] };
    let examined = examine_all(&photos, coverings, pipelines, arguments.seed, arguments.pictures.as_deref())?;
    if let Some(file) = &arguments.out {
        write_measures(file, &examined)?;
    }
    println!("{} photos of {} persons\n", photos.len(), persons(&photos));
    println!("{}", rates::table(&examined, coverings, &identity.calibration));
    println!("{}", separation::tables(&examined, coverings));
    Ok(())
}

/// Photos of persons in random order, at most four of each, until there are enough.
fn chosen(photos: &[LabelledPhoto], count: usize, seed: u64) -> Vec<LabelledPhoto> {
    let mut of_person: BTreeMap<usize, Vec<&LabelledPhoto>> = BTreeMap::new();
    for photo in photos {
        of_person.entry(photo.identity).or_default().push(photo);
    }
    if count == 0 {
        return photos.to_vec();
    }
    // Persons with several photos come first, since only they have genuine pairs.
    let (mut several, mut single): (Vec<_>, Vec<_>) = of_person.into_values().partition(|of| of.len() > 1);
    let mut random = StdRng::seed_from_u64(seed);
    several.shuffle(&mut random);
    single.shuffle(&mut random);
    let photos = several.into_iter().chain(single).flat_map(|of| of.into_iter().take(4).cloned());
    photos.take(count).collect()
}

fn persons(photos: &[LabelledPhoto]) -> usize {
    photos.iter().map(|photo| photo.identity).collect::<std::collections::BTreeSet<_>>().len()
}

fn write_measures(file: &Path, examined: &[Examined]) -> Result<()> {
    let mut text = "photo,covering,rule".to_owned();
    for name in Measures::NAMES {
        write!(text, ",\"{name}\"")?;
    }
    for row in examined {
        write!(text, "\n\"{}\",{},{}", row.photo, row.covering.name(), row.rule.unwrap_or_default())?;
        for value in row.face.iter().flat_map(|face| face.measures.0) {
            write!(text, ",{value:.5}")?;
        }
    }
    text.push('\n');
    fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}
