//! The walk of `padan enroll` over everybody, without the embedding.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use padan_domain::{NationalId, NikPrefix};
use rand::{SeedableRng as _, rngs::StdRng};
use serde::Serialize;

use crate::{
    filling::template,
    site::{SEED, Site, contract},
};

/// People who are walked over at most. The walk begins where the island with half of all people does.
const MOST: usize = 100_000;
const BEGINNING: &str = "30999999";
/// People whose templates are written.
const KEPT: usize = 10_000;
/// The shipped settings of `[enrolment]`.
const RANGE: u32 = 1000;
const PAGE: u32 = 128;

/// People a second.
#[derive(Debug, Serialize)]
pub(crate) struct Streaming {
    /// Who were walked over.
    people: usize,
    /// Ranges and pages of the registry alone.
    pub(crate) roster: f64,
    /// The look at their templates alone, page by page.
    pub(crate) kept: f64,
    /// Both: what a walk over people takes who have templates already.
    pub(crate) both: f64,
    /// Templates sealed and written, page by page.
    pub(crate) keep: f64,
    /// Milliseconds until the operators' figure of templates is there.
    pub(crate) count_milliseconds: f64,
}

/// Walks.
pub(crate) async fn measure(site: &Site) -> Result<Streaming> {
    let contract = contract();
    let (mut registry, mut store) = (Duration::ZERO, Duration::ZERO);
    let mut people = 0;
    // Everybody where they are few.
    let mut reached: Option<NikPrefix> = if site.niks.len() > MOST { Some(BEGINNING.parse()?) } else { None };
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
            let kept = site.store.kept_templates(&niks, &contract).await?;
            store += began.elapsed();
            for (entry, kept) in page.iter().zip(kept) {
                let moment = kept.map(|kept| kept.portrait_updated_at);
                ensure!(
                    moment == entry.portrait_updated_at,
                    "a template of {} is not the registry's",
                    site.name
                );
            }
            people += page.len();
            if people >= MOST {
                break 'walk;
            }
        }
        reached = Some(range.last);
    }
    let began = Instant::now();
    site.store.template_counts().await?;
    let counted = began.elapsed();
    let rate = |time: Duration| people as f64 / time.as_secs_f64();
    Ok(Streaming {
        people,
        roster: rate(registry),
        kept: rate(store),
        both: rate(registry + store),
        keep: keep(site).await?,
        count_milliseconds: counted.as_secs_f64() * 1000.0,
    })
}

/// Templates written a second.
async fn keep(site: &Site) -> Result<f64> {
    let mut random = StdRng::seed_from_u64(SEED);
    let count = KEPT.min(site.niks.len());
    let began = Instant::now();
    for page in site.niks[..count].chunks(PAGE as usize) {
        let mut templates = Vec::new();
        for nik in page {
            templates.push((nik.parse()?, template(*nik, &mut random)?));
        }
        site.store.keep_templates(&templates, &contract()).await?;
    }
    Ok(count as f64 / began.elapsed().as_secs_f64())
}
