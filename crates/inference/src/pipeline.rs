use std::time::{Duration, Instant};

use fast_image_resize::Resizer;
use padan_domain::{Embedding, Photo};

use crate::{
    align::{self, AlignedFace, CROP_EYE_DISTANCE},
    analysis::{Analysis, Face, Timings},
    config::{QualityConfig, SubjectConfig},
    decode::{self, Declared, Decoder, Picture},
    demand::Demand,
    detector::Detector,
    embedder::Embedded,
    error::{FaceError, PhotoFault},
    face_crop::FaceCrop,
    face_embedder::FaceEmbedder,
    faces::Faces,
    geometry::Point,
    liveness::{Liveness, LivenessJudge},
    quality::Quality,
    raster::Raster,
    retry_budget::RetryBudget,
    subject::{self, Subject},
};

/// The use of a photo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// A selfie to be verified. It must show one face, in good quality.
    Probe,
    /// A selfie whose face is judged for liveness as well.
    JudgedProbe,
    /// The registry's portrait. There is no better photo, so its subject is accepted whatever its quality.
    Reference,
}

/// All steps from a photo to an embedding, for one thread. It owns its buffers and its sessions, but may share the
/// embedder's.
pub struct Pipeline {
    pub(crate) decoder: Decoder,
    pub(crate) detector: Detector,
    pub(crate) embedder: FaceEmbedder,
    /// `None` without a liveness set.
    pub(crate) liveness: Option<LivenessJudge>,
    pub(crate) frame: [Point; 5],
    pub(crate) retry_budget: Duration,
    pub(crate) subject: SubjectConfig,
    pub(crate) quality: QualityConfig,
    /// The minimum long side, in pixels, of a decoded photo.
    pub(crate) decoded_side: u32,
    pub(crate) resizer: Resizer,
    /// Buffer for the part of a photo from which a crop is taken.
    pub(crate) reduced: Raster,
}

impl Pipeline {
    /// Reads the headers of a photo.
    pub(crate) fn inspect(&self, photo: &Photo) -> Declared {
        self.decoder.inspect(photo, self.decoded_side)
    }

    /// Runs all steps, with the rules for this role.
    ///
    /// Decoding, retries and the wait for a shared embedder stop at the deadline: the other steps take a fraction of a
    /// second. A face that nobody waits for any more is not embedded by a shared embedder.
    pub(crate) fn analyse(
        &mut self,
        photo: &Photo,
        role: Role,
        demand: &Demand,
    ) -> Result<Analysis, FaceError> {
        let mut retries = match (role, demand.deadline) {
            (Role::Probe | Role::JudgedProbe, Some(deadline)) => {
                RetryBudget::within(self.retry_budget, deadline)
            }
            (Role::Reference, _) | (_, None) => RetryBudget::unlimited(),
        };
        self.decoder.set_deadline(demand.deadline);
        self.embedder.set_demand(demand.clone());
        let analysis = self.run(photo, role, &mut retries, &mut |fault| match role {
            Role::Probe | Role::JudgedProbe => Err(fault.into()),
            Role::Reference => Ok(()),
        });
        self.decoder.set_deadline(None);
        self.embedder.set_demand(Demand::default());
        analysis
    }

    /// Runs all steps as for a portrait, and returns the first rule for selfies that the photo breaks, if any.
    ///
    /// # Errors
    ///
    /// [`FaceError::Rejected`] when the photo has no usable face, [`FaceError::Broken`] when a network fails.
    pub fn examine(&mut self, photo: &Photo) -> Result<(Analysis, Option<PhotoFault>), FaceError> {
        let mut first_fault = None;
        let analysis = self.run(photo, Role::Reference, &mut RetryBudget::unlimited(), &mut |fault| {
            first_fault.get_or_insert(fault);
            Ok(())
        })?;
        Ok((analysis, first_fault))
    }

    /// The aligned crop of the subject, for display.
    ///
    /// # Errors
    ///
    /// As [`Pipeline::examine`].
    pub fn crop(&mut self, photo: &Photo) -> Result<AlignedFace, FaceError> {
        self.run_crop(photo, &mut RetryBudget::unlimited())
    }

