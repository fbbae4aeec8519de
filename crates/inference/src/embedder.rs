//! Computes the embedding of an aligned face.

use padan_domain::Embedding;

use crate::{
    align::{AlignedFace, CROP_SIDE},
    error::FaceError,
    manifest::InputSpec,
    normalisation::Normalisation,
    runtime::Network,
    tensor::Tensor,
};

/// An embedder's network with the format of its input and output.
pub(crate) struct Embedder {
    network: Network,
    input: Normalisation,
    output: String,
    length: usize,
    tensor: Tensor,
}

/// An embedding as the network computes it.
pub(crate) struct Embedded {
    pub(crate) embedding: Embedding,
    /// The length of the network's output, before it is scaled to 1.
    pub(crate) length: f64,
}

impl Embedder {
    pub(crate) fn new(network: Network, input: &InputSpec, output: String, length: usize) -> Self {
        Self { network, input: Normalisation::of(input), output, length, tensor: Tensor::default() }
    }

    /// Runs the network once on an evenly grey crop, so that the first photo is not delayed by allocations.
    pub(crate) fn warm(&mut self) -> Result<(), FaceError> {
        let grey = AlignedFace::from_rgb(vec![127.0; CROP_SIDE * CROP_SIDE * 3]);
        self.embed(&grey).map(|_| ())
    }

    /// Overwrites the pixels of the last face.
    pub(crate) fn wipe(&mut self) {
        self.tensor.wipe();
    }

    #[cfg(test)]
    pub(crate) fn is_wiped(&self) -> bool {
        self.tensor.is_wiped()
    }

    /// The embedding, of unit length.
    pub(crate) fn embed(&mut self, face: &AlignedFace) -> Result<Embedding, FaceError> {
        self.embed_with_length(face).map(|embedded| embedded.embedding)
    }

    /// The embedding with the length of the network's output.
    pub(crate) fn embed_with_length(&mut self, face: &AlignedFace) -> Result<Embedded, FaceError> {
        write_planes(face, self.input, &mut self.tensor);
        let (output, length) = (&self.output, self.length);
        self.network.run(&self.tensor, |outputs| {
            let values = outputs.get(output)?;
            if values.len() != length {
                let message = format!(
                    "expected {length} values from the embedder, as in its manifest, found {}",
                    values.len()
                );
                return Err(FaceError::Broken(message));
            }
            let embedding = Embedding::from_output(values);
            Ok(Embedded {
                embedding: embedding.map_err(|error| FaceError::Broken(error.to_string()))?,
                length: values.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt(),
            })
        })
    }
}

/// Writes a normalised plane for each channel, in the network's channel order.
fn write_planes(face: &AlignedFace, input: Normalisation, tensor: &mut Tensor) {
    tensor.resize((CROP_SIDE, CROP_SIDE));
    let [reds, greens, blues] = input.by_colour(tensor.planes());
    let [red_mean, green_mean, blue_mean] = input.by_colour(input.mean);
    let [red_deviation, green_deviation, blue_deviation] = input.by_colour(input.deviation);
    let (pixels, _) = face.rgb().as_chunks::<3>();
    for ((([red, green, blue], to_red), to_green), to_blue) in pixels.iter().zip(reds).zip(greens).zip(blues)
    {
        *to_red = (red - red_mean) / red_deviation;
        *to_green = (green - green_mean) / green_deviation;
        *to_blue = (blue - blue_mean) / blue_deviation;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_have_the_networks_channel_order_and_normalisation() {
        let face = AlignedFace::from_rgb([10.0, 20.0, 30.0].repeat(CROP_SIDE * CROP_SIDE));
        let mut tensor = Tensor::default();
        let mut planes = |input| {
            write_planes(&face, input, &mut tensor);
            [0, 1, 2].map(|channel| {
                let plane = tensor.plane(channel);
                assert!(plane.iter().all(|value| *value == plane[0]));
                plane[0]
            })
        };
        let rgb = Normalisation { blue_first: false, mean: [0.0; 3], deviation: [1.0; 3] };
        assert_eq!(planes(rgb), [10.0, 20.0, 30.0]);
        let bgr = Normalisation { blue_first: true, mean: [10.0, 0.0, 0.0], deviation: [10.0, 1.0, 2.0] };
        assert_eq!(planes(bgr), [2.0, 20.0, 5.0]);
    }
}
