use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::{
    calibration_file::CalibrationFile,
    digest::FileDigest,
    liveness_set::LivenessSet,
    manifest::{Export, Graph, Manifest, Task},
    model_error::ModelError,
    model_set::ModelSet,
};

/// The manifests that are compiled in.
const BUILT_IN: [&str; 5] = [
    include_str!("../../../models/yunet.toml"),
    include_str!("../../../models/sface.toml"),
    include_str!("../../../models/mobilefacenet.toml"),
    include_str!("../../../models/minifasnet.toml"),
    include_str!("../../../models/minifasnet-v1se.toml"),
];

/// The calibrations that are compiled in, by file name.
const BUILT_IN_CALIBRATIONS: [(&str, &str); 2] = [
    ("sface.calibration.toml", include_str!("../../../models/sface.calibration.toml")),
    ("mobilefacenet.calibration.toml", include_str!("../../../models/mobilefacenet.calibration.toml")),
];

/// The location of compiled-in files in errors.
const BUILT_IN_LOCATION: &str = "built in";

/// All known models, and the folders that are searched for their files.
#[derive(Debug, Clone)]
pub struct Catalogue {
    /// Sorted by name.
    manifests: Vec<Manifest>,
    folders: Vec<PathBuf>,
}

/// A model's file, read and checked. A session is built from these bytes and never from the path, so that the checked
/// bytes are the ones that run.
#[derive(Debug, Clone)]
pub struct ModelFile {
    /// Where it was found.
    pub path: PathBuf,
    /// Its content, whose digest is in the manifest.
    pub bytes: Vec<u8>,
    /// The digest of these bytes.
    pub sha256: FileDigest,
}

impl Catalogue {
    /// Loads the built-in manifests and those in `folders` (`*.toml`, except `*.calibration.toml`). Missing folders are
    /// skipped.
    ///
    /// # Errors
    ///
    /// [`ModelError::Manifest`] when a manifest is invalid, its name is already used, or its detector is unknown;
    /// [`ModelError::Unreadable`] when a folder or file cannot be read.
    pub fn load(folders: &[PathBuf]) -> Result<Self, ModelError> {
        let mut manifests = Vec::new();
        for text in BUILT_IN {
            manifests.push(Manifest::parse(BUILT_IN_LOCATION, text)?);
        }
        for path in manifest_files(folders)? {
            let manifest = Manifest::parse(&path.display().to_string(), &read_text(&path)?)?;
            match manifests.iter().find(|known| known.name == manifest.name) {
                // An identical copy is harmless.
                Some(known) if *known == manifest => {}
                Some(_) => {
                    return Err(ModelError::Manifest {
                        location: path.display().to_string(),
                        reason: format!("another model is named {:?}; choose another name", manifest.name),
                    });
                }
                None => manifests.push(manifest),
            }
        }
        manifests.sort_by(|a, b| a.name.cmp(&b.name));
        let catalogue = Self { manifests, folders: folders.to_vec() };
        for embedder in catalogue.embedders() {
            catalogue.model_set(embedder)?;
        }
        for name in catalogue.liveness_sets() {
            catalogue.liveness_set(name)?;
        }
        Ok(catalogue)
    }

    /// All model sets, sorted by name.
    pub fn sets(&self) -> impl Iterator<Item = ModelSet> {
        // `load` has checked each set, so none is dropped here.
        self.embedders().filter_map(|embedder| self.model_set(embedder).ok())
    }

    /// The model set with this name.
    ///
    /// # Errors
    ///
    /// [`ModelError::UnknownSet`] when there is none.
    pub fn set(&self, name: &str) -> Result<ModelSet, ModelError> {
        match self.embedders().find(|embedder| embedder.name == name) {
            Some(embedder) => self.model_set(embedder),
            None => Err(ModelError::UnknownSet {
                name: name.to_owned(),
                known: self.embedders().map(|embedder| embedder.name.clone()).collect(),
            }),
        }
    }

    /// The names of the liveness sets, sorted.
    pub fn liveness_sets(&self) -> impl Iterator<Item = &str> {
        let names_a_set =
            |manifest: &&Manifest| matches!(&manifest.task, Task::Liveness(spec) if spec.set.is_some());
        self.manifests.iter().filter(names_a_set).map(|manifest| manifest.name.as_str())
    }

    /// The liveness set with this name.
    ///
    /// # Errors
    ///
    /// [`ModelError::UnknownSet`] when there is none, [`ModelError::Manifest`] when one of its models is unknown.
    pub fn liveness_set(&self, name: &str) -> Result<LivenessSet, ModelError> {
        let named = self.manifests.iter().find(|manifest| manifest.name == name);
        let set = named.and_then(|first| {
            LivenessSet::of(first, |name| self.manifests.iter().find(|manifest| manifest.name == name))
        });
        set.unwrap_or_else(|| {
            let known = self.liveness_sets().map(str::to_owned).collect();
            Err(ModelError::UnknownSet { name: name.to_owned(), known })
        })
    }

    /// The models of a set: those of a model set, or those of a liveness set.
    ///
    /// # Errors
    ///
    /// [`ModelError::UnknownSet`] when there is none of this name.
    pub fn models_of(&self, set: &str) -> Result<Vec<Manifest>, ModelError> {
        if let Ok(liveness) = self.liveness_set(set) {
            return Ok(liveness.models);
        }
        self.set(set).map(|set| set.models().into_iter().cloned().collect())
    }

