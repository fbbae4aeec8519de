use std::time::{Duration, Instant};

use fast_image_resize::Resizer;
use padan_domain::{Embedding, Photo};

use crate::{
    align::{self, AlignedFace, CROP_EYE_DISTANCE},
    analysis::{Analysis, Face, Timings},
    config::{QualityConfig, SubjectConfig},
    decode::{self, Decoder, Picture},
    detector::Detector,
    embedder::Embedder,
    error::{FaceError, PhotoFault},
    faces::Faces,
    geometry::Point,
    quality::Quality,
    raster::Raster,
    retries::Retries,
    subject::{self, Subject},
};

/// What a photo is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// A selfie that is to be verified: it must show one face, well.
    Probe,
    /// The registry's portrait: it is what there is, so its largest and most central face is taken as it is.
    Reference,
}

/// One thread's own sessions and buffers: a photo in, an embedding out, as a whole or step by step.
pub struct Pipeline {
    pub(crate) decoder: Decoder,
    pub(crate) detector: Detector,
    pub(crate) embedder: Embedder,
    pub(crate) frame: [Point; 5],
    pub(crate) retry_budget: Duration,
    pub(crate) subject: SubjectConfig,
    pub(crate) quality: QualityConfig,
    /// The longer side that a photo is decoded to at least, in pixels.
    pub(crate) decoded_side: u32,
    pub(crate) resizer: Resizer,
    /// Memory for the part of a photo that a crop is taken from.
    pub(crate) reduced: Raster,
}

impl Pipeline {
    /// All steps, with the rules that hold for this role.
    ///
    /// Only retries look at the deadline: what is necessary takes a fraction of a second.
    pub(crate) fn analyse(
        &mut self,
        photo: &Photo,
        role: Role,
        deadline: Instant,
    ) -> Result<Analysis, FaceError> {
        let mut retries = match role {
            Role::Probe => Retries::within(self.retry_budget, deadline),
            Role::Reference => Retries::unhurried(),
        };
        self.look(photo, &mut retries, &mut |fault| match role {
            Role::Probe => Err(fault.into()),
            Role::Reference => Ok(()),
        })
    }

    /// All steps as for a portrait, and the rule that would turn the photo away as a selfie. For evaluating both at once.
    pub fn examine(&mut self, photo: &Photo) -> Result<(Analysis, Option<PhotoFault>), FaceError> {
        let mut broken = None;
        let analysis = self.look(photo, &mut Retries::unhurried(), &mut |fault| {
            broken.get_or_insert(fault);
            Ok(())
        })?;
        Ok((analysis, broken))
    }

    /// The crop of the face that is meant, for looking at it.
    pub fn crop(&mut self, photo: &Photo) -> Result<AlignedFace, FaceError> {
        let mut retries = Retries::unhurried();
        let mut picture = self.decode(photo)?;
        let faces = self.detect(&mut picture, &mut retries)?;
        let subject = Self::subject(&faces).ok_or(PhotoFault::NoFace)?;
        let subject = self.refine(&mut picture, subject, &mut retries)?;
        self.align(&picture, &subject)
    }

    /// All steps. `judge` is told of each rule that the photo breaks, and ends it or does not.
    fn look(
        &mut self,
        photo: &Photo,
        retries: &mut Retries,
        judge: &mut impl FnMut(PhotoFault) -> Result<(), FaceError>,
    ) -> Result<Analysis, FaceError> {
        let mut timings = Timings::default();
        let mut watch = Stopwatch::start();

        let mut picture = self.decode(photo)?;
        timings.decode = watch.lap();

        let faces = self.detect(&mut picture, retries)?;
        let subject = Self::subject(&faces).ok_or(PhotoFault::NoFace)?;
        let subject = self.refine(&mut picture, subject, retries)?;
        if subject.second_share > self.subject.max_second_share {
            judge(PhotoFault::SeveralFaces)?;
        }
        timings.detect = watch.lap();

        let crop = self.align(&picture, &subject)?;
        self.decoder.take_back(picture);
        timings.align = watch.lap();

        let quality = Self::quality(&crop, &subject);
        quality.check(&self.quality).or_else(&mut *judge)?;
        timings.quality = watch.lap();

        let embedding = self.embed(&crop)?;
        timings.embed = watch.lap();

        let face = Face {
            rectangle: subject.face.rectangle,
            landmarks: subject.face.landmarks,
            score: subject.face.score,
            turned_degrees: subject.view.quarter_turns * 90,
            second_share: subject.second_share,
            looks: subject.looks,
        };
        Ok(Analysis { embedding, face, quality, timings })
    }

    /// Encoded bytes to pixels, fewer than the photo's where it has more than looking for faces needs.
    pub fn decode(&mut self, photo: &Photo) -> Result<Picture, PhotoFault> {
        self.decoder.decode(photo, self.decoded_side)
    }

    /// All faces of a photo. Where none is found otherwise, and there is time, it is decoded to as many pixels as it takes to
    /// find small ones.
    pub fn detect(&mut self, picture: &mut Picture, retries: &mut Retries) -> Result<Faces, FaceError> {
        let faces = self.detector.find(picture, retries, &mut self.resizer)?;
        let Some(fine_side) = self.detector.fine_side(picture) else { return Ok(faces) };
        if !faces.found.is_empty() || !retries.may_go_on() {
            return Ok(faces);
        }
        self.decoder.enlarge_to(picture, fine_side)?;
        self.detector.find_small(picture, (fine_side, faces.looks), &mut self.resizer)
    }

    /// The face that is meant; `None` when there is none.
    pub fn subject(faces: &Faces) -> Option<Subject> {
        subject::choose(faces)
    }

    /// The subject's place, found once more at the size at which landmarks are placed best. Where the photo was decoded to
    /// fewer pixels than the crop can make use of, and has more, it is decoded to more.
    pub fn refine(
        &mut self,
        picture: &mut Picture,
        subject: Subject,
        retries: &mut Retries,
    ) -> Result<Subject, FaceError> {
        let [eye, other_eye, ..] = subject.face.landmarks;
        let least = LEAST_OVERSAMPLING * CROP_EYE_DISTANCE;
        let reduction = decode::reduction_for(eye.distance(other_eye), least, picture.reduction);
        self.decoder.enlarge(picture, reduction)?;
        self.detector.refine(picture, subject, retries, &mut self.resizer)
    }

    /// How well the crop can be compared.
    pub fn quality(crop: &AlignedFace, subject: &Subject) -> Quality {
        Quality::measure(crop, &subject.face.landmarks)
    }

    /// The crop that the embedder sees.
    pub fn align(&mut self, picture: &Picture, subject: &Subject) -> Result<AlignedFace, FaceError> {
        let landmarks = &subject.face.landmarks;
        let memory = (&mut self.resizer, &mut self.reduced);
        align::align(picture, subject.view.orientation, landmarks, &self.frame, memory)
    }

    /// The embedding, of unit length.
    pub fn embed(&mut self, crop: &AlignedFace) -> Result<Embedding, FaceError> {
        self.embedder.embed(crop)
    }
}

/// Decoded pixels for one of the crop, along each side, where the photo has them.
const LEAST_OVERSAMPLING: f64 = 2.0;

struct Stopwatch(Instant);

impl Stopwatch {
    fn start() -> Self {
        Self(Instant::now())
    }

    /// The time since the last lap.
    fn lap(&mut self) -> Duration {
        let now = Instant::now();
        now - std::mem::replace(&mut self.0, now)
    }
}
