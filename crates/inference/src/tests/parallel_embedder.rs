//! Tests of the embedder for idle processors, with real models.

use std::{
    collections::HashSet,
    ffi::OsString,
    num::NonZeroUsize,
    sync::Arc,
    time::{Duration, Instant},
};

use padan_domain::Embedding;

use crate::{
    align::AlignedFace,
    caller::Caller,
    config::{Config, DeviceChoice, PrecisionChoice},
    decode::Bounds,
    embedder_builder::EmbedderBuilder,
    engine::{Engine, load},
    manifest::ColourOrder,
    memory_budget::MemoryBudget,
    occupancy::Occupancy,
    parallel_embedder::ParallelEmbedder,
    pipeline::Role,
    test_support::{config, embedder_builder, pipeline},
    tests::{
        engine::{in_a_minute, selfie},
        oracle::crop_fixture,
    },
    workers::Workers,
};

fn crop() -> AlignedFace {
    crop_fixture(Bounds::of(&config()), "selfie.png")
}

fn builder() -> EmbedderBuilder {
    embedder_builder("sface", DeviceChoice::Cpu, PrecisionChoice::Auto).unwrap()
}

/// A builder that has built an embedder on one thread.
fn builder_after_first() -> EmbedderBuilder {
    let builder = builder();
    builder.build_warm(1).unwrap();
    builder
}

#[cfg(target_os = "linux")]
fn threads_of_this_process() -> HashSet<OsString> {
    std::fs::read_dir("/proc/self/task").unwrap().map(|thread| thread.unwrap().file_name()).collect()
}

/// Otherwise an embedding would depend on what else the service does.
fn assert_two_threads_change_no_bit(builder: &EmbedderBuilder) {
    let [one, two] =
        [1, 2].map(|threads| builder.build_warm(threads).unwrap().embed(&crop()).unwrap().embedding);
    assert_eq!(one.as_slice(), two.as_slice(), "{:?}", builder.model().placement);
}

