use std::{fs, path::PathBuf};

use anyhow::{Context, Result};
use chrono::{DateTime, Utc};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use padan_registry::{FurtherFields, SamplePerson, SampleRegistry};

use super::{
    people::{People, Person},
    site::Site,
};

/// Fewer people are there before a bar could be read.
const WORTH_A_BAR: usize = 200;

/// Brings the people into the registry that the demo stands in for. A kept registry that was filled from the same
/// list is left as it is, with whatever was changed in it since; from another list, it holds that list afterwards.
pub(super) async fn load(people: &People, site: &Site) -> Result<()> {
    let mut registry = SampleRegistry::connect(&site.registry_url().into()).await?;
    registry.migrate().await.context("the sample registry could not be set up")?;
    let list = fs::canonicalize(people.folder.join("people.csv"))?;
    let loaded = format!("{}\n{:?}\n", list.display(), fs::metadata(&list)?.modified()?);
    if fs::read_to_string(site.loaded_note()).is_ok_and(|note| note == loaded) {
        return Ok(());
    }
    let listed: Vec<_> = people.all.iter().map(|person| person.nik.as_str()).collect();
    registry.keep_only(&listed).await?;
    let bar = progress_bar(people.all.len());
    for person in &people.all {
        registry.put(&sample(person, people)?).await?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    fs::write(site.loaded_note(), loaded).context("cannot note which people were loaded")
}

fn sample(person: &Person, people: &People) -> Result<SamplePerson> {
    let read = |(path, changed): (PathBuf, DateTime<Utc>)| -> Result<_> {
        let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok((bytes.into(), changed))
    };
    Ok(SamplePerson {
        nik: person.nik.clone(),
        name: person.name.clone(),
        date_of_birth: person.date_of_birth,
        status: person.status,
        further: FurtherFields::default(),
        portrait: person.portrait_in(&people.folder)?.map(read).transpose()?,
    })
}

/// On stderr, and only where it is a terminal.
fn progress_bar(people: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("loading people {bar:30} {pos}/{len} {eta}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    let target =
        if people < WORTH_A_BAR { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
    ProgressBar::with_draw_target(Some(people as u64), target).with_style(style)
}
