use crate::{
    manifest::{LivenessSetSpec, Manifest, Task},
    model_error::ModelError,
};

/// The models of passive liveness that are used together, named after the first one.
#[derive(Debug, Clone, PartialEq)]
pub struct LivenessSet {
    /// The model that names the set, then the others.
    pub models: Vec<Manifest>,
    /// The bounds of its scores.
    pub(crate) bounds: LivenessSetSpec,
}

impl LivenessSet {
    /// The set that a model names; `None` if it names none. `find` finds the manifest of a name.
    pub(crate) fn of<'a>(
        first: &Manifest,
        find: impl Fn(&str) -> Option<&'a Manifest>,
    ) -> Option<Result<Self, ModelError>> {
        let Task::Liveness(spec) = &first.task else { return None };
        let bounds = spec.set.clone()?;
        let others = bounds.with.iter().map(|name| {
            let found = find(name).filter(|manifest| matches!(manifest.task, Task::Liveness(_)));
            found.cloned().ok_or_else(|| ModelError::Manifest {
                location: first.name.clone(),
                reason: format!("{name:?} is no known liveness model; put its manifest into the same folder"),
            })
        });
        let models = std::iter::once(Ok(first.clone())).chain(others).collect::<Result<_, _>>();
        Some(models.map(|models| Self { models, bounds }))
    }

    /// The set's name, which is that of its first model.
    pub fn name(&self) -> &str {
        self.models.first().map_or("", |first| first.name.as_str())
    }
}

impl AsRef<str> for LivenessSet {
    fn as_ref(&self) -> &str {
        self.name()
    }
}
