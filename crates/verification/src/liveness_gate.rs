use std::fmt;

use serde::Deserialize;

/// What a face verification does with the score that the liveness set gives its selfie. The error rates of the shipped
/// manifests on attacks have not been measured, and they are no certified detection.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(try_from = "Raw")]
pub struct LivenessGate {
    action: GateAction,
    at: f64,
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum GateAction {
    /// Nothing: the selfie is not judged.
    Off,
    /// The score goes into the audit row and the metrics.
    Record,
    /// A selfie whose score is too high is refused as well.
    Refuse,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    gate: GateAction,
    at: f64,
}

/// The score is out of range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("verification.liveness.at must lie above 0 and not above 1")]
pub struct InvalidGate;

/// The gate needs a liveness set, and the settings name none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "verification.liveness.gate = \"{0}\" needs a liveness set, and inference.liveness_set is not set: install one with \
     `padan models install` and name it there, or set the gate to \"off\""
)]
pub struct NoLivenessSet(&'static str);

impl LivenessGate {
    /// Whether selfies are judged.
    pub fn is_on(self) -> bool {
        self.action != GateAction::Off
    }

    /// The score from which a selfie is refused.
    pub fn at(self) -> f64 {
        self.at
    }

    /// Whether a selfie of this score is refused.
    pub fn refuses(self, spoof: f64) -> bool {
        self.action == GateAction::Refuse && spoof >= self.at
    }

    /// Checks that there is a liveness set if there must be one.
    ///
    /// # Errors
    ///
    /// [`NoLivenessSet`] when selfies are to be judged without one.
    pub fn check(self, liveness_set: Option<&str>) -> Result<(), NoLivenessSet> {
        if self.is_on() && liveness_set.is_none() {
            return Err(NoLivenessSet(self.action.as_str()));
        }
        Ok(())
    }
}

impl GateAction {
    fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Record => "record",
            Self::Refuse => "refuse",
        }
    }
}

impl fmt::Display for LivenessGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.action.as_str())?;
        match self.action {
            GateAction::Off | GateAction::Record => Ok(()),
            GateAction::Refuse => write!(f, " from {}", self.at),
        }
    }
}

impl TryFrom<Raw> for LivenessGate {
    type Error = InvalidGate;

    fn try_from(Raw { gate, at }: Raw) -> Result<Self, InvalidGate> {
        // 0 would refuse everybody.
        if at > 0.0 && at <= 1.0 { Ok(Self { action: gate, at }) } else { Err(InvalidGate) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<LivenessGate, String> {
        toml::from_str(text).map_err(|error| error.message().to_owned())
    }

    #[test]
    fn a_score_is_refused_from_the_bound_on_and_only_by_the_gate_that_refuses() {
        let gate = |word: &str| parsed(&format!("gate = \"{word}\"\nat = 0.5")).unwrap();
        assert!(gate("refuse").refuses(0.5) && gate("refuse").refuses(1.0) && !gate("refuse").refuses(0.499));
        assert!(!gate("record").refuses(1.0) && !gate("off").refuses(1.0));
        let words = ["off", "record", "refuse"].map(|word| gate(word).to_string());
        assert_eq!(words, ["off", "record", "refuse from 0.5"]);
    }

    #[test]
    fn a_gate_needs_a_set_and_a_score_between_0_and_1() {
        for at in ["0.0", "-0.1", "1.01", "nan", "inf"] {
            assert!(
                parsed(&format!("gate = \"off\"\nat = {at}"))
                    .unwrap_err()
                    .contains("above 0 and not above 1")
            );
        }
        assert!(parsed("gate = \"on\"\nat = 0.5").unwrap_err().contains("unknown variant"));
        let off = parsed("gate = \"off\"\nat = 0.5").unwrap();
        assert_eq!(off.check(None), Ok(()));
        let refuse = parsed("gate = \"refuse\"\nat = 0.5").unwrap();
        assert_eq!(refuse.check(Some("minifasnet")), Ok(()));
        let error = refuse.check(None).unwrap_err().to_string();
        assert!(error.starts_with("verification.liveness.gate = \"refuse\" needs a liveness set"), "{error}");
    }
}
