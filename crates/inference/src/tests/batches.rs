//! Tests of the embedders that the workers share, with real models.

use std::{
    num::NonZeroUsize,
    panic::panic_any,
    time::{Duration, Instant},
};

use padan_domain::Embedding;

use crate::{
    align::AlignedFace,
    caller::Caller,
    config::{Config, DeviceChoice, PrecisionChoice},
    decode::Bounds,
    embedder::Embedder,
    embedder_builder::EmbedderBuilder,
    embedding_thread::{Run, SharedEmbedder},
    engine::{Engine, load},
    error::{FaceError, StartError},
    face_embedder::FaceEmbedder,
    memory_budget::MemoryBudget,
    pipeline::Role,
    prepare::with_batches,
    test_support::{config, embedder_builder},
    tests::{
        engine::{in_a_minute, refused_of_forty_at_once, selfie},
        oracle::crop_fixture,
    },
    workers::{Workers, WorkersEnded},
};

/// The embedder of a set as it is installed, and the same for runs on several faces.
fn embedders(
    set: &str,
    device: DeviceChoice,
    precision: PrecisionChoice,
) -> Result<[Embedder; 2], StartError> {
    let alone = embedder_builder(set, device, precision)?;
    let mut model = alone.model().clone();
    model.bytes = with_batches(model.bytes)?;
    let together = EmbedderBuilder::new(alone.runtime().clone(), model, NonZeroUsize::new(3).unwrap());
    Ok([alone.build_warm(1)?, together.build_warm(1)?])
}

fn crops() -> Vec<AlignedFace> {
    let bounds = Bounds::of(&config());
    ["selfie.png", "id_photo.png", "rotated.png"].map(|file| crop_fixture(bounds, file)).into()
}

fn cosine(a: &Embedding, b: &Embedding) -> f64 {
    a.similarity(b).unwrap().cosine()
}

/// The least cosine of an embedding computed together with others and the same computed alone; and that no embedding is
/// another face's.
fn least_cosine([alone, together]: &mut [Embedder; 2]) -> f64 {
    let crops = crops();
    let expected: Vec<_> = crops.iter().map(|crop| alone.embed(crop).unwrap().embedding).collect();
    let mut least = 1.0_f64;
    for count in 1..=crops.len() {
        let run = together.embed_all(&crops[..count]).unwrap();
        assert_eq!(run.len(), count);
        for (number, embedded) in run.into_iter().enumerate() {
            let embedding = embedded.unwrap().embedding;
            let cosines: Vec<_> = expected.iter().map(|expected| cosine(&embedding, expected)).collect();
            let others = cosines.iter().enumerate().filter(|(other, _)| *other != number);
            assert!(others.clone().all(|(_, other)| *other < cosines[number]), "{number}: {cosines:?}");
            least = least.min(cosines[number]);
        }
    }
    least
}

/// In fp32 they may differ by the order of sums: 128 values, each with a relative error near 1e-7, move the cosine by far
/// less than 1e-5.
#[test]
fn faces_embedded_together_have_the_embeddings_that_they_have_alone() {
    for set in ["sface", "mobilefacenet"] {
        let mut embedders = embedders(set, DeviceChoice::Cpu, PrecisionChoice::Auto).unwrap();
        let least = least_cosine(&mut embedders);
        assert!(least > 1.0 - 1e-5, "{set}: {least}");
    }
}

/// The bounds for bf16 and int8 are those of a comparison with fp32 (`tests/openvino.rs`), since another order of sums may
/// round otherwise.
#[cfg(target_arch = "x86_64")]
#[test]
fn openvino_gives_faces_together_the_embeddings_that_they_have_alone() {
    let precisions =
        [(PrecisionChoice::Fp32, 1.0 - 1e-5), (PrecisionChoice::Bf16, 0.998), (PrecisionChoice::Int8, 0.995)];
    for (precision, min_cosine) in precisions {
        match embedders("sface", DeviceChoice::OpenVino, precision) {
            Ok(mut embedders) => {
                let least = least_cosine(&mut embedders);
                assert!(least > min_cosine, "{precision:?}: {least}");
            }
            Err(error) => {
                let is_missing = error.to_string().contains("avx512_bf16");
                assert!(precision != PrecisionChoice::Fp32 && is_missing, "{error}");
            }
        }
    }
}

#[test]
fn no_pixel_of_the_faces_of_a_run_remains() {
    let [_, mut embedder] = embedders("sface", DeviceChoice::Cpu, PrecisionChoice::Auto).unwrap();
    embedder.embed_all(&crops()).unwrap();
    assert!(!embedder.is_wiped());
    embedder.wipe();
    assert!(embedder.is_wiped());
}

fn shared(workers: usize, faces: usize, queue_length: usize) -> Config {
    let mut config = config();
    config.workers = NonZeroUsize::new(workers);
    config.embedding_batch = NonZeroUsize::new(faces);
    config.queue_length = NonZeroUsize::new(queue_length).unwrap();
    config
}

