//! Finding faces: a photo at several sizes and turns through the detector's network, then a closer look at the one that
//! is meant.

mod look;
mod scrfd;
mod suppression;
#[cfg(test)]
mod tests;
mod yunet;

use fast_image_resize::Resizer;

use crate::{
    config::DetectionConfig,
    decode::Picture,
    detector::look::{Canvas, Look},
    error::FaceError,
    faces::{Detection, Faces, View},
    manifest::{DetectionSpec, DetectorFamily, InputSize, InputSpec, LandmarkLook},
    normalisation::Normalisation,
    orientation::Orientation,
    raster::Raster,
    retries::Retries,
    runtime::Network,
    subject::{self, Subject},
    tensor::Tensor,
};

/// A detector's network with the rules for using it.
pub(crate) struct Detector {
    network: Network,
    outputs: DetectionSpec,
    pixels: Normalisation,
    size: InputSize,
    config: DetectionConfig,
    landmarks: LandmarkLook,
    canvas: Canvas,
}

/// The overlap from which on boxes of two looks are of one face.
const SAME_FACE: f64 = 0.2;

impl Detector {
    pub(crate) fn new(
        network: Network,
        input: &InputSpec,
        outputs: DetectionSpec,
        (config, landmarks): (DetectionConfig, LandmarkLook),
    ) -> Self {
        Self {
            network,
            outputs,
            pixels: Normalisation::of(input),
            size: input.size,
            config,
            landmarks,
            canvas: Canvas::default(),
        }
    }

    /// Runs the network once on a black picture of the first look's size.
    pub(crate) fn warm(&mut self) -> Result<(), FaceError> {
        let side = self.config.side;
        let black = Raster::new(side, side, vec![0; side as usize * side as usize * 3]);
        let raster = black.ok_or_else(|| FaceError::Broken("inference.detection.side is 0".into()))?;
        let picture = Picture::of(raster, Orientation::UPRIGHT);
        let look = self.whole(&picture, View::new(&picture, 0), (side, side));
        self.look(&picture, &look, &mut Resizer::new()).map(|_| ())
    }

    /// Looks at the photo as a whole: at a small size, which is enough for a face that is close, then at the usual one. Only
    /// when that finds nobody: closer, and turned by each quarter, until one look finds somebody or the time for retries is
    /// spent.
    pub(crate) fn find(
        &mut self,
        picture: &Picture,
        retries: &mut Retries,
        resizer: &mut Resizer,
    ) -> Result<Faces, FaceError> {
        let DetectionConfig { side, close_up_side, .. } = self.config;
        let quick = match self.quick_look(picture, resizer)? {
            Some(faces) if self.is_close(picture, &faces) => return Ok(faces),
            other => other,
        };
        let mut looks = 1 + u32::from(quick.is_some());
        let usual = self.look_at_whole(picture, 0, (side, side), resizer)?;
        let found = [Some(usual), quick].into_iter().flatten().find(|faces| !faces.found.is_empty());
        if let Some(faces) = found {
            return Ok(Faces { looks, ..faces });
        }
        let close_up = (0, (close_up_side, 2 * close_up_side));
        let turned = [1, 3, 2].map(|turns| (turns, (side, side)));
        for (quarter_turns, side_and_frame) in [close_up].into_iter().chain(turned) {
            if !retries.may_go_on() {
                break;
            }
            let faces = self.look_at_whole(picture, quarter_turns, side_and_frame, resizer)?;
            looks += 1;
            if !faces.found.is_empty() {
                return Ok(Faces { looks, ..faces });
            }
        }
        Ok(Faces { found: Vec::new(), view: View::new(picture, 0), looks })
    }

    /// The longer side, in pixels, of a look for small faces; `None` where the photo has no more than the usual look sees.
    pub(crate) fn fine_side(&self, picture: &Picture) -> Option<u32> {
        let long_side = picture.size.0.max(picture.size.1);
        (long_side > self.config.side).then(|| self.config.fine_side.min(long_side))
    }

    /// Looks at the photo as a whole at that size; `looks` is how often the network ran before.
    pub(crate) fn find_small(
        &mut self,
        picture: &Picture,
        (fine_side, looks): (u32, u32),
        resizer: &mut Resizer,
    ) -> Result<Faces, FaceError> {
        let faces = self.look_at_whole(picture, 0, (fine_side, fine_side), resizer)?;
        Ok(Faces { looks: looks + 1, ..faces })
    }

    /// `None` where a small look costs as much as a large one.
    fn quick_look(&mut self, picture: &Picture, resizer: &mut Resizer) -> Result<Option<Faces>, FaceError> {
        let quick_side = self.config.quick_side;
        if quick_side >= self.config.side || matches!(self.size, InputSize::Fixed { .. }) {
            return Ok(None);
        }
        self.look_at_whole(picture, 0, (quick_side, quick_side), resizer).map(Some)
    }

    /// Whether the face that is meant is so large in a quick look that one of a size that matters is not overlooked there.
    fn is_close(&self, picture: &Picture, faces: &Faces) -> bool {
        let scale = f64::from(self.config.quick_side) / f64::from(picture.size.0.max(picture.size.1));
        let side = |subject: Subject| subject.face.rectangle.area().sqrt() * scale;
        subject::choose(faces).is_some_and(|subject| side(subject) >= f64::from(self.config.quick_face))
    }

