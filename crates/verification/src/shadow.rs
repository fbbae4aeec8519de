//! A second model set embeds a share of the selfies too, before it is activated.
//!
//! Nothing is answered from it. A request only leaves a copy of its selfie, if there is room for it; what fails later is
//! counted by reason. [`shadow_comparison`](crate::shadow_comparison) embeds the selfies.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use padan_domain::{Clock, ModelContractId, NationalId, Percentage, PercentageBins, Photo, RequestShare};
use padan_inference::{Engine, JobEvent};
use padan_store::{
    ComparedUnder, ShadowCell, ShadowCount, ShadowCounts, ShadowModel, ShadowOutcome, ShadowPair, Store,
};
use parking_lot::{Mutex, MutexGuard, RwLock};
use tokio::sync::{
    OwnedSemaphorePermit, Semaphore,
    mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
};

use crate::{engine_in_use::EngineInUse, error::error_chain, random::Random, shadow_tally::ShadowTally};

/// The number of selfies that wait at most, and the memory that they take together, in kB.
const MOST_WAITING: u32 = 8;
const ROOM_KB: u32 = 65_536;

/// The model set that is measured beside the active one.
#[derive(Clone)]
pub struct ShadowSet {
    /// What the store says about it.
    pub model: ShadowModel,
    /// `None` when it cannot be loaded on this machine.
    pub engine: Option<EngineInUse>,
}

/// The measurement of a shadow model set in this process, shared by its clones.
#[derive(Clone)]
pub struct Shadow(Arc<Parts>);

struct Parts {
    set: RwLock<Option<ShadowSet>>,
    room: Arc<Semaphore>,
    queue: UnboundedSender<QueuedSelfie>,
    /// Until the task that embeds takes it.
    waiting: Mutex<Option<UnboundedReceiver<QueuedSelfie>>>,
    random: Random,
    tally: Mutex<ShadowTally>,
    /// Microseconds of the engine that no comparison was charged with yet.
    cpu: Arc<AtomicU64>,
}

/// What the shadow model set made of the requests since the start of the process.
#[derive(Debug, Clone, Default)]
pub struct ShadowFigures {
    /// The model set; `None` when none is measured.
    pub state: Option<ShadowState>,
    /// Numbers of requests, by the contract of the shadow model set.
    pub counts: Vec<(ModelContractId, ShadowCounts)>,
}

/// The shadow model set of a process.
#[derive(Debug, Clone, PartialEq)]
pub struct ShadowState {
    /// Its name.
    pub model_set: String,
    /// Its contract.
    pub contract: ModelContractId,
    /// The share of the requests.
    pub share: RequestShare,
    /// Whether it is loaded.
    pub is_loaded: bool,
}

/// A request that was drawn.
pub(crate) struct Sampled {
    contract: ModelContractId,
    photo: Result<HeldPhoto, ShadowOutcome>,
}

/// A selfie, and its room among those that wait.
pub(crate) struct HeldPhoto {
    pub(crate) photo: Photo,
    pub(crate) since: Instant,
    _room: OwnedSemaphorePermit,
}

/// What was decided about a request.
pub(crate) struct Decided {
    pub(crate) nik: NationalId,
    pub(crate) portrait_updated_at: Option<DateTime<Utc>>,
    pub(crate) percentage: Percentage,
    pub(crate) under: ComparedUnder,
    /// Whether name and date of birth match, so that the face decided.
    pub(crate) claims_match: bool,
}

/// A selfie that is to be embedded by the model set of this contract.
pub(crate) struct QueuedSelfie {
    pub(crate) contract: ModelContractId,
    pub(crate) held: HeldPhoto,
    pub(crate) decided: Decided,
}

/// What came of a request, and under which calibration; its text is empty if the model set was not loaded.
pub(crate) struct Measured {
    pub(crate) outcome: ShadowOutcome,
    pub(crate) calibration: String,
    pub(crate) percentage: Option<Percentage>,
    pub(crate) cpu: Duration,
}

