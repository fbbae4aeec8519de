//! Runs every photo through the face pipeline, once.

use std::{
    borrow::Cow,
    fs,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use padan_domain::{Embedding, Photo, ScoreTransformation, Side};
use padan_inference::{FaceError, PhotoFault, Pipeline, Quality, Timings};
use parking_lot::Mutex;

use crate::{labelled::LabelledPhoto, scored_pair::Face};

/// The outcome for one photo.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// A face was found and embedded.
    Face(Box<FaceFound>),
    /// No embedding could be computed. Such a photo matches no other.
    Failed {
        /// The reason code, such as `NO_FACE`, or that the file is neither PNG nor JPEG.
        reason: String,
    },
}

/// The subject's face.
#[derive(Debug, Clone)]
pub struct FaceFound {
    /// Its embedding.
    pub embedding: Embedding,
    /// Its side of each score.
    pub side: Side,
    /// Its quality.
    pub quality: Quality,
    /// The rule by which the service would reject this photo as a selfie.
    pub broken_rule: Option<PhotoFault>,
}

/// The outcomes of all photos.
#[derive(Debug, Clone)]
pub struct Measured {
    /// In the order of the photos.
    pub outcomes: Vec<Outcome>,
    /// Wall time for all photos, on all cores.
    pub wall: Duration,
    /// The mean time of each step over the photos with a face.
    pub mean: Timings,
}

/// The engine failed, or a file cannot be read. What is on the photo is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{photo}: {reason}")]
pub struct MeasurementFailed {
    photo: String,
    reason: String,
}

impl MeasurementFailed {
    pub(crate) fn of(photo: &str, reason: String) -> Self {
        Self { photo: photo.to_owned(), reason }
    }
}

