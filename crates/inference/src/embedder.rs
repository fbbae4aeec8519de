//! Computes the embeddings of aligned faces.

use std::{slice, time::Duration};

use ndarray::ArrayView4;
use padan_domain::Embedding;

use crate::{
    align::{AlignedFace, CROP_SIDE},
    error::FaceError,
    manifest::InputSpec,
    normalisation::Normalisation,
    runtime::Network,
    stack_position::StackPosition,
    thread_time::cpu_time_of_this_thread,
    wipe::wipe,
};

/// The pixels of a face.
const PIXELS: usize = CROP_SIDE * CROP_SIDE;
/// The cosine below which two embeddings of a crop cannot come from rounding. Crops that differ are far below it.
const MIN_COSINE_OF_SAME: f64 = 0.99;

/// An embedder's network with the format of its input and output.
pub(crate) struct Embedder {
    network: Network,
    input: Normalisation,
    output: String,
    length: usize,
    /// The network's input: three planes for each face. The memory is reused.
    planes: Vec<f32>,
}

/// An embedding as the network computes it.
pub(crate) struct Embedded {
    pub(crate) embedding: Embedding,
    /// The length of the network's output, before it is scaled to 1.
    pub(crate) length: f64,
}

impl Embedder {
    pub(crate) fn new(network: Network, input: &InputSpec, output: String, length: usize) -> Self {
        Self { network, input: Normalisation::of(input), output, length, planes: Vec::new() }
    }

    /// Runs the network once on a crop with stripes, so that the first photo is not delayed by allocations. Returns its
    /// embedding.
    pub(crate) fn warm(&mut self) -> Result<Embedding, FaceError> {
        self.embed(&stripes(true)).map(|embedded| embedded.embedding)
    }

    /// Chooses where on the stack the network runs, by the processor time of a few runs.
    pub(crate) fn choose_stack_position(&mut self) -> Result<(), FaceError> {
        const RUNS: usize = 2;
        let face = stripes(true);
        let (mut fastest, mut least) = (StackPosition::default(), Duration::MAX);
        for position in StackPosition::CHOICES {
            self.network.set_stack_position(position);
            for _ in 0..RUNS {
                let before = cpu_time_of_this_thread();
                self.embed(&face)?;
                let time = cpu_time_of_this_thread().saturating_sub(before);
                if time < least {
                    (fastest, least) = (position, time);
                }
            }
        }
        self.network.set_stack_position(fastest);
        Ok(())
    }

    /// Runs the network on as many faces as one run may have, and on one. Refuses a network that computes a face
    /// differently when others are beside it.
    pub(crate) fn warm_for_batches(&mut self, max_faces: usize) -> Result<(), FaceError> {
        let crops: Vec<_> = (0..max_faces).map(|number| stripes(number % 2 == 0)).collect();
        let together = self.embed_all(&crops)?;
        for (crop, together) in crops.iter().zip(together).take(2) {
            let (alone, together) = (self.embed(crop)?.embedding, together?.embedding);
            if alone.similarity(&together).is_none_or(|same| same.cosine() < MIN_COSINE_OF_SAME) {
                let message = "the embedder gives a face another embedding when it computes several at once; set \
                               inference.embedding_batch to 1";
                return Err(FaceError::Broken(message.to_owned()));
            }
        }
        Ok(())
    }

    /// Overwrites the pixels of the last faces.
    pub(crate) fn wipe(&mut self) {
        wipe(&mut self.planes);
    }

    #[cfg(test)]
    pub(crate) fn is_wiped(&self) -> bool {
        self.planes.iter().all(|value| *value == 0.0)
    }

    /// The embedding with the length of the network's output.
    pub(crate) fn embed(&mut self, face: &AlignedFace) -> Result<Embedded, FaceError> {
        let embedded = self.embed_all(slice::from_ref(face))?.pop();
        embedded.unwrap_or_else(|| Err(FaceError::Broken("the embedder gave no embedding".into())))
    }

    /// The embeddings of several faces by one run. More than one needs a graph that was made for it
    /// ([`with_batches`](crate::prepare::with_batches)).
    pub(crate) fn embed_all(
        &mut self,
        faces: &[AlignedFace],
    ) -> Result<Vec<Result<Embedded, FaceError>>, FaceError> {
        self.planes.resize(faces.len() * 3 * PIXELS, 0.0);
        for (face, planes) in faces.iter().zip(self.planes.chunks_exact_mut(3 * PIXELS)) {
            write_planes(face, self.input, planes);
        }
        let shape = (faces.len(), 3, CROP_SIDE, CROP_SIDE);
        let planes = ArrayView4::from_shape(shape, &self.planes);
        let planes = planes.map_err(|error| FaceError::Broken(error.to_string()))?;
        let (output, length) = (&self.output, self.length);
        self.network.run_on(&planes, |outputs| {
            let values = outputs.get(output)?;
            if values.len() != faces.len() * length {
                let message = format!(
                    "expected {length} values for each of {} faces from the embedder, as in its manifest, found {}",
                    faces.len(),
                    values.len()
                );
                return Err(FaceError::Broken(message));
            }
            Ok(values.chunks_exact(length).map(Embedded::of).collect())
        })
    }
}

impl Embedded {
    fn of(values: &[f32]) -> Result<Self, FaceError> {
        let embedding = Embedding::from_output(values);
        Ok(Self {
            embedding: embedding.map_err(|error| FaceError::Broken(error.to_string()))?,
            length: values.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt(),
        })
    }
}

/// A crop that gets brighter to the right or downwards.
fn stripes(to_the_right: bool) -> AlignedFace {
    let values = (0..PIXELS).map(|at| if to_the_right { at % CROP_SIDE } else { at / CROP_SIDE } as f32);
    AlignedFace::from_rgb(values.flat_map(|value| [2.0 * value; 3]).collect())
}

/// Writes a normalised plane for each channel, in the network's channel order.
fn write_planes(face: &AlignedFace, input: Normalisation, planes: &mut [f32]) {
    let (first, rest) = planes.split_at_mut(PIXELS);
    let (second, third) = rest.split_at_mut(PIXELS);
    let [reds, greens, blues] = input.by_colour([first, second, third]);
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
        let face = AlignedFace::from_rgb([10.0, 20.0, 30.0].repeat(PIXELS));
        let mut buffer = vec![0.0; 3 * PIXELS];
        let mut planes = |input| {
            write_planes(&face, input, &mut buffer);
            [0, 1, 2].map(|channel| {
                let plane = &buffer[channel * PIXELS..][..PIXELS];
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
