//! Accuracy, AUC, EER and error rates of scored pairs.
//!
//! A pair matches at a threshold when its cosine is at or above it. A pair of which a photo failed has the cosine -1, so
//! that it matches at no threshold that means anything: it is a miss when it is genuine, and right when it is not.

use serde::Serialize;

/// A pair with its cosine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Scored {
    /// The cosine, -1 when a photo failed.
    pub(crate) cosine: f64,
    /// Whether the pair is genuine.
    pub(crate) same: bool,
    /// Its part of a cross-validation.
    pub(crate) fold: Option<usize>,
}

/// The share of pairs that a threshold tells right.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Accuracy {
    /// Over the folds, each judged at the threshold that is best for the others; without folds at the best threshold of
    /// all, which flatters.
    pub mean: f64,
    /// The standard deviation over the folds; 0 without.
    pub std: f64,
    /// Of each fold; empty without.
    pub folds: Vec<f64>,
    /// The threshold; with folds the mean of theirs.
    pub threshold: f64,
}

/// The accuracy: cross-validated where every pair has a fold, else the best.
pub(crate) fn accuracy(pairs: &[Scored]) -> Accuracy {
    let folds = pairs.iter().map(|pair| pair.fold).collect::<Option<Vec<_>>>();
    let count = folds.map_or(0, |folds| folds.into_iter().max().map_or(0, |last| last + 1));
    if count < 2 {
        let threshold = best_threshold(pairs.iter());
        let mean = share_right(pairs.iter(), threshold);
        return Accuracy { mean, std: 0.0, folds: Vec::new(), threshold };
    }
    let of_fold = |fold: usize| {
        let threshold = best_threshold(pairs.iter().filter(|pair| pair.fold != Some(fold)));
        (share_right(pairs.iter().filter(|pair| pair.fold == Some(fold)), threshold), threshold)
    };
    let (folds, thresholds): (Vec<_>, Vec<_>) = (0..count).map(of_fold).unzip();
    let mean = mean(&folds);
    let variance = folds.iter().map(|share| (share - mean).powi(2)).sum::<f64>() / folds.len() as f64;
    Accuracy { mean, std: variance.sqrt(), threshold: self::mean(&thresholds), folds }
}

/// The area under the ROC curve: how often a genuine pair has the higher cosine of a genuine and an impostor pair, ties
/// counting half. 0.5 without pairs of both kinds.
pub(crate) fn auc(pairs: &[Scored]) -> f64 {
    let (genuine, impostors) = split(pairs);
    if genuine.is_empty() || impostors.is_empty() {
        return 0.5;
    }
    let won: f64 = (genuine.iter())
        .map(|cosine| {
            let below = impostors.partition_point(|other| other < cosine);
            let equal = impostors.partition_point(|other| other <= cosine) - below;
            below as f64 + 0.5 * equal as f64
        })
        .sum();
    won / (genuine.len() as f64 * impostors.len() as f64)
}

/// The rate at which false matches and false non-matches are equally frequent, interpolated between the two cosines
/// around it. 0.5 without pairs of both kinds.
pub(crate) fn equal_error_rate(pairs: &[Scored]) -> f64 {
    let (genuine, impostors) = split(pairs);
    if genuine.is_empty() || impostors.is_empty() {
        return 0.5;
    }
    let mut before = (1.0, 0.0);
    let mut thresholds: Vec<_> = genuine.iter().chain(&impostors).copied().collect();
    thresholds.sort_by(f64::total_cmp);
    thresholds.dedup();
    for threshold in thresholds.into_iter().chain([f64::INFINITY]) {
        let rates = (share_reaching(&impostors, threshold), 1.0 - share_reaching(&genuine, threshold));
        if rates.1 >= rates.0 {
            let (gap_before, gap) = (before.0 - before.1, rates.1 - rates.0);
            let share = if gap_before + gap > 0.0 { gap_before / (gap_before + gap) } else { 0.0 };
            return before.1 + share * (rates.1 - before.1);
        }
        before = rates;
    }
    0.5
}

