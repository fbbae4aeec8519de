//! Passive liveness: judges by one photo whether a face is that of a living person before the camera, or a presentation
//! attack such as a print or a screen.

use crate::{
    align::{FixedPoint, bilinear},
    decode::Picture,
    error::FaceError,
    faces::View,
    geometry::{Affine, Point, Rectangle},
    manifest::{InputSpec, LivenessSetSpec, LivenessSpec},
    normalisation::Normalisation,
    runtime::Network,
    subject::Subject,
    tensor::Tensor,
};

/// Pixels a side of a crop.
const SIDE: usize = 80;
/// The classes of a network of family minifasnet.
const CLASSES: usize = 3;
/// The class of a living person. The others are attacks.
const LIVING: usize = 1;

/// The judgement on a face.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Liveness {
    /// How likely the face is an attack, by the models: 0 to 1. It is no probability that was measured.
    pub spoof: f64,
    /// The level of this score.
    pub risk: SpoofRisk,
}

/// The level of a score, by the bounds in the manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpoofRisk {
    /// Below both bounds.
    Low,
    /// Between the bounds.
    Moderate,
    /// From the upper bound on.
    High,
}

/// The networks of a liveness set, for one thread.
pub(crate) struct LivenessJudge {
    networks: Vec<LivenessNetwork>,
    bounds: LivenessSetSpec,
    tensor: Tensor,
}

/// One network with the format of its input and output.
pub(crate) struct LivenessNetwork {
    network: Network,
    input: Normalisation,
    output: String,
    scale: f64,
}

impl LivenessNetwork {
    pub(crate) fn new(network: Network, input: &InputSpec, spec: &LivenessSpec) -> Self {
        Self { network, input: Normalisation::of(input), output: spec.output.clone(), scale: spec.scale }
    }

    /// The share of the class of living persons in the network's output.
    fn living(&mut self, tensor: &Tensor) -> Result<f64, FaceError> {
        let output = &self.output;
        self.network.run(tensor, |outputs| share_of_living(outputs.get(output)?))
    }
}

impl LivenessJudge {
    pub(crate) fn new(networks: Vec<LivenessNetwork>, bounds: LivenessSetSpec) -> Self {
        Self { networks, bounds, tensor: Tensor::default() }
    }

    /// Runs the networks once, so that the first photo is not delayed by allocations, and a file that does not match its
    /// manifest is noticed.
    pub(crate) fn warm(&mut self) -> Result<(), FaceError> {
        self.tensor.resize((SIDE, SIDE));
        self.tensor.fill_around(&(0..0), &(0..0), [127.0; 3]);
        self.networks.iter_mut().try_for_each(|network| network.living(&self.tensor).map(|_| ()))
    }

    /// Overwrites the pixels of the last face.
    pub(crate) fn wipe(&mut self) {
        self.tensor.wipe();
    }

    /// Judges the subject of a photo by the mean of the networks.
    pub(crate) fn judge(&mut self, picture: &Picture, subject: &Subject) -> Result<Liveness, FaceError> {
        let mut living = 0.0;
        for network in &mut self.networks {
            let window = window(&subject.face.rectangle, network.scale, subject.view.size);
            write_crop(picture, subject.view, &window, network.input, &mut self.tensor);
            living += network.living(&self.tensor)?;
        }
        let spoof = (1.0 - living / self.networks.len() as f64).clamp(0.0, 1.0);
        Ok(Liveness { spoof, risk: risk(spoof, &self.bounds) })
    }
}

fn risk(spoof: f64, bounds: &LivenessSetSpec) -> SpoofRisk {
    if spoof >= bounds.high_from {
        SpoofRisk::High
    } else if spoof >= bounds.moderate_from {
        SpoofRisk::Moderate
    } else {
        SpoofRisk::Low
    }
}

/// The softmax of the class of living persons.
fn share_of_living(logits: &[f32]) -> Result<f64, FaceError> {
    if logits.len() != CLASSES || logits.iter().any(|logit| !logit.is_finite()) {
        let message = format!("expected {CLASSES} finite values from the liveness model, found {logits:?}");
        return Err(FaceError::Broken(message));
    }
    let exponents = logits.iter().map(|logit| f64::from(logit - logits[LIVING]).exp());
    Ok(1.0 / exponents.sum::<f64>())
}

/// The whole pixels around a face box that a network of this scale sees. The scale is reduced to what fits into the
/// photo, and the window is moved into it.
fn window(face: &Rectangle, scale: f64, (width, height): (u32, u32)) -> Rectangle {
    let (right, bottom) = (f64::from(width) - 1.0, f64::from(height) - 1.0);
    let scale = scale.min(right / face.width).min(bottom / face.height);
    let centre = face.centre();
    let span = |centre: f64, length: f64, last: f64| {
        let from = (centre - length / 2.0).min(last - length).max(0.0);
        let (from, to) = (from.trunc(), (from + length).min(last).trunc());
        (from, to - from + 1.0)
    };
    let (left, across) = span(centre.x, face.width * scale, right);
    let (top, down) = span(centre.y, face.height * scale, bottom);
    Rectangle { left, top, width: across, height: down }
}