    fn look_at_whole(
        &mut self,
        picture: &Picture,
        quarter_turns: u16,
        side_and_frame: (u32, u32),
        resizer: &mut Resizer,
    ) -> Result<Faces, FaceError> {
        let view = View::new(picture, quarter_turns);
        let look = self.whole(picture, view, side_and_frame);
        Ok(Faces { found: self.look(picture, &look, resizer)?, view, looks: 1 })
    }

    /// Looks once more at the subject alone, at the size at which the network places landmarks best: those of faces that
    /// are small in its input hardly follow a roll of the head.
    ///
    /// The network also finds faces that lie on their side or on their head, but is less sure of them, and takes them
    /// for upright. Where it is not sure, the photo is looked at in each other turn, and the turn in which it is surest
    /// of that face counts; these are nine runs of the network at most, and share the time for retries.
    pub(crate) fn refine(
        &mut self,
        picture: &Picture,
        subject: Subject,
        retries: &mut Retries,
        resizer: &mut Resizer,
    ) -> Result<Subject, FaceError> {
        let mut surest = self.look_closer(picture, subject, resizer)?;
        if surest.face.score >= self.config.sure_score {
            return Ok(surest);
        }
        for turns in 1..4 {
            if !retries.may_go_on() {
                break;
            }
            let view = View::new(picture, (subject.view.quarter_turns + turns) % 4);
            let look = self.whole(picture, view, (self.config.side, self.config.side));
            let faces = Faces { found: self.look(picture, &look, resizer)?, view, looks: surest.looks + 1 };
            surest.looks = faces.looks;
            // The same head, not the one that would be chosen in this turn: who is meant is settled.
            let head = subject.view.seen_turned(subject.face.rectangle, turns);
            let Some(other) = subject::at(&faces, &head, SAME_FACE) else { continue };
            let other = self.look_closer(picture, other, resizer)?;
            let best = if other.face.score > surest.face.score { other } else { surest };
            surest = Subject { looks: other.looks, ..best };
        }
        Ok(surest)
    }

    /// The subject as seen in a window around it, or as it was where the window does not show it.
    fn look_closer(
        &mut self,
        picture: &Picture,
        subject: Subject,
        resizer: &mut Resizer,
    ) -> Result<Subject, FaceError> {
        let seen = self.look_at(picture, &subject, resizer)?;
        Ok(seen.unwrap_or(Subject { looks: subject.looks + 2, ..subject }))
    }

    /// The subject as seen in a window around it; `None` when it is not seen there.
    ///
    /// The network sees the window and its mirror image, and the landmarks are the mean of both: what it errs by to one
    /// side it errs by to the other in the mirror.
    fn look_at(
        &mut self,
        picture: &Picture,
        subject: &Subject,
        resizer: &mut Resizer,
    ) -> Result<Option<Subject>, FaceError> {
        let known = subject.face.rectangle;
        let scale = f64::from(self.landmarks.face) / known.area().sqrt();
        let window = (self.landmarks.window, self.size);
        let stored = picture.size;
        let place = (known.centre(), scale);
        let Some(look) = Look::at_window(stored, subject.view.orientation, place, window) else {
            return Ok(None);
        };
        look.draw(picture, self.pixels, resizer, &mut self.canvas)?;
        let width = self.canvas.tensor.width() as f64;
        let plain = self.faces()?;
        self.canvas.tensor.mirror();
        let mirrored = self.faces()?;
        let the_same = |found: Vec<Detection>| {
            let found = found.iter().map(|face| look.to_photo(face)).collect();
            let faces = Faces { found, view: subject.view, looks: subject.looks + 2 };
            subject::at(&faces, &known, SAME_FACE)
        };
        let mirrored = the_same(mirrored.iter().map(|face| face.mirrored(width)).collect());
        Ok(the_same(plain).map(|mut seen| {
            if let Some(mirrored) = mirrored {
                let (ours, theirs) = (seen.face.landmarks, mirrored.face.landmarks);
                seen.face.landmarks = std::array::from_fn(|at| ours[at].midpoint(theirs[at]));
            }
            Subject { second_share: subject.second_share, ..seen }
        }))
    }

    fn whole(&self, picture: &Picture, view: View, side_and_frame: (u32, u32)) -> Look {
        Look::at_whole(picture.size, view.orientation, side_and_frame, self.size)
    }

    /// The faces that a look shows, in the coordinates of the photo held so, best score first, each once.
    fn look(
        &mut self,
        picture: &Picture,
        look: &Look,
        resizer: &mut Resizer,
    ) -> Result<Vec<Detection>, FaceError> {
        look.draw(picture, self.pixels, resizer, &mut self.canvas)?;
        Ok(self.faces()?.iter().map(|face| look.to_photo(face)).collect())
    }

    /// The faces in what was drawn, in the coordinates of the network's input, best score first, each once.
    fn faces(&mut self) -> Result<Vec<Detection>, FaceError> {
        let tensor: &Tensor = &self.canvas.tensor;
        let width = tensor.width();
        let (spec, min_score) = (&self.outputs, self.config.min_score);
        let faces = self.network.run(tensor, |outputs| match spec.family {
            DetectorFamily::YuNet => yunet::decode(&spec.levels, outputs, width, min_score),
            DetectorFamily::Scrfd => scrfd::decode(spec, outputs, width, min_score),
        })?;
        Ok(suppression::suppress(faces, f64::from(self.config.max_overlap)))
    }
}
