//! Makes the calibration from one template of each of many people, without labels.

#[cfg(test)]
mod tests;

use chrono::NaiveDate;
use padan_domain::Percentage;
use padan_inference::{
    CalibrationFile, CalibrationGroup, CalibrationMark, CalibrationPeople, CalibrationPoint,
    CalibrationSource, GroupRate, ModelSet, Rate,
};

use crate::{
    fmr_curve::FmrCurve,
    people_pairs::PeoplePairs,
    population::Population,
    same_person::SamePerson,
    scale::{
        CalibrationError, HighestAnchor, MARKS, MIN_PAIRS_AT_THRESHOLD, WORST_GROUP_FMR, anchors,
        check_impostor_pairs, is_large_enough, pass_mark, points, round_cosine, round_interval, round_rate,
    },
};

/// How people were drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Draw {
    /// How many have a template.
    pub drawn: usize,
    /// How many were drawn and have none that can be compared.
    pub without_template: usize,
    /// The seed.
    pub seed: u64,
}

/// All pairs among people of whom each is somebody else.
pub struct PeopleSurvey {
    population: Population,
    same_person: SamePerson,
    pairs: PeoplePairs,
}

/// A false match rate, with its interval, at a cosine.
pub(crate) struct MeasuredPoint {
    pub(crate) cosine: f64,
    pub(crate) fmr: Rate,
}

/// The least number of pairs that make a point of the curve.
pub(crate) const MIN_CURVE_PAIRS: u64 = 3;
/// The largest share of people who may have the face of another one.
const MAX_SURPLUS: f64 = 0.1;

impl PeopleSurvey {
    /// Compares each two people and tells those with the same face apart. Of the people whom such pairs connect, one stays.
    pub fn of(population: Population) -> Self {
        let everybody: Vec<_> = (0..population.people() as u32).collect();
        let mut pairs = PeoplePairs::compare(&population, everybody.clone());
        let same_person = SamePerson::among(pairs.cross());
        let surplus = same_person.surplus_people();
        if !surplus.is_empty() {
            let kept = without(&everybody, &surplus);
            // Two sets of pairs would take twice the memory.
            drop(pairs);
            pairs = PeoplePairs::compare(&population, kept);
        }
        Self { population, same_person, pairs }
    }

    /// The pairs that are not of strangers.
    pub fn same_person(&self) -> &SamePerson {
        &self.same_person
    }

    /// The number of people who were left out.
    pub fn left_out(&self) -> usize {
        self.population.people() - self.pairs.persons()
    }

    /// The false match rate at a cosine, with its interval.
    pub fn fmr(&self, cosine: f64) -> Rate {
        self.pairs.rates(&[cosine]).remove(0)
    }

    /// The false match rates at some cosines, and the curve from the mean of the pairs on in steps of this width, as far as
    /// at least [`MIN_CURVE_PAIRS`] pairs reach it.
    pub(crate) fn curve(&self, cosines: &[f64], step: f64) -> (Vec<MeasuredPoint>, Vec<MeasuredPoint>) {
        let pairs = self.pairs.cross();
        let first = (pairs.mean() / step).ceil() as i64;
        let grid = (first..).map(|number| number as f64 * step);
        let grid = grid.take_while(|cosine| *cosine < 1.0 && pairs.reaching(*cosine) >= MIN_CURVE_PAIRS);
        let all: Vec<_> = cosines.iter().copied().chain(grid).collect();
        let rates = self.pairs.rates(&all);
        let mut points: Vec<_> =
            all.into_iter().zip(rates).map(|(cosine, fmr)| MeasuredPoint { cosine, fmr }).collect();
        let curve = points.split_off(cosines.len());
        (points, curve)
    }

