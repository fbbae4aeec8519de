//! Compares embeddings of `OpenVINO`, whose libraries exist for this architecture alone, with those of the CPU kernels.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::{
    config::{DeviceChoice, PrecisionChoice},
    decode::Bounds,
    embedder::Embedder,
    error::StartError,
    test_support::{config, embedder_builder},
    tests::oracle::crop_fixture,
};

fn sface(device: DeviceChoice, precision: PrecisionChoice) -> Result<Embedder, StartError> {
    embedder_builder("sface", device, precision)?.build_warm(1)
}

/// `OpenVINO` computes the same embeddings: equal to rounding in fp32, nearly equal in bf16 and int8 if the processor has
/// them.
#[test]
fn openvino_gives_nearly_the_same_embedding() {
    let config = config();
    let mut plain = sface(DeviceChoice::Cpu, PrecisionChoice::Auto).unwrap();
    let crops =
        ["selfie.png", "id_photo.png", "rotated.png"].map(|file| crop_fixture(Bounds::of(&config), file));
    let precisions =
        [(PrecisionChoice::Fp32, 0.999_99), (PrecisionChoice::Bf16, 0.998), (PrecisionChoice::Int8, 0.995)];
    for (precision, min_cosine) in precisions {
        let mut openvino = match sface(DeviceChoice::OpenVino, precision) {
            Ok(openvino) => openvino,
            Err(error) => {
                assert!(
                    precision != PrecisionChoice::Fp32 && error.to_string().contains("avx512_bf16"),
                    "{error}"
                );
                continue;
            }
        };
        for crop in &crops {
            let (ours, theirs) =
                (plain.embed(crop).unwrap().embedding, openvino.embed(crop).unwrap().embedding);
            let cosine = ours.similarity(&theirs).unwrap().cosine();
            assert!(cosine > min_cosine, "{precision:?}: {cosine}");
        }
    }
}

/// If the provider pinned its threads, all workers would compute on the same core.
#[cfg(target_os = "linux")]
#[test]
fn openvino_computes_on_any_core() {
    let allowed = || {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        let lists = tasks.filter_map(|task| {
            let status = std::fs::read_to_string(task.unwrap().path().join("status")).ok()?;
            status.lines().find(|line| line.starts_with("Cpus_allowed_list")).map(str::to_owned)
        });
        lists.collect::<std::collections::HashSet<_>>()
    };
    let everywhere = allowed();
    let config = config();
    let mut embedder = sface(DeviceChoice::OpenVino, PrecisionChoice::Fp32).unwrap();
    let crop = crop_fixture(Bounds::of(&config), "selfie.png");
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let computing = scope.spawn(|| {
            for _ in 0..20 {
                embedder.embed(&crop).unwrap();
            }
            ended.store(true, Relaxed);
        });
        while !ended.load(Relaxed) && !computing.is_finished() {
            assert_eq!(allowed(), everywhere);
        }
    });
}
