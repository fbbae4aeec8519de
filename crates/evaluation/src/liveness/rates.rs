use std::collections::BTreeMap;

use serde::Serialize;

use super::{LivenessPhoto, LivenessPhotos, Presentation, Response};
use crate::{
    evaluation::Made,
    exact_interval::{TAIL, interval_with_tail},
    skipped::SkippedFile,
};

/// The error rates of a liveness set on photos, at a bound of its score. Terms are those of ISO/IEC 30107-3.
#[derive(Debug, Clone, Serialize)]
pub struct LivenessEvaluation {
    /// What the figures are worth.
    pub notice: &'static str,
    /// The liveness set.
    pub liveness_set: String,
    /// When and by which program.
    pub made: Made,
    /// The folder.
    pub source: String,
    /// The figures at the bound.
    #[serde(flatten)]
    pub figures: LivenessFigures,
    /// The highest APCER of a kind, and BPCER, at other bounds.
    pub by_threshold: Vec<ThresholdFigures>,
    /// Non-responses by reason code.
    pub non_responses: BTreeMap<&'static str, usize>,
    /// Files that were not read.
    pub skipped: Vec<SkippedFile>,
    /// Every photo.
    pub scores: Vec<LivenessScore>,
}

/// The figures at one bound.
#[derive(Debug, Clone, Serialize)]
pub struct LivenessFigures {
    /// A photo whose score is at least this is classified as an attack.
    pub at: f64,
    /// Photos of living persons; `None` without any.
    pub bona_fide: Option<KindFigures>,
    /// Attacks, by kind.
    pub attacks: BTreeMap<String, KindFigures>,
    /// The kind with the highest APCER; `None` without a classified attack.
    pub worst_kind: Option<String>,
    /// The mean of the highest APCER of a kind and of BPCER; `None` without one of them.
    pub acer: Option<ErrorRate>,
}

/// The photos of one kind. The errors of attacks are those that were taken for living persons (APCER), those of bona fide
/// photos are the ones that were taken for attacks (BPCER).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct KindFigures {
    /// Photos.
    pub presentations: usize,
    /// Photos in which no face was judged.
    pub non_responses: usize,
    /// The share of these (APNRR or BPNRR).
    pub non_response_rate: ErrorRate,
    /// Photos that were classified wrongly.
    pub errors: usize,
    /// The share of these among those that were classified (APCER or BPCER); `None` if none was.
    pub error_rate: Option<ErrorRate>,
}

/// A share with its 95 % interval, by Clopper and Pearson.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ErrorRate {
    /// The share.
    pub value: f64,
    /// The lower bound.
    pub low: f64,
    /// The upper bound.
    pub high: f64,
}

/// The figures at another bound.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ThresholdFigures {
    /// The bound.
    pub at: f64,
    /// The highest APCER of a kind.
    pub worst_apcer: Option<f64>,
    /// BPCER.
    pub bpcer: Option<f64>,
}

/// The score of one photo.
#[derive(Debug, Clone, Serialize)]
pub struct LivenessScore {
    /// Its path below the folder.
    pub path: String,
    /// The kind of attack; null for a living person.
    pub attack: Option<String>,
    /// The score; null for a non-response.
    pub spoof: Option<f64>,
    /// Why there was no response.
    pub reason: Option<&'static str>,
}

/// What is said wherever these figures are shown.
const NOTICE: &str = "These are the error rates on the photos of this folder, and of no others. The makers of Padan have \
                      measured none on attacks. This is no certified detection: a test by ISO/IEC 30107-3 needs a \
                      laboratory, with attacks that are made for it.";

