/// The similarity on the scale of the API: 0 to 100, unrounded. The pass mark is 75 for every model.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Percentage(f64);

impl Percentage {
    /// The lowest percentage with which a face passes.
    pub const PASS_MARK: Self = Self(75.0);

    /// Clamps a value to 0 to 100. NaN becomes 0.
    pub fn new(value: f64) -> Self {
        if value.is_nan() { Self(0.0) } else { Self(value.clamp(0.0, 100.0)) }
    }

    /// The unrounded value, in 0 to 100.
    pub fn value(self) -> f64 {
        self.0
    }

    /// Whether the face passes. The unrounded value counts, and exactly the pass mark passes.
    pub fn passes(self) -> bool {
        self >= Self::PASS_MARK
    }

    /// The value in a response: truncated to two decimals, never rounded up, and at least 1.
    ///
    /// ```
    /// use padan_domain::Percentage;
    /// assert_eq!(Percentage::new(74.996).shown(), 74.99);
    /// assert!(!Percentage::new(74.996).passes());
    /// assert_eq!(Percentage::new(0.2).shown(), 1.0);
    /// ```
    pub fn shown(self) -> f64 {
        // The product is rounded, so its floor can be one hundredth too high or too low. The largest number of
        // hundredths that is not above the value is correct.
        let near = (self.0 * 100.0).floor();
        let candidates = [near + 1.0, near, near - 1.0].map(|hundredths| hundredths / 100.0);
        let shown = candidates.into_iter().find(|candidate| *candidate <= self.0);
        shown.unwrap_or(0.0).max(1.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_pass_mark_passes_and_shows_as_75() {
        assert!(Percentage::new(75.0).passes());
        assert!(!Percentage::new(f64::from_bits(75.0_f64.to_bits() - 1)).passes());
        assert!((Percentage::new(f64::from_bits(75.0_f64.to_bits() - 1)).shown() - 74.99).abs() < 1e-12);
    }

    #[test]
    fn the_values_next_to_each_hundredth_are_truncated() {
        for hundredths in 101..=9_999_u32 {
            let value = f64::from(hundredths) / 100.0;
            let below = f64::from(hundredths - 1) / 100.0;
            let shown = |value: f64| Percentage::new(value).shown();
            let neighbours = [value.to_bits() - 1, value.to_bits(), value.to_bits() + 1].map(f64::from_bits);
            assert_eq!(neighbours.map(shown), [below, value, value]);
        }
    }

    proptest! {
        #[test]
        fn two_decimals_show_as_they_are(hundredths in 100_u32..=10_000) {
            let value = f64::from(hundredths) / 100.0;
            prop_assert_eq!(Percentage::new(value).shown().to_string(), value.to_string());
        }

        #[test]
        fn a_value_is_never_rounded_up_and_less_than_a_hundredth_off(value in 1.0_f64..=100.0) {
            let shown = Percentage::new(value).shown();
            prop_assert!(shown <= value && value - shown < 0.01 + 1e-9);
        }

        #[test]
        fn a_shown_value_of_75_or_more_passes(value in 0.0_f64..=100.0) {
            let percentage = Percentage::new(value);
            prop_assert_eq!(percentage.shown() >= 75.0, percentage.passes());
        }
    }
}
