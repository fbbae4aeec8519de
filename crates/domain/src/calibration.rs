use crate::{
    centre::Centre,
    cohort::{CohortScore, Side},
    embedding::{Embedding, Similarity},
    percentage::Percentage,
};

/// How two faces are compared, and a continuous, strictly increasing map from the cosine to a percentage, linear between
/// anchors.
///
/// ```
/// use padan_domain::{Anchor, Calibration, Similarity};
/// let anchor = |cosine, percentage| Anchor { cosine, percentage };
/// let map = Calibration::new(vec![anchor(0.0, 0.0), anchor(0.44, 75.0), anchor(0.9, 100.0)])?;
/// assert_eq!(map.percentage(Similarity::from_cosine(0.44)).value(), 75.0);
/// assert_eq!(map.percentage(Similarity::from_cosine(0.22)).value(), 37.5);
/// # Ok::<(), padan_domain::InvalidCalibration>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Calibration {
    anchors: Box<[Anchor]>,
    transformation: ScoreTransformation,
}

/// What is done to two embeddings before their cosine is taken. It belongs to the scale and not to a template, so a
/// template stays valid under every scale of its model.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum ScoreTransformation {
    /// Nothing.
    #[default]
    None,
    /// The centre of a population is taken from both.
    Centre(Centre),
    /// The cosine is seen beside those with a cohort of other people.
    Cohort(CohortScore),
}

/// A face that is compared, with its side of the score, so that the side is computed once for many comparisons.
#[derive(Debug, Clone, Copy)]
pub struct ComparedFace<'a> {
    /// The face.
    pub embedding: &'a Embedding,
    /// Its side.
    pub side: Side,
}

/// A point of the map.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Anchor {
    /// The cosine, in -1 to 1.
    pub cosine: f64,
    /// The percentage of this cosine, in 0 to 100.
    pub percentage: f64,
}

/// Why a list of anchors is not a calibration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCalibration {
    /// An anchor has a cosine outside -1 to 1 or a percentage outside 0 to 100.
    #[error("an anchor lies outside cosine -1 to 1 or percentage 0 to 100")]
    OutOfRange,
    /// Cosines or percentages do not increase from each anchor to the next.
    #[error("the anchors do not increase")]
    NotIncreasing,
    /// The map does not begin at 0 % and end at 100 %.
    #[error("the anchors do not run from 0 % to 100 %")]
    NotFullRange,
    /// No anchor has the pass mark as its percentage.
    #[error("no anchor is at 75 %, the pass mark")]
    NoPassMark,
}

impl Calibration {
    /// Checks that the anchors run from 0 % to 100 %, that they increase, and that one of them is at the pass mark.
    ///
    /// # Errors
    ///
    /// [`InvalidCalibration`] when the anchors break one of these rules.
    pub fn new(anchors: Vec<Anchor>) -> Result<Self, InvalidCalibration> {
        let in_range = |a: &Anchor| (-1.0..=1.0).contains(&a.cosine) && (0.0..=100.0).contains(&a.percentage);
        if !anchors.iter().all(in_range) {
            return Err(InvalidCalibration::OutOfRange);
        }
        if !anchors.windows(2).all(|w| w[0].cosine < w[1].cosine && w[0].percentage < w[1].percentage) {
            return Err(InvalidCalibration::NotIncreasing);
        }
        let ends = anchors.first().zip(anchors.last());
        if !ends.is_some_and(|(first, last)| first.percentage <= 0.0 && last.percentage >= 100.0) {
            return Err(InvalidCalibration::NotFullRange);
        }
        if !anchors.iter().any(|a| a.percentage.to_bits() == Percentage::PASS_MARK.value().to_bits()) {
            return Err(InvalidCalibration::NoPassMark);
        }
        Ok(Self { anchors: anchors.into(), transformation: ScoreTransformation::None })
    }

    /// The same map, for cosines under this transformation.
    #[must_use]
    pub fn with(self, transformation: ScoreTransformation) -> Self {
        Self { transformation, ..self }
    }

    /// What is done to embeddings before they are compared.
    pub fn transformation(&self) -> &ScoreTransformation {
        &self.transformation
    }

    /// The cosine of two embeddings that this map is made for; `None` when the lengths differ.
    pub fn similarity(&self, reference: &Embedding, probe: &Embedding) -> Option<Similarity> {
        self.transformation.similarity(reference, probe)
    }

