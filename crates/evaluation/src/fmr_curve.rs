use crate::cross_pairs::CrossPairs;

/// The false match rate as a function of the cosine, extrapolated linearly in its logarithm beyond the data.
#[derive(Debug)]
pub(crate) struct FmrCurve<'a> {
    pairs: &'a CrossPairs,
    /// The lowest rate that the data supports.
    min_rate: f64,
    /// The cosine at this rate.
    max_cosine: f64,
    /// How much the cosine rises while the rate falls to a tenth, in the last two decades of the data.
    rise: f64,
}

impl<'a> FmrCurve<'a> {
    /// The data supports rates of at least `min_pairs` pairs.
    pub(crate) fn new(pairs: &'a CrossPairs, min_pairs: f64) -> Self {
        let min_rate = min_pairs / pairs.total().max(1) as f64;
        let cosine_at = |rate: f64| pairs.cosine_at(rate.min(1.0)).unwrap_or(-1.0);
        let max_cosine = cosine_at(min_rate);
        // A line that does not rise would never reach a lower rate.
        let rise = ((max_cosine - cosine_at(min_rate * 100.0)) / 2.0).max(1e-4);
        Self { pairs, min_rate, max_cosine, rise }
    }

    /// The cosine at a rate.
    pub(crate) fn cosine(&self, rate: f64) -> f64 {
        if rate >= self.min_rate {
            return self.pairs.cosine_at(rate).unwrap_or(self.max_cosine);
        }
        self.max_cosine + self.rise * (self.min_rate / rate).log10()
    }

    /// The rate at a cosine.
    pub(crate) fn fmr(&self, cosine: f64) -> f64 {
        if cosine <= self.max_cosine {
            return self.pairs.fmr(cosine).max(self.min_rate);
        }
        self.min_rate * 10_f64.powf(-(cosine - self.max_cosine) / self.rise)
    }

    /// Whether a cosine is beyond the data.
    pub(crate) fn is_extrapolated(&self, cosine: f64) -> bool {
        cosine > self.max_cosine
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_the_data_the_cosine_rises_as_in_the_last_two_decades() {
        // The cosine is (decades from 1) / 10, so 1e6 pairs fall by ten each 0.1 of cosine.
        let pairs = CrossPairs::of_cosines(
            (1..=1_000_000_u32).map(|rank| (6.0 - f64::from(rank).log10()) as f32 / 10.0),
        );
        let curve = FmrCurve::new(&pairs, 10.0);
        for (rate, cosine) in [(1e-2, 0.2), (1e-4, 0.4), (1e-5, 0.5), (1e-6, 0.6), (1e-8, 0.8)] {
            assert!((curve.cosine(rate) - cosine).abs() < 1e-2, "{rate}: {}", curve.cosine(rate));
            assert!(
                (curve.fmr(cosine).log10() - rate.log10()).abs() < 0.06,
                "{cosine}: {}",
                curve.fmr(cosine)
            );
        }
        assert!(!curve.is_extrapolated(0.49) && curve.is_extrapolated(0.51));
    }
}