    /// Makes the calibration. What only genuine pairs tell is taken from the calibration in use, such as the transformation
    /// under which the people have been compared, or is left open.
    ///
    /// # Errors
    ///
    /// [`CalibrationError`] when there are too few people, too many of them have the same face, or the anchors do not
    /// increase.
    pub fn calibrate(
        &self,
        set: &ModelSet,
        in_use: &CalibrationFile,
        draw: Draw,
        made_on: NaiveDate,
    ) -> Result<CalibrationFile, CalibrationError> {
        let (surplus, people) = (self.left_out(), self.population.people());
        if surplus as f64 > MAX_SURPLUS * people as f64 {
            return Err(CalibrationError::SamePeople { surplus, people });
        }
        let pooled = self.pairs.cross();
        check_impostor_pairs(pooled.total())?;
        let curve = FmrCurve::new(pooled, MIN_PAIRS_AT_THRESHOLD);
        let thresholds: Vec<_> = self.groups().map(|group| group.cosine_at_1_in_1000()).collect();
        let decisive = thresholds.iter().filter(|threshold| threshold.decides);
        let pass_mark = pass_mark(&curve, decisive.filter_map(|threshold| threshold.cosine));
        let anchors = anchors(pooled, &curve, &pass_mark, &anchor_of_100(in_use))?;
        let mut points = points(&curve, &anchors, |_| None)?;
        self.add_intervals(&mut points);
        let cosine_at = |percentage: f64| {
            points.iter().find(|point| point.percentage >= percentage).map_or(1.0, |point| point.cosine)
        };
        let cosines = MARKS.map(cosine_at);
        let rates: Vec<_> = self.groups().map(|group| group.rates(pass_mark.cosine, &cosines)).collect();
        let worst_group = |mark: usize| worst_group(&rates, &thresholds, mark);
        let mark = |(at, ((percentage, cosine), fmr)): (usize, ((f64, f64), Rate))| CalibrationMark {
            percentage,
            cosine,
            extrapolated: curve.is_extrapolated(cosine),
            fmr: round_interval(fmr),
            worst_group: worst_group(at),
            fnmr: None,
        };
        let measured = MARKS.into_iter().zip(cosines).zip(self.pairs.rates(&cosines));
        let marks = measured.enumerate().map(mark).collect();
        Ok(CalibrationFile {
            version: CalibrationFile::version_of(in_use.transformation.as_ref()),
            set: set.name().to_owned(),
            embedder_sha256: set.embedder.canonical().sha256,
            made_on: made_on.to_string(),
            impostor_pairs: pooled.total(),
            groups: thresholds
                .iter()
                .zip(&rates)
                .map(|(threshold, rates)| threshold.describe(rates))
                .collect(),
            sources: vec![self.source(draw)],
            people: Some(self.describe(in_use, draw)),
            transformation: in_use.transformation.clone(),
            pass_mark,
            marks,
            points,
        })
    }

    /// The groups, each compared when its turn comes: all of them at once would take too much memory.
    fn groups(&self) -> impl Iterator<Item = Group<'_>> {
        let surplus = self.same_person.surplus_people();
        self.population.groups().iter().map(move |group| Group {
            name: &group.name,
            pairs: PeoplePairs::compare(&self.population, without(&group.members, &surplus)),
        })
    }

    /// Adds the intervals of the anchors that a false match rate defines.
    fn add_intervals(&self, points: &mut [CalibrationPoint]) {
        let lowest = [50.0, Percentage::PASS_MARK.value(), 90.0];
        let mut anchors: Vec<_> =
            points.iter_mut().filter(|point| lowest.contains(&point.percentage)).collect();
        let cosines: Vec<_> = anchors.iter().map(|point| point.cosine).collect();
        for (point, rate) in anchors.iter_mut().zip(self.pairs.rates(&cosines)) {
            let rate = round_interval(rate);
            point.fmr_interval = Some([rate.low, rate.high]);
        }
    }

    fn source(&self, draw: Draw) -> CalibrationSource {
        CalibrationSource {
            name: "portraits of people who were drawn from the store".to_owned(),
            photos: self.pairs.persons(),
            persons: self.pairs.persons(),
            failures_to_acquire: draw.without_template,
            genuine_pairs: 0,
            impostor_pairs: self.pairs.cross().total(),
            left_out: Vec::new(),
        }
    }

    fn describe(&self, in_use: &CalibrationFile, draw: Draw) -> CalibrationPeople {
        let from = in_use.people.as_ref().map(|people| people.anchor_of_100_from.clone());
        CalibrationPeople {
            compared: "portraits with portraits".to_owned(),
            drawn: draw.drawn,
            seed: draw.seed,
            left_out: self.left_out(),
            pairs_told_apart: self.same_person.pairs.len(),
            break_cosine: self.same_person.break_cosine().map(round_cosine),
            expected_strangers: round_rate(self.same_person.expected_strangers),
            anchor_of_100_from: from.unwrap_or_else(|| in_use.id()),
        }
    }
}

