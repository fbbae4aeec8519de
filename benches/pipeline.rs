//! The face pipeline, step by step and as a whole, on one thread: `cargo bench -p padan-benches --bench pipeline`.
//!
//! Photos are a rendered selfie at the sizes that phones send, enlarged with grain so that it compresses like a photo.
#![expect(clippy::expect_used, reason = "a bench that lacks something ends at once and says what")]

use std::{fs, hint::black_box, io::Cursor, path::Path, time::Duration};

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use image::{DynamicImage, codecs::jpeg::JpegEncoder, imageops::FilterType};
use padan_domain::Photo;
use padan_inference::{Config, Pipeline, Retries, Subject};

/// Width, height and JPEG quality; about 60 kB, 250 kB and 1.4 MB.
const SIZES: [(u32, u32, u8); 3] = [(480, 640, 88), (1080, 1440, 84), (3024, 4032, 68)];

fn steps(criterion: &mut Criterion) {
    let mut pipeline = pipeline();
    for (width, height, quality) in SIZES {
        let photo = selfie(width, height, quality);
        let mut group = criterion.benchmark_group(format!("{width}x{height}"));
        group.measurement_time(Duration::from_secs(4)).sample_size(30);
        group.bench_function("decode", |b| b.iter(|| pipeline.decode(black_box(&photo))));
        let mut picture = pipeline.decode(&photo).expect("the selfie decodes");
        group.bench_function("detect", |b| {
            b.iter(|| pipeline.detect(black_box(&mut picture), &mut Retries::unhurried()));
        });
        let faces = pipeline.detect(&mut picture, &mut Retries::unhurried()).expect("the detector runs");
        let chosen = Pipeline::subject(&faces).expect("the selfie has a face");
        group.bench_function("refine", |b| {
            b.iter(|| pipeline.refine(&mut picture, black_box(chosen), &mut Retries::unhurried()));
        });
        let subject: Subject =
            pipeline.refine(&mut picture, chosen, &mut Retries::unhurried()).expect("the detector runs");
        group.bench_function("align", |b| b.iter(|| pipeline.align(&picture, black_box(&subject))));
        let crop = pipeline.align(&picture, &subject).expect("the face aligns");
        group.bench_function("embed", |b| b.iter(|| pipeline.embed(black_box(&crop))));
        group.bench_function("whole", |b| b.iter(|| whole(&mut pipeline, black_box(&photo))));
        group.finish();
    }
}

fn whole(pipeline: &mut Pipeline, photo: &Photo) -> f32 {
    let mut picture = pipeline.decode(photo).expect("the selfie decodes");
    let faces = pipeline.detect(&mut picture, &mut Retries::unhurried()).expect("the detector runs");
    let subject = Pipeline::subject(&faces).expect("the selfie has a face");
    let subject =
        pipeline.refine(&mut picture, subject, &mut Retries::unhurried()).expect("the detector runs");
    let crop = pipeline.align(&picture, &subject).expect("the face aligns");
    pipeline.embed(&crop).expect("the embedder runs").as_slice()[0]
}

/// One warm pipeline with the shipped settings. Benches run in the package's folder, one below the root.
fn pipeline() -> Pipeline {
    #[derive(serde::Deserialize)]
    struct Shipped {
        inference: Config,
    }
    let shipped = fs::read_to_string(root("config/default.toml")).expect("config/default.toml is there");
    let mut config = toml::from_str::<Shipped>(&shipped).expect("the shipped settings parse").inference;
    config.model_folder = Some(root(".deps/models"));
    config.runtime_library = Some(root(".deps/onnxruntime/libonnxruntime.so"));
    config.workers = std::num::NonZeroUsize::new(1);
    let (mut pipelines, _) = padan_inference::load(&config).expect("the models are installed by `make deps`");
    pipelines.remove(0)
}

fn root(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn selfie(width: u32, height: u32, quality: u8) -> Photo {
    let rendered = image::open(root("people/images/114_s1.jpg")).expect("people/images is there");
    let mut enlarged = rendered.resize_to_fill(width, height, FilterType::CatmullRom).to_rgb8();
    let mut state = 0x2545_f491_u32;
    for value in enlarged.iter_mut() {
        // Xorshift: the same grain in every run.
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        *value = value.saturating_add_signed((state % 9) as i8 - 4);
    }
    let mut bytes = Cursor::new(Vec::new());
    let encoder = JpegEncoder::new_with_quality(&mut bytes, quality);
    DynamicImage::ImageRgb8(enlarged).write_with_encoder(encoder).expect("the selfie encodes");
    Photo::try_from(Bytes::from(bytes.into_inner())).expect("a JPEG is a photo")
}

criterion_group!(benches, steps);
criterion_main!(benches);
