//! Shared by this crate's tests: the shipped settings, the installed models, the rendered people.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use bytes::Bytes;
use padan_domain::Photo;
use serde::de::DeserializeOwned;

use crate::{
    config::{Config, DeviceChoice},
    demand::Demand,
    engine::load,
    pipeline::Pipeline,
};

/// A path within the workspace.
pub(crate) fn workspace(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// The shipped `[inference]` section, with the files that `make deps` installs, on the plain CPU kernels.
pub(crate) fn config() -> Config {
    #[derive(serde::Deserialize)]
    struct Shipped {
        inference: Config,
    }
    let text = fs::read_to_string(workspace("config/default.toml")).unwrap();
    let mut config = toml::from_str::<Shipped>(&text).unwrap().inference;
    config.device = DeviceChoice::Cpu;
    config.model_folder = Some(workspace(".deps/models"));
    config.runtime_library = Some(workspace(".deps/onnxruntime/libonnxruntime.so"));
    config.workers = std::num::NonZeroUsize::new(1);
    config
}

/// One warm pipeline.
pub(crate) fn pipeline(config: &Config) -> Pipeline {
    let loaded = load(config);
    let (mut pipelines, _) = loaded.unwrap_or_else(|error| panic!("{error}\nThis test needs `make deps`."));
    pipelines.remove(0)
}

/// A result that is wanted for a minute.
pub(crate) fn for_a_minute() -> Demand {
    Demand { deadline: Some(Instant::now() + Duration::from_mins(1)), waiter: None }
}

/// A fixture.
pub(crate) fn fixture(path: &str) -> Vec<u8> {
    let path = workspace("crates/inference/tests/fixtures").join(path);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A JSON fixture.
pub(crate) fn fixture_json<T: DeserializeOwned>(path: &str) -> T {
    serde_json::from_slice(&fixture(path)).unwrap()
}

/// The bytes as a photo.
pub(crate) fn photo(bytes: Vec<u8>) -> Photo {
    Photo::try_from(Bytes::from(bytes)).unwrap()
}
