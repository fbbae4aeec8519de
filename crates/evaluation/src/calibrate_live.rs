//! Makes the calibration from comparisons that were counted while a service served: selfies with templates of others.

use chrono::NaiveDate;
use padan_inference::{CalibrationFile, CalibrationMark, CalibrationSource, ModelSet, Rate};

use crate::{
    calibrate_people::{MIN_CURVE_PAIRS, MeasuredPoint},
    fmr_curve::FmrCurve,
    live_pairs::{GenuinePairs, LivePairs},
    scale::{
        CalibrationError, HighestAnchor, MARKS, MIN_PAIRS_AT_THRESHOLD, anchors, check_impostor_pairs,
        pass_mark, points, round_interval,
    },
};

/// Comparisons of a time.
pub struct LiveSurvey {
    /// With templates of other people.
    pub impostors: LivePairs,
    /// With the person's own portrait.
    pub genuine: GenuinePairs,
    /// The first day.
    pub from: NaiveDate,
}

/// So many genuine comparisons are needed for the anchor of 100 %. With fewer, it stays where it is.
const MIN_GENUINE: u64 = 1000;

impl LiveSurvey {
    /// Makes the calibration. Groups are not told apart, since nothing about people is counted.
    ///
    /// # Errors
    ///
    /// [`CalibrationError`] when there are too few comparisons, or the anchors do not increase.
    pub fn calibrate(
        &self,
        set: &ModelSet,
        in_use: &CalibrationFile,
        made_on: NaiveDate,
    ) -> Result<CalibrationFile, CalibrationError> {
        let pooled = self.impostors.cross();
        check_impostor_pairs(pooled.total())?;
        let curve = FmrCurve::new(pooled, MIN_PAIRS_AT_THRESHOLD);
        let pass_mark = pass_mark(&curve, std::iter::empty());
        let anchors = anchors(pooled, &curve, &pass_mark, &self.anchor_of_100(in_use))?;
        let known = self.genuine.comparisons() > 0;
        let mut points = points(&curve, &anchors, |cosine| known.then(|| self.genuine.below(cosine).value))?;
        for point in points.iter_mut().filter(|point| [50.0, 75.0, 90.0].contains(&point.percentage)) {
            let Rate { low, high, .. } = round_interval(self.impostors.fmr(point.cosine));
            point.fmr_interval = Some([low, high]);
        }
        let cosine_at = |percentage: f64| {
            points.iter().find(|point| point.percentage >= percentage).map_or(1.0, |point| point.cosine)
        };
        let mark = |percentage: f64| {
            let cosine = cosine_at(percentage);
            CalibrationMark {
                percentage,
                cosine,
                extrapolated: curve.is_extrapolated(cosine),
                fmr: round_interval(self.impostors.fmr(cosine)),
                worst_group: None,
                fnmr: known.then(|| round_interval(self.genuine.below(cosine))),
            }
        };
        Ok(CalibrationFile {
            marks: MARKS.map(mark).to_vec(),
            version: CalibrationFile::version_of(in_use.transformation.as_ref()),
            set: set.name().to_owned(),
            embedder_sha256: set.embedder.canonical().sha256,
            made_on: made_on.to_string(),
            impostor_pairs: pooled.total(),
            pass_mark,
            people: None,
            transformation: in_use.transformation.clone(),
            groups: Vec::new(),
            sources: vec![self.source()],
            points,
        })
    }

    /// The measured false match rates from the mean of the comparisons on in steps of this width, as far as at least
    /// [`MIN_CURVE_PAIRS`] of them reach it.
    pub(crate) fn curve(&self, step: f64) -> Vec<MeasuredPoint> {
        let pairs = self.impostors.cross();
        let first = (pairs.mean() / step).ceil() as i64;
        let grid = (first..).map(|number| number as f64 * step);
        let grid = grid.take_while(|cosine| *cosine < 1.0 && pairs.reaching(*cosine) >= MIN_CURVE_PAIRS);
        grid.map(|cosine| MeasuredPoint { cosine, fmr: self.impostors.fmr(cosine) }).collect()
    }