/// The lowest threshold that at most this share of the impostor pairs reaches; `None` when fewer than three of them would
/// make up the share.
pub(crate) fn cosine_at_fmr(sorted_impostors: &[f64], fmr: f64) -> Option<f64> {
    let may_reach = fmr * sorted_impostors.len() as f64 + 1e-9;
    if may_reach < 3.0 {
        return None;
    }
    let most = may_reach.floor() as usize;
    let Some(one_too_many) = sorted_impostors.len().checked_sub(most + 1) else { return Some(-1.0) };
    // Pairs with the same cosine stay together, below the threshold.
    let excluded = sorted_impostors[one_too_many];
    let above = sorted_impostors.partition_point(|cosine| *cosine <= excluded);
    Some(sorted_impostors.get(above).map_or(excluded.next_up(), |last| f64::midpoint(*last, excluded)))
}

/// The share of sorted cosines that reach a threshold.
pub(crate) fn share_reaching(sorted: &[f64], threshold: f64) -> f64 {
    let below = sorted.partition_point(|cosine| *cosine < threshold);
    if sorted.is_empty() { 0.0 } else { (sorted.len() - below) as f64 / sorted.len() as f64 }
}

/// The cosines of genuine and of impostor pairs, each in increasing order.
pub(crate) fn split(pairs: &[Scored]) -> (Vec<f64>, Vec<f64>) {
    let sorted = |same: bool| {
        let mut cosines: Vec<_> = pairs.iter().filter(|p| p.same == same).map(|p| p.cosine).collect();
        cosines.sort_by(f64::total_cmp);
        cosines
    };
    (sorted(true), sorted(false))
}

/// The value below which this share of sorted values lies, interpolated; `None` without values.
pub(crate) fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let place = share.clamp(0.0, 1.0) * last as f64;
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    Some(below + (above - below) * place.fract())
}

/// The cosine at which most pairs are told right, the lowest of several.
fn best_threshold<'a>(pairs: impl Iterator<Item = &'a Scored>) -> f64 {
    let mut sorted: Vec<_> = pairs.map(|pair| (pair.cosine, pair.same)).collect();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let genuine = sorted.iter().filter(|(_, same)| *same).count();
    // Below all, every pair matches.
    let (mut right, mut best) = (genuine, (genuine, sorted.first().map_or(0.0, |(cosine, _)| *cosine)));
    for (at, (cosine, same)) in sorted.iter().enumerate() {
        right = if *same { right - 1 } else { right + 1 };
        let next = sorted.get(at + 1).map_or(f64::INFINITY, |(next, _)| *next);
        if next > *cosine && right > best.0 {
            best = (right, next);
        }
    }
    best.1
}

fn share_right<'a>(pairs: impl Iterator<Item = &'a Scored>, threshold: f64) -> f64 {
    let (right, all) = pairs.fold((0_u64, 0_u64), |(right, all), pair| {
        (right + u64::from((pair.cosine >= threshold) == pair.same), all + 1)
    });
    if all == 0 { 0.0 } else { right as f64 / all as f64 }
}