    /// The aligned crop of the subject as a file, for display. Leaves no pixel of the photo in a buffer.
    pub(crate) fn crop_until(&mut self, photo: &Photo, deadline: Instant) -> Result<FaceCrop, FaceError> {
        self.decoder.set_deadline(Some(deadline));
        let crop = self.run_crop(photo, &mut RetryBudget::within(self.retry_budget, deadline));
        self.decoder.set_deadline(None);
        self.detector.wipe();
        self.reduced.wipe();
        crop.map(|crop| FaceCrop::of(&crop))
    }

    fn run_crop(&mut self, photo: &Photo, retries: &mut RetryBudget) -> Result<AlignedFace, FaceError> {
        let mut picture = self.decode(photo)?;
        let faces = self.detect(&mut picture, retries)?;
        let subject = Self::subject(&faces).ok_or(PhotoFault::NoFace)?;
        let subject = self.refine(&mut picture, subject, retries)?;
        let crop = self.align(&picture, &subject);
        self.decoder.reuse_memory(picture);
        crop
    }

    /// Runs all steps, and leaves no pixel of the photo in a buffer. `on_fault` is called for each rule that the photo
    /// breaks; its error ends the run.
    fn run(
        &mut self,
        photo: &Photo,
        role: Role,
        retries: &mut RetryBudget,
        on_fault: &mut impl FnMut(PhotoFault) -> Result<(), FaceError>,
    ) -> Result<Analysis, FaceError> {
        let mut watch = Stopwatch::start();
        // What cannot be decoded reaches no buffer but those of the decoder.
        let picture = self.decode(photo)?;
        let timings = Timings { decode: watch.lap(), ..Timings::default() };
        let analysis = self.run_steps(picture, timings, role, retries, on_fault);
        self.detector.wipe();
        self.reduced.wipe();
        self.embedder.wipe();
        self.wipe_judge();
        analysis
    }

    fn run_steps(
        &mut self,
        mut picture: Picture,
        mut timings: Timings,
        role: Role,
        retries: &mut RetryBudget,
        on_fault: &mut impl FnMut(PhotoFault) -> Result<(), FaceError>,
    ) -> Result<Analysis, FaceError> {
        let mut watch = Stopwatch::start();

        let faces = self.detect(&mut picture, retries)?;
        let subject = Self::subject(&faces).ok_or(PhotoFault::NoFace)?;
        let subject = self.refine(&mut picture, subject, retries)?;
        if subject.second_share > self.subject.max_second_share {
            on_fault(PhotoFault::SeveralFaces)?;
        }
        timings.detect = watch.lap();

        let crop = self.align(&picture, &subject)?;
        timings.align = watch.lap();

        let quality = Self::quality(&crop, &subject);
        let judged = quality.check(&self.quality);
        let covered = judged == Err(PhotoFault::Covered);
        judged.or_else(&mut *on_fault)?;
        timings.quality = watch.lap();

        let mut spoof = None;
        if role == Role::JudgedProbe {
            spoof = Some(self.judge(&picture, &subject)?.spoof);
            timings.liveness = Some(watch.lap());
        }
        self.decoder.reuse_memory(picture);

        let Embedded { embedding, length } = self.embedder.embed(&crop)?;
        timings.embed = watch.lap();

        let face = Face {
            rectangle: subject.face.rectangle,
            landmarks: subject.face.landmarks,
            score: subject.face.score,
            turned_degrees: subject.view.quarter_turns * 90,
            second_share: subject.second_share,
            detector_runs: subject.detector_runs,
        };
        Ok(Analysis { embedding, embedding_length: length, face, quality, covered, spoof, timings })
    }

    /// Judges the subject's liveness as for a client, without a limit of time.
    ///
    /// # Errors
    ///
    /// As [`Pipeline::judge_liveness`].
    pub fn examine_liveness(&mut self, photo: &Photo) -> Result<Liveness, FaceError> {
        let judged = self.run_liveness(photo, &mut RetryBudget::unlimited());
        self.detector.wipe();
        self.wipe_judge();
        judged
    }

    /// Judges the subject's liveness. Of the rules for selfies, only the one about several faces holds.
    ///
    /// # Errors
    ///
    /// [`FaceError::Rejected`] when the photo cannot be decoded or does not show one face, [`FaceError::Broken`] without a
    /// liveness set or when a network fails.
    pub fn judge_liveness(&mut self, photo: &Photo, deadline: Instant) -> Result<Liveness, FaceError> {
        let mut retries = RetryBudget::within(self.retry_budget, deadline);
        self.decoder.set_deadline(Some(deadline));
        let judged = self.run_liveness(photo, &mut retries);
        self.decoder.set_deadline(None);
        self.detector.wipe();
        self.wipe_judge();
        judged
    }