#[tokio::test(flavor = "multi_thread")]
async fn each_of_many_photos_at_once_gets_the_embedding_of_its_own_face() {
    let files = ["101_s1.jpg", "110_s1.jpg", "114_s1.jpg"];
    let mut alone = Vec::new();
    let one = Engine::start(&config()).unwrap();
    for file in files {
        alone.push(one.probe(selfie(file), in_a_minute()).await.unwrap().embedding);
    }
    let engine = Engine::start(&shared(4, 4, 64)).unwrap();
    assert_eq!(engine.contract(), one.contract());
    let tasks: Vec<_> = (0..48)
        .map(|number| {
            let engine = engine.clone();
            let of = number % files.len();
            tokio::spawn(async move { (of, engine.probe(selfie(files[of]), in_a_minute()).await) })
        })
        .collect();
    for task in tasks {
        let (of, result) = task.await.unwrap();
        let embedding = result.unwrap().embedding;
        let cosines: Vec<_> = alone.iter().map(|alone| cosine(&embedding, alone)).collect();
        assert!(cosines[of] > 1.0 - 1e-5, "{of}: {cosines:?}");
    }
    let figures = engine.figures();
    assert_eq!(figures.shared_faces, 48);
    assert!((12..=48).contains(&figures.shared_runs), "{figures:?}");
    assert_eq!((one.figures().shared_faces, one.figures().shared_runs), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_refuses_photos_before_a_shared_embedder_as_well() {
    let engine = Engine::start(&shared(2, 2, 1)).unwrap();
    let refused = refused_of_forty_at_once(&engine).await;
    assert!(refused > 0);
    assert_eq!(engine.figures().refused, refused);
    assert_eq!(engine.figures().shared_faces, 40 - refused);
}

/// Workers whose pipelines embed by this.
fn workers(count: usize, run: impl FnMut(&[AlignedFace]) -> Run + Send + 'static) -> Workers {
    let mut config = config();
    config.workers = NonZeroUsize::new(count);
    let (mut pipelines, _) = load(&config).unwrap();
    let embedder = SharedEmbedder::start(vec![run], NonZeroUsize::new(2).unwrap(), 2 * count).unwrap();
    for pipeline in &mut pipelines {
        pipeline.embedder = FaceEmbedder::Shared(embedder.clone());
    }
    drop(embedder);
    Workers::start(pipelines, 8, MemoryBudget::new(u64::MAX), None).unwrap()
}

async fn analyse(workers: &Workers, deadline: Instant) -> Result<Embedding, FaceError> {
    let photo = selfie("101_s1.jpg");
    workers.analyse(Caller::default(), photo, Role::Probe, deadline).await.map(|analysis| analysis.embedding)
}

/// Panics when a caught panic's payload is dropped, which is after `catch_unwind`.
struct PanicsOnDrop;

impl Drop for PanicsOnDrop {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shared_embedder_that_has_ended_fails_the_check() {
    let workers = workers(2, |_| panic_any(PanicsOnDrop));
    assert_eq!(workers.check(), Ok(()));
    let error = analyse(&workers, in_a_minute()).await.unwrap_err();
    assert!(matches!(error, FaceError::Broken(_)), "{error}");
    // The caller may have its result before the thread has unwound.
    let until = in_a_minute();
    while workers.check().is_ok() && Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(workers.check(), Err(WorkersEnded { ended: 1, workers: 3 }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_of_the_shared_embedder_ends_the_job_and_not_the_threads() {
    let mut is_first = true;
    let workers = workers(1, move |faces| {
        assert!(!std::mem::take(&mut is_first), "the run panics");
        Ok(faces.iter().map(|_| Err(FaceError::Broken("the face fails".into()))).collect())
    });
    for expected in ["the embedder panicked", "the face fails"] {
        let error = analyse(&workers, in_a_minute()).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    assert_eq!(workers.check(), Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_face_whose_caller_has_left_is_not_embedded() {
    let (begin, mut begun) = tokio::sync::mpsc::unbounded_channel();
    let (go, may_go) = std::sync::mpsc::channel::<()>();
    let workers = workers(2, move |faces| {
        begin.send(faces.len()).unwrap();
        let _ = may_go.recv_timeout(Duration::from_mins(1));
        Ok(faces.iter().map(|_| Err(FaceError::Broken("embedded".into()))).collect())
    });
    let send = || {
        let workers = workers.clone();
        tokio::spawn(async move { analyse(&workers, in_a_minute()).await })
    };
    let first = send();
    assert_eq!(begun.recv().await, Some(1));
    // It leaves while its photo is analysed, or while its face waits.
    let second = send();
    let until = in_a_minute();
    while workers.figures().busy < 2 && Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    second.abort();
    assert!(second.await.unwrap_err().is_cancelled());
    go.send(()).unwrap();
    assert_eq!(first.await.unwrap().unwrap_err(), FaceError::Broken("embedded".into()));
    let until = in_a_minute();
    while (workers.figures().expired, workers.figures().busy) != (1, 0) && Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let figures = workers.figures();
    assert_eq!((figures.expired, figures.shared_faces), (1, 1), "{figures:?}");
}

#[test]
fn a_batch_out_of_range_is_refused() {
    let error = Engine::start(&shared(1, 65, 1)).unwrap_err().to_string();
    assert!(error.starts_with("inference.embedding_batch is 65: expected 1 to 64"), "{error}");
}

#[test]
fn faces_are_embedded_together_by_default_on_gpus_alone() {
    let with = |device, batch| {
        let mut config = Config { device, workers: None, ..config() };
        config.embedding_batch = NonZeroUsize::new(batch);
        let more = config.worker_count()
            - Config { embedding_batch: NonZeroUsize::new(1), ..config.clone() }.worker_count();
        (config.max_faces_of_a_run().get(), more)
    };
    for device in [DeviceChoice::Auto, DeviceChoice::Cpu, DeviceChoice::OpenVino] {
        assert_eq!(with(device, 0), (1, 0));
    }
    for device in [DeviceChoice::Cuda, DeviceChoice::TensorRt] {
        assert_eq!(with(device, 0), (16, 16));
    }
    assert_eq!(with(DeviceChoice::Cuda, 1), (1, 0));
    assert_eq!(with(DeviceChoice::Cpu, 8), (8, 8));
    let configured = Config { workers: NonZeroUsize::new(3), ..shared(1, 8, 1) };
    assert_eq!(configured.worker_count(), 3);
}
