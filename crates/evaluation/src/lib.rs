//! Measures a face engine on labelled photos: makes error rates, the calibration of percentages and a report.
//!
//! Start at [`Labelled`] for the photos and their identities and [`measure`] for their embeddings, then [`evaluate`]
//! for error rates or [`find_transformation`] and [`calibrate()`] for a calibration, and [`report`] for an HTML page. [`PeopleSurvey`] makes a
//! calibration from one template of each of many people, without labels, and [`people_report`] its page.
//!
//! **Architecture Invariant:** this crate uses no database, no HTTP and no service: photos come from files, and results
//! are written to files.
//!
//! **Architecture Invariant:** the same photos give the same results: every random choice has a fixed seed.
//!
//! **Architecture Invariant:** pixels are not kept. Memory grows by one embedding for each photo, and not with the
//! number of pairs.

mod bootstrap;
mod calibrate;
mod calibrate_live;
mod calibrate_people;
mod cross_pairs;
mod csv_list;
mod evaluate;
mod evaluation;
mod exact_interval;
mod exclusions;
mod fmr_curve;
mod label_error;
mod labelled;
mod listing;
mod live_pairs;
mod liveness;
mod measured;
mod metrics;
mod people_pairs;
mod photo_files;
mod population;
mod report;
mod same_person;
mod scale;
mod scored_pair;
mod skipped;
mod transformation;
mod verdict;

pub use calibrate::calibrate;
pub use calibrate_live::LiveSurvey;
pub use calibrate_people::{Draw, PeopleSurvey};
pub use cross_pairs::{CrossPairs, TailPair};
pub use csv_list::{CsvList, CsvRow};
pub use evaluate::evaluate;
pub use evaluation::{
    Counts, Evaluated, EvaluatedModel, Evaluation, Failure, Figures, GroupFigures, Made, Mark, Milliseconds,
    NamedRate, OperatingPoint, RejectedPhoto, Score,
};
pub use exact_interval::interval as exact_interval;
pub use exclusions::{Exclusion, Exclusions};
pub use label_error::LabelError;
pub use labelled::{CopiedPhoto, Labelled, LabelledPair, LabelledPhoto};
pub use live_pairs::{Counted, GenuinePairs, LivePairs};
pub use liveness::{
    ErrorRate, KindFigures, LivenessEvaluation, LivenessFigures, LivenessPhoto, LivenessPhotos,
    LivenessScore, Presentation, Response, ThresholdFigures, judge_liveness, liveness_report,
};
pub use measured::{FaceFound, Measured, MeasurementFailed, Outcome, measure};
pub use metrics::Accuracy;
pub use population::{InvalidPopulation, PeopleGroup, Population};
pub use report::{
    Crops, PeopleScales, Plot, Report, ReportError, crops, live_plot, people_report, report, worst_pairs,
};
pub use same_person::SamePerson;
pub use scale::CalibrationError;
pub use scored_pair::{Face, ScoredPair};
pub use skipped::{SkipReason, SkippedFile};
pub use transformation::{CohortSource, NoTransformation, TransformationSearch, find_transformation};
