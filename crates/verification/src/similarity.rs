use padan_domain::{Embedding, Similarity};
use padan_inference::Engine;

/// What the scale turns into a percentage; `None` when the embeddings differ in length.
pub(crate) fn similarity(engine: &Engine, reference: &Embedding, probe: &Embedding) -> Option<Similarity> {
    engine.calibration().similarity(reference, probe)
}
