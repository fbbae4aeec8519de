//! Face detection: the detector's network runs on the photo at several sizes and in several rotations, then on a window
//! around the subject, to place its landmarks.

mod framing;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod scrfd;
mod suppression;
#[cfg(test)]
mod tests;
mod yunet;

use fast_image_resize::Resizer;

use crate::{
    config::DetectionConfig,
    decode::Picture,
    detector::framing::{Framing, InputBuffers, PhotoScale, Window},
    error::FaceError,
    faces::{Detection, Faces, View},
    geometry::Rectangle,
    manifest::{DetectionSpec, DetectorFamily, InputSize, InputSpec, LandmarkWindow},
    normalisation::Normalisation,
    orientation::Orientation,
    raster::Raster,
    retry_budget::RetryBudget,
    runtime::Network,
    subject::{self, Subject},
    tensor::Tensor,
};

/// A detector's network with the rules for using it.
pub(crate) struct Detector {
    whole: DetectorNetwork,
    /// For the window around the subject; `None` if it needs all levels.
    window: Option<DetectorNetwork>,
    normalisation: Normalisation,
    input_size: InputSize,
    config: DetectionConfig,
    landmarks: LandmarkWindow,
    buffers: InputBuffers,
}

/// A network with those of its outputs that it computes.
pub(crate) struct DetectorNetwork {
    pub(crate) network: Network,
    pub(crate) outputs: DetectionSpec,
}

/// Boxes of two detector runs that overlap at least this much (intersection over union) show the same face.
const MIN_OVERLAP_OF_SAME_FACE: f64 = 0.2;

/// From this overlap with the known box on, a box has the size for which the window's network has its levels.
const MIN_OVERLAP_OF_EXPECTED_SIZE: f64 = 0.5;

/// The overlap from which landmarks are those of a face's best box.
const BEST_BOX_ALONE: f64 = 1.0;

impl Detector {
    /// Overwrites the pixels of the last photo.
    pub(crate) fn wipe(&mut self) {
        self.buffers.wipe();
    }

    #[cfg(test)]
    pub(crate) fn is_wiped(&self) -> bool {
        self.buffers.is_wiped()
    }

    pub(crate) fn new(
        whole: DetectorNetwork,
        window: Option<DetectorNetwork>,
        input: &InputSpec,
        config: DetectionConfig,
        landmarks: LandmarkWindow,
    ) -> Self {
        Self {
            whole,
            window,
            normalisation: Normalisation::of(input),
            input_size: input.size,
            config,
            landmarks,
            buffers: InputBuffers::default(),
        }
    }

    /// Runs each network once on a black picture, so that the first photo is not delayed by allocations.
    pub(crate) fn warm(&mut self) -> Result<(), FaceError> {
        let side = self.config.side;
        let black = Raster::new(side, side, vec![0; side as usize * side as usize * 3]);
        let raster = black.ok_or_else(|| FaceError::Broken("inference.detection.side is 0".into()))?;
        let picture = Picture::of(raster, Orientation::UPRIGHT);
        let framing = self.frame_whole(&picture, View::new(&picture, 0), PhotoScale::filling(side));
        self.detect_in(&picture, &framing, &mut Resizer::new())?;
        if let Some(window) = &mut self.window {
            window.detect(&self.buffers.tensor, &self.config, BEST_BOX_ALONE)?;
        }
        Ok(())
    }

    /// Detects faces in the entire photo: at a small size, which is enough for a close face, then at the usual size.
    /// When neither finds a face, the photo is scaled down within a black frame, then rotated by 90, 270 and 180
    /// degrees, until a run finds a face or the retry budget is used up.
    pub(crate) fn detect(
        &mut self,
        picture: &Picture,
        retries: &mut RetryBudget,
        resizer: &mut Resizer,
    ) -> Result<Faces, FaceError> {
        let DetectionConfig { side, close_up_side, .. } = self.config;
        let quick = match self.quick_pass(picture, resizer)? {
            Some(faces) if self.has_close_subject(picture, &faces) => return Ok(faces),
            other => other,
        };
        let mut detector_runs = 1 + u32::from(quick.is_some());
        let usual = self.detect_whole(picture, 0, PhotoScale::filling(side), resizer)?;
        let found = [Some(usual), quick].into_iter().flatten().find(|faces| !faces.found.is_empty());
        if let Some(faces) = found {
            return Ok(Faces { detector_runs, ..faces });
        }
        let close_up = (0, PhotoScale { side: close_up_side, frame: 2 * close_up_side });
        let rotated = [1, 3, 2].map(|turns| (turns, PhotoScale::filling(side)));
        for (quarter_turns, scale) in [close_up].into_iter().chain(rotated) {
            if !retries.has_time_left() {
                break;
            }
            let faces = self.detect_whole(picture, quarter_turns, scale, resizer)?;
            detector_runs += 1;
            if !faces.found.is_empty() {
                return Ok(Faces { detector_runs, ..faces });
            }
        }
        Ok(Faces { found: Vec::new(), view: View::new(picture, 0), detector_runs })
    }

