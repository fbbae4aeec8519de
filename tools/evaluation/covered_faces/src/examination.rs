//! Runs each photo through the face pipeline, with each covering.

use std::{
    fs,
    io::Cursor,
    path::Path,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
};

use anyhow::{Context as _, Result, anyhow};
use bytes::Bytes;
use image::{ImageFormat, RgbImage};
use padan_domain::{Embedding, Photo};
use padan_evaluation::LabelledPhoto;
use padan_inference::{Face, FaceError, Pipeline};
use rand::{SeedableRng as _, rngs::StdRng};

use crate::{covering::Covering, measures::Measures};

/// A photo with a covering, after the pipeline.
#[derive(Debug, Clone)]
pub(crate) struct Examined {
    pub(crate) photo: String,
    pub(crate) identity: usize,
    /// The source of the photo; only photos of one source are compared.
    pub(crate) source: usize,
    pub(crate) covering: Covering,
    /// The code of the rule that turns the photo away as a selfie, or of its fault.
    pub(crate) rule: Option<&'static str>,
    /// `None` when no face was found.
    pub(crate) face: Option<MeasuredFace>,
}

#[derive(Debug, Clone)]
pub(crate) struct MeasuredFace {
    pub(crate) embedding: Embedding,
    pub(crate) measures: Measures,
}

/// Examines all photos, on a thread for each pipeline. Photos without a face, and photos that the pipeline turns, are
/// left out.
pub(crate) fn examine_all(
    photos: &[LabelledPhoto],
    coverings: &[Covering],
    pipelines: Vec<Pipeline>,
    seed: u64,
    pictures: Option<&Path>,
) -> Result<Vec<Examined>> {
    let next = AtomicUsize::new(0);
    let rows: Mutex<Vec<(usize, Vec<Examined>)>> = Mutex::default();
    thread::scope(|scope| {
        let threads: Vec<_> = (pipelines.into_iter())
            .map(|mut pipeline| {
                let (next, rows) = (&next, &rows);
                scope.spawn(move || {
                    loop {
                        let at = next.fetch_add(1, Relaxed);
                        let Some(photo) = photos.get(at) else { return Ok(()) };
                        let mut random = StdRng::seed_from_u64(seed.wrapping_add(at as u64));
                        let examined = examine(&mut pipeline, photo, coverings, &mut random, pictures)
                            .with_context(|| photo.name.to_string())?;
                        rows.lock().unwrap_or_else(PoisonError::into_inner).push((at, examined));
                    }
                })
            })
            .collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().unwrap_or_else(|_| Err(anyhow!("a thread panicked"))))
    })?;
    let mut rows = rows.into_inner().unwrap_or_else(PoisonError::into_inner);
    rows.sort_by_key(|(at, _)| *at);
    Ok(rows.into_iter().flat_map(|(_, rows)| rows).collect())
}

fn examine(
    pipeline: &mut Pipeline,
    photo: &LabelledPhoto,
    coverings: &[Covering],
    random: &mut StdRng,
    pictures: Option<&Path>,
) -> Result<Vec<Examined>> {
    let pixels = image::open(&photo.file).or_else(|_| {
        // The name may have another extension than the content.
        image::load_from_memory(&fs::read(&photo.file).map_err(image::ImageError::IoError)?)
    })?;
    let pixels = pixels.into_rgb8();
    let Some(face) = bare_face(pipeline, &pixels)? else { return Ok(Vec::new()) };
    let mut rows = Vec::new();
    for covering in coverings {
        let Some(drawn) = covering.apply(&pixels, &face, random) else { continue };
        if let Some(folder) = pictures {
            let name = photo.name.replace(['/', '.'], "_");
            drawn.save(folder.join(format!("{name}-{}.png", covering.name())))?;
        }
        let encoded = encoded(&drawn)?;
        let (rule, face) = match pipeline.examine(&encoded) {
            Ok((analysis, fault)) => {
                let crop = pipeline.crop(&encoded).map_err(|error| anyhow!("{error}"))?;
                let measures = Measures::of(&analysis, &crop, drawn.dimensions());
                let face = MeasuredFace { embedding: analysis.embedding, measures };
                (fault.map(|fault| fault.reason().as_str()), Some(face))
            }
            Err(FaceError::Rejected(fault)) => (Some(fault.reason().as_str()), None),
            Err(error) => return Err(anyhow!("{error}")),
        };
        rows.push(Examined {
            photo: photo.name.to_string(),
            identity: photo.identity,
            source: photo.source,
            covering: *covering,
            rule,
            face,
        });
    }
    Ok(rows)
}

/// The face of the photo as it is; `None` when there is none, or when the pipeline turned the photo.
fn bare_face(pipeline: &mut Pipeline, pixels: &RgbImage) -> Result<Option<Face>> {
    match pipeline.examine(&encoded(pixels)?) {
        Ok((analysis, _)) if analysis.face.turned_degrees == 0 => Ok(Some(analysis.face)),
        Ok(_) | Err(FaceError::Rejected(_)) => Ok(None),
        Err(error) => Err(anyhow!("{error}")),
    }
}

fn encoded(pixels: &RgbImage) -> Result<Photo> {
    let mut png = Cursor::new(Vec::new());
    pixels.write_to(&mut png, ImageFormat::Png)?;
    Ok(Photo::try_from(Bytes::from(png.into_inner()))?)
}