fn mean(values: &[f64]) -> f64 {
    if values.is_empty() { 0.0 } else { values.iter().sum::<f64>() / values.len() as f64 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scored(genuine: &[f64], impostors: &[f64]) -> Vec<Scored> {
        let of = |cosines: &[f64], same| {
            cosines.iter().map(|cosine| Scored { cosine: *cosine, same, fold: None }).collect::<Vec<_>>()
        };
        [of(genuine, true), of(impostors, false)].concat()
    }

    #[test]
    fn what_is_apart_has_no_errors() {
        let pairs = scored(&[0.7, 0.8, 0.9], &[0.1, 0.2]);
        assert_eq!(accuracy(&pairs).mean, 1.0);
        assert_eq!(accuracy(&pairs).threshold, 0.7);
        assert_eq!(auc(&pairs), 1.0);
        assert_eq!(equal_error_rate(&pairs), 0.0);
    }

    #[test]
    fn one_of_four_on_the_wrong_side_each() {
        // By hand: at 0.4 three of four genuine pairs match and one of four impostor pairs does.
        let pairs = scored(&[0.3, 0.5, 0.6, 0.7], &[0.0, 0.1, 0.2, 0.4]);
        assert_eq!(accuracy(&pairs).mean, 0.875);
        assert_eq!(equal_error_rate(&pairs), 0.25);
        // 0.3 beats three impostors, the others beat four: 15 of 16.
        assert_eq!(auc(&pairs), 15.0 / 16.0);
    }

    #[test]
    fn ties_count_half() {
        assert_eq!(auc(&scored(&[0.5], &[0.5])), 0.5);
    }

    #[test]
    fn each_fold_is_judged_by_the_threshold_of_the_others() {
        let mut pairs = scored(&[0.6, 0.9, 0.3, 0.9], &[0.1, 0.2, 0.1, 0.4]);
        for (pair, fold) in pairs.iter_mut().zip([0, 0, 1, 1, 0, 0, 1, 1]) {
            pair.fold = Some(fold);
        }
        // By hand: of fold 1, three of four are right from 0.3 on, and no more anywhere; of fold 0, all from 0.6 on. With
        // 0.3 all of fold 0 are right; with 0.6, fold 1 has its 0.3 wrong.
        let found = accuracy(&pairs);
        assert_eq!(found.folds, [1.0, 0.75]);
        assert_eq!((found.mean, found.std), (0.875, 0.125));
        assert!((found.threshold - 0.45).abs() < 1e-12);
    }

    #[test]
    fn a_rate_takes_three_pairs_to_be_told() {
        let impostors: Vec<f64> = (0..300).map(|n| f64::from(n) / 1000.0).collect();
        // Three of 300 reach what lies between the third and the fourth from above.
        assert!((cosine_at_fmr(&impostors, 0.01).unwrap() - 0.2965).abs() < 1e-12);
        assert_eq!(cosine_at_fmr(&impostors, 0.009), None);
        assert_eq!(cosine_at_fmr(&impostors, 1.0), Some(-1.0));
    }

    #[test]
    fn pairs_with_the_same_cosine_stay_below_together() {
        let impostors = [[0.1; 290].as_slice(), &[0.3; 10]].concat();
        assert_eq!(cosine_at_fmr(&impostors, 0.01), Some(0.3_f64.next_up()));
        assert_eq!(cosine_at_fmr(&impostors, 0.04), Some(0.2));
    }

    #[test]
    fn quantiles_are_interpolated() {
        assert_eq!(quantile(&[1.0, 2.0, 4.0], 0.75), Some(3.0));
        assert_eq!(quantile(&[], 0.5), None);
    }

    proptest! {
        #[test]
        fn rates_lie_in_their_ranges_and_the_threshold_keeps_its_promise(
            genuine in prop::collection::vec(-1.0_f64..1.0, 1..40),
            impostors in prop::collection::vec(-1.0_f64..1.0, 3..400),
            fmr in 0.01_f64..1.0,
        ) {
            let pairs = scored(&genuine, &impostors);
            prop_assert!((0.0..=1.0).contains(&auc(&pairs)));
            prop_assert!((0.0..=1.0).contains(&equal_error_rate(&pairs)));
            let found = accuracy(&pairs);
            let trivial = genuine.len().max(impostors.len()) as f64 / pairs.len() as f64;
            prop_assert!(found.mean >= trivial - 1e-12);
            prop_assert!((share_right(pairs.iter(), found.threshold) - found.mean).abs() < 1e-12);
            let (_, sorted) = split(&pairs);
            if let Some(cosine) = cosine_at_fmr(&sorted, fmr) {
                prop_assert!(share_reaching(&sorted, cosine) <= fmr + 1e-9);
            }
        }
    }
}