    /// The 99th percentile of genuine comparisons if there are enough of them.
    fn anchor_of_100(&self, in_use: &CalibrationFile) -> HighestAnchor {
        let enough = self.genuine.comparisons() >= MIN_GENUINE;
        match self.genuine.quantile_99().filter(|_| enough) {
            Some(cosine) => {
                HighestAnchor { cosine, definition: "the 99th percentile of genuine pairs".to_owned() }
            }
            None => HighestAnchor {
                cosine: in_use.points.last().map_or(1.0, |point| point.cosine),
                definition: format!("kept from calibration {}", in_use.id()),
            },
        }
    }

    /// The number of people is not known: nothing about them is counted.
    fn source(&self) -> CalibrationSource {
        CalibrationSource {
            name: format!(
                "comparisons while serving from {} on: selfies with templates of other people; FNMR is an estimate, by \
                 requests in which name and date of birth match",
                self.from
            ),
            photos: usize::try_from(self.genuine.comparisons()).unwrap_or(usize::MAX),
            persons: 0,
            failures_to_acquire: 0,
            genuine_pairs: usize::try_from(self.genuine.comparisons()).unwrap_or(usize::MAX),
            impostor_pairs: self.impostors.comparisons(),
            left_out: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use padan_domain::{Similarity, SimilarityBins};
    use padan_inference::Catalogue;

    use super::*;

    /// The rate falls to a tenth each 0.08 of cosine, from 1 at cosine 0; genuine pairs lie at 0.6 to 0.9.
    fn survey(comparisons: f64) -> LiveSurvey {
        let rate = |cosine: f64| 10_f64.powf(-cosine.max(0.0) / 0.08);
        let count = |bin: usize| {
            let share = rate(SimilarityBins::start(bin)) - rate(SimilarityBins::start(bin + 1));
            (comparisons * share).round() as u64
        };
        let counted: Vec<_> = (0..SimilarityBins::COUNT).map(count).collect();
        let mut genuine = vec![0; SimilarityBins::COUNT];
        for step in 0..3000 {
            genuine[SimilarityBins::index(Similarity::from_cosine(0.6 + 0.0001 * f64::from(step)))] += 1;
        }
        LiveSurvey {
            impostors: LivePairs::new(vec![counted.clone()], vec![counted]),
            genuine: GenuinePairs::new(vec![genuine]),
            from: NaiveDate::from_ymd_opt(2026, 3, 1).unwrap(),
        }
    }

    #[test]
    fn the_scale_follows_the_counted_curve() {
        let catalogue = Catalogue::load(&[]).unwrap();
        let set = catalogue.set("sface").unwrap();
        let in_use = catalogue.calibration(&set).unwrap();
        let day = NaiveDate::from_ymd_opt(2026, 4, 1).unwrap();
        let file = survey(10_000_000.0).calibrate(&set, &in_use, day).unwrap();
        let at =
            |percentage: f64| file.points.iter().find(|point| point.percentage >= percentage).unwrap().cosine;
        // At 90 %, ten comparisons are left, in whole numbers.
        for (percentage, cosine, most) in
            [(50.0, 0.16, 0.002), (75.0, 0.32, 0.002), (90.0, 0.48, 0.012), (100.0, 0.897, 0.002)]
        {
            assert!((at(percentage) - cosine).abs() < most, "{percentage}: {}", at(percentage));
        }
        assert_eq!(file.pass_mark.cosine, file.calibration().unwrap().pass_cosine());
        let text = file.to_toml().unwrap();
        assert_eq!(CalibrationFile::parse("here", &text, &set).unwrap(), file);
        let refused = survey(50_000.0).calibrate(&set, &in_use, day).unwrap_err().to_string();
        assert!(refused.contains("requires 100000 pairs"), "{refused}");
    }
}