impl LivenessEvaluation {
    /// Computes the figures. `at` is the score from which a photo is classified as an attack.
    pub fn of(
        photos: &LivenessPhotos,
        responses: &[Response],
        liveness_set: &str,
        at: f64,
        made: Made,
        source: String,
    ) -> Self {
        let judged: Vec<_> = photos.photos.iter().zip(responses).collect();
        let mut non_responses = BTreeMap::new();
        for (_, response) in &judged {
            if let Response::None(reason) = response {
                *non_responses.entry(*reason).or_default() += 1;
            }
        }
        let by_threshold = (1..10).map(|tenth| {
            let figures = LivenessFigures::of(&judged, f64::from(tenth) / 10.0);
            ThresholdFigures { at: figures.at, worst_apcer: figures.worst_apcer(), bpcer: figures.bpcer() }
        });
        Self {
            notice: NOTICE,
            liveness_set: liveness_set.to_owned(),
            made,
            source,
            figures: LivenessFigures::of(&judged, at),
            by_threshold: by_threshold.collect(),
            non_responses,
            skipped: photos.skipped.clone(),
            scores: judged.iter().map(|(photo, response)| LivenessScore::of(photo, response)).collect(),
        }
    }
}

impl LivenessFigures {
    fn of(judged: &[(&LivenessPhoto, &Response)], at: f64) -> Self {
        let mut kinds: BTreeMap<&Presentation, Vec<&Response>> = BTreeMap::new();
        for (photo, response) in judged {
            kinds.entry(&photo.presentation).or_default().push(response);
        }
        let (mut bona_fide, mut attacks) = (None, BTreeMap::new());
        for (presentation, responses) in kinds {
            match presentation {
                Presentation::BonaFide => {
                    bona_fide = Some(KindFigures::of(&responses, |spoof| spoof >= at, TAIL));
                }
                Presentation::Attack(kind) => {
                    attacks.insert(kind.clone(), KindFigures::of(&responses, |spoof| spoof < at, TAIL));
                }
            }
        }
        let mut figures = Self { at, bona_fide, attacks, worst_kind: None, acer: None };
        figures.worst_kind = figures.worst().map(|(kind, _)| kind.clone());
        figures.acer = figures.mean_error();
        figures
    }

    /// The highest APCER of a kind.
    pub fn worst_apcer(&self) -> Option<f64> {
        self.worst().map(|(_, figures)| figures.rate())
    }

    /// BPCER.
    pub fn bpcer(&self) -> Option<f64> {
        self.bona_fide.as_ref().and_then(|figures| figures.error_rate).map(|rate| rate.value)
    }

    fn worst(&self) -> Option<(&String, &KindFigures)> {
        let classified = self.attacks.iter().filter(|(_, figures)| figures.error_rate.is_some());
        // Of equal ones the first by name.
        classified.rev().max_by(|(_, one), (_, other)| one.rate().total_cmp(&other.rate()))
    }

    /// The mean of both rates. Its bounds are the means of bounds of 97.5 % intervals, so that both hold together with
    /// at least 95 %.
    fn mean_error(&self) -> Option<ErrorRate> {
        let (_, worst) = self.worst()?;
        let [attack, bona_fide] = [worst.wide_rate()?, self.bona_fide.as_ref()?.wide_rate()?];
        Some(ErrorRate {
            value: f64::midpoint(attack.value, bona_fide.value),
            low: f64::midpoint(attack.low, bona_fide.low),
            high: f64::midpoint(attack.high, bona_fide.high),
        })
    }
}

impl KindFigures {
    fn of(responses: &[&Response], is_error: impl Fn(f64) -> bool, tail: f64) -> Self {
        let spoofs = responses.iter().filter_map(|response| match response {
            Response::Score(spoof) => Some(*spoof),
            Response::None(_) => None,
        });
        let spoofs: Vec<_> = spoofs.collect();
        let errors = spoofs.iter().filter(|spoof| is_error(**spoof)).count();
        let non_responses = responses.len() - spoofs.len();
        Self {
            presentations: responses.len(),
            non_responses,
            non_response_rate: ErrorRate::of(non_responses, responses.len(), tail),
            errors,
            error_rate: (!spoofs.is_empty()).then(|| ErrorRate::of(errors, spoofs.len(), tail)),
        }
    }

    fn rate(&self) -> f64 {
        self.error_rate.map_or(0.0, |rate| rate.value)
    }

    /// The error rate with a 97.5 % interval.
    fn wide_rate(&self) -> Option<ErrorRate> {
        let classified = self.presentations - self.non_responses;
        self.error_rate.map(|_| ErrorRate::of(self.errors, classified, TAIL / 2.0))
    }
}