/// Embeds every photo, with a thread for each pipeline. `on_progress` is called with the number of finished photos.
///
/// Only embeddings and quality measures are kept: some kilobytes for each photo.
///
/// # Errors
///
/// [`MeasurementFailed`] when a network fails or a file cannot be read. A fault of a photo is an [`Outcome::Failed`].
pub fn measure(
    photos: &[LabelledPhoto],
    pipelines: Vec<Pipeline>,
    on_progress: &(impl Fn(usize) + Sync),
) -> Result<Measured, MeasurementFailed> {
    let began = Instant::now();
    let (next, finished) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let outcomes: Mutex<Vec<Option<Outcome>>> = Mutex::new(vec![None; photos.len()]);
    let total = Mutex::new(TimingsTotal::default());
    thread::scope(|scope| {
        let threads: Vec<_> = (pipelines.into_iter())
            .map(|mut pipeline| {
                let (next, finished, outcomes, total) = (&next, &finished, &outcomes, &total);
                scope.spawn(move || {
                    loop {
                        let at = next.fetch_add(1, Relaxed);
                        let Some(photo) = photos.get(at) else { return Ok(()) };
                        let (outcome, timings) = examine(&mut pipeline, photo).inspect_err(|_| {
                            // Stops the other threads.
                            next.store(photos.len(), Relaxed);
                        })?;
                        if let Some(timings) = timings {
                            total.lock().add(timings);
                        }
                        outcomes.lock()[at] = Some(outcome);
                        on_progress(finished.fetch_add(1, Relaxed) + 1);
                    }
                })
            })
            .collect();
        threads.into_iter().try_for_each(|thread| match thread.join() {
            Ok(ended) => ended,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    })?;
    let total = total.into_inner();
    let outcomes = outcomes.into_inner();
    Ok(Measured {
        outcomes: outcomes.into_iter().flatten().collect(),
        wall: began.elapsed(),
        mean: total.mean(),
    })
}

fn examine(
    pipeline: &mut Pipeline,
    photo: &LabelledPhoto,
) -> Result<(Outcome, Option<Timings>), MeasurementFailed> {
    let failed = |reason: &str| Ok((Outcome::Failed { reason: reason.to_owned() }, None));
    let bytes = fs::read(&photo.file).map_err(|error| MeasurementFailed {
        photo: photo.file.display().to_string(),
        reason: format!("the file cannot be read: {error}"),
    })?;
    let Ok(photo_bytes) = Photo::try_from(Bytes::from(bytes)) else { return failed("NEITHER_PNG_NOR_JPEG") };
    match pipeline.examine(&photo_bytes) {
        Ok((analysis, broken_rule)) => {
            let (embedding, quality) = (analysis.embedding, analysis.quality);
            let face = FaceFound { embedding, side: Side::PLAIN, quality, broken_rule };
            Ok((Outcome::Face(Box::new(face)), Some(analysis.timings)))
        }
        Err(FaceError::Rejected(fault)) => failed(fault.reason().as_str()),
        Err(error) => Err(MeasurementFailed { photo: photo.name.to_string(), reason: error.to_string() }),
    }
}

/// The total time of each step, and the number of photos.
#[derive(Default)]
struct TimingsTotal {
    sum: Timings,
    photos: u32,
}

impl TimingsTotal {
    fn add(&mut self, timings: Timings) {
        let Timings { queued, decode, detect, align, quality, embed, .. } = timings;
        self.sum.queued += queued;
        self.sum.decode += decode;
        self.sum.detect += detect;
        self.sum.align += align;
        self.sum.quality += quality;
        self.sum.embed += embed;
        self.photos += 1;
    }

    /// The mean time of each step; zero without photos.
    fn mean(self) -> Timings {
        let Timings { queued, decode, detect, align, quality, embed, .. } = self.sum;
        let photos = self.photos.max(1);
        Timings {
            queued: queued / photos,
            decode: decode / photos,
            detect: detect / photos,
            align: align / photos,
            quality: quality / photos,
            liveness: None,
            embed: embed / photos,
        }
    }
}

impl Measured {
    /// The same outcomes with the embeddings as they are compared under this transformation.
    pub(crate) fn under(&self, transformation: &ScoreTransformation) -> Cow<'_, Self> {
        if *transformation == ScoreTransformation::None {
            return Cow::Borrowed(self);
        }
        let outcomes = self.outcomes.iter().map(|outcome| outcome.under(transformation)).collect();
        Cow::Owned(Self { outcomes, ..*self })
    }
}

impl Outcome {
    /// The outcome as it is compared under a transformation. A photo that cannot be compared fails, as it matches nobody.
    fn under(&self, transformation: &ScoreTransformation) -> Self {
        let Self::Face(face) = self else { return self.clone() };
        let changed = match transformation {
            ScoreTransformation::None => Ok(FaceFound::clone(face)),
            ScoreTransformation::Centre(centre) => centre
                .remove_from(&face.embedding)
                .map(|embedding| FaceFound { embedding, ..FaceFound::clone(face) })
                .map_err(|error| error.to_string()),
            ScoreTransformation::Cohort(score) => score
                .side(face.embedding.as_slice())
                .map(|side| FaceFound { side, ..FaceFound::clone(face) })
                .ok_or_else(|| "the face cannot be compared with the cohort".to_owned()),
        };
        match changed {
            Ok(face) => Self::Face(Box::new(face)),
            Err(reason) => Self::Failed { reason },
        }
    }

    /// The face as it is compared, if there is one.
    pub fn face(&self) -> Option<Face<'_>> {
        match self {
            Self::Face(face) => Some(Face { embedding: &face.embedding, side: face.side }),
            Self::Failed { .. } => None,
        }
    }

    /// The embedding, if there is one.
    pub fn embedding(&self) -> Option<&Embedding> {
        match self {
            Self::Face(face) => Some(&face.embedding),
            Self::Failed { .. } => None,
        }
    }

    /// The face as it is compared, unless the service would reject the photo as a selfie.
    pub fn gated_face(&self) -> Option<Face<'_>> {
        match self {
            Self::Face(face) if face.broken_rule.is_none() => self.face(),
            Self::Face(_) | Self::Failed { .. } => None,
        }
    }
}