/// Resamples a window bilinearly. Only pixels of the window are used.
fn write_crop(picture: &Picture, view: View, window: &Rectangle, input: Normalisation, tensor: &mut Tensor) {
    let (x, y) = (window.width / SIDE as f64, window.height / SIDE as f64);
    let to_upright =
        Affine { a: x, b: 0.0, c: window.left + x / 2.0 - 0.5, d: 0.0, e: y, f: window.top + y / 2.0 - 0.5 };
    let to_raster = view.orientation.to_stored(picture.size).then(&picture.to_raster());
    let (last_column, last_row) = (window.left + window.width - 1.0, window.top + window.height - 1.0);
    let (width, height) = picture.raster.size();
    tensor.resize((SIDE, SIDE));
    for row in 0..SIDE {
        for column in 0..SIDE {
            let at = to_upright.apply(Point { x: column as f64, y: row as f64 });
            let within =
                Point { x: at.x.clamp(window.left, last_column), y: at.y.clamp(window.top, last_row) };
            let at = to_raster.apply(within);
            let at = Point {
                x: at.x.clamp(0.0, f64::from(width) - 1.0),
                y: at.y.clamp(0.0, f64::from(height) - 1.0),
            };
            let pixel = bilinear(&picture.raster, FixedPoint::of(at));
            for channel in 0..3 {
                let colour = if input.blue_first { 2 - channel } else { channel };
                let value = (pixel[colour] - input.mean[channel]) / input.deviation[channel];
                tensor.plane(channel)[row * SIDE + column] = value;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{orientation::Orientation, raster::Raster};

    fn rectangle(left: f64, top: f64, width: f64, height: f64) -> Rectangle {
        Rectangle { left, top, width, height }
    }

    #[test]
    fn the_window_is_the_enlarged_box_moved_into_the_photo() {
        // Computed by hand: the box's centre is (150, 130), 2.7 times its size is 108 by 135.
        let face = rectangle(130.0, 105.0, 40.0, 50.0);
        assert_eq!(window(&face, 2.7, (400, 300)), rectangle(96.0, 62.0, 109.0, 136.0));
        // At the upper left: moved, not cut.
        let corner = rectangle(-5.0, 0.0, 40.0, 50.0);
        assert_eq!(window(&corner, 2.7, (400, 300)), rectangle(0.0, 0.0, 109.0, 136.0));
        // At the lower right.
        let corner = rectangle(370.0, 260.0, 40.0, 50.0);
        assert_eq!(window(&corner, 2.7, (400, 300)), rectangle(291.0, 164.0, 109.0, 136.0));
        // A face that fills the photo: the scale is 299 / 250.
        let close = rectangle(100.0, 30.0, 200.0, 250.0);
        assert_eq!(window(&close, 4.0, (400, 300)), rectangle(80.0, 0.0, 240.0, 300.0));
    }

    #[test]
    fn the_crop_has_the_networks_channel_order_in_every_orientation() {
        // Red grows to the right and green downwards, in the upright photo of 160 by 160.
        let upright: Vec<[u8; 3]> =
            (0..160 * 160).map(|at| [(at % 160) as u8, (at / 160) as u8, 7]).collect();
        let turned = (0..160 * 160).map(|at| upright[(159 - at % 160) * 160 + at / 160]);
        let stored_turned: Vec<u8> = turned.flatten().collect();
        let input = Normalisation { blue_first: true, mean: [7.0, 0.0, 0.0], deviation: [1.0, 1.0, 2.0] };
        let stored_upright: Vec<u8> = upright.iter().flatten().copied().collect();
        for (rgb, orientation) in
            [(stored_upright, Orientation::UPRIGHT), (stored_turned, Orientation::from_exif(8).unwrap())]
        {
            let picture = Picture::of(Raster::new(160, 160, rgb).unwrap(), orientation);
            let view = View::new(&picture, 0);
            let mut tensor = Tensor::default();
            write_crop(&picture, view, &rectangle(0.0, 0.0, 160.0, 160.0), input, &mut tensor);
            // The centre of the crop's pixel (10, 20) is at (20.5, 40.5) of the photo.
            let at = 20 * SIDE + 10;
            let values = [0, 1, 2].map(|channel| tensor.plane(channel)[at]);
            assert_eq!(values, [0.0, 40.5, 10.25]);
        }
    }

    #[test]
    fn the_score_is_a_softmax_and_has_a_level() {
        use SpoofRisk::{High, Low, Moderate};
        let share = share_of_living(&[0.0, 2.0, 1.0]).unwrap();
        // exp(2) / (1 + exp(2) + exp(1))
        assert!((share - 0.665_240_955_774_821_9).abs() < 1e-9, "{share}");
        assert!((share_of_living(&[-900.0, 900.0, 0.0]).unwrap() - 1.0).abs() < 1e-12);
        assert!(share_of_living(&[1.0, 2.0]).is_err() && share_of_living(&[1.0, f32::NAN, 0.0]).is_err());
        let bounds = LivenessSetSpec { with: Vec::new(), moderate_from: 0.3, high_from: 0.7 };
        let levels = [0.0, 0.299, 0.3, 0.699, 0.7, 1.0].map(|spoof| risk(spoof, &bounds));
        assert_eq!(levels, [Low, Low, Moderate, Moderate, High, High]);
    }
}
