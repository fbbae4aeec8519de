//! The face pipeline, step by step and as a whole, on one thread: `cargo bench -p padan-benches --bench pipeline`.
//!
//! Photos are a rendered selfie at the sizes that phones send, as `padan-load` makes them.
#![expect(clippy::expect_used, reason = "a benchmark that cannot be set up panics with a message")]

use std::{fs, hint::black_box, path::Path, time::Duration};

use criterion::{Criterion, criterion_group, criterion_main};
use padan_domain::Photo;
use padan_inference::{Config, Pipeline, RetryBudget, Subject};
use padan_load::Size;

fn steps(criterion: &mut Criterion) {
    let mut pipeline = pipeline();
    for size in Size::OF_PHONES {
        let photo = selfie(size);
        let mut group = criterion.benchmark_group(size.to_string());
        group.measurement_time(Duration::from_secs(4)).sample_size(30);
        group.bench_function("decode", |b| b.iter(|| pipeline.decode(black_box(&photo))));
        let mut picture = pipeline.decode(&photo).expect("the selfie decodes");
        group.bench_function("detect", |b| {
            b.iter(|| pipeline.detect(black_box(&mut picture), &mut RetryBudget::unlimited()));
        });
        let faces = pipeline.detect(&mut picture, &mut RetryBudget::unlimited()).expect("the detector runs");
        let chosen = Pipeline::subject(&faces).expect("the selfie has a face");
        group.bench_function("refine", |b| {
            b.iter(|| pipeline.refine(&mut picture, black_box(chosen), &mut RetryBudget::unlimited()));
        });
        let subject: Subject =
            pipeline.refine(&mut picture, chosen, &mut RetryBudget::unlimited()).expect("the detector runs");
        group.bench_function("align", |b| b.iter(|| pipeline.align(&picture, black_box(&subject))));
        let crop = pipeline.align(&picture, &subject).expect("the face aligns");
        group.bench_function("quality", |b| b.iter(|| Pipeline::quality(black_box(&crop), &subject)));
        group.bench_function("embed", |b| b.iter(|| pipeline.embed(black_box(&crop))));
        group.bench_function("whole", |b| b.iter(|| pipeline.examine(black_box(&photo))));
        group.finish();
    }
}

/// One warm pipeline with the shipped settings. Benchmarks run in the package's folder, which is below the root.
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

fn selfie(size: Size) -> Photo {
    let rendered = fs::read(root("people/images/114_s1.jpg")).expect("people/images is there");
    let enlarged = size.enlarge(&rendered).expect("the selfie is a picture");
    Photo::try_from(enlarged).expect("a JPEG is a photo")
}

criterion_group!(benches, steps);
criterion_main!(benches);
