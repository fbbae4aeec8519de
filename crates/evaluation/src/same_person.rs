//! Tells pairs of one person, and twins, from pairs of strangers by the break in the tail of their cosines.
//!
//! A registry has people with two NIKs, photos under two NIKs, and twins. Their pairs are no impostor pairs, and are far
//! above those of strangers, whose rate falls steadily with the cosine. The rule:
//!
//! 1. A line in -log10(rate) through the cosines at a rate and at ten times that rate says how many pairs of strangers to
//!    expect at or above a cosine. Since the rate of strangers falls ever faster, it expects too many rather
//!    than too few.
//! 2. The break is the lowest cosine at or above which at most one pair of strangers is expected, and at most
//!    [`MAX_STRANGERS`] of the pairs that were found. The pairs from there on are told apart.
//! 3. This begins at a rate of 1 in 100 and is repeated at a tenth of the rate, without the pairs told apart before,
//!    down to the rate of [`MIN_PAIRS`] pairs. Many copies of one photo then do not bend the first line, and the last line
//!    is close to the break. Pairs of one person among the strangers bend a line too, so that it expects more strangers than
//!    an earlier one. Since each line expects too many, the one that tells the most pairs apart counts.

use crate::cross_pairs::{CrossPairs, TailPair};

/// The pairs that are not of strangers.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SamePerson {
    /// The pairs, of the highest cosine first.
    pub pairs: Vec<TailPair>,
    /// The expected number of strangers among them.
    pub expected_strangers: f64,
}

/// The largest expected share of strangers among the pairs that are told apart.
const MAX_STRANGERS: f64 = 0.05;
/// The rate at which the search begins.
const FIRST_RATE: f64 = 1e-2;
/// The least number of pairs that give a point of a line.
const MIN_PAIRS: f64 = 30.0;

impl SamePerson {
    /// Finds them among all pairs.
    pub(crate) fn among(pairs: &CrossPairs) -> Self {
        let total = pairs.total() as f64;
        let mut found = 0;
        let mut expected_strangers = 0.0;
        let mut rate = FIRST_RATE;
        while rate * total >= MIN_PAIRS {
            if let Some(line) = TailLine::at(rate, pairs, found) {
                let beyond = line.pairs_beyond_break(pairs.tail());
                if beyond >= found.max(1) {
                    found = beyond;
                    expected_strangers = line.strangers(pairs.tail()[beyond - 1].cosine.into());
                }
            }
            rate /= 10.0;
        }
        Self { pairs: pairs.tail()[..found].to_vec(), expected_strangers }
    }

    /// The cosine from which on pairs are told apart; `None` when there are none.
    pub fn break_cosine(&self) -> Option<f64> {
        self.pairs.last().map(|pair| f64::from(pair.cosine))
    }

    /// Of people whom the pairs connect, all but the first: one of them stays.
    pub fn surplus_people(&self) -> Vec<u32> {
        let mut first = std::collections::BTreeMap::new();
        for TailPair { a, b, .. } in &self.pairs {
            let (a, b) = (root(&first, *a), root(&first, *b));
            first.insert(a.max(b), a.min(b));
            first.entry(a.min(b)).or_insert(a.min(b));
        }
        first.keys().copied().filter(|person| root(&first, *person) != *person).collect()
    }
}

/// The first person of those to whom a person is connected.
fn root(first: &std::collections::BTreeMap<u32, u32>, person: u32) -> u32 {
    let mut at = person;
    while let Some(next) = first.get(&at).filter(|next| **next != at) {
        at = *next;
    }
    at
}

/// The expected number of pairs of strangers as a function of the cosine.
struct TailLine {
    /// A cosine, and the number of pairs that reach it.
    cosine: f64,
    pairs: f64,
    /// How much the cosine rises while the number falls to a tenth.
    rise: f64,
}

impl TailLine {
    /// The line at a rate, when the first pairs of the tail do not count.
    fn at(rate: f64, pairs: &CrossPairs, told_apart: usize) -> Option<Self> {
        let strangers = pairs.total() as f64 - told_apart as f64;
        let cosine_at = |rate: f64| pairs.cosine_of(told_apart + (rate * strangers).round() as usize);
        let (cosine, low) = (cosine_at(rate), cosine_at(rate * 10.0));
        let rise = cosine - low;
        (rise > 0.0).then_some(Self { cosine, pairs: rate * strangers, rise })
    }

