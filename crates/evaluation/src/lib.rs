//! What a face engine's similarities are worth, measured on labelled photos: error rates, a scale of percentages, a report.
//!
//! Enter with [`Labelled`] for the photos and who is on them, [`measure`] for their embeddings, then [`evaluate`] for the
//! figures or [`calibrate()`] for a scale, and [`report`] for a page to read.
//!
//! **Architecture Invariant:** it knows no database, no HTTP and no service: photos come from files, figures go to files.
//!
//! **Architecture Invariant:** the same photos give the same figures: whatever is drawn at random is drawn from a fixed seed.
//!
//! **Architecture Invariant:** pixels are not kept. Memory grows with the number of photos by an embedding each, and not with
//! the number of pairs.

mod bootstrap;
mod calibrate;
mod cross_pairs;
mod evaluate;
mod evaluation;
mod fmr_curve;
mod labelled;
mod left_out;
mod listing;
mod measured;
mod metrics;
mod report;

pub use calibrate::{CalibrationError, calibrate};
pub use cross_pairs::{CrossPairs, TailPair};
pub use evaluate::evaluate;
pub use evaluation::{
    Counts, Evaluated, EvaluatedModel, Evaluation, Failure, Figures, GroupFigures, Mark, Milliseconds,
    NamedRate, OperatingPoint, Score, TurnedAway,
};
pub use labelled::{Labelled, LabelledPair, LabelledPhoto};
pub use left_out::{LeftOut, LeftOutEntry};
pub use listing::LabelError;
pub use measured::{EngineFailed, FaceFound, Measured, Outcome, measure};
pub use metrics::Accuracy;
pub use report::{Crops, Plot, Report, ReportError, crops, report, worst_pairs};
