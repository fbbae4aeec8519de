use std::collections::HashMap;

use padan_domain::{ComparedFace, Embedding, ScoreTransformation, Side};
use padan_inference::Engine;
use padan_store::PersonHash;
use parking_lot::Mutex;

/// The sides of people's templates under the scale in use, so that a cohort is compared with each template once.
#[derive(Default)]
pub(crate) struct KnownSides(Mutex<Known>);

#[derive(Default)]
struct Known {
    calibration: String,
    sides: HashMap<PersonHash, Side>,
}

impl KnownSides {
    /// The template of a person, as it is compared; `None` when it cannot be.
    pub(crate) fn face<'a>(
        &self,
        engine: &Engine,
        person: PersonHash,
        embedding: &'a Embedding,
    ) -> Option<ComparedFace<'a>> {
        let scale = engine.calibration();
        if !matches!(scale.transformation(), ScoreTransformation::Cohort(_)) {
            return scale.face(embedding);
        }
        let calibration = &engine.identity().calibration_id;
        let known = self.known(calibration, person);
        let face = match known {
            Some(side) => ComparedFace { embedding, side },
            None => scale.face(embedding)?,
        };
        if known.is_none() {
            self.add(calibration, person, face.side);
        }
        Some(face)
    }

    /// Forgets all people, when others are drawn.
    pub(crate) fn clear(&self) {
        *self.0.lock() = Known::default();
    }

    fn known(&self, calibration: &str, person: PersonHash) -> Option<Side> {
        let known = self.0.lock();
        (known.calibration == calibration).then(|| known.sides.get(&person).copied())?
    }

    fn add(&self, calibration: &str, person: PersonHash, side: Side) {
        let mut known = self.0.lock();
        if known.calibration != calibration {
            *known = Known { calibration: calibration.to_owned(), sides: HashMap::new() };
        }
        known.sides.insert(person, side);
    }
}
