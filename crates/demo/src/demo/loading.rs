use std::{fs, path::PathBuf};

use anyhow::{Context, Result};
use chrono::{DateTime, Utc};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use padan_registry::{FurtherFields, SamplePerson, SampleRegistry};

use super::{
    people::{People, Person},
    site::Site,
};

/// Fewer people than this are loaded too quickly for a progress bar.
const MIN_PEOPLE_FOR_BAR: usize = 200;

/// Loads the people into the demo's registry, so that it holds exactly the people of the list.
///
/// A kept registry that was loaded from the same unchanged list is left as it is, including later changes to it.
pub(super) async fn load(people: &People, site: &Site) -> Result<()> {
    let mut registry = SampleRegistry::connect(&site.registry_url().into()).await?;
    registry.migrate().await.context("cannot create the sample registry")?;
    let list = fs::canonicalize(people.folder.join("people.csv"))?;
    let loaded = format!("{}\n{:?}\n", list.display(), fs::metadata(&list)?.modified()?);
    if fs::read_to_string(site.loaded_list_file()).is_ok_and(|before| before == loaded) {
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
    fs::write(site.loaded_list_file(), loaded).context("cannot record which people were loaded")
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

/// A progress bar on stderr, drawn only if that is a terminal.
fn progress_bar(people: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("loading people {bar:30} {pos}/{len} {eta}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    let target =
        if people < MIN_PEOPLE_FOR_BAR { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
    ProgressBar::with_draw_target(Some(people as u64), target).with_style(style)
}