    /// A face that is to be compared with many; `None` when it cannot be compared under the transformation.
    pub fn face<'a>(&self, embedding: &'a Embedding) -> Option<ComparedFace<'a>> {
        Some(ComparedFace { embedding, side: self.transformation.side(embedding)? })
    }

    /// What [`Calibration::similarity`] is of two faces.
    pub fn similarity_of_faces(&self, a: &ComparedFace, b: &ComparedFace) -> Option<Similarity> {
        let cosine = match &self.transformation {
            ScoreTransformation::Centre(centre) => centre.similarity(a.embedding, b.embedding)?,
            ScoreTransformation::None | ScoreTransformation::Cohort(_) => {
                a.embedding.similarity(b.embedding)?
            }
        };
        Some(Similarity::from_cosine(a.side.score(b.side, cosine.cosine())))
    }

    /// The percentage of a cosine. The cosine of an anchor gives exactly the anchor's percentage.
    pub fn percentage(&self, similarity: Similarity) -> Percentage {
        let cosine = similarity.cosine();
        let above = self.anchors.partition_point(|anchor| anchor.cosine <= cosine);
        let value = match (above.checked_sub(1).map(|below| self.anchors[below]), self.anchors.get(above)) {
            (None, _) => 0.0,
            (Some(_), None) => 100.0,
            (Some(below), Some(above)) => {
                let share = (cosine - below.cosine) / (above.cosine - below.cosine);
                // Rounding must not lift a value onto the next anchor, least of all onto the pass mark.
                (below.percentage + share * (above.percentage - below.percentage))
                    .min(f64::from_bits(above.percentage.to_bits() - 1))
            }
        };
        Percentage::new(value)
    }

    /// The lowest cosine with which a face passes.
    pub fn pass_cosine(&self) -> f64 {
        self.cosine(Percentage::PASS_MARK)
    }

    /// The lowest cosine with this percentage.
    pub fn cosine(&self, percentage: Percentage) -> f64 {
        let wanted = percentage.value();
        let above = self.anchors.partition_point(|anchor| anchor.percentage < wanted);
        match (above.checked_sub(1).map(|below| self.anchors[below]), self.anchors.get(above)) {
            // Every cosine below the first anchor has 0 %, and no percentage is above 100 %.
            (None, _) => -1.0,
            (Some(_), None) => 1.0,
            (Some(_), Some(at)) if at.percentage == wanted => at.cosine,
            (Some(below), Some(above)) => {
                let share = (wanted - below.percentage) / (above.percentage - below.percentage);
                below.cosine + share * (above.cosine - below.cosine)
            }
        }
    }

    /// The points of the map, in increasing order.
    pub fn anchors(&self) -> &[Anchor] {
        &self.anchors
    }
}

impl ScoreTransformation {
    /// The cosine of two embeddings after the transformation; `None` when the lengths differ.
    pub fn similarity(&self, a: &Embedding, b: &Embedding) -> Option<Similarity> {
        match self {
            Self::None => a.similarity(b),
            Self::Centre(centre) => centre.similarity(a, b),
            Self::Cohort(score) => score.similarity(a, b),
        }
    }

    /// The side of a face; `None` when it cannot be compared.
    fn side(&self, face: &Embedding) -> Option<Side> {
        match self {
            Self::None | Self::Centre(_) => Some(Side::PLAIN),
            Self::Cohort(score) => score.side(face.as_slice()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn calibration(points: &[(f64, f64)]) -> Result<Calibration, InvalidCalibration> {
        Calibration::new(points.iter().map(|&(cosine, percentage)| Anchor { cosine, percentage }).collect())
    }

    #[test]
    fn invalid_anchors_are_refused() {
        for (points, error) in [
            (&[][..], InvalidCalibration::NotFullRange),
            (&[(0.0, 0.0), (0.4, 75.0)], InvalidCalibration::NotFullRange),
            (&[(0.0, 0.0), (0.4, 75.0), (0.4, 80.0), (0.9, 100.0)], InvalidCalibration::NotIncreasing),
            (&[(0.0, 0.0), (0.5, 75.0), (0.4, 90.0), (0.9, 100.0)], InvalidCalibration::NotIncreasing),
            (&[(0.0, 0.0), (0.5, 74.0), (0.9, 100.0)], InvalidCalibration::NoPassMark),
            (&[(0.0, 0.0), (0.5, 75.0), (1.1, 100.0)], InvalidCalibration::OutOfRange),
            (&[(0.0, 0.0), (f64::NAN, 75.0), (1.0, 100.0)], InvalidCalibration::OutOfRange),
        ] {
            assert_eq!(calibration(points).unwrap_err(), error, "{points:?}");
        }
    }

    #[test]
    fn the_next_lower_cosine_does_not_pass() {
        let map = calibration(&[(0.0, 0.0), (0.44, 75.0), (0.9, 100.0)]).unwrap();
        let below = Similarity::from_cosine(f64::from_bits(0.44_f64.to_bits() - 1));
        assert!(!map.percentage(below).passes());
        assert!(map.percentage(Similarity::from_cosine(0.44)).passes());
    }

    #[test]
    fn the_cosine_of_a_percentage_is_interpolated() {
        let map = calibration(&[(0.0, 0.0), (0.44, 75.0), (0.9, 100.0)]).unwrap();
        assert_eq!(map.cosine(Percentage::PASS_MARK), 0.44);
        assert!((map.cosine(Percentage::new(37.5)) - 0.22).abs() < 1e-12);
        assert_eq!(map.cosine(Percentage::new(100.0)), 0.9);
        assert_eq!(map.cosine(Percentage::new(0.0)), -1.0);
    }

    proptest! {
        #[test]
        fn the_map_is_monotone_bounded_and_continuous(a in -1.0_f64..=1.0, step in 0.0_f64..0.001) {
            let map = calibration(&[(0.02, 0.0), (0.3, 50.0), (0.44, 75.0), (0.51, 90.0), (0.86, 100.0)]).unwrap();
            let low = map.percentage(Similarity::from_cosine(a)).value();
            let high = map.percentage(Similarity::from_cosine(a + step)).value();
            prop_assert!((0.0..=100.0).contains(&low));
            prop_assert!(low <= high);
            prop_assert!(high - low <= step * (15.0 / 0.07) + 1e-9, "no change is steeper than the steepest piece");
        }
    }
}
