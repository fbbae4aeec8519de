use std::str::FromStr;

/// A share of the requests, above 0 and up to 1, in millionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestShare(u32);

/// The text is no share of the requests.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a share of the requests above 0 and up to 1, such as 0.1")]
pub struct InvalidRequestShare;

impl RequestShare {
    const WHOLE: u32 = 1_000_000;

    /// A number of millionths.
    ///
    /// # Errors
    ///
    /// [`InvalidRequestShare`] when it is 0 or more than a million.
    pub fn of_millionths(millionths: u32) -> Result<Self, InvalidRequestShare> {
        if (1..=Self::WHOLE).contains(&millionths) { Ok(Self(millionths)) } else { Err(InvalidRequestShare) }
    }

    /// The number of millionths.
    pub fn millionths(self) -> u32 {
        self.0
    }

    /// The share as a number above 0 and up to 1.
    pub fn value(self) -> f64 {
        f64::from(self.0) / f64::from(Self::WHOLE)
    }

    /// The share in percent, to print it: 7, where the number above would give 7.000000000000001.
    pub fn percent(self) -> f64 {
        f64::from(self.0) / 10_000.0
    }

    /// Whether a request belongs to the share, by a number that is random and evenly distributed.
    pub fn takes(self, random: u64) -> bool {
        let place = (u128::from(random) * u128::from(Self::WHOLE)) >> 64;
        place < u128::from(self.0)
    }
}

impl FromStr for RequestShare {
    type Err = InvalidRequestShare;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let value: f64 = text.parse().map_err(|_| InvalidRequestShare)?;
        if !(0.0..=1.0).contains(&value) {
            return Err(InvalidRequestShare);
        }
        Self::of_millionths((value * f64::from(Self::WHOLE)).round() as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_have_no_more_digits_than_the_share() {
        let percent = |text: &str| text.parse::<RequestShare>().unwrap().percent().to_string();
        assert_eq!(["0.07", "0.1", "1", "0.29", "0.000001"].map(percent), ["7", "10", "100", "29", "0.0001"]);
    }

    #[test]
    fn shares_above_0_and_up_to_1_are_read() {
        let millionths = |text: &str| text.parse().map(RequestShare::millionths);
        for (text, expected) in
            [("0.1", 100_000), ("1", 1_000_000), ("1.0", 1_000_000), ("0.000001", 1), ("1e-3", 1000)]
        {
            assert_eq!(millionths(text), Ok(expected), "{text}");
        }
        for text in
            ["0", "-0", "0.0000001", "1.0000001", "-0.1", "2", "10%", "NaN", "inf", "", "a tenth", "0,1"]
        {
            assert_eq!(millionths(text), Err(InvalidRequestShare), "{text}");
        }
        assert_eq!(RequestShare::of_millionths(0), Err(InvalidRequestShare));
        assert_eq!(RequestShare::of_millionths(1_000_001), Err(InvalidRequestShare));
    }

    #[test]
    fn a_share_takes_the_lowest_numbers() {
        let tenth: RequestShare = "0.1".parse().unwrap();
        let boundary = u64::MAX / 10;
        assert!(tenth.takes(0) && tenth.takes(boundary - 1_000_000));
        assert!(!tenth.takes(boundary + 1_000_000) && !tenth.takes(u64::MAX));
        let all: RequestShare = "1".parse().unwrap();
        assert!(all.takes(0) && all.takes(u64::MAX));
    }
}
