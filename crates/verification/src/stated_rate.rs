use padan_inference::CalibrationPoint;

/// The false match rate that a scale states for a percentage.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StatedRate {
    /// The percentage.
    pub percentage: u8,
    /// The rate.
    pub fmr: f64,
}

/// The rates that a scale states for some percentages, between points by the logarithm.
pub(crate) fn stated_fmr(points: &[CalibrationPoint]) -> Vec<StatedRate> {
    let stated = |percentage: u8| {
        let wanted = f64::from(percentage);
        let above = points.iter().position(|point| point.percentage >= wanted)?;
        let high = &points[above];
        let low = above.checked_sub(1).map_or(high, |below| &points[below]);
        let width = high.percentage - low.percentage;
        let share = if width > 0.0 { (wanted - low.percentage) / width } else { 1.0 };
        let [low, high] = [low, high].map(|point| point.fmr.max(f64::MIN_POSITIVE).log10());
        Some(StatedRate { percentage, fmr: 10_f64.powf(low + share * (high - low)) })
    };
    [50, 60, 75, 90].into_iter().filter_map(stated).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_between_points_lie_between_theirs_by_the_logarithm() {
        let point = |percentage, fmr| CalibrationPoint {
            percentage,
            cosine: percentage / 100.0,
            fmr,
            fmr_interval: None,
            fnmr: None,
            extrapolated: false,
            anchor: None,
        };
        let points = [point(0.0, 0.5), point(50.0, 1e-2), point(70.0, 1e-4), point(100.0, 1e-6)];
        let rates = stated_fmr(&points);
        let expected = [
            (50, 1e-2),
            (60, 1e-3),
            (75, 10_f64.powf(-4.0 - 2.0 / 6.0)),
            (90, 10_f64.powf(-4.0 - 4.0 / 3.0)),
        ];
        assert_eq!(rates.len(), expected.len());
        for (rate, (percentage, fmr)) in rates.iter().zip(expected) {
            assert_eq!(rate.percentage, percentage);
            assert!((rate.fmr / fmr - 1.0).abs() < 1e-9, "{rate:?} {fmr}");
        }
    }
}