    /// The long side, in pixels, of a run for small faces; `None` if the photo has no more pixels than the usual run.
    pub(crate) fn fine_side(&self, picture: &Picture) -> Option<u32> {
        let long_side = picture.size.0.max(picture.size.1);
        (long_side > self.config.side).then(|| self.config.fine_side.min(long_side))
    }

    /// Detects faces in the entire photo, scaled to a long side of `fine_side`. `runs_before` is the number of earlier
    /// runs of the network on this photo.
    pub(crate) fn detect_small(
        &mut self,
        picture: &Picture,
        fine_side: u32,
        runs_before: u32,
        resizer: &mut Resizer,
    ) -> Result<Faces, FaceError> {
        let faces = self.detect_whole(picture, 0, PhotoScale::filling(fine_side), resizer)?;
        Ok(Faces { detector_runs: runs_before + 1, ..faces })
    }

    /// `None` if a run on a small input takes as much time as one on a large input.
    fn quick_pass(&mut self, picture: &Picture, resizer: &mut Resizer) -> Result<Option<Faces>, FaceError> {
        let quick_side = self.config.quick_side;
        if quick_side >= self.config.side || matches!(self.input_size, InputSize::Fixed { .. }) {
            return Ok(None);
        }
        self.detect_whole(picture, 0, PhotoScale::filling(quick_side), resizer).map(Some)
    }

    /// Whether the subject is so large in the quick pass that the pass misses no other face of a relevant size.
    fn has_close_subject(&self, picture: &Picture, faces: &Faces) -> bool {
        let scale = f64::from(self.config.quick_side) / f64::from(picture.size.0.max(picture.size.1));
        let side = |subject: Subject| subject.face.rectangle.area().sqrt() * scale;
        subject::choose(faces).is_some_and(|subject| side(subject) >= f64::from(self.config.quick_face))
    }

    fn detect_whole(
        &mut self,
        picture: &Picture,
        quarter_turns: u16,
        scale: PhotoScale,
        resizer: &mut Resizer,
    ) -> Result<Faces, FaceError> {
        let view = View::new(picture, quarter_turns);
        let framing = self.frame_whole(picture, view, scale);
        Ok(Faces { found: self.detect_in(picture, &framing, resizer)?, view, detector_runs: 1 })
    }

    /// Detects the subject again, in a window around it, at the size at which the network places landmarks best: the
    /// landmarks of faces that are small in its input hardly follow a roll of the head.
    ///
    /// The network also finds faces that lie on their side or upside down, but with a lower score, and places their
    /// landmarks as if they were upright. When the score is low, each other rotation of the photo is tried, and the
    /// rotation with the highest score for this face counts. This requires at most eleven runs of the network, within
    /// the retry budget.
    pub(crate) fn refine(
        &mut self,
        picture: &Picture,
        subject: Subject,
        retries: &mut RetryBudget,
        resizer: &mut Resizer,
    ) -> Result<Subject, FaceError> {
        let square = (self.landmarks.window, self.landmarks.window);
        let mut best = self.refine_in_window(picture, subject, self.landmarks.size(), resizer)?;
        let is_narrow = square != self.landmarks.size();
        if is_narrow && best.face.score < self.config.sure_score && retries.has_time_left() {
            // Beside a narrow window, a face that lies on its side or is covered is cut off, and its score says less.
            let again = Subject { detector_runs: best.detector_runs, ..subject };
            best = self.refine_in_window(picture, again, square, resizer)?;
        }
        if best.face.score >= self.config.sure_score {
            return Ok(best);
        }
        for turns in 1..4 {
            if !retries.has_time_left() {
                break;
            }
            let view = View::new(picture, (subject.view.quarter_turns + turns) % 4);
            let framing = self.frame_whole(picture, view, PhotoScale::filling(self.config.side));
            let found = self.detect_in(picture, &framing, resizer)?;
            best.detector_runs += 1;
            let faces = Faces { found, view, detector_runs: best.detector_runs };
            // The subject is the same face as before, which need not be the one that `choose` returns in this rotation.
            let head = subject.view.rotated(subject.face.rectangle, turns);
            let Some(other) = subject::overlapping(&faces, &head, MIN_OVERLAP_OF_SAME_FACE) else { continue };
            let other = self.refine_in_window(picture, other, square, resizer)?;
            let better = if other.face.score > best.face.score { other } else { best };
            best = Subject { detector_runs: other.detector_runs, ..better };
        }
        Ok(best)
    }

    /// The subject as detected in a window around it; unchanged when it is not found there.
    fn refine_in_window(
        &mut self,
        picture: &Picture,
        subject: Subject,
        size: (u32, u32),
        resizer: &mut Resizer,
    ) -> Result<Subject, FaceError> {
        let refined = self.detect_in_window(picture, &subject, size, resizer)?;
        Ok(refined.unwrap_or(Subject { detector_runs: subject.detector_runs + 1, ..subject }))
    }