/// A group with the pairs among its people.
struct Group<'a> {
    name: &'a str,
    pairs: PeoplePairs,
}

/// The threshold of a group, and its size.
struct GroupThreshold {
    name: String,
    persons: usize,
    impostor_pairs: u64,
    /// Whether the group is large enough to influence the pass mark.
    decides: bool,
    /// The cosine that 1 in 1,000 of its pairs reach.
    cosine: Option<f64>,
}

/// The false match rates of a group.
struct GroupRates {
    at_pass_mark: Rate,
    at_marks: Vec<Rate>,
}

impl Group<'_> {
    fn cosine_at_1_in_1000(&self) -> GroupThreshold {
        let pairs = self.pairs.cross();
        GroupThreshold {
            name: self.name.to_owned(),
            persons: self.pairs.persons(),
            impostor_pairs: pairs.total(),
            decides: is_large_enough(self.pairs.persons(), pairs),
            cosine: pairs.cosine_at(WORST_GROUP_FMR),
        }
    }

    fn rates(&self, pass_mark: f64, marks: &[f64]) -> GroupRates {
        let mut at_marks = self.pairs.rates(&[&[pass_mark], marks].concat());
        GroupRates { at_pass_mark: at_marks.remove(0), at_marks }
    }
}

impl GroupThreshold {
    fn describe(&self, rates: &GroupRates) -> CalibrationGroup {
        CalibrationGroup {
            name: self.name.clone(),
            persons: self.persons,
            impostor_pairs: self.impostor_pairs,
            decides: self.decides,
            cosine_at_1_in_1000: self.cosine.map(round_cosine),
            fmr_at_pass_mark: round_interval(rates.at_pass_mark),
        }
    }
}

/// The highest rate at a mark among the groups that are large enough.
fn worst_group(rates: &[GroupRates], thresholds: &[GroupThreshold], mark: usize) -> Option<GroupRate> {
    let large = thresholds.iter().zip(rates).filter(|(threshold, _)| threshold.decides);
    let at_mark = large.map(|(threshold, rates)| (&threshold.name, rates.at_marks[mark]));
    let (name, fmr) = at_mark.max_by(|(_, a), (_, b)| a.value.total_cmp(&b.value))?;
    Some(GroupRate { name: name.clone(), fmr: round_interval(fmr) })
}

/// The anchor of 100 % of the calibration in use, since no genuine pairs are known.
fn anchor_of_100(in_use: &CalibrationFile) -> HighestAnchor {
    let last = in_use.points.last();
    let definition = last.and_then(|point| point.anchor.clone()).unwrap_or_default();
    let definition = match &in_use.people {
        Some(_) => definition,
        None => format!("{definition}, kept from calibration {}", in_use.id()),
    };
    HighestAnchor { cosine: last.map_or(1.0, |point| point.cosine), definition }
}

/// The people who are not among others, both in increasing order.
fn without(people: &[u32], others: &[u32]) -> Vec<u32> {
    people.iter().copied().filter(|person| others.binary_search(person).is_err()).collect()
}
