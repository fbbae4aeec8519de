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
    /// The normalised value of each pixel value, for red, green and blue.
    pub(crate) fn of_values(&self) -> [[f32; 256]; 3] {
        let of_channel = |channel: usize| {
            std::array::from_fn(|value| (value as f32 - self.mean[channel]) / self.deviation[channel])
        };
        self.by_colour([0, 1, 2].map(of_channel))
    }

    /// Orders what belongs to the network's channels by colour: red, green, blue.
    pub(crate) fn by_colour<T>(&self, [first, green, last]: [T; 3]) -> [T; 3] {
        if self.blue_first { [last, green, first] } else { [first, green, last] }
    }
}
