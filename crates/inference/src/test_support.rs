//! Shared by this crate's tests: the shipped settings, the installed models, the rendered people.

use std::{
    fs,
    num::NonZeroUsize,
    path::PathBuf,
    time::{Duration, Instant},
};

use bytes::Bytes;
use padan_domain::Photo;
use serde::de::DeserializeOwned;

use crate::{
    catalogue::Catalogue,
    config::{Config, DeviceChoice, PrecisionChoice},
    demand::Demand,
    embedder_builder::EmbedderBuilder,
    engine::{load, loadable, model_folders},
    error::StartError,
    located_model::LocatedModel,
    pipeline::Pipeline,
    placement::{Machine, graph_for, place},
    runtime::Runtime,
    runtime_library,
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
    config.workers = NonZeroUsize::new(1);
    config
}

/// One warm pipeline.
pub(crate) fn pipeline(config: &Config) -> Pipeline {
    let loaded = load(config);
    let (mut pipelines, _) = loaded.unwrap_or_else(|error| panic!("{error}\nThis test needs `make deps`."));
    pipelines.remove(0)
}

/// The builder of a set's embedders as it is installed, each for one face.
pub(crate) fn embedder_builder(
    set: &str,
    device: DeviceChoice,
    precision: PrecisionChoice,
) -> Result<EmbedderBuilder, StartError> {
    let config = config();
    let catalogue = Catalogue::load(&model_folders(&config))?;
    let set = catalogue.set(set)?;
    let library = runtime_library::find(&config)?;
    let (runtime, machine) = (Runtime::load(&library)?, Machine::of(&library));
    let placement = place(&set.embedder, device, precision, machine)?;
    let graph = graph_for(&set.embedder, placement);
    let bytes = catalogue.locate(&set, &set.embedder, graph)?.bytes;
    let bytes = loadable(bytes, &set.embedder, placement)?;
    let model = LocatedModel { manifest: set.embedder, placement, bytes };
    Ok(EmbedderBuilder::new(runtime, model, NonZeroUsize::MIN))
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
