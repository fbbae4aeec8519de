use std::{
    hash::{BuildHasher as _, Hasher as _, RandomState},
    sync::atomic::{AtomicU64, Ordering},
};

/// A sequence of numbers that are as good as random for a sample, and differ from process to process.
#[derive(Debug)]
pub(crate) struct Random(AtomicU64);

impl Random {
    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(random_seed()))
    }

    /// The next number (G. L. Steele, D. Lea, C. H. Flood: Fast splittable pseudorandom number generators, OOPSLA 2014).
    pub(crate) fn next(&self) -> u64 {
        const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;
        let state = self.0.fetch_add(GAMMA, Ordering::Relaxed).wrapping_add(GAMMA);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// A number that differs from process to process.
fn random_seed() -> u64 {
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_spread_evenly_and_differ_from_process_to_process() {
        let random = Random::new();
        let mut counts = [0_u32; 100];
        for _ in 0..100_000 {
            counts[(random.next() % 100) as usize] += 1;
        }
        // The sum of squares of 100 counts of 1,000 each has 99 degrees of freedom; 149 is exceeded once in 1,000 times.
        let chi_squared: f64 = counts.iter().map(|count| (f64::from(*count) - 1000.0).powi(2) / 1000.0).sum();
        assert!(chi_squared < 200.0, "{chi_squared}");
        assert_ne!(random_seed(), random_seed());
    }
}
