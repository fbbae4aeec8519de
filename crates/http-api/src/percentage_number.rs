use serde::{Serialize, Serializer};

/// Serializes a percentage with at most two decimals, and a whole number without any.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct PercentageNumber(pub(crate) f64);

impl Serialize for PercentageNumber {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // The value is truncated to two decimals already, so its shortest exact text has no more.
        if self.0.fract() == 0.0 {
            serializer.serialize_u8(self.0 as u8)
        } else {
            serializer.serialize_f64(self.0)
        }
    }
}

#[cfg(test)]
mod tests {
    use padan_domain::Percentage;
    use proptest::prelude::*;

    use super::*;

    fn written(value: f64) -> String {
        serde_json::to_string(&PercentageNumber(value)).unwrap()
    }

    #[test]
    fn numbers_are_written_as_documented() {
        assert_eq!(written(82.04), "82.04");
        assert_eq!(written(0.0), "0");
        assert_eq!(written(75.0), "75");
        assert_eq!(written(42.5), "42.5");
        assert_eq!(written(100.0), "100");
        assert_eq!(written(Percentage::new(74.996).shown()), "74.99");
    }

    proptest! {
        #[test]
        fn never_more_than_two_decimals(value in 0.0_f64..=100.0) {
            let text = written(Percentage::new(value).shown());
            let decimals = text.split_once('.').map_or(0, |(_, decimals)| decimals.len());
            prop_assert!(decimals <= 2 && !text.contains('e'), "{}", text);
        }
    }
}
