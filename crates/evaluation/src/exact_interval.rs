//! Exact confidence intervals of a share, by Clopper and Pearson.
//!
//! A bootstrap of a sample without an error has no spread, so its interval would be a single point. The interval here
//! contains all shares under which the observation is not too unlikely (C. J. Clopper, E. S. Pearson: The use of
//! confidence or fiducial limits illustrated in the case of the binomial, Biometrika 26, 1934).

/// The probability on each side of a 95 % interval.
pub(crate) const TAIL: f64 = 0.025;

/// The 95 % interval of a share that was measured on so many independent units. A share that is not a whole number of
/// units, because a unit can be partly wrong, gets the interval of both neighbours.
pub fn interval(share: f64, units: u64) -> (f64, f64) {
    interval_with_tail(share, units, TAIL)
}

/// The interval with this probability on each side.
pub(crate) fn interval_with_tail(share: f64, units: u64, tail: f64) -> (f64, f64) {
    let wrong = (share * units as f64).clamp(0.0, units as f64);
    // Rounding errors must not make a whole number the next one.
    let (floor, ceil) = ((wrong + 1e-6).floor() as u64, (wrong - 1e-6).ceil() as u64);
    (1.0 - upper_limit(units - floor, units, tail), upper_limit(ceil, units, tail))
}

/// The share under which `wrong` units or more are wrong with the probability `tail`.
fn lower_limit(wrong: u64, units: u64, tail: f64) -> f64 {
    let (mut low, mut high) = (0.0, wrong as f64 / units as f64);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        let fewer = wrong.checked_sub(1).map_or(0.0, |fewer| probability_of_at_most(fewer, units, middle));
        if fewer > 1.0 - tail { low = middle } else { high = middle }
    }
    high
}

/// The share under which as few as `wrong` units or fewer are wrong with the probability `tail`.
fn upper_limit(wrong: u64, units: u64, tail: f64) -> f64 {
    if wrong >= units {
        return 1.0;
    }
    if wrong > units / 2 {
        // The sum over the few others is the shorter one.
        return 1.0 - lower_limit(units - wrong, units, tail);
    }
    let (mut low, mut high) = (wrong as f64 / units as f64, 1.0);
    // Each step halves the interval; after 60 steps it is below the precision of the numbers.
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if probability_of_at_most(wrong, units, middle) > tail { low = middle } else { high = middle }
    }
    high
}

/// The probability that at most `wrong` of the units are wrong if each is with this probability.
fn probability_of_at_most(wrong: u64, units: u64, probability: f64) -> f64 {
    let (right, odds) = ((1.0 - probability).ln(), (probability / (1.0 - probability)).ln());
    // Logarithms, because the single terms of a large sample are too small for a number.
    let mut log_term = units as f64 * right;
    let mut sum = log_term.exp();
    for count in 0..wrong {
        log_term += ((units - count) as f64 / (count + 1) as f64).ln() + odds;
        sum += log_term.exp();
    }
    sum
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Quantiles of the beta distribution, computed by `SciPy` 1.17.1: `beta.ppf(0.025, x, n - x + 1)` and
    /// `beta.ppf(0.975, x + 1, n - x)`.
    const BY_SCIPY: [(u64, u64, f64, f64); 10] = [
        (0, 1, 0.0, 0.975),
        (0, 10, 0.0, 0.308_497_107_819),
        (0, 72, 0.0, 0.049_944_083_705_9),
        (0, 4000, 0.0, 0.000_921_794_749_483),
        (1, 10, 0.002_528_578_544_46, 0.445_016_117_028),
        (3, 72, 0.008_676_497_316_34, 0.116_974_819_826),
        (72, 72, 0.950_055_916_294, 1.0),
        (5, 5, 0.478_176_249_895, 1.0),
        (50, 1000, 0.037_335_397_604_7, 0.065_390_487_915_5),
        (999, 1000, 0.994_441_075_72, 0.999_974_682_513),
    ];

    #[test]
    fn limits_agree_with_those_of_another_program() {
        for (wrong, units, low, high) in BY_SCIPY {
            let computed = interval(wrong as f64 / units as f64, units);
            assert!((computed.0 - low).abs() < 1e-10, "{wrong} of {units}: {computed:?}");
            assert!((computed.1 - high).abs() < 1e-10, "{wrong} of {units}: {computed:?}");
        }
    }

    #[test]
    fn a_share_between_two_numbers_of_units_gets_the_interval_of_both() {
        let (low, high) = interval(0.15, 10);
        assert_eq!((low, high), (interval(0.1, 10).0, interval(0.2, 10).1));
        assert_eq!(interval(0.5, 1), (0.0, 1.0), "half of one unit says nothing");
        assert_eq!(interval(0.0, 0), (0.0, 1.0), "nor does no unit");
    }

    proptest! {
        #[test]
        fn the_interval_contains_the_share(wrong in 0_u64..100, units in 1_u64..100) {
            let share = wrong.min(units) as f64 / units as f64;
            let (low, high) = interval(share, units);
            prop_assert!((0.0..=share + 1e-12).contains(&low) && (share - 1e-12..=1.0).contains(&high), "{low} {high}");
        }
    }
}
