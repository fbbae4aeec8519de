use crate::percentage::Percentage;

/// The intervals of five percent in which percentages are counted. 100 belongs to the last one.
#[derive(Debug, Clone, Copy)]
pub struct PercentageBins;

impl PercentageBins {
    /// The number of intervals.
    pub const COUNT: u8 = 20;
    /// The width of an interval, in percent. The pass mark is a boundary.
    pub const WIDTH: u8 = 5;

    /// The percentage at which the interval of a percentage begins. A boundary belongs to the interval above it.
    pub fn start_of(percentage: Percentage) -> u8 {
        let index = (percentage.value() / f64::from(Self::WIDTH)).floor();
        index.min(f64::from(Self::COUNT - 1)) as u8 * Self::WIDTH
    }

    /// Whether percentages of the interval that begins here pass.
    pub fn passes(start: u8) -> bool {
        Percentage::new(start.into()).passes()
    }

    /// The beginnings of all intervals.
    pub fn starts() -> impl DoubleEndedIterator<Item = u8> + Clone {
        (0..Self::COUNT).map(|index| index * Self::WIDTH)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_boundary_begins_its_interval_and_the_pass_mark_is_one() {
        for start in PercentageBins::starts() {
            let exactly = f64::from(start);
            assert_eq!(PercentageBins::start_of(Percentage::new(exactly)), start);
            assert_eq!(PercentageBins::start_of(Percentage::new(exactly + 4.999_999)), start);
            if start > 0 {
                let below = f64::from_bits(exactly.to_bits() - 1);
                assert_eq!(PercentageBins::start_of(Percentage::new(below)), start - 5);
                assert_eq!(Percentage::new(below).passes(), PercentageBins::passes(start - 5));
            }
            assert_eq!(Percentage::new(exactly).passes(), PercentageBins::passes(start));
        }
        assert_eq!([0.0, 100.0].map(|value| PercentageBins::start_of(Percentage::new(value))), [0, 95]);
        assert_eq!(
            PercentageBins::starts().filter(|start| PercentageBins::passes(*start)).collect::<Vec<_>>(),
            [75, 80, 85, 90, 95]
        );
    }
}