    /// The subject as detected in a window around it; `None` when it is not found there.
    ///
    /// If the landmarks are not close to those of the first detection, the network runs on the mirror image as well, and the
    /// landmarks are the mean of both. An error to one side becomes an error to the other side in the mirror image.
    fn detect_in_window(
        &mut self,
        picture: &Picture,
        subject: &Subject,
        size: (u32, u32),
        resizer: &mut Resizer,
    ) -> Result<Option<Subject>, FaceError> {
        let known = subject.face.rectangle;
        let window = Window {
            centre: known.centre(),
            scale: f64::from(self.landmarks.face) / known.area().sqrt(),
            size,
        };
        let orientation = subject.view.orientation;
        let Some(framing) = Framing::of_window(picture.size, orientation, window, self.input_size) else {
            return Ok(None);
        };
        framing.draw(picture, self.normalisation, resizer, &mut self.buffers)?;
        let width = self.buffers.tensor.width() as f64;
        let same_face = |found: Vec<Detection>| {
            let found = found.iter().map(|face| framing.to_photo(face)).collect();
            let faces = Faces { found, view: subject.view, detector_runs: subject.detector_runs + 1 };
            subject::overlapping(&faces, &known, MIN_OVERLAP_OF_SAME_FACE)
        };
        let Some(mut refined) = self.find_in_window(&known, same_face)? else { return Ok(None) };
        refined.second_share = subject.second_share;
        if subject.face.agrees(&refined.face, self.landmarks.agreement) {
            return Ok(Some(refined));
        }
        self.buffers.tensor.mirror();
        let mirrored = self.find_in_window(&known, |found| {
            same_face(found.iter().map(|face| face.mirrored(width)).collect())
        })?;
        refined.detector_runs += 1;
        if let Some(mirrored) = mirrored {
            let (ours, theirs) = (refined.face.landmarks, mirrored.face.landmarks);
            refined.face.landmarks = std::array::from_fn(|at| ours[at].midpoint(theirs[at]));
        }
        Ok(Some(refined))
    }

    /// The subject in the drawn window. The levels that find faces of other sizes are computed only if those for its size
    /// do not find it, or find it in another size.
    fn find_in_window(
        &mut self,
        known: &Rectangle,
        same_face: impl Fn(Vec<Detection>) -> Option<Subject>,
    ) -> Result<Option<Subject>, FaceError> {
        let overlap = self.landmarks.overlap;
        if let Some(window) = &mut self.window
            && let Some(subject) = same_face(window.detect(&self.buffers.tensor, &self.config, overlap)?)
            && subject.face.rectangle.overlap(known) >= MIN_OVERLAP_OF_EXPECTED_SIZE
        {
            return Ok(Some(subject));
        }
        self.whole.detect(&self.buffers.tensor, &self.config, overlap).map(same_face)
    }

    fn frame_whole(&self, picture: &Picture, view: View, scale: PhotoScale) -> Framing {
        Framing::of_photo(picture.size, view.orientation, scale, self.input_size)
    }

    /// The faces within a framing, in coordinates of the photo in this rotation, best score first, each face once.
    fn detect_in(
        &mut self,
        picture: &Picture,
        framing: &Framing,
        resizer: &mut Resizer,
    ) -> Result<Vec<Detection>, FaceError> {
        framing.draw(picture, self.normalisation, resizer, &mut self.buffers)?;
        Ok(self.run_network()?.iter().map(|face| framing.to_photo(face)).collect())
    }

    /// The faces in the drawn input, in its coordinates, best score first, each face once.
    fn run_network(&mut self) -> Result<Vec<Detection>, FaceError> {
        self.whole.detect(&self.buffers.tensor, &self.config, BEST_BOX_ALONE)
    }
}

impl DetectorNetwork {
    /// The faces in an input, in its coordinates, best score first, each face once. Landmarks are the means of all boxes that
    /// overlap the best one of a face by at least `overlap`.
    fn detect(
        &mut self,
        tensor: &Tensor,
        config: &DetectionConfig,
        overlap: f64,
    ) -> Result<Vec<Detection>, FaceError> {
        let width = tensor.width();
        let (spec, min_score) = (&self.outputs, config.min_score);
        let faces = self.network.run(tensor, |outputs| match spec.family {
            DetectorFamily::YuNet => yunet::decode(&spec.levels, outputs, width, min_score),
            DetectorFamily::Scrfd => scrfd::decode(spec, outputs, width, min_score),
        })?;
        let max_overlap = f64::from(config.max_overlap);
        if overlap >= BEST_BOX_ALONE {
            return Ok(suppression::suppress(faces, max_overlap));
        }
        Ok(suppression::suppress_and_average(faces, max_overlap, overlap))
    }
}
