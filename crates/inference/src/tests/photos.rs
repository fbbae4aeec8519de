//! Realistic photos: rotated, close, far away, with other people, badly lit.

use image::{DynamicImage, ImageFormat, Rgb, RgbImage, imageops};

use crate::{
    analysis::Analysis,
    engine::load,
    error::{FaceError, PhotoFault},
    pipeline::{Pipeline, Role},
    test_support::{config, fixture, for_a_minute, photo, pipeline, workspace},
};

fn person(file: &str) -> DynamicImage {
    image::open(workspace("people/images").join(file)).unwrap()
}

fn encoded(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn analyse(pipeline: &mut Pipeline, image: &DynamicImage) -> Result<Analysis, FaceError> {
    pipeline.analyse(&photo(encoded(image, ImageFormat::Jpeg)), Role::Probe, &for_a_minute())
}

fn fault(pipeline: &mut Pipeline, image: &DynamicImage) -> PhotoFault {
    match analyse(pipeline, image) {
        Err(FaceError::Rejected(fault)) => fault,
        Ok(analysis) => panic!("accepted: {analysis:?}"),
        Err(error) => panic!("{error}"),
    }
}

/// Compares selfies with a portrait, by the shipped calibration.
struct PortraitComparison {
    pipeline: Pipeline,
    calibration: padan_domain::Calibration,
    portrait: padan_domain::Embedding,
}

impl PortraitComparison {
    fn with(portrait: &str) -> Self {
        let (mut pipelines, identity) = load(&config()).unwrap();
        let mut pipeline = pipelines.remove(0);
        let bytes = std::fs::read(workspace("people/images").join(portrait)).unwrap();
        let portrait = pipeline.analyse(&photo(bytes), Role::Reference, &for_a_minute()).unwrap().embedding;
        Self { pipeline, calibration: identity.calibration, portrait }
    }

    fn percentage(&mut self, bytes: Vec<u8>) -> f64 {
        let analysis = self.pipeline.analyse(&photo(bytes), Role::Probe, &for_a_minute()).unwrap();
        let similarity = self.calibration.similarity(&self.portrait, &analysis.embedding).unwrap();
        self.calibration.percentage(similarity).value()
    }

    fn percentage_of(&mut self, image: &DynamicImage) -> f64 {
        self.percentage(encoded(image, ImageFormat::Jpeg))
    }
}

#[test]
fn the_eight_exif_orientations_give_the_same_percentage() {
    let mut portrait = PortraitComparison::with("114_id.jpg");
    let upright = portrait.percentage(fixture("odd/exif_1.jpg"));
    for orientation in 2..=8 {
        let percentage = portrait.percentage(fixture(&format!("odd/exif_{orientation}.jpg")));
        assert!((percentage - upright).abs() < 1.0, "orientation {orientation}: {percentage} for {upright}");
    }
}

#[test]
fn a_photo_turned_without_exif_gives_nearly_the_same_percentage() {
    let mut portrait = PortraitComparison::with("114_id.jpg");
    let upright = portrait.percentage(fixture("odd/exif_1.jpg"));
    for degrees in [90, 180, 270] {
        let percentage = portrait.percentage(fixture(&format!("odd/turned_{degrees}.jpg")));
        assert!((percentage - upright).abs() < 2.0, "{degrees} degrees: {percentage} for {upright}");
    }
}

#[test]
fn selfies_of_every_person_are_accepted_turned_or_not() {
    let mut pipeline = pipeline(&config());
    let mut selfies = 0;
    for entry in std::fs::read_dir(workspace("people/images")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if !name.contains("_s") {
            continue;
        }
        selfies += 1;
        let upright = person(&name);
        let turned =
            [(upright.rotate90(), 270), (upright.rotate180(), 180), (upright.rotate270(), 90), (upright, 0)];
        for (turned, degrees) in turned {
            let analysis = analyse(&mut pipeline, &turned).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(analysis.face.turned_degrees, degrees, "{name}");
        }
    }
    assert!(selfies >= 24, "only {selfies} selfies");
}

#[test]
fn a_face_that_fills_the_frame_is_found() {
    let mut portrait = PortraitComparison::with("114_id.jpg");
    let selfie = person("114_s1.jpg");
    let whole = portrait.percentage_of(&selfie);
    let face = portrait
        .pipeline
        .analyse(&photo(encoded(&selfie, ImageFormat::Png)), Role::Probe, &for_a_minute())
        .unwrap()
        .face;
    let part = |margin: f64| {
        let width = face.rectangle.width * (1.0 + 2.0 * margin);
        let height = face.rectangle.height * (1.0 + 2.0 * margin);
        let left = (face.rectangle.left - face.rectangle.width * margin).max(0.0);
        let top = (face.rectangle.top - face.rectangle.height * margin).max(0.0);
        let crop = selfie.crop_imm(left as u32, top as u32, width as u32, height as u32);
        crop.resize(1080, 1440, imageops::FilterType::CatmullRom)
    };
    for margin in [0.15, 0.05, 0.0] {
        let percentage = portrait.percentage_of(&part(margin));
        assert!(percentage > 75.0, "margin {margin}: {percentage}; the whole photo has {whole}");
    }
}

#[test]
fn a_face_of_80_pixels_in_12_megapixels_is_found() {
    let mut pipeline = pipeline(&config());
    let selfie = person("114_s1.jpg");
    let face = analyse(&mut pipeline, &selfie).unwrap().face.rectangle;
    let scale = 80.0 / face.width;
    let size = |length: u32| (f64::from(length) * scale) as u32;
    let small =
        selfie.resize_exact(size(selfie.width()), size(selfie.height()), imageops::FilterType::Lanczos3);
    let mut wall = RgbImage::from_fn(4032, 3024, |x, y| {
        let grain = (x.wrapping_mul(7919) ^ y.wrapping_mul(104_729)) % 23;
        Rgb([150, 140, 120].map(|value: u8| value + grain as u8))
    });
    imageops::overlay(&mut wall, &small.to_rgb8(), 2500, 1200);
    let photo = photo(encoded(&DynamicImage::ImageRgb8(wall), ImageFormat::Jpeg));
    let analysis = pipeline.analyse(&photo, Role::Reference, &for_a_minute()).unwrap();
    assert!((analysis.face.rectangle.width - 80.0).abs() < 12.0, "{:?}", analysis.face);
    assert!(analysis.face.detector_runs > 4, "the first runs are too coarse for it");
}

/// Compared with the photo itself and not with the portrait, which shows the cost of the reduction more clearly.
#[cfg(feature = "turbojpeg")]
#[test]
fn a_photo_decoded_to_fewer_pixels_shows_the_same_face() {
    let mut pipeline = pipeline(&config());
    let selfie = person("114_s1.jpg");
    let small = analyse(&mut pipeline, &selfie).unwrap();
    for (width, reduction) in [(1080, 2), (3024, 4), (4400, 8)] {
        let height = width * 5 / 4;
        let large = selfie.resize_exact(width, height, imageops::FilterType::CatmullRom);
        let bytes = photo(encoded(&large, ImageFormat::Jpeg));
        assert_eq!(pipeline.decode(&bytes).unwrap().reduction, reduction);
        let analysis = pipeline.analyse(&bytes, Role::Probe, &for_a_minute()).unwrap();
        let cosine = small.embedding.similarity(&analysis.embedding).unwrap().cosine();
        assert!(cosine > 0.98, "{width} pixels wide: {cosine}");
        let scale = f64::from(width) / f64::from(selfie.width());
        let expected = small.quality.eye_distance * scale;
        let distance = analysis.quality.eye_distance;
        assert!(
            (distance / expected - 1.0).abs() < 0.03,
            "{distance} for {expected} pixels between the eyes"
        );
    }
}

/// A photo whose face has few decoded pixels is decoded again, to as many as the crop can use.
#[cfg(feature = "turbojpeg")]
#[test]
fn a_small_face_in_a_large_photo_keeps_its_pixels() {
    let mut pipeline = pipeline(&config());
    let selfie = person("114_s1.jpg");
    let alone = analyse(&mut pipeline, &selfie).unwrap();
    let mut wall = RgbImage::from_pixel(2000, 2600, Rgb([150, 140, 120]));
    imageops::overlay(&mut wall, &selfie.to_rgb8(), 700, 900);
    let bytes = photo(encoded(&DynamicImage::ImageRgb8(wall), ImageFormat::Jpeg));
    let mut picture = pipeline.decode(&bytes).unwrap();
    assert_eq!(picture.reduction, 4);
    let mut retries = crate::retry_budget::RetryBudget::unlimited();
    let faces = pipeline.detect(&mut picture, &mut retries).unwrap();
    let subject = Pipeline::subject(&faces).unwrap();
    pipeline.refine(&mut picture, subject, &mut retries).unwrap();
    assert_eq!(picture.reduction, 1, "{} pixels between the eyes", alone.quality.eye_distance);
    let analysis = pipeline.analyse(&bytes, Role::Probe, &for_a_minute()).unwrap();
    let cosine = alone.embedding.similarity(&analysis.embedding).unwrap().cosine();
    assert!(cosine > 0.95, "{cosine}");
}

/// An end marker does not make a file complete, whatever part of the pixels is missing.
#[cfg(feature = "turbojpeg")]
#[test]
fn a_jpeg_with_missing_data_is_unreadable() {
    let mut pipeline = pipeline(&config());
    let baseline = std::fs::read(workspace("people/images/101_s1.jpg")).unwrap();
    let progressive = fixture("odd/progressive.jpg");
    let mut is_read = |bytes: Vec<u8>| pipeline.decode(&photo(bytes)).is_ok();
    for file in [&baseline, &progressive] {
        assert!(is_read(file.clone()));
        for percent in [30, 60, 80, 95, 99] {
            let cut = [&file[..file.len() * percent / 100], b"\xff\xd9"].concat();
            assert!(!is_read(cut), "{percent} % of {} bytes", file.len());
        }
    }
    let middle = baseline.len() / 2;
    assert!(
        !is_read([&baseline[..middle], &baseline[middle + 3000..]].concat()),
        "3,000 bytes from the middle"
    );
}

#[test]
fn a_second_large_face_makes_a_selfie_ambiguous_and_a_small_one_does_not() {
    let mut pipeline = pipeline(&config());
    let (one, other) = (person("101_s1.jpg"), person("114_s1.jpg"));
    let beside = |width: u32, height: u32| {
        let mut both = RgbImage::from_pixel(900, 540, Rgb([120, 120, 120]));
        imageops::overlay(&mut both, &one.to_rgb8(), 0, 0);
        let second = other.resize_exact(width, height, imageops::FilterType::Lanczos3);
        imageops::overlay(&mut both, &second.to_rgb8(), 450, 0);
        DynamicImage::ImageRgb8(both)
    };
    assert_eq!(fault(&mut pipeline, &beside(432, 540)), PhotoFault::SeveralFaces);
    let analysis = analyse(&mut pipeline, &beside(144, 180)).unwrap();
    assert!(analysis.face.second_share > 0.0 && analysis.face.rectangle.centre().x < 432.0);
}

/// A rotated bystander does not replace the subject in any rotation of the photo.
#[test]
fn a_rotated_bystander_never_becomes_the_subject() {
    let mut pipeline = pipeline(&config());
    let (one, other) = (person("114_s3.jpg"), person("101_s1.jpg"));
    let (width, height) = (one.width(), one.height());
    for bystander in [other.rotate90(), other.rotate180(), other.rotate270()] {
        let mut both = RgbImage::from_pixel(2 * width, height, Rgb([120, 120, 120]));
        imageops::overlay(&mut both, &one.to_rgb8(), 0, 0);
        let small = bystander.resize(width / 2, height / 2, imageops::FilterType::Lanczos3);
        imageops::overlay(&mut both, &small.to_rgb8(), i64::from(width) + 20, 20);
        let analysis = analyse(&mut pipeline, &DynamicImage::ImageRgb8(both)).unwrap();
        assert_eq!(analysis.face.turned_degrees, 0);
        assert!(analysis.face.rectangle.centre().x < f64::from(width), "{:?}", analysis.face);
    }
}

#[test]
fn retries_are_limited_for_selfies_and_not_for_portraits() {
    let mut config = config();
    config.detection.retry_budget_ms = 0;
    let mut pipeline = pipeline(&config);
    let lying_face = photo(fixture("odd/turned_90.jpg"));
    let limited = pipeline.analyse(&lying_face, Role::Probe, &for_a_minute());
    assert!(limited.is_err() || limited.is_ok_and(|analysis| analysis.face.detector_runs <= 4));
    let portrait = pipeline.analyse(&lying_face, Role::Reference, &for_a_minute()).unwrap();
    assert_eq!(portrait.face.turned_degrees, 270);
    assert!(portrait.face.detector_runs > 4);
}

#[test]
fn a_masked_or_cut_off_face_is_refused_and_one_at_the_edge_of_the_photo_is_not() {
    let mut pipeline = pipeline(&config());
    for name in ["101_s1.jpg", "114_s1.jpg", "118_s1.jpg"] {
        let selfie = person(name);
        let face = analyse(&mut pipeline, &selfie).unwrap().face.rectangle;
        let (width, height) = (selfie.width(), selfie.height());
        let column = |share: f64| (face.left + share * face.width).clamp(0.0, width.into()) as u32;
        let row = |share: f64| (face.top + share * face.height).clamp(0.0, height.into()) as u32;
        let cut_off = selfie.crop_imm(column(0.4), 0, width - column(0.4), height);
        assert_eq!(fault(&mut pipeline, &cut_off), PhotoFault::Covered, "{name}");
        let mut masked = selfie.to_rgb8();
        // A surgical mask reaches from the bridge of the nose to the chin.
        let [eye, _, _, corner, _] = analyse(&mut pipeline, &selfie).unwrap().face.landmarks;
        for y in (eye.y + 0.3 * (corner.y - eye.y)) as u32..row(1.0) {
            for x in column(0.0)..column(1.0) {
                masked.put_pixel(x, y, Rgb([150, 190, 215]));
            }
        }
        assert_eq!(fault(&mut pipeline, &DynamicImage::ImageRgb8(masked)), PhotoFault::Covered, "{name}");
        let beside =
            selfie.crop_imm(column(-0.02), row(-0.02), column(1.02) - column(-0.02), height - row(-0.02));
        let analysis = analyse(&mut pipeline, &beside).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(analysis.quality.outside < 0.1, "{name}: {:?}", analysis.quality);
        let bytes = photo(encoded(&cut_off, ImageFormat::Png));
        let portrait = pipeline.analyse(&bytes, Role::Reference, &for_a_minute()).unwrap();
        assert!(portrait.quality.outside > 0.1, "a portrait is used whatever its quality");
    }
}

#[test]
fn every_fault_has_its_own_reason() {
    let mut pipeline = pipeline(&config());
    let selfie = person("114_s1.jpg");
    let brightness = |factor: f32, offset: f32| {
        let mut image = selfie.to_rgb8();
        for value in image.iter_mut() {
            *value = (f32::from(*value) * factor + offset).clamp(0.0, 255.0) as u8;
        }
        DynamicImage::ImageRgb8(image)
    };
    let tiny = selfie.resize(40, 50, imageops::FilterType::Lanczos3);
    let noise =
        RgbImage::from_fn(400, 400, |x, y| Rgb([(x * y % 251) as u8, (x % 13) as u8, (y % 17) as u8]));
    assert_eq!(fault(&mut pipeline, &DynamicImage::ImageRgb8(noise)), PhotoFault::NoFace);
    assert_eq!(fault(&mut pipeline, &tiny), PhotoFault::TooSmall);
    assert_eq!(fault(&mut pipeline, &selfie.blur(12.0)), PhotoFault::Blurred);
    assert_eq!(fault(&mut pipeline, &brightness(0.12, 0.0)), PhotoFault::TooDark);
    assert_eq!(fault(&mut pipeline, &brightness(1.0, 170.0)), PhotoFault::TooBright);
}

#[test]
fn no_pixel_of_a_photo_remains_in_a_buffer() {
    let mut pipeline = pipeline(&config());
    let is_wiped = |pipeline: &Pipeline| {
        pipeline.decoder.is_wiped()
            && pipeline.detector.is_wiped()
            && pipeline.embedder.is_wiped()
            && pipeline.reduced.rgb().iter().all(|byte| *byte == 0)
    };
    let portrait = person("101_id.jpg");
    let without_face = DynamicImage::from(RgbImage::from_pixel(400, 300, Rgb([200, 180, 160])));
    for (image, format, succeeds) in [
        (&portrait, ImageFormat::Jpeg, true),
        (&portrait, ImageFormat::Png, true),
        (&without_face, ImageFormat::Jpeg, false),
    ] {
        let outcome = pipeline.analyse(&photo(encoded(image, format)), Role::Probe, &for_a_minute());
        assert_eq!(outcome.is_ok(), succeeds);
        assert!(is_wiped(&pipeline), "{format:?}");
    }
}

#[test]
fn no_pixel_of_a_photo_that_cannot_be_decoded_remains() {
    // The portable decoder decodes JPEG in memory of its own.
    let jpeg = cfg!(feature = "turbojpeg").then_some(ImageFormat::Jpeg);
    for format in jpeg.into_iter().chain([ImageFormat::Png]) {
        let mut pipeline = pipeline(&config());
        let mut bytes = encoded(&person("101_id.jpg"), format);
        let middle = bytes.len() / 2;
        bytes[middle..middle + 64].fill(0xaa);
        let outcome = pipeline.analyse(&photo(bytes), Role::Probe, &for_a_minute());
        assert!(matches!(outcome, Err(FaceError::Rejected(PhotoFault::Unreadable))), "{outcome:?}");
        // Its buffer is the spare of the next photo.
        assert!(pipeline.decoder.spare_bytes() > 100_000, "{format:?}");
        assert!(pipeline.decoder.is_wiped(), "{format:?}");
    }
}