impl Default for Shadow {
    fn default() -> Self {
        let (queue, waiting) = unbounded_channel();
        Self(Arc::new(Parts {
            set: RwLock::default(),
            room: Arc::new(Semaphore::new(ROOM_KB as usize)),
            queue,
            waiting: Mutex::new(Some(waiting)),
            random: Random::new(),
            tally: Mutex::default(),
            cpu: Arc::default(),
        }))
    }
}

impl Shadow {
    /// The model set that is measured.
    pub fn set(&self) -> Option<ShadowSet> {
        self.0.set.read().clone()
    }

    /// Measures another model set, or none. The former one is unloaded when its last selfie has been embedded.
    pub fn replace(&self, set: Option<ShadowSet>) {
        if let Some(engine) = set.as_ref().and_then(|set| set.engine.as_ref()) {
            let cpu = Arc::clone(&self.0.cpu);
            engine.observe_jobs(Arc::new(move |event| {
                if let JobEvent::Ended(job) = event {
                    cpu.fetch_add(u64::try_from(job.cpu.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
                }
            }));
        }
        *self.0.set.write() = set;
    }

    /// Draws requests, and copies the selfie of one that is drawn. Its memory does not count as that of a request's body.
    pub(crate) fn sample(&self, photo: &Photo) -> Option<Sampled> {
        let (contract, is_loaded) = {
            let set = self.0.set.read();
            let set = set.as_ref().filter(|set| set.model.share.takes(self.0.random.next()))?;
            (set.model.contract.clone(), set.engine.is_some())
        };
        let photo = if is_loaded {
            self.hold(photo).ok_or(ShadowOutcome::Busy)
        } else {
            Err(ShadowOutcome::NotLoaded)
        };
        Some(Sampled { contract, photo })
    }

    /// Queues the selfie of a request whose faces were compared, or counts why it is not embedded. Never waits.
    pub(crate) fn compare(&self, Sampled { contract, photo }: Sampled, decided: Decided) {
        match photo {
            Ok(held) => {
                // The receiver lives as long as the service.
                let _ = self.0.queue.send(QueuedSelfie { contract, held, decided });
            }
            Err(outcome) => self.count(contract, &decided, &Measured::not_compared(outcome)),
        }
    }

    /// Counts what came of a request.
    pub(crate) fn count(&self, shadow: ModelContractId, decided: &Decided, measured: &Measured) {
        let Measured { outcome, calibration, percentage, cpu } = measured;
        let pair =
            ShadowPair { active: decided.under.clone(), shadow, shadow_calibration: calibration.clone() };
        let cell = ShadowCell {
            outcome: *outcome,
            claims_match: decided.claims_match,
            percentage: PercentageBins::start_of(decided.percentage),
            shadow_percentage: percentage.map_or(0, PercentageBins::start_of),
        };
        let cpu_microseconds = u64::try_from(cpu.as_micros()).unwrap_or(u64::MAX);
        self.tally().count(pair, cell, ShadowCount { requests: 1, cpu_microseconds });
    }

    /// The selfies that wait; `None` when a task has them already.
    pub(crate) fn take_waiting(&self) -> Option<UnboundedReceiver<QueuedSelfie>> {
        self.0.waiting.lock().take()
    }

    /// The engine of this contract, if its set is still measured.
    pub(crate) fn engine(&self, contract: &ModelContractId) -> Option<Engine> {
        let engine = self.set()?.engine?.current();
        (engine.contract() == contract).then_some(engine)
    }

    /// The processor time that the engine took since the last call.
    pub(crate) fn take_cpu(&self) -> Duration {
        Duration::from_micros(self.0.cpu.swap(0, Ordering::Relaxed))
    }

    pub(crate) fn figures(&self) -> ShadowFigures {
        let state = self.set().map(|ShadowSet { model, engine }| ShadowState {
            model_set: model.model_set,
            contract: model.contract,
            share: model.share,
            is_loaded: engine.is_some(),
        });
        ShadowFigures { state, counts: self.tally().totals() }
    }

    /// Adds what was counted since the last call to the store's counts of today. While the store does not answer, the
    /// counts are kept for the next call.
    pub(crate) async fn save(&self, store: &Store, clock: &Clock) {
        let unsaved = self.tally().take_unsaved();
        for (pair, counts) in unsaved {
            if let Err(error) = store.add_shadow_counts(clock.today_in_jakarta(), &pair, &counts).await {
                tracing::warn!("the counts of the shadow model could not be saved: {}", error_chain(&error));
                self.tally().keep(pair, counts);
            }
        }
    }

    fn hold(&self, photo: &Photo) -> Option<HeldPhoto> {
        let kilobytes = u32::try_from(photo.bytes().len().div_ceil(1024)).ok()?;
        let kilobytes = kilobytes.max(ROOM_KB / MOST_WAITING);
        let room = Arc::clone(&self.0.room).try_acquire_many_owned(kilobytes).ok()?;
        Some(HeldPhoto { photo: photo.copied(), since: Instant::now(), _room: room })
    }

    fn tally(&self) -> MutexGuard<'_, ShadowTally> {
        self.0.tally.lock()
    }
}

impl Measured {
    /// A request of which nothing was embedded.
    pub(crate) fn not_compared(outcome: ShadowOutcome) -> Self {
        Self { outcome, calibration: String::new(), percentage: None, cpu: Duration::ZERO }
    }
}

#[cfg(test)]
mod tests {
    use padan_domain::RequestShare;

