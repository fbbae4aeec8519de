//! Shared by the integration tests.

use std::{
    fs,
    path::{Path, PathBuf},
};

use padan_inference::{Config, DeviceChoice, Pipeline};

/// The workspace's root.
pub(crate) fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// One warm pipeline of [`config`].
pub(crate) fn pipeline() -> Pipeline {
    let loaded = padan_inference::load(&config());
    let (mut pipelines, _) = loaded.unwrap_or_else(|error| panic!("{error}\nThis test needs `make deps`."));
    pipelines.remove(0)
}

/// The shipped settings for one worker, on the plain CPU kernels.
pub(crate) fn config() -> Config {
    #[derive(serde::Deserialize)]
    struct Shipped {
        inference: Config,
    }
    let shipped = fs::read_to_string(project().join("config/default.toml")).unwrap();
    let mut config = toml::from_str::<Shipped>(&shipped).unwrap().inference;
    config.device = DeviceChoice::Cpu;
    config.model_folder = Some(project().join(".deps/models"));
    config.runtime_library = Some(project().join(".deps/onnxruntime/libonnxruntime.so"));
    config.workers = std::num::NonZeroUsize::new(1);
    config
}