    fn strangers(&self, cosine: f64) -> f64 {
        self.pairs * 10_f64.powf(-(cosine - self.cosine) / self.rise)
    }

    /// How many pairs are beyond the break.
    fn pairs_beyond_break(&self, tail: &[TailPair]) -> usize {
        let above = tail.partition_point(|pair| f64::from(pair.cosine) > self.cosine);
        let is_break = |count: &usize| {
            self.strangers(tail[count - 1].cosine.into()) <= f64::min(1.0, MAX_STRANGERS * *count as f64)
        };
        (1..=above).rev().find(is_break).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A million cosines that fall by ten for each 0.05, and others.
    fn pairs(others: &[f32]) -> CrossPairs {
        let strangers = (1..=1_000_000_u32).map(|rank| (6.0 - f64::from(rank).log10()) as f32 / 20.0 + 0.2);
        CrossPairs::of_cosines(strangers.chain(others.iter().copied()))
    }

    #[test]
    fn strangers_alone_have_no_break() {
        assert_eq!(SamePerson::among(&pairs(&[])), SamePerson::default());
    }

    #[test]
    fn pairs_where_no_stranger_is_expected_are_told_apart() {
        let same = [0.61, 0.7, 0.8, 0.999];
        let found = SamePerson::among(&pairs(&same));
        let cosines: Vec<_> = found.pairs.iter().map(|pair| pair.cosine).collect();
        assert_eq!(cosines, [0.999, 0.8, 0.7, 0.61]);
        // One pair in a million reaches 0.5, so a stranger at 0.61 is as likely as 10 to the power of -0.11 / 0.05.
        let expected = 10_f64.powf(-2.2);
        assert!((found.expected_strangers / expected - 1.0).abs() < 0.05, "{}", found.expected_strangers);
    }

    #[test]
    fn a_pair_among_strangers_stays() {
        assert_eq!(SamePerson::among(&pairs(&[0.49, 0.53])), SamePerson::default());
    }

    /// One photo under 60 of 1,400 NIKs gives more pairs than strangers at a rate of 1 in 1,000.
    #[test]
    fn many_copies_do_not_hide_themselves() {
        let found = SamePerson::among(&pairs(&[0.999; 1770]));
        let copies = found.pairs.iter().filter(|pair| pair.cosine > 0.99).count();
        // Beside them, the rule allows one pair of strangers.
        assert!(copies == 1770 && found.pairs.len() <= 1771, "{copies} of {}", found.pairs.len());
    }

    /// 400 pairs of one person, of which 91 resemble each other as little as strangers do. By the last line alone, 60 of the
    /// others are told apart; by the one before, 248 (computed with `NumPy`).
    #[test]
    fn pairs_among_strangers_do_not_hide_those_above() {
        let rate_of_rank = |rank: u32| 6.0 - f64::from(rank).log10();
        let strangers = (1..=1_000_000).map(|rank| (0.13 * rate_of_rank(rank).powf(2.0 / 3.0)) as f32);
        let same = (0..400_u16).map(|pair| 0.35 + 0.35 * f32::from(pair) / 399.0);
        let found = SamePerson::among(&CrossPairs::of_cosines(strangers.chain(same)));
        assert!((247..=249).contains(&found.pairs.len()), "{}", found.pairs.len());
        assert!(found.expected_strangers <= 1.0, "{}", found.expected_strangers);
    }

    #[test]
    fn of_connected_people_one_stays() {
        let pair = |a, b| TailPair { a, b, cosine: 0.9 };
        let found = |pairs: Vec<TailPair>| SamePerson { pairs, expected_strangers: 0.0 }.surplus_people();
        assert_eq!(found(vec![pair(3, 9)]), [9]);
        assert_eq!(found(vec![pair(5, 9), pair(3, 7), pair(7, 9), pair(3, 5), pair(20, 21)]), [5, 7, 9, 21]);
        assert_eq!(found(Vec::new()), Vec::<u32>::new());
    }
}
