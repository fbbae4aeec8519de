//! The people of a cohort that `padan calibrate --cohort` tries.

use anyhow::{Result, ensure};
use clap::ValueEnum;
use padan_domain::{Cohort, Embedding};
use padan_evaluation::CohortSource;
use padan_inference::{CalibrationTransformation, ModelSet};
use padan_store::{AdminAct, AnnouncedAct, CohortMember, KeySet, PersonHash, TemplateSample, Templates};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::{memory_protection::protect_memory, service, settings::Settings};

/// Whose faces are the cohort.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CohortOf {
    /// People who are drawn at random from the store
    Store,
    /// The persons of the labelled photos
    Photos,
}

/// A cohort that is tried, and the people who were drawn for it.
pub(crate) struct CohortToTry {
    pub(crate) source: CohortSource,
    people: Vec<PersonHash>,
}

/// The seed of the draw of a cohort.
const SEED: u64 = 1;

impl CohortOf {
    /// Draws the people. A row in the audit trail says so before.
    pub(crate) fn draw(self, settings: &Settings, set: &ModelSet) -> Result<CohortToTry> {
        let _ = protect_memory();
        Runtime::new()?.block_on(async {
            let store = service::open_store(settings, KeySet::AuditAndTemplates)?;
            let (people, from) = match self {
                Self::Store => (Cohort::MAX_PEOPLE, "store"),
                Self::Photos => (0, "photos"),
            };
            let after = json!({ "contract": set.contract().as_str(), "people": people, "cohort_from": from });
            let act = AnnouncedAct { act: AdminAct::PeopleCompared, before: Value::Null, after };
            service::announce(&store, act).await?;
            match self {
                Self::Photos => Ok(CohortToTry { source: CohortSource::Photos, people: Vec::new() }),
                Self::Store => draw(&store.templates(), set).await,
            }
        })
    }
}

async fn draw(templates: &Templates, set: &ModelSet) -> Result<CohortToTry> {
    let mut sample = TemplateSample::new(Cohort::MAX_PEOPLE);
    templates.draw(&mut sample, &set.contract(), SEED).await?;
    let people = sample.people().to_vec();
    let (components, length) = sample.into_components();
    let least = padan_inference::CalibrationCohort::MIN_PERSONS as usize;
    ensure!(
        people.len() >= least,
        "the store has {} people with a template of {}, and a cohort needs {least}: enrol more people, or use --cohort photos",
        people.len(),
        set.name()
    );
    let embeddings = components.chunks_exact(length).map(|face| Embedding::from_unit(face.to_vec()));
    Ok(CohortToTry { source: CohortSource::People(embeddings.collect::<Result<_, _>>()?), people })
}

impl CohortToTry {
    /// Seals the cohort of a transformation that was taken, and names it there.
    pub(crate) fn seal(
        &self,
        settings: &Settings,
        set: &ModelSet,
        taken: &mut CalibrationTransformation,
        faces: &[Embedding],
    ) -> Result<()> {
        let (CalibrationTransformation::TopMean(table) | CalibrationTransformation::Symmetric(table)) = taken
        else {
            return Ok(());
        };
        let member = |(at, embedding): (usize, &Embedding)| CohortMember {
            person: self.people.get(at).copied(),
            embedding: embedding.clone(),
        };
        let members: Vec<_> = faces.iter().enumerate().map(member).collect();
        table.cohort = Runtime::new()?.block_on(async {
            let store = service::open_store(settings, KeySet::AuditAndTemplates)?;
            anyhow::Ok(store.templates().save_cohort(&set.contract(), &members).await?)
        })?;
        eprintln!(
            "The cohort of {} people was sealed in the store as {}. It stays until another one is made while no active \
             calibration names it.",
            members.len(),
            table.cohort
        );
        Ok(())
    }
}