    fn wipe_judge(&mut self) {
        if let Some(judge) = &mut self.liveness {
            judge.wipe();
        }
    }

    fn judge(&mut self, picture: &Picture, subject: &Subject) -> Result<Liveness, FaceError> {
        let judge = self.liveness.as_mut();
        let judge = judge.ok_or_else(|| FaceError::Broken("no liveness set is loaded".into()))?;
        judge.judge(picture, subject)
    }

    fn run_liveness(&mut self, photo: &Photo, retries: &mut RetryBudget) -> Result<Liveness, FaceError> {
        let mut picture = self.decode(photo)?;
        let faces = self.detect(&mut picture, retries)?;
        let subject = Self::subject(&faces).ok_or(PhotoFault::NoFace)?;
        let subject = self.refine(&mut picture, subject, retries)?;
        if subject.second_share > self.subject.max_second_share {
            return Err(PhotoFault::SeveralFaces.into());
        }
        let judged = self.judge(&picture, &subject);
        self.decoder.reuse_memory(picture);
        judged
    }

    /// Decodes the photo, to fewer pixels if it has more than face detection needs.
    ///
    /// # Errors
    ///
    /// [`FaceError::Rejected`] when the file is damaged, incomplete or too large.
    pub fn decode(&mut self, photo: &Photo) -> Result<Picture, FaceError> {
        self.decoder.decode(photo, self.decoded_side)
    }

    /// Detects the faces of a photo. When there are none, and time is left in the retry budget, the photo is decoded to
    /// more pixels and searched for small faces.
    ///
    /// # Errors
    ///
    /// As [`Pipeline::examine`].
    pub fn detect(&mut self, picture: &mut Picture, retries: &mut RetryBudget) -> Result<Faces, FaceError> {
        let faces = self.detector.detect(picture, retries, &mut self.resizer)?;
        let Some(fine_side) = self.detector.fine_side(picture) else { return Ok(faces) };
        if !faces.found.is_empty() || !retries.has_time_left() {
            return Ok(faces);
        }
        self.decoder.decode_to_side(picture, fine_side)?;
        self.detector.detect_small(picture, fine_side, faces.detector_runs, &mut self.resizer)
    }

    /// The subject; `None` without faces.
    pub fn subject(faces: &Faces) -> Option<Subject> {
        subject::choose(faces)
    }

    /// Detects the subject again, at the size at which landmarks are placed best. A photo that was decoded to fewer
    /// pixels than the crop can use is first decoded to more.
    ///
    /// # Errors
    ///
    /// As [`Pipeline::examine`].
    pub fn refine(
        &mut self,
        picture: &mut Picture,
        subject: Subject,
        retries: &mut RetryBudget,
    ) -> Result<Subject, FaceError> {
        let [eye, other_eye, ..] = subject.face.landmarks;
        let min_eye_distance = MIN_OVERSAMPLING * CROP_EYE_DISTANCE;
        let reduction = decode::reduction_for(eye.distance(other_eye), min_eye_distance, picture.reduction);
        self.decoder.decode_larger(picture, reduction)?;
        self.detector.refine(picture, subject, retries, &mut self.resizer)
    }

    /// Measures the quality of the crop.
    pub fn quality(crop: &AlignedFace, subject: &Subject) -> Quality {
        Quality::measure(crop, &subject.face.landmarks)
    }

    /// The aligned crop for the embedder.
    ///
    /// # Errors
    ///
    /// [`PhotoFault::NoFace`] when the landmarks do not span a face within the photo.
    pub fn align(&mut self, picture: &Picture, subject: &Subject) -> Result<AlignedFace, FaceError> {
        let landmarks = &subject.face.landmarks;
        let orientation = subject.view.orientation;
        align::align(picture, orientation, landmarks, &self.frame, &mut self.resizer, &mut self.reduced)
    }

    /// The embedding, of unit length.
    ///
    /// # Errors
    ///
    /// [`FaceError::Broken`] when the network fails.
    pub fn embed(&mut self, crop: &AlignedFace) -> Result<Embedding, FaceError> {
        self.embedder.embed(crop).map(|embedded| embedded.embedding)
    }
}

/// The minimum number of decoded pixels for a pixel of the crop, along each side, if the photo has that many.
const MIN_OVERSAMPLING: f64 = 2.0;

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
