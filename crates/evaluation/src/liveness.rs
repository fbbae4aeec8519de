//! Measures a liveness set on photos of living persons and of presentation attacks, in the terms of ISO/IEC 30107-3.

mod photos;
mod rates;
mod report;

use std::{
    collections::BTreeMap,
    fs,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    thread,
};

use bytes::Bytes;
use padan_domain::Photo;
use padan_inference::{FaceError, Pipeline};
use parking_lot::Mutex;

pub use self::{
    photos::{LivenessPhoto, LivenessPhotos, Presentation},
    rates::{ErrorRate, KindFigures, LivenessEvaluation, LivenessFigures, LivenessScore, ThresholdFigures},
    report::liveness_report,
};
use crate::measured::MeasurementFailed;

/// What the liveness set says of a photo.
#[derive(Debug, Clone, PartialEq)]
pub enum Response {
    /// The score of the face, 0 to 1.
    Score(f64),
    /// No face was judged, for this reason code: a non-response of the standard.
    None(&'static str),
}

/// Judges every photo, with a thread for each pipeline. `on_progress` is called with the number of finished photos.
///
/// # Errors
///
/// [`MeasurementFailed`] when a network fails, there is no liveness set, or a file cannot be read.
pub fn judge_liveness(
    photos: &[LivenessPhoto],
    pipelines: Vec<Pipeline>,
    on_progress: &(impl Fn(usize) + Sync),
) -> Result<Vec<Response>, MeasurementFailed> {
    let (next, finished) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let responses: Mutex<BTreeMap<usize, Response>> = Mutex::default();
    thread::scope(|scope| {
        let threads: Vec<_> = (pipelines.into_iter())
            .map(|mut pipeline| {
                let (next, finished, responses) = (&next, &finished, &responses);
                scope.spawn(move || {
                    loop {
                        let at = next.fetch_add(1, Relaxed);
                        let Some(photo) = photos.get(at) else { return Ok(()) };
                        let response = judge(&mut pipeline, photo).inspect_err(|_| {
                            // Stops the other threads.
                            next.store(photos.len(), Relaxed);
                        })?;
                        responses.lock().insert(at, response);
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
    Ok(responses.into_inner().into_values().collect())
}

fn judge(pipeline: &mut Pipeline, photo: &LivenessPhoto) -> Result<Response, MeasurementFailed> {
    let bytes = fs::read(&photo.file)
        .map_err(|error| MeasurementFailed::of(&photo.name, format!("the file cannot be read: {error}")))?;
    let Ok(bytes) = Photo::try_from(Bytes::from(bytes)) else {
        return Ok(Response::None("NEITHER_PNG_NOR_JPEG"));
    };
    match pipeline.examine_liveness(&bytes) {
        Ok(liveness) => Ok(Response::Score(liveness.spoof)),
        Err(FaceError::Rejected(fault)) => Ok(Response::None(fault.reason().as_str())),
        Err(error) => Err(MeasurementFailed::of(&photo.name, error.to_string())),
    }
}