impl ErrorRate {
    fn of(errors: usize, units: usize, tail: f64) -> Self {
        let value = errors as f64 / units as f64;
        let (low, high) = interval_with_tail(value, units as u64, tail);
        Self { value, low, high }
    }
}

impl LivenessScore {
    fn of(photo: &LivenessPhoto, response: &Response) -> Self {
        let attack = match &photo.presentation {
            Presentation::BonaFide => None,
            Presentation::Attack(kind) => Some(kind.clone()),
        };
        let (spoof, reason) = match response {
            Response::Score(spoof) => (Some(*spoof), None),
            Response::None(reason) => (None, Some(*reason)),
        };
        Self { path: photo.name.clone(), attack, spoof, reason }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn photo(kind: Option<&str>) -> LivenessPhoto {
        let presentation = kind.map_or(Presentation::BonaFide, |kind| Presentation::Attack(kind.to_owned()));
        LivenessPhoto { file: "x.jpg".into(), name: "x.jpg".to_owned(), presentation }
    }

    fn figures(photos: &[(Option<&str>, Response)], at: f64) -> LivenessFigures {
        let labelled: Vec<_> = photos.iter().map(|(kind, _)| photo(*kind)).collect();
        let judged: Vec<_> = labelled.iter().zip(photos.iter().map(|(_, response)| response)).collect();
        LivenessFigures::of(&judged, at)
    }

    fn near(rate: ErrorRate, expected: [f64; 3]) {
        let found = [rate.value, rate.low, rate.high];
        let agree = found.iter().zip(expected).all(|(one, other)| (one - other).abs() < 1e-9);
        assert!(agree, "{found:?} {expected:?}");
    }

    /// The intervals were computed in Python by bisection of the binomial distribution.
    #[test]
    fn errors_are_counted_by_kind_and_non_responses_apart() {
        let score = Response::Score;
        let photos = [
            (None, score(0.1)),
            (None, score(0.5)),
            (None, score(0.9)),
            (None, score(0.2)),
            (None, score(0.3)),
            (None, score(0.499)),
            (None, score(0.0)),
            (None, score(0.4)),
            (None, Response::None("NO_FACE")),
            (Some("print"), score(0.499)),
            (Some("print"), score(0.5)),
            (Some("print"), score(1.0)),
            (Some("print"), score(0.7)),
            (Some("screen"), score(0.1)),
            (Some("screen"), score(0.2)),
            (Some("screen"), score(0.8)),
            (Some("screen"), Response::None("SEVERAL_FACES")),
        ];
        let found = figures(&photos, 0.5);
        let bona_fide = found.bona_fide.clone().unwrap();
        assert_eq!((bona_fide.presentations, bona_fide.non_responses, bona_fide.errors), (9, 1, 2));
        near(bona_fide.error_rate.unwrap(), [0.25, 0.031_854_026_25, 0.650_855_794_413]);
        near(bona_fide.non_response_rate, [1.0 / 9.0, 0.002_809_136_747, 0.482_496_514_917]);
        let (print, screen) = (&found.attacks["print"], &found.attacks["screen"]);
        near(print.error_rate.unwrap(), [0.25, 0.006_309_463_21, 0.805_879_550_317]);
        near(screen.error_rate.unwrap(), [2.0 / 3.0, 0.094_299_324_05, 0.991_596_241_340]);
        assert_eq!((print.non_responses, screen.non_responses), (0, 1));
        assert_eq!(found.worst_kind.as_deref(), Some("screen"));
        near(found.acer.unwrap(), [0.458_333_333_333, 0.044_052_289_477, 0.845_007_346_795]);
    }

    #[test]
    fn what_was_not_presented_has_no_rate() {
        let found = figures(&[(None, Response::Score(0.1))], 0.5);
        assert_eq!((found.worst_kind, found.acer), (None, None));
        let found = figures(&[(Some("print"), Response::None("NO_FACE"))], 0.5);
        assert_eq!((found.bona_fide, found.worst_kind, found.acer), (None, None, None));
        assert_eq!(found.attacks["print"].error_rate, None);
        assert!((found.attacks["print"].non_response_rate.value - 1.0).abs() < 1e-12);
    }
}
