//! Accuracy, AUC, EER and error rates of scored pairs.
//!
//! A pair matches at a threshold when its cosine is at or above it. A pair with a failed photo has the cosine -1, so it
//! matches at no useful threshold: a genuine pair then counts as a miss, and an impostor pair as correct.

use serde::Serialize;

/// A labelled pair's cosine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct LabelledScore {
    /// The cosine, -1 when a photo failed.
    pub(crate) cosine: f64,
    /// Whether the pair is genuine.
    pub(crate) same: bool,
    /// Its fold of a cross-validation.
    pub(crate) fold: Option<usize>,
}

/// The share of pairs that a threshold classifies correctly.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Accuracy {
    /// The mean over the folds, each classified by the best threshold of the others. Without folds, the share at the
    /// best threshold of all pairs, which is optimistic.
    pub mean: f64,
    /// The standard deviation over the folds; 0 without folds.
    pub std: f64,
    /// The share of each fold; empty without folds.
    pub folds: Vec<f64>,
    /// The threshold; the mean threshold with folds.
    pub threshold: f64,
}

/// The accuracy: cross-validated when every pair has a fold, else at the best threshold.
pub(crate) fn accuracy(pairs: &[LabelledScore]) -> Accuracy {
    let folds = pairs.iter().map(|pair| pair.fold).collect::<Option<Vec<_>>>();
    let count = folds.map_or(0, |folds| folds.into_iter().max().map_or(0, |last| last + 1));
    if count < 2 {
        let threshold = best_threshold(pairs.iter());
        let mean = share_correct(pairs.iter(), threshold);
        return Accuracy { mean, std: 0.0, folds: Vec::new(), threshold };
    }
    let of_fold = |fold: usize| {
        let threshold = best_threshold(pairs.iter().filter(|pair| pair.fold != Some(fold)));
        (share_correct(pairs.iter().filter(|pair| pair.fold == Some(fold)), threshold), threshold)
    };
    let (folds, thresholds): (Vec<_>, Vec<_>) = (0..count).map(of_fold).unzip();
    let mean = mean(&folds);
    let variance = folds.iter().map(|share| (share - mean).powi(2)).sum::<f64>() / folds.len() as f64;
    Accuracy { mean, std: variance.sqrt(), threshold: self::mean(&thresholds), folds }
}

/// The area under the ROC curve: the probability that a genuine pair has a higher cosine than an impostor pair, with
/// ties counting half. 0.5 without pairs of both kinds.
pub(crate) fn auc(pairs: &[LabelledScore]) -> f64 {
    let (genuine, impostors) = split(pairs);
    if genuine.is_empty() || impostors.is_empty() {
        return 0.5;
    }
    let higher: f64 = (genuine.iter())
        .map(|cosine| {
            let below = impostors.partition_point(|other| other < cosine);
            let equal = impostors.partition_point(|other| other <= cosine) - below;
            below as f64 + 0.5 * equal as f64
        })
        .sum();
    higher / (genuine.len() as f64 * impostors.len() as f64)
}

/// The equal error rate, at which the false match rate and the false non-match rate are equal. It is interpolated
/// between neighbouring thresholds. 0.5 without pairs of both kinds.
pub(crate) fn equal_error_rate(pairs: &[LabelledScore]) -> f64 {
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

/// The lowest threshold that at most this share of the impostor pairs reaches; `None` when the share is fewer than
/// three pairs.
pub(crate) fn cosine_at_fmr(sorted_impostors: &[f64], fmr: f64) -> Option<f64> {
    let allowed = fmr * sorted_impostors.len() as f64 + 1e-9;
    if allowed < 3.0 {
        return None;
    }
    let max_pairs = allowed.floor() as usize;
    let Some(first_excess) = sorted_impostors.len().checked_sub(max_pairs + 1) else { return Some(-1.0) };
    // Pairs with the same cosine stay on the same side, below the threshold.
    let excluded = sorted_impostors[first_excess];
    let above = sorted_impostors.partition_point(|cosine| *cosine <= excluded);
    Some(sorted_impostors.get(above).map_or(excluded.next_up(), |last| f64::midpoint(*last, excluded)))
}

/// The share of sorted cosines that reach a threshold.
pub(crate) fn share_reaching(sorted: &[f64], threshold: f64) -> f64 {
    let below = sorted.partition_point(|cosine| *cosine < threshold);
    if sorted.is_empty() { 0.0 } else { (sorted.len() - below) as f64 / sorted.len() as f64 }
}

/// The cosines of genuine and of impostor pairs, each in increasing order.
pub(crate) fn split(pairs: &[LabelledScore]) -> (Vec<f64>, Vec<f64>) {
    let sorted = |same: bool| {
        let mut cosines: Vec<_> = pairs.iter().filter(|p| p.same == same).map(|p| p.cosine).collect();
        cosines.sort_by(f64::total_cmp);
        cosines
    };
    (sorted(true), sorted(false))
}

/// The quantile of sorted values, interpolated; `None` without values.
pub(crate) fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let position = share.clamp(0.0, 1.0) * last as f64;
    let (below, above) = (sorted[position.floor() as usize], sorted[position.ceil() as usize]);
    Some(below + (above - below) * position.fract())
}

