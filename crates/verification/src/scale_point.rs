/// A point of a scale of percentages.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScalePoint {
    /// The percentage, 0 to 100.
    pub percentage: f64,
    /// The share of comparisons of two people that reach it.
    pub false_match_rate: f64,
}

impl ScalePoint {
    /// The false match rate of a percentage: between two points it is linear in its logarithm.
    pub fn rate_at(scale: &[Self], percentage: f64) -> Option<f64> {
        let after = scale.iter().position(|point| point.percentage >= percentage)?;
        let high = scale[after];
        if high.percentage <= percentage {
            return Some(high.false_match_rate);
        }
        let low = scale[after.checked_sub(1)?];
        let share = (percentage - low.percentage) / (high.percentage - low.percentage);
        let logarithm = low.false_match_rate.ln() * (1.0 - share) + high.false_match_rate.ln() * share;
        Some(logarithm.exp())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_false_match_rate_is_linear_in_its_logarithm_between_two_points() {
        let point = |percentage, false_match_rate| ScalePoint { percentage, false_match_rate };
        let scale = [point(0.0, 1.0), point(50.0, 1e-2), point(75.0, 1e-4), point(100.0, 1e-8)];
        for (percentage, rate) in
            [(0.0, 1.0), (25.0, 1e-1), (50.0, 1e-2), (62.5, 1e-3), (75.0, 1e-4), (100.0, 1e-8)]
        {
            let found = ScalePoint::rate_at(&scale, percentage).unwrap();
            assert!((found / rate - 1.0).abs() < 1e-9, "{percentage}: {found}");
        }
        assert_eq!(ScalePoint::rate_at(&scale, 100.1), None);
        assert_eq!(ScalePoint::rate_at(&[], 50.0), None);
    }
}