    /// All models, sorted by name.
    pub fn manifests(&self) -> &[Manifest] {
        &self.manifests
    }

    /// The folders that are searched for files, in order.
    pub fn folders(&self) -> &[PathBuf] {
        &self.folders
    }

    /// Finds a model's file by its digest. The error names `set`, which the operator then installs.
    ///
    /// The usual file name is tried first in each folder, then every other `.onnx` file, so that a renamed file is
    /// found too. The first folder that has a file of the usual name decides: a damaged file is an error, even if a later
    /// folder has the right one, because otherwise an operator would never hear of it.
    ///
    /// # Errors
    ///
    /// [`ModelError::Missing`] when no folder has the file, [`ModelError::WrongDigest`] when the first file of the usual
    /// name has other content, [`ModelError::Unreadable`] when a folder or file cannot be read.
    pub fn locate(
        &self,
        set: &impl AsRef<str>,
        model: &Manifest,
        graph: Graph,
    ) -> Result<ModelFile, ModelError> {
        let digests: Vec<_> = model.exports.iter().map(|export| export.digest(graph)).collect();
        let usual_name = model.file_name(graph);
        for folder in &self.folders {
            let Some(file) = read_model(&folder.join(&usual_name))? else {
                continue;
            };
            if digests.contains(&file.sha256) {
                return Ok(file);
            }
            let (model, set) = (model.name.clone(), set.as_ref().to_owned());
            return Err(ModelError::WrongDigest { model, path: file.path, found: file.sha256, set });
        }
        for folder in &self.folders {
            for path in files_in(folder, ".onnx")?.into_iter().filter(|path| !path.ends_with(&usual_name)) {
                if let Some(file) = read_model(&path)?.filter(|file| digests.contains(&file.sha256)) {
                    return Ok(file);
                }
            }
        }
        let (model, set) = (model.name.clone(), set.as_ref().to_owned());
        Err(ModelError::Missing { model, file: usual_name, set, folders: self.folders.clone() })
    }

    /// The calibration of a set: the file that its manifest names, from the first folder that has it, else the built-in
    /// one.
    ///
    /// # Errors
    ///
    /// [`ModelError::Calibration`] when there is none, or it is invalid or belongs to another model;
    /// [`ModelError::Unreadable`] when it cannot be read.
    pub fn calibration(&self, set: &ModelSet) -> Result<CalibrationFile, ModelError> {
        let name = set.embedding.calibration.as_str();
        for folder in &self.folders {
            let path = folder.join(name);
            if path.is_file() {
                return CalibrationFile::parse(&path.display().to_string(), &read_text(&path)?, set);
            }
        }
        match BUILT_IN_CALIBRATIONS.iter().find(|(known, _)| *known == name) {
            Some((_, text)) => CalibrationFile::parse(&format!("{name} ({BUILT_IN_LOCATION})"), text, set),
            None => Err(ModelError::Calibration {
                location: name.to_owned(),
                reason: "found in none of the model folders; put it into the manifest's folder".to_owned(),
            }),
        }
    }

    fn embedders(&self) -> impl Iterator<Item = &Manifest> {
        self.manifests.iter().filter(|manifest| matches!(manifest.task, Task::Embedder(_)))
    }

    fn model_set(&self, embedder: &Manifest) -> Result<ModelSet, ModelError> {
        let detector = match &embedder.task {
            Task::Embedder(embedding) => &embedding.detector,
            Task::Detector(_) | Task::Liveness(_) => &embedder.name,
        };
        match self.manifests.iter().find(|manifest| manifest.name == *detector) {
            Some(detector) => ModelSet::new(embedder, detector),
            None => Err(ModelError::Manifest {
                location: embedder.name.clone(),
                reason: format!(
                    "its detector {detector:?} is unknown; put that manifest into the same folder"
                ),
            }),
        }
    }
}

impl Manifest {
    /// The export whose file has this digest.
    pub fn export_of(&self, graph: Graph, sha256: FileDigest) -> Option<&Export> {
        self.exports.iter().find(|export| export.digest(graph) == sha256)
    }
}

fn manifest_files(folders: &[PathBuf]) -> Result<Vec<PathBuf>, ModelError> {
    let mut found = Vec::new();
    for folder in folders {
        let named = |path: &PathBuf| !path.to_string_lossy().ends_with(".calibration.toml");
        found.extend(files_in(folder, ".toml")?.into_iter().filter(named));
    }
    Ok(found)
}

/// The files in a folder whose names have this suffix, sorted; none when the folder does not exist.
fn files_in(folder: &Path, suffix: &str) -> Result<Vec<PathBuf>, ModelError> {
    let unreadable = |reason| ModelError::Unreadable { path: folder.to_owned(), reason };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(unreadable)?.path();
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if !hidden && path.to_string_lossy().ends_with(suffix) && path.is_file() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn read_model(path: &Path) -> Result<Option<ModelFile>, ModelError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(ModelFile { path: path.to_owned(), sha256: FileDigest::of(&bytes), bytes })),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(reason) => Err(ModelError::Unreadable { path: path.to_owned(), reason }),
    }
}

fn read_text(path: &Path) -> Result<String, ModelError> {
    fs::read_to_string(path).map_err(|reason| ModelError::Unreadable { path: path.to_owned(), reason })
}

#[cfg(test)]
mod tests;
