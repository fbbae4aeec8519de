//! Measures the error rates of the scale on the people whom the service verifies.
//!
//! The selfie of a request in which name and date of birth match is compared with the person's portrait, which is nearly
//! always a genuine comparison, and with templates of other people who are drawn at random, which are impostor comparisons.
//! The similarities are counted, and nothing else is kept.
//!
//! A template that is as similar to the person's own portrait as 90 % demands is left out: it is the same person under
//! another NIK, the same photo, or a twin. Of strangers, 1 in 1,000,000 is left out with it.

use std::{
    mem,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use padan_domain::{Clock, Embedding, ModelContractId, NationalId, Percentage, SimilarityBins};
use padan_inference::Engine;
use padan_store::{
    Compared, LIVE_PARTS, LiveCell, LiveCounts, LiveScale, PersonHash, Reservoir, Store, Templates,
};
use parking_lot::{Mutex, RwLock};

use crate::{error::error_chain, known_sides::KnownSides, random::Random};

/// The number of people whose templates are held, encrypted: about 0.8 kB each.
const RESERVOIR_PEOPLE: usize = 10_000;
/// The time after which other people are drawn. So long, the template of a forgotten person may still be held.
const RESERVOIR_LIFETIME: Duration = Duration::from_hours(1);
/// With fewer people than this the store is small, or enrolment goes on: others are drawn more often.
const FEW_PEOPLE: usize = 1000;
const LIFETIME_OF_FEW: Duration = Duration::from_secs(20);
/// From this percentage on, a template that resembles the person's own portrait is not that of a stranger.
const SAME_PERSON: f64 = 90.0;

/// The similarities of one selfie, in percent.
#[derive(Debug, Clone)]
pub struct MeasuredSimilarities {
    /// The model contract.
    pub contract: ModelContractId,
    /// To the portrait of the person.
    pub genuine: Percentage,
    /// To templates of other people.
    pub impostors: Vec<Percentage>,
}

/// What the live measurement has in memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LiveFigures {
    /// People whose templates are held.
    pub reservoir_people: usize,
    /// Templates that were not counted, because they resemble the person's own portrait too much, since the start.
    pub told_apart: u64,
}

type Observer = Box<dyn Fn(&MeasuredSimilarities) + Send + Sync>;

/// The live measurement of a process.
pub(crate) struct LiveMeasurement {
    /// Comparisons with other people for each selfie; 0 turns the measurement off.
    sample: usize,
    reservoir: RwLock<Option<Held>>,
    sides: KnownSides,
    counts: Mutex<Option<Unsaved>>,
    random: Random,
    told_apart: AtomicU64,
    observer: OnceLock<Observer>,
}

struct Held {
    reservoir: Arc<Reservoir>,
    since: Instant,
}

/// Counts that the store does not have yet.
struct Unsaved {
    scale: LiveScale,
    counts: LiveCounts,
}

/// The faces of a request that were compared.
pub(crate) struct ComparedFaces {
    pub(crate) reference: Embedding,
    pub(crate) probe: Embedding,
}

impl LiveMeasurement {
    pub(crate) fn new(sample: u8) -> Self {
        Self {
            sample: sample.into(),
            reservoir: RwLock::default(),
            sides: KnownSides::default(),
            counts: Mutex::default(),
            random: Random::new(),
            told_apart: AtomicU64::default(),
            observer: OnceLock::new(),
        }
    }

    /// Sets what is called with the similarities of each selfie. Later calls change nothing.
    pub(crate) fn observe(&self, observer: Observer) {
        let _ = self.observer.set(observer);
    }

    pub(crate) fn figures(&self) -> LiveFigures {
        let held = self.reservoir.read();
        LiveFigures {
            reservoir_people: held.as_ref().map_or(0, |held| held.reservoir.people()),
            told_apart: self.told_apart.load(Ordering::Relaxed),
        }
    }

    /// Compares the selfie of a request in which name and date of birth match, and counts the similarities.
    pub(crate) fn measure(
        &self,
        engine: &Engine,
        templates: &Templates,
        nik: &NationalId,
        faces: &ComparedFaces,
    ) {
        if self.sample == 0 {
            return;
        }
        // The store was opened with person keys, and its templates have the length of this contract.
        let scale = engine.calibration();
        let (Ok(person), Some(reference), Some(probe)) =
            (templates.person_hash(nik), scale.face(&faces.reference), scale.face(&faces.probe))
        else {
            return;
        };
        let Some(own) = scale.similarity_of_faces(&reference, &probe) else { return };
        let mut counted = Counted::new(&person, SimilarityBins::index(own));
        let mut impostors = Vec::with_capacity(self.sample);
        if let Some(reservoir) = self.reservoir_of(engine.contract()) {
            for other in reservoir.draw(self.sample, &person, || self.random.next()) {
                let Some(template) = self.sides.face(engine, other.person, &other.embedding) else {
                    continue;
                };
                let resembles = scale.similarity_of_faces(&reference, &template);
                let Some(found) = scale.similarity_of_faces(&template, &probe) else { continue };
                if resembles.is_some_and(|resembles| scale.percentage(resembles).value() >= SAME_PERSON) {
                    self.told_apart.fetch_add(1, Ordering::Relaxed);
                    continue;
                }
                counted.add_impostor(&other.person, SimilarityBins::index(found));
                impostors.push(scale.percentage(found));
            }
        }
        self.count(&live_scale(engine), counted);
        if let Some(observer) = self.observer.get() {
            let (contract, genuine) = (engine.contract().clone(), scale.percentage(own));
            observer(&MeasuredSimilarities { contract, genuine, impostors });
        }
    }