/// The threshold that classifies the most pairs correctly; the lowest of them when there are several.
fn best_threshold<'a>(pairs: impl Iterator<Item = &'a LabelledScore>) -> f64 {
    let mut sorted: Vec<_> = pairs.map(|pair| (pair.cosine, pair.same)).collect();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let genuine = sorted.iter().filter(|(_, same)| *same).count();
    // At the lowest cosine every pair matches.
    let (mut correct, mut best) = (genuine, (genuine, sorted.first().map_or(0.0, |(cosine, _)| *cosine)));
    for (at, (cosine, same)) in sorted.iter().enumerate() {
        correct = if *same { correct - 1 } else { correct + 1 };
        let next = sorted.get(at + 1).map_or(f64::INFINITY, |(next, _)| *next);
        if next > *cosine && correct > best.0 {
            best = (correct, next);
        }
    }
    best.1
}

fn share_correct<'a>(pairs: impl Iterator<Item = &'a LabelledScore>, threshold: f64) -> f64 {
    let (correct, all) = pairs.fold((0_u64, 0_u64), |(correct, all), pair| {
        (correct + u64::from((pair.cosine >= threshold) == pair.same), all + 1)
    });
    if all == 0 { 0.0 } else { correct as f64 / all as f64 }
}

fn mean(values: &[f64]) -> f64 {
    if values.is_empty() { 0.0 } else { values.iter().sum::<f64>() / values.len() as f64 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scored(genuine: &[f64], impostors: &[f64]) -> Vec<LabelledScore> {
        let of = |cosines: &[f64], same| {
            cosines
                .iter()
                .map(|cosine| LabelledScore { cosine: *cosine, same, fold: None })
                .collect::<Vec<_>>()
        };
        [of(genuine, true), of(impostors, false)].concat()
    }

    #[test]
    fn separated_pairs_have_no_errors() {
        let pairs = scored(&[0.7, 0.8, 0.9], &[0.1, 0.2]);
        assert_eq!(accuracy(&pairs).mean, 1.0);
        assert_eq!(accuracy(&pairs).threshold, 0.7);
        assert_eq!(auc(&pairs), 1.0);
        assert_eq!(equal_error_rate(&pairs), 0.0);
    }

    #[test]
    fn one_of_four_pairs_of_each_kind_is_wrong() {
        // By hand: at 0.4 three of four genuine pairs match and one of four impostor pairs does.
        let pairs = scored(&[0.3, 0.5, 0.6, 0.7], &[0.0, 0.1, 0.2, 0.4]);
        assert_eq!(accuracy(&pairs).mean, 0.875);
        assert_eq!(equal_error_rate(&pairs), 0.25);
        // 0.3 is higher than three impostor cosines, the others than four: 15 of 16.
        assert_eq!(auc(&pairs), 15.0 / 16.0);
    }

    #[test]
    fn equal_cosines_count_half() {
        assert_eq!(auc(&scored(&[0.5], &[0.5])), 0.5);
    }

    #[test]
    fn each_fold_is_classified_by_the_threshold_of_the_others() {
        let mut pairs = scored(&[0.6, 0.9, 0.3, 0.9], &[0.1, 0.2, 0.1, 0.4]);
        for (pair, fold) in pairs.iter_mut().zip([0, 0, 1, 1, 0, 0, 1, 1]) {
            pair.fold = Some(fold);
        }
        // By hand: the best threshold of fold 1 is 0.3, with three of four pairs correct; that of fold 0 is 0.6, with
        // all correct. At 0.3 all of fold 0 are correct; at 0.6 the genuine 0.3 of fold 1 is wrong.
        let found = accuracy(&pairs);
        assert_eq!(found.folds, [1.0, 0.75]);
        assert_eq!((found.mean, found.std), (0.875, 0.125));
        assert!((found.threshold - 0.45).abs() < 1e-12);
    }

    #[test]
    fn a_rate_requires_three_pairs() {
        let impostors: Vec<f64> = (0..300).map(|n| f64::from(n) / 1000.0).collect();
        // Three of 300 reach the middle of the third and the fourth highest cosine.
        assert!((cosine_at_fmr(&impostors, 0.01).unwrap() - 0.2965).abs() < 1e-12);
        assert_eq!(cosine_at_fmr(&impostors, 0.009), None);
        assert_eq!(cosine_at_fmr(&impostors, 1.0), Some(-1.0));
    }

    #[test]
    fn pairs_with_the_same_cosine_stay_below_the_threshold() {
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
        fn rates_are_in_range_and_the_threshold_does_not_exceed_the_rate(
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
            prop_assert!((share_correct(pairs.iter(), found.threshold) - found.mean).abs() < 1e-12);
            let (_, sorted) = split(&pairs);
            if let Some(cosine) = cosine_at_fmr(&sorted, fmr) {
                prop_assert!(share_reaching(&sorted, cosine) <= fmr + 1e-9);
            }
        }
    }
}
