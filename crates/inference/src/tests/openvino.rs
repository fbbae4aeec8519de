//! The same weights on `OpenVINO`, whose libraries come for this architecture alone.

use super::oracle::crop_fixture;
use crate::{
    Catalogue, DeviceChoice, PrecisionChoice,
    embedder::Embedder,
    placement::{Machine, graph, place},
    runtime::{Model, Runtime},
    runtime_library,
    test_support::config,
};

/// Whatever the precision, `OpenVINO` computes the same weights: in fp32 to rounding, in bf16, where the processor has it,
/// nearly so.
#[test]
fn openvino_gives_nearly_the_same_embedding() {
    let config = config();
    let catalogue = Catalogue::load(&crate::model_folders(&config)).unwrap();
    let set = catalogue.set("sface").unwrap();
    let library = runtime_library::find(config.runtime_library.as_deref()).unwrap();
    let (runtime, machine) = (Runtime::load(&library).unwrap(), Machine::of(&library));
    let embedder = |device, precision| {
        let placement = place(&set.embedder, (device, precision), machine)?;
        let bytes = catalogue.locate(&set, &set.embedder, graph(&set.embedder, placement)).unwrap().bytes;
        let network = runtime.network(&Model::new("sface", &bytes, placement, 1)).unwrap();
        Ok::<_, crate::StartError>(Embedder::new(network, &set.embedder.input, "fc1".into(), 128))
    };
    let mut plain = embedder(DeviceChoice::Cpu, PrecisionChoice::Auto).unwrap();
    let crops = ["selfie.png", "id_photo.png", "rotated.png"].map(|file| crop_fixture(&config.limits, file));
    for (precision, least) in [(PrecisionChoice::Fp32, 0.999_99), (PrecisionChoice::Bf16, 0.998)] {
        let mut openvino = match embedder(DeviceChoice::OpenVino, precision) {
            Ok(openvino) => openvino,
            Err(error) => {
                assert!(
                    precision == PrecisionChoice::Bf16 && error.to_string().contains("avx512_bf16"),
                    "{error}"
                );
                continue;
            }
        };
        for crop in &crops {
            let (ours, theirs) = (plain.embed(crop).unwrap(), openvino.embed(crop).unwrap());
            let cosine = ours.similarity(&theirs).unwrap().cosine();
            assert!(cosine > least, "{precision:?}: {cosine}");
        }
    }
}