#[test]
fn a_session_on_two_threads_computes_the_same_embedding() {
    for set in ["sface", "mobilefacenet"] {
        #[cfg(target_os = "linux")]
        let before = threads_of_this_process();
        let builder = embedder_builder(set, DeviceChoice::Cpu, PrecisionChoice::Auto).unwrap();
        let embedder = builder.build_warm(2).unwrap();
        #[cfg(target_os = "linux")]
        assert!(!threads_of_this_process().is_subset(&before), "the session has a second thread");
        drop(embedder);
        assert_two_threads_change_no_bit(&builder);
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn openvino_on_two_threads_computes_the_same_embedding() {
    for precision in [PrecisionChoice::Fp32, PrecisionChoice::Bf16, PrecisionChoice::Int8] {
        match embedder_builder("sface", DeviceChoice::OpenVino, precision) {
            Ok(builder) => assert_two_threads_change_no_bit(&builder),
            Err(error) => {
                let is_missing = error.to_string().contains("avx512_bf16");
                assert!(precision != PrecisionChoice::Fp32 && is_missing, "{error}");
            }
        }
    }
}

#[test]
fn it_embeds_only_while_a_processor_is_idle() {
    let occupancy = Arc::new(Occupancy::new(2));
    let parallel = Arc::new(ParallelEmbedder::new(Arc::clone(&occupancy)));
    let _first = occupancy.enter();
    assert!(parallel.embed_if_idle(&crop()).is_none(), "there is no session yet");
    Arc::clone(&parallel).start_building(builder_after_first()).unwrap().join().unwrap();
    let (embedded, cpu) = parallel.embed_if_idle(&crop()).unwrap();
    let expected = builder().build_warm(1).unwrap().embed(&crop()).unwrap();
    assert_eq!(embedded.embedding.as_slice(), expected.embedding.as_slice());
    assert!(cpu > Duration::ZERO);
    assert!(parallel.is_wiped());
    let _second = occupancy.enter();
    assert!(parallel.embed_if_idle(&crop()).is_none(), "all processors are busy");
}

/// A builder of embedders that take red for blue, so that their embeddings differ from the set's.
fn other_builder() -> EmbedderBuilder {
    let builder = builder();
    let mut model = builder.model().clone();
    let colour = &mut model.manifest.input.colour;
    *colour = match colour {
        ColourOrder::Rgb => ColourOrder::Bgr,
        ColourOrder::Bgr => ColourOrder::Rgb,
    };
    EmbedderBuilder::new(builder.runtime().clone(), model, builder.max_faces())
}

/// The embedding of a selfie by one worker, where the embedder for idle processors has the other embeddings.
async fn embedding_with(processors: usize) -> Embedding {
    let (pipelines, _) = load(&config()).unwrap();
    let workers = Workers::start(pipelines, 8, MemoryBudget::new(u64::MAX), Some(processors)).unwrap();
    let parallel = Arc::clone(workers.parallel().unwrap());
    parallel.start_building(other_builder()).unwrap().join().unwrap();
    let analysis = workers.analyse(Caller::default(), selfie("101_s1.jpg"), Role::Probe, in_a_minute());
    analysis.await.unwrap().embedding
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_embeds_by_it_if_one_more_processor_is_idle() {
    let own = pipeline(&config()).examine(&selfie("101_s1.jpg")).unwrap().0.embedding;
    assert_eq!(embedding_with(1).await.as_slice(), own.as_slice());
    assert_ne!(embedding_with(2).await.as_slice(), own.as_slice());
}

#[test]
fn a_session_that_cannot_be_built_leaves_the_workers_to_themselves() {
    let parallel = Arc::new(ParallelEmbedder::new(Arc::new(Occupancy::new(2))));
    let builder = builder();
    let mut model = builder.model().clone();
    model.bytes.clear();
    let broken = EmbedderBuilder::new(builder.runtime().clone(), model, builder.max_faces());
    Arc::clone(&parallel).start_building(broken).unwrap().join().unwrap();
    assert!(parallel.embed_if_idle(&crop()).is_none());
}

#[test]
fn it_is_left_out_where_it_would_not_help() {
    let adapting = || Config { threads: None, ..config() };
    let processors = std::thread::available_parallelism().unwrap().get();
    assert_eq!(adapting().processors_for_parallel(), Some(processors).filter(|count| *count > 1));
    let named = Config { threads: Some(NonZeroUsize::MIN), ..adapting() };
    assert_eq!(named.processors_for_parallel(), None);
    let batches = Config { embedding_batch: NonZeroUsize::new(2), ..adapting() };
    assert_eq!(batches.processors_for_parallel(), None);
    let on_gpu =
        Config { device: DeviceChoice::Cuda, embedding_batch: Some(NonZeroUsize::MIN), ..adapting() };
    assert_eq!(on_gpu.processors_for_parallel(), None);
}

/// Where there is one processor, a service has no such embedder.
#[tokio::test(flavor = "multi_thread")]
async fn a_service_gives_the_embeddings_of_an_engine_without_it() {
    let adapting = Config { threads: None, ..config() };
    let service = Engine::start_for_service(&adapting).unwrap();
    assert!(!service.has_parallel_embedder());
    service.embed_on_idle_processors();
    let until = in_a_minute();
    while service.has_parallel_embedder() != adapting.embeds_in_parallel() {
        assert!(Instant::now() < until, "its session is not built");
        std::thread::sleep(Duration::from_millis(5));
    }
    let plain = Engine::start(&config()).unwrap();
    for file in ["101_s1.jpg", "110_s1.jpg"] {
        let [service, plain] = [&service, &plain].map(|engine| engine.probe(selfie(file), in_a_minute()));
        let (service, plain) = (service.await.unwrap(), plain.await.unwrap());
        assert_eq!(service.embedding.as_slice(), plain.embedding.as_slice());
    }
}
