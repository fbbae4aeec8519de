use std::time::{Duration, Instant};

use fast_image_resize::Resizer;
use padan_domain::{Embedding, Photo};

use crate::{
    align::{self, AlignedFace},
    analysis::{Analysis, Face, Timings},
    config::{Limits, QualityConfig, SubjectConfig},
    decode::{self, Picture},
    detector::{Detector, Faces},
    embedder::Embedder,
    error::{FaceError, PhotoFault},
    geometry::Point,
    quality::Quality,
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
    pub(crate) detector: Detector,
    pub(crate) embedder: Embedder,
    pub(crate) frame: [Point; 5],
    pub(crate) limits: Limits,
    pub(crate) retry_budget: Duration,
    pub(crate) subject: SubjectConfig,
    pub(crate) quality: QualityConfig,
    pub(crate) resizer: Resizer,
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
        let picture = self.decode(photo)?;
        let faces = self.detect(&picture, &mut retries)?;
        let subject = Self::subject(&faces).ok_or(PhotoFault::NoFace)?;
        let subject = self.refine(&picture, subject, &mut retries)?;
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

        let picture = self.decode(photo)?;
        timings.decode = watch.lap();

        let faces = self.detect(&picture, retries)?;
        let subject = Self::subject(&faces).ok_or(PhotoFault::NoFace)?;
        let subject = self.refine(&picture, subject, retries)?;
        if subject.second_share > self.subject.max_second_share {
            judge(PhotoFault::SeveralFaces)?;
        }
        timings.detect = watch.lap();

        let crop = self.align(&picture, &subject)?;
        timings.align = watch.lap();

        let quality = Quality::measure(&crop, &subject.face.landmarks);
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

    /// Encoded bytes to pixels.
    pub fn decode(&self, photo: &Photo) -> Result<Picture, PhotoFault> {
        decode::decode(photo, &self.limits)
    }

    /// All faces of a photo.
    pub fn detect(&mut self, picture: &Picture, retries: &mut Retries) -> Result<Faces, FaceError> {
        self.detector.find(picture, retries, &mut self.resizer)
    }

    /// The face that is meant; `None` when there is none.
    pub fn subject(faces: &Faces) -> Option<Subject> {
        subject::choose(faces)
    }

    /// The subject's place, found once more at the size at which landmarks are placed best.
    pub fn refine(
        &mut self,
        picture: &Picture,
        subject: Subject,
        retries: &mut Retries,
    ) -> Result<Subject, FaceError> {
        self.detector.refine(picture, subject, retries, &mut self.resizer)
    }

    /// The crop that the embedder sees.
    pub fn align(&mut self, picture: &Picture, subject: &Subject) -> Result<AlignedFace, FaceError> {
        let landmarks = &subject.face.landmarks;
        align::align(&picture.raster, subject.view.orientation, landmarks, &self.frame, &mut self.resizer)
    }

    /// The embedding, of unit length.
    pub fn embed(&mut self, crop: &AlignedFace) -> Result<Embedding, FaceError> {
        self.embedder.embed(crop)
    }
}

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
