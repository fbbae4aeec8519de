//! An aligned face to an embedding.

use ndarray::Array4;
use padan_domain::Embedding;

use crate::{
    align::{AlignedFace, CROP_SIDE},
    detector::PixelScale,
    error::FaceError,
    manifest::InputSpec,
    runtime::Network,
};

/// An embedder's network with what it wants to see.
pub(crate) struct Embedder {
    network: Network,
    input: PixelScale,
    output: String,
    length: usize,
}

impl Embedder {
    pub(crate) fn new(network: Network, input: &InputSpec, output: String, length: usize) -> Self {
        Self { network, input: PixelScale::of(input), output, length }
    }

    /// Runs the network once on an evenly grey crop, so that the first photo finds everything allocated.
    pub(crate) fn warm(&mut self) -> Result<(), FaceError> {
        let grey = AlignedFace::from_rgb(vec![127.0; CROP_SIDE * CROP_SIDE * 3]);
        self.embed(&grey).map(|_| ())
    }

    /// The embedding, of unit length.
    pub(crate) fn embed(&mut self, face: &AlignedFace) -> Result<Embedding, FaceError> {
        let tensor = Array4::from_shape_vec((1, 3, CROP_SIDE, CROP_SIDE), planes(face, self.input));
        let tensor = tensor.map_err(|error| FaceError::Broken(error.to_string()))?;
        let (output, length) = (&self.output, self.length);
        self.network.run(&tensor, |outputs| {
            let values = outputs.get(output)?;
            if values.len() != length {
                let message =
                    format!("the embedder gave {} values; its manifest says {length}", values.len());
                return Err(FaceError::Broken(message));
            }
            Embedding::from_output(values).map_err(|error| FaceError::Broken(error.to_string()))
        })
    }
}

/// One plane a colour, row by row, in the network's order and scale.
fn planes(face: &AlignedFace, input: PixelScale) -> Vec<f32> {
    let mut tensor = Vec::with_capacity(face.rgb().len());
    for channel in 0..3 {
        let colour = if input.blue_first { 2 - channel } else { channel };
        let (mean, deviation) = (input.mean[channel], input.deviation[channel]);
        tensor.extend(face.rgb().chunks_exact(3).map(|pixel| (pixel[colour] - mean) / deviation));
    }
    tensor
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_become_planes_in_the_networks_order_and_scale() {
        let face = AlignedFace::from_rgb([10.0, 20.0, 30.0].repeat(2));
        let rgb = PixelScale { blue_first: false, mean: [0.0; 3], deviation: [1.0; 3] };
        assert_eq!(planes(&face, rgb), [10.0, 10.0, 20.0, 20.0, 30.0, 30.0]);
        let bgr = PixelScale { blue_first: true, mean: [10.0, 0.0, 0.0], deviation: [10.0, 1.0, 2.0] };
        assert_eq!(planes(&face, bgr), [2.0, 2.0, 20.0, 20.0, 5.0, 5.0]);
    }
}
