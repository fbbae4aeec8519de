//! Tests of the queue, the workers and the start.

use std::{
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use crate::{
    caller::Caller,
    config::{Config, DeviceChoice, PrecisionChoice},
    decode::{Bounds, Decoder},
    engine::Engine,
    error::{FaceError, StartError},
    job::{JobEnded, JobEvent},
    test_support::{config, photo, workspace},
    workers::WorkersEnded,
};

fn engine(workers: usize, queue_length: usize) -> Engine {
    let mut config = config();
    config.workers = NonZeroUsize::new(workers);
    config.queue_length = NonZeroUsize::new(queue_length).unwrap();
    Engine::start(&config).unwrap()
}

pub(super) fn selfie(file: &str) -> padan_domain::Photo {
    photo(std::fs::read(workspace("people/images").join(file)).unwrap())
}

pub(super) fn in_a_minute() -> Instant {
    Instant::now() + Duration::from_mins(1)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_embedding_does_not_depend_on_concurrent_photos() {
    let engine = engine(2, 256);
    let alone = engine.probe(selfie("101_s1.jpg"), in_a_minute()).await.unwrap().embedding;
    let files = ["101_s1.jpg", "110_s1.jpg", "114_s1.jpg", "101_s1.jpg"];
    let tasks: Vec<_> = (0..80)
        .map(|number| {
            let (engine, file) = (engine.clone(), files[number % files.len()]);
            tokio::spawn(async move { (file, engine.probe(selfie(file), in_a_minute()).await) })
        })
        .collect();
    let mut same = 0;
    for task in tasks {
        let (file, result) = task.await.unwrap();
        let embedding = result.unwrap().embedding;
        assert_eq!(embedding == alone, file == "101_s1.jpg");
        same += usize::from(embedding == alone);
    }
    assert_eq!(same, 40);
}

/// Sends forty selfies at once and returns how many are refused; the others are analysed.
pub(super) async fn refused_of_forty_at_once(engine: &Engine) -> u64 {
    let tasks: Vec<_> = (0..40)
        .map(|_| {
            let engine = engine.clone();
            tokio::spawn(async move { engine.probe(selfie("101_s1.jpg"), in_a_minute()).await.err() })
        })
        .collect();
    let mut refused = 0;
    for task in tasks {
        match task.await.unwrap() {
            None => {}
            Some(FaceError::QueueFull) => refused += 1,
            Some(other) => panic!("{other}"),
        }
    }
    refused
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_refuses_at_once() {
    let engine = engine(1, 1);
    let refused = refused_of_forty_at_once(&engine).await;
    assert!(refused > 0);
    assert_eq!(engine.figures().refused, refused);
    assert!(engine.probe(selfie("101_s1.jpg"), in_a_minute()).await.is_ok(), "it serves again afterwards");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_photo_beyond_the_pixel_budget_is_refused() {
    let mut config = config();
    config.workers = NonZeroUsize::new(2);
    // A larger photo must not be allowed than fits alone.
    config.limits.max_megapixels = 0.3;
    let decoder = Decoder::new(Bounds::of(&config));
    let cost = decoder.inspect(&selfie("101_s1.jpg"), config.detection.decoded_side).cost.unwrap();
    // Three bytes a pixel: enough for one such photo, too little for two.
    let megapixels_at_once = cost.bytes as f64 * 1.5 / 3e6;
    config.limits.max_megapixels_at_once = Some(megapixels_at_once);
    let engine = Engine::start(&config).unwrap();
    let refused = refused_of_forty_at_once(&engine).await;
    let figures = engine.figures();
    assert!(refused > 0 && figures.refused == refused, "{figures:?}");
    assert_eq!((figures.pixels, figures.max_pixels), (0, (megapixels_at_once * 1e6) as u64));
    assert!(engine.probe(selfie("101_s1.jpg"), in_a_minute()).await.is_ok(), "a single photo fits");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_photo_past_its_deadline_is_dropped() {
    let engine = engine(1, 8);
    let late = engine.probe(selfie("101_s1.jpg"), Instant::now()).await;
    assert_eq!(late.unwrap_err(), FaceError::Expired);
    engine.probe(selfie("101_s1.jpg"), in_a_minute()).await.unwrap();
    assert_eq!(engine.figures().expired, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_with_one_photo_does_not_wait_for_all_photos_of_another() {
    let engine = engine(1, 64);
    let (ended, mut order) = tokio::sync::mpsc::unbounded_channel();
    let (all_queued, queued) = std::sync::mpsc::channel::<()>();
    let queued = std::sync::Mutex::new(queued);
    engine.observe_jobs(Arc::new(move |event| match event {
        // The first photo is held until the others wait.
        JobEvent::Started(_) => drop(queued.lock().unwrap().recv()),
        JobEvent::Ended(job) => ended.send(job).unwrap(),
    }));
    let [crowd, alone] = [1, 2].map(|number| engine.clone().on_behalf_of(Caller(number)));
    let send = |engine: &Engine, photos: usize| -> Vec<_> {
        let one = |_| {
            let engine = engine.clone();
            tokio::spawn(async move { engine.probe(selfie("101_s1.jpg"), in_a_minute()).await })
        };
        (0..photos).map(one).collect()
    };
    let mut tasks = send(&crowd, 8);
    while engine.figures().queued < 7 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tasks.extend(send(&alone, 1));
    while engine.figures().queued < 8 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(all_queued);
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    let mut callers = Vec::new();
    for _ in 0..9 {
        let JobEnded { caller: Caller(number), cpu } = order.recv().await.unwrap();
        assert!(cpu > Duration::from_millis(1), "{cpu:?}");
        callers.push(number);
    }
    assert_eq!(callers, [1, 2, 1, 1, 1, 1, 1, 1, 1]);
}

/// Panics when a caught panic's payload is dropped, which is after `catch_unwind`.
struct PanicsOnDrop;

impl Drop for PanicsOnDrop {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_anywhere_in_a_job_ends_the_job_and_not_the_worker() {
    let engine = engine(1, 8);
    let first = AtomicBool::new(true);
    engine.observe_jobs(Arc::new(move |_| assert!(!first.swap(false, Relaxed), "the observer panics")));
    let broken = engine.probe(selfie("101_s1.jpg"), in_a_minute()).await.unwrap_err();
    assert!(matches!(broken, FaceError::Broken(_)), "{broken}");
    assert_eq!(engine.figures().busy, 0);
    assert!(engine.probe(selfie("101_s1.jpg"), in_a_minute()).await.is_ok());
    assert_eq!(engine.check(), Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_has_ended_fails_the_check() {
    let engine = engine(2, 8);
    let first = AtomicBool::new(true);
    engine.observe_jobs(Arc::new(move |_| {
        if first.swap(false, Relaxed) {
            std::panic::panic_any(PanicsOnDrop);
        }
    }));
    let broken = engine.probe(selfie("101_s1.jpg"), in_a_minute()).await.unwrap_err();
    assert!(matches!(broken, FaceError::Broken(_)), "{broken}");
    // The caller may have its result before the thread has unwound.
    let until = in_a_minute();
    while engine.check().is_ok() && Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(engine.check(), Err(WorkersEnded { ended: 1, workers: 2 }));
    assert!(engine.probe(selfie("101_s1.jpg"), in_a_minute()).await.is_ok(), "the other worker still serves");
}

fn refusal(change: impl FnOnce(&mut Config)) -> StartError {
    let mut config = config();
    change(&mut config);
    Engine::start(&config).unwrap_err()
}

#[test]
fn a_start_without_models_names_the_command_that_installs_them() {
    let empty = tempfile::tempdir().unwrap();
    let folder = empty.path().to_path_buf();
    // Tests run in the crate's folder, which has no `.deps`.
    let error = refusal(|config| config.model_folder = Some(folder)).to_string();
    assert!(error.contains("padan models install sface"), "{error}");
}

#[test]
fn a_start_with_one_changed_bit_in_a_model_file_fails() {
    let folder = tempfile::tempdir().unwrap();
    for file in ["yunet.onnx", "sface.onnx"] {
        std::fs::copy(workspace(".deps/models").join(file), folder.path().join(file)).unwrap();
    }
    let start = |folder: &std::path::Path| {
        let mut config = config();
        config.model_folder = Some(folder.to_owned());
        Engine::start(&config).map(|_| ())
    };
    start(folder.path()).unwrap();
    let file = folder.path().join("sface.onnx");
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let error = start(folder.path()).unwrap_err().to_string();
    assert!(error.contains("sface.onnx") && error.contains("SHA-256"), "{error}");
}

#[test]
fn too_many_threads_are_refused() {
    let error = refusal(|config| config.threads = NonZeroUsize::new(65)).to_string();
    assert!(error.contains("inference.threads is 65"), "{error}");
}

/// A process can load one runtime library; nextest runs each test in its own process.
#[cfg(target_os = "linux")]
#[test]
fn a_start_with_openvino_fails_without_its_libraries() {
    let folder = tempfile::tempdir().unwrap();
    let library = folder.path().join("libonnxruntime.so");
    std::fs::copy(workspace(".deps/onnxruntime/libonnxruntime.so"), &library).unwrap();
    let error = refusal(|config| {
        config.device = DeviceChoice::OpenVino;
        config.precision = PrecisionChoice::Fp32;
        config.runtime_library = Some(library.clone());
    });
    assert!(matches!(error, StartError::Device { device: "openvino", .. }), "{error}");
    assert!(error.to_string().contains("onnxruntime-openvino"), "{error}");
}

#[test]
fn the_error_for_an_unknown_model_set_lists_the_known_ones() {
    let error = refusal(|config| config.model_set = "arcface".into()).to_string();
    assert!(error.contains("arcface") && error.contains("sface"), "{error}");
}

#[test]
fn a_start_with_a_missing_device_fails() {
    let error = refusal(|config| config.device = DeviceChoice::Cuda);
    assert!(matches!(error, StartError::Device { device: "cuda", .. }), "{error}");
    assert!(error.to_string().contains("NVIDIA driver"), "{error}");
}

#[test]
fn invalid_settings_are_refused_with_their_key() {
    type Change = fn(&mut Config);
    let changes: [(&str, Change); 9] = [
        ("inference.limits.max_megapixels_at_once", |config| {
            config.limits.max_megapixels_at_once = Some(39.0);
        }),
        ("inference.limits.max_megapixels", |config| config.limits.max_megapixels = f64::NAN),
        ("inference.limits.max_megapixels", |config| config.limits.max_megapixels = f64::INFINITY),
        ("inference.limits.max_side", |config| config.limits.max_side = 0),
        ("inference.detection.side", |config| config.detection.side = 0),
        ("inference.detection.close_up_side", |config| config.detection.close_up_side = u32::MAX),
        ("inference.detection.min_score", |config| config.detection.min_score = 1.1),
        ("inference.subject.max_second_share", |config| config.subject.max_second_share = -0.1),
        ("inference.quality.min_eye_distance", |config| config.quality.min_eye_distance = f64::NAN),
    ];
    for (key, change) in changes {
        let error = refusal(change).to_string();
        assert!(error.starts_with(key), "{error}");
    }
    assert!(config().validate().is_ok());
}
