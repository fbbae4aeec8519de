use serde::Deserialize;

/// The step in which an answer shows a percentage. The pass mark is a multiple of it, so that what is shown never
/// contradicts the decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "f64")]
pub struct PercentageStep {
    hundredths: u32,
}

/// The step is not a part of the pass mark in hundredths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be in hundredths, and 75 must be a multiple of it: such as 0.01, 0.5, 1, 2.5, 5, 15 or 25")]
pub struct InvalidPercentageStep;

/// The pass mark in hundredths.
const PASS_MARK: u32 = 7500;

impl PercentageStep {
    /// The percentage of compared faces, which has at most two decimals, rounded down to the step. At least 1.
    ///
    /// ```
    /// use padan_domain::PercentageStep;
    /// let step = PercentageStep::try_from(5.0)?;
    /// assert_eq!([82.04, 75.0, 74.99, 3.2].map(|shown| step.round_down(shown)), [80.0, 75.0, 70.0, 1.0]);
    /// # Ok::<(), padan_domain::InvalidPercentageStep>(())
    /// ```
    pub fn round_down(self, shown: f64) -> f64 {
        let hundredths = (shown * 100.0).round() as u32;
        f64::from((hundredths / self.hundredths * self.hundredths).max(100)) / 100.0
    }
}

impl TryFrom<f64> for PercentageStep {
    type Error = InvalidPercentageStep;

    fn try_from(step: f64) -> Result<Self, InvalidPercentageStep> {
        let hundredths = (step * 100.0).round();
        let is_whole = (step * 100.0 - hundredths).abs() < 1e-6 && (1.0..=7500.0).contains(&hundredths);
        let hundredths = if is_whole { hundredths as u32 } else { return Err(InvalidPercentageStep) };
        if PASS_MARK.is_multiple_of(hundredths) {
            Ok(Self { hundredths })
        } else {
            Err(InvalidPercentageStep)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::percentage::Percentage;

    #[test]
    fn the_pass_mark_is_a_multiple_of_every_step() {
        assert!((f64::from(PASS_MARK) / 100.0 - Percentage::PASS_MARK.value()).abs() < 1e-12);
        for step in [0.01, 0.5, 1.0, 2.5, 5.0, 15.0, 25.0, 75.0] {
            assert!(PercentageStep::try_from(step).is_ok(), "{step}");
        }
        for step in [0.0, -1.0, 0.005, 0.011, 2.0, 10.0, 80.0, 150.0, f64::NAN, f64::INFINITY] {
            assert_eq!(PercentageStep::try_from(step), Err(InvalidPercentageStep), "{step}");
        }
    }

    proptest! {
        #[test]
        fn the_smallest_step_changes_nothing(value in 0.0_f64..=100.0) {
            let shown = Percentage::new(value).shown();
            let step = PercentageStep::try_from(0.01).unwrap();
            prop_assert_eq!(step.round_down(shown).to_bits(), shown.to_bits());
        }

        #[test]
        fn what_is_shown_never_contradicts_the_decision(value in 0.0_f64..=100.0, at in 0_usize..6) {
            let step = PercentageStep::try_from([0.01, 0.5, 2.5, 5.0, 15.0, 75.0][at]).unwrap();
            let percentage = Percentage::new(value);
            let shown = step.round_down(percentage.shown());
            prop_assert_eq!(shown >= 75.0, percentage.passes());
            prop_assert!((1.0..=percentage.shown()).contains(&shown));
        }
    }
}
