use crate::embedding::Similarity;

/// The intervals of equal width in which similarities are counted. The first and the last one also have what lies beyond.
#[derive(Debug, Clone, Copy)]
pub struct SimilarityBins;

impl SimilarityBins {
    /// The number of intervals.
    pub const COUNT: usize = 300;
    const LOWEST: f64 = -0.5;
    const WIDTH: f64 = 0.005;

    /// The interval that a similarity belongs to. A boundary belongs to the interval above it.
    pub fn index(similarity: Similarity) -> usize {
        // Rounding errors must not put a boundary into the interval below it.
        let position = ((similarity.cosine() - Self::LOWEST) / Self::WIDTH + 1e-9).floor();
        position.clamp(0.0, (Self::COUNT - 1) as f64) as usize
    }

    /// The cosine at which an interval begins.
    pub fn start(index: usize) -> f64 {
        // A whole number divided by a whole number is as close to the decimal number as it can be.
        (index as f64 - 100.0) / 200.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_boundary_begins_its_interval_and_what_lies_beyond_is_counted_at_the_ends() {
        for index in 0..SimilarityBins::COUNT {
            let start = SimilarityBins::start(index);
            assert_eq!(SimilarityBins::index(Similarity::from_cosine(start)), index, "{start}");
            let within = Similarity::from_cosine(start + 0.0049);
            assert_eq!(SimilarityBins::index(within), index, "{start}");
        }
        let at = |cosine| SimilarityBins::index(Similarity::from_cosine(cosine));
        assert_eq!([at(-1.0), at(-0.5), at(1.0)], [0, 0, 299]);
        assert_eq!([SimilarityBins::start(0), SimilarityBins::start(299)], [-0.5, 0.995]);
    }
}
