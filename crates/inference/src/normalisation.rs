use crate::manifest::{ColourOrder, InputSpec};

/// How pixel values are normalised for a network: `(value - mean) / deviation`, for each channel.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Normalisation {
    pub(crate) blue_first: bool,
    pub(crate) mean: [f32; 3],
    pub(crate) deviation: [f32; 3],
}

impl Normalisation {
    pub(crate) fn of(input: &InputSpec) -> Self {
        let blue_first = input.colour == ColourOrder::Bgr;
        Self { blue_first, mean: input.mean, deviation: input.std }
    }

    /// The normalised value of a black pixel in each channel.
    pub(crate) fn black(&self) -> [f32; 3] {
        std::array::from_fn(|channel| -self.mean[channel] / self.deviation[channel])
    }
}
