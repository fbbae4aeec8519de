use serde::{Deserialize, Serialize};

/// One rewriting of a model's graph, as a manifest names it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PreparationStep {
    /// Takes the weights out of the list of inputs. As inputs they could be replaced in each run, so the
    /// runtime would neither fold nor pack them.
    WeightsOutOfInputs,
    /// Writes a `PRelu` with a slope for each channel as two scalings and a `Relu`, which the runtime fuses
    /// with the convolutions beside them.
    PreluByConvolutions,
    /// Writes a fully connected layer with 8 bits a weight, a scale for every 32 of them.
    EightBitGemm,
    /// Names height and width instead of fixing them.
    DynamicSize,
    /// Renames an input or output.
    Rename {
        /// The name in the published file.
        from: String,
        /// The name in the prepared one.
        to: String,
    },
}
