//! Measures the database part of `padan enroll`: reading people and templates, and writing templates.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use padan_domain::{NationalId, NikPrefix};
use rand::{SeedableRng as _, rngs::StdRng};
use serde::Serialize;

use crate::{
    fill::template,
    site::{SEED, Site, contract},
};

/// The maximum number of people who are read. Reading begins with Java, which has half of the population.
const MAX_PEOPLE: usize = 100_000;
const BEGINNING: &str = "30999999";
/// The number of templates that are written.
const SAVED: usize = 10_000;
/// The default settings of `[enrolment]`.
const RANGE: u32 = 1000;
const PAGE: u32 = 128;

/// Rates in people per second.
#[derive(Debug, Serialize)]
pub(crate) struct WalkFigures {
    /// The number of people who were read.
    people: usize,
    /// Reading ranges and pages of the registry.
    pub(crate) roster: f64,
    /// Reading the summaries of their templates.
    pub(crate) summaries: f64,
    /// Both, which is the work for people who have templates already.
    pub(crate) both: f64,
    /// Encrypting and writing templates.
    pub(crate) saved: f64,
    /// Milliseconds to count the templates for the operators' figure.
    pub(crate) count_milliseconds: f64,
}

/// Measures one site.
pub(crate) async fn measure(site: &Site) -> Result<WalkFigures> {
    let contract = contract();
    let (mut registry, mut store) = (Duration::ZERO, Duration::ZERO);
    let mut people = 0;
    // A small site is read from its beginning.
    let mut reached: Option<NikPrefix> =
        if site.niks.len() > MAX_PEOPLE { Some(BEGINNING.parse()?) } else { None };
    'walk: loop {
        let began = Instant::now();
        let range = site.registry.next_range(reached.as_ref(), RANGE).await?;
        registry += began.elapsed();
        let Some(range) = range else { break };
        let mut after: Option<NationalId> = None;
        loop {
            let began = Instant::now();
            let page = site.registry.roster(&range, after.as_ref(), PAGE).await?;
            registry += began.elapsed();
            let Some(last) = page.last() else { break };
            after = Some(last.nik.clone());
            let niks: Vec<_> = page.iter().map(|entry| entry.nik.clone()).collect();
            let began = Instant::now();
            let summaries = site.store.templates().summaries(&niks, &contract).await?;
            store += began.elapsed();
            for (entry, summary) in page.iter().zip(summaries) {
                let portrait_updated_at = summary.map(|summary| summary.portrait_updated_at);
                ensure!(
                    portrait_updated_at == entry.portrait_updated_at,
                    "a template of {} was not made from the current photo in the registry",
                    site.name
                );
            }
            people += page.len();
            if people >= MAX_PEOPLE {
                break 'walk;
            }
        }
        reached = Some(range.last);
    }
    let began = Instant::now();
    site.store.templates().counts().await?;
    let counted = began.elapsed();
    let rate = |time: Duration| people as f64 / time.as_secs_f64();
    Ok(WalkFigures {
        people,
        roster: rate(registry),
        summaries: rate(store),
        both: rate(registry + store),
        saved: measure_saving(site).await?,
        count_milliseconds: counted.as_secs_f64() * 1000.0,
    })
}

/// The number of templates that are encrypted and written per second.
async fn measure_saving(site: &Site) -> Result<f64> {
    let mut random = StdRng::seed_from_u64(SEED);
    let count = SAVED.min(site.niks.len());
    let began = Instant::now();
    for page in site.niks[..count].chunks(PAGE as usize) {
        let mut templates = Vec::new();
        for nik in page {
            templates.push((nik.parse()?, template(*nik, &mut random)?));
        }
        site.store.templates().save_all(&templates, &contract()).await?;
    }
    Ok(count as f64 / began.elapsed().as_secs_f64())
}
