use serde::{Deserialize, Serialize};

/// One rewriting step of a model's graph, as named in a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PreparationStep {
    /// Removes the weights from the graph's inputs. As inputs they could change in each run, so the runtime would
    /// neither fold nor pack them.
    WeightsOutOfInputs,
    /// Replaces a `PRelu` with a slope for each channel by two scalings and a `Relu`, which the runtime fuses with the
    /// neighbouring convolutions.
    PreluByConvolutions,
    /// Quantises the weights of fully connected layers to 8 bits, with a scale for every 32 weights.
    EightBitGemm,
    /// Replaces the fixed height and width of the input by symbolic sizes.
    DynamicSize,
    /// Renames an input or output.
    Rename {
        /// The name in the published file.
        from: String,
        /// The name in the prepared file.
        to: String,
    },
}