    use super::*;

    fn photo(bytes: usize) -> Photo {
        let mut file = b"\xff\xd8\xff".to_vec();
        file.resize(bytes, 0);
        Photo::try_from(bytes::Bytes::from(file)).unwrap()
    }

    #[test]
    fn the_room_for_selfies_is_limited_by_number_and_by_memory() {
        let shadow = Shadow::default();
        let small: Vec<_> = (0..8).map(|_| shadow.hold(&photo(1000)).unwrap()).collect();
        assert!(shadow.hold(&photo(1000)).is_none());
        drop(small);
        let large: Vec<_> = (0..4).map(|_| shadow.hold(&photo(16 << 20)).unwrap()).collect();
        assert!(shadow.hold(&photo(1000)).is_none());
        drop(large);
        assert!(shadow.hold(&photo(1000)).is_some());
        assert!(shadow.hold(&photo(65 << 20)).is_none(), "larger than all room");
    }

    #[test]
    fn nothing_is_drawn_without_a_set_and_a_set_that_is_not_loaded_is_counted() {
        let shadow = Shadow::default();
        assert!(shadow.sample(&photo(1000)).is_none());
        let model = ShadowModel {
            model_set: "b".to_owned(),
            contract: "b".repeat(16).parse().unwrap(),
            share: RequestShare::of_millionths(1_000_000).unwrap(),
            began_at: Utc::now(),
        };
        shadow.replace(Some(ShadowSet { model, engine: None }));
        let sampled = shadow.sample(&photo(1000)).unwrap();
        let decided = Decided {
            nik: "3174010101000001".parse().unwrap(),
            portrait_updated_at: None,
            percentage: Percentage::new(74.9),
            under: ComparedUnder { contract: "a".repeat(16).parse().unwrap(), calibration: "1".to_owned() },
            claims_match: true,
        };
        shadow.compare(sampled, decided);
        let figures = shadow.figures();
        let (contract, counts) = &figures.counts[0];
        let cell = ShadowCell {
            outcome: ShadowOutcome::NotLoaded,
            claims_match: true,
            percentage: 70,
            shadow_percentage: 0,
        };
        assert_eq!((contract.as_str(), counts[&cell].requests), ("b".repeat(16).as_str(), 1));
        assert!(!figures.state.unwrap().is_loaded);
    }
}