    /// Draws other people when the model has changed or the time of those who are held is over. An outage of the store is
    /// reported elsewhere; those who are held stay.
    pub(crate) async fn refresh(&self, engine: &Engine, templates: &Templates) {
        if self.sample == 0 || self.is_fresh(engine.contract()) {
            return;
        }
        let drawn = templates.draw_reservoir(engine.contract(), RESERVOIR_PEOPLE, self.random.next()).await;
        match drawn {
            Ok(reservoir) => {
                let held = Held { reservoir: Arc::new(reservoir), since: Instant::now() };
                self.sides.clear();
                *self.reservoir.write() = Some(held);
            }
            Err(error) => {
                tracing::warn!("no people could be drawn for the live measurement: {}", error_chain(&error));
            }
        }
    }

    /// Adds what was counted since the last call to the store's counts of today. While the store does not answer, the
    /// counts are kept for the next call.
    pub(crate) async fn save(&self, store: &Store, clock: &Clock) {
        let Some(Unsaved { scale, counts }) = mem::take(&mut *self.counts()) else { return };
        if let Err(error) = store.add_live_counts(clock.today_in_jakarta(), &scale, &counts).await {
            tracing::warn!("the counts of the live measurement could not be saved: {}", error_chain(&error));
            self.keep(&scale, counts);
        }
    }

    fn is_fresh(&self, contract: &ModelContractId) -> bool {
        let held = self.reservoir.read();
        held.as_ref().is_some_and(|held| {
            let few = held.reservoir.people() < FEW_PEOPLE;
            let lifetime = if few { LIFETIME_OF_FEW } else { RESERVOIR_LIFETIME };
            held.reservoir.contract() == contract && held.since.elapsed() < lifetime
        })
    }

    fn reservoir_of(&self, contract: &ModelContractId) -> Option<Arc<Reservoir>> {
        let held = self.reservoir.read();
        let reservoir = &held.as_ref()?.reservoir;
        (reservoir.contract() == contract).then(|| Arc::clone(reservoir))
    }

    fn count(&self, scale: &LiveScale, counted: Counted) {
        let mut unsaved = self.counts();
        if unsaved.as_ref().is_some_and(|unsaved| unsaved.scale != *scale) {
            // The model was exchanged: up to some seconds of counts are lost.
            *unsaved = None;
        }
        let unsaved =
            unsaved.get_or_insert_with(|| Unsaved { scale: scale.clone(), counts: LiveCounts::new() });
        for (cell, bin) in counted.0 {
            unsaved.counts.entry(cell).or_insert_with(|| vec![0; SimilarityBins::COUNT])[bin] += 1;
        }
    }

    fn keep(&self, scale: &LiveScale, kept: LiveCounts) {
        let mut unsaved = self.counts();
        let unsaved =
            unsaved.get_or_insert_with(|| Unsaved { scale: scale.clone(), counts: LiveCounts::new() });
        if unsaved.scale != *scale {
            return;
        }
        for (cell, kept) in kept {
            let counts = unsaved.counts.entry(cell).or_insert_with(|| vec![0; SimilarityBins::COUNT]);
            for (count, kept) in counts.iter_mut().zip(kept) {
                *count += kept;
            }
        }
    }

    fn counts(&self) -> parking_lot::MutexGuard<'_, Option<Unsaved>> {
        self.counts.lock()
    }
}

/// What counts of this engine can be added to.
pub(crate) fn live_scale(engine: &Engine) -> LiveScale {
    LiveScale { contract: engine.contract().clone(), score: engine.identity().score.clone() }
}

/// The comparisons of one selfie.
struct Counted(Vec<(LiveCell, usize)>);

impl Counted {
    fn new(person: &PersonHash, genuine: usize) -> Self {
        let part = person.part(LIVE_PARTS);
        Self(vec![(LiveCell { compared: Compared::Genuine, part }, genuine)])
    }

    fn add_impostor(&mut self, other: &PersonHash, bin: usize) {
        let part = self.0[0].0.part;
        self.0.push((LiveCell { compared: Compared::ImpostorByProbe, part }, bin));
        let part = other.part(LIVE_PARTS);
        self.0.push((LiveCell { compared: Compared::ImpostorByReference, part }, bin));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_that_could_not_be_saved_are_kept_and_those_of_another_model_are_not_mixed_in() {
        let scale = |contract: &str| LiveScale {
            contract: contract.repeat(16).parse().unwrap(),
            score: "cosine".to_owned(),
        };
        let genuine = |bin| Counted(vec![(LiveCell { compared: Compared::Genuine, part: 3 }, bin)]);
        let measurement = LiveMeasurement::new(16);
        measurement.count(&scale("a"), genuine(200));
        let Unsaved { scale: of, counts } = mem::take(&mut *measurement.counts()).unwrap();
        measurement.count(&scale("a"), genuine(200));
        measurement.count(&scale("a"), genuine(201));
        measurement.keep(&of, counts);
        let counted = |bin: usize| {
            let unsaved = measurement.counts();
            unsaved.as_ref().unwrap().counts.values().map(|counts| counts[bin]).sum::<i64>()
        };
        assert_eq!([counted(200), counted(201), counted(202)], [2, 1, 0]);
        measurement.count(&scale("b"), genuine(202));
        assert_eq!([counted(200), counted(201), counted(202)], [0, 0, 1]);
    }
}
