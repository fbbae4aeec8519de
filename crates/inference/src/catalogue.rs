use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::{
    calibration_file::CalibrationFile,
    digest::FileDigest,
    manifest::{Export, Graph, Manifest, Task},
    model_error::ModelError,
    model_set::ModelSet,
};

/// The manifests that the program brings along.
const BUILT_IN: [&str; 3] = [
    include_str!("../../../models/yunet.toml"),
    include_str!("../../../models/sface.toml"),
    include_str!("../../../models/mobilefacenet.toml"),
];

/// The calibrations that the program brings along, by file name.
const BUILT_IN_CALIBRATIONS: [(&str, &str); 2] = [
    ("sface.calibration.toml", include_str!("../../../models/sface.calibration.toml")),
    ("mobilefacenet.calibration.toml", include_str!("../../../models/mobilefacenet.calibration.toml")),
];

/// Said instead of a path of what the program brings along.
const PLACE: &str = "built in";

/// Every model that is known here, and the folders that their files are looked for in.
#[derive(Debug, Clone)]
pub struct Catalogue {
    /// In order of their names.
    manifests: Vec<Manifest>,
    folders: Vec<PathBuf>,
}

/// A model's file, read whole and checked. A session is built from these bytes, never from the path: what was
/// checked is what runs.
#[derive(Debug, Clone)]
pub struct ModelFile {
    /// Where it was found.
    pub path: PathBuf,
    /// Its content, whose digest is one of the manifest's.
    pub bytes: Vec<u8>,
    /// Of these bytes.
    pub sha256: FileDigest,
}

impl Catalogue {
    /// Takes the built-in manifests and those in `folders` (`*.toml`, but no `*.calibration.toml`). A folder
    /// that is not there is passed over.
    pub fn load(folders: &[PathBuf]) -> Result<Self, ModelError> {
        let mut manifests = Vec::new();
        for text in BUILT_IN {
            manifests.push(Manifest::parse(PLACE, text)?);
        }
        for path in manifest_files(folders)? {
            let manifest = Manifest::parse(&path.display().to_string(), &read_text(&path)?)?;
            match manifests.iter().find(|known| known.name == manifest.name) {
                // A copy of a built-in one does no harm.
                Some(known) if *known == manifest => {}
                Some(_) => {
                    return Err(ModelError::Manifest {
                        place: path.display().to_string(),
                        reason: format!("a model {:?} is known already; choose another name", manifest.name),
                    });
                }
                None => manifests.push(manifest),
            }
        }
        manifests.sort_by(|a, b| a.name.cmp(&b.name));
        let catalogue = Self { manifests, folders: folders.to_vec() };
        for embedder in catalogue.embedders() {
            catalogue.join(embedder)?;
        }
        Ok(catalogue)
    }

    /// Every model set, in order of their names.
    pub fn sets(&self) -> impl Iterator<Item = ModelSet> {
        // Loading has joined each once, so none is left out here.
        self.embedders().filter_map(|embedder| self.join(embedder).ok())
    }

    /// The model set of that name.
    pub fn set(&self, name: &str) -> Result<ModelSet, ModelError> {
        match self.embedders().find(|embedder| embedder.name == name) {
            Some(embedder) => self.join(embedder),
            None => Err(ModelError::UnknownSet {
                name: name.to_owned(),
                known: self.embedders().map(|embedder| embedder.name.clone()).collect(),
            }),
        }
    }

    /// Every model, in order of their names.
    pub fn manifests(&self) -> &[Manifest] {
        &self.manifests
    }

    /// Where files are looked for, in order.
    pub fn folders(&self) -> &[PathBuf] {
        &self.folders
    }

    /// Finds a model's file in the folders by its digest and returns it as it was read for that. `set` is
    /// named in the error, whose advice is to install it.
    ///
    /// The file of the right name is tried first, in each folder; then every other `.onnx` file, so that a
    /// renamed one is found too.
    pub fn locate(&self, set: &ModelSet, model: &Manifest, graph: Graph) -> Result<ModelFile, ModelError> {
        let wanted: Vec<_> = model.exports.iter().map(|export| export.digest(graph)).collect();
        let usual = model.file_name(graph);
        let mut other_content = None;
        for folder in &self.folders {
            let Some(file) = read_model(&folder.join(&usual))? else {
                continue;
            };
            if wanted.contains(&file.sha256) {
                return Ok(file);
            }
            other_content.get_or_insert((file.path, file.sha256));
        }
        for folder in &self.folders {
            for path in files_in(folder, ".onnx")?.into_iter().filter(|path| !path.ends_with(&usual)) {
                if let Some(file) = read_model(&path)?.filter(|file| wanted.contains(&file.sha256)) {
                    return Ok(file);
                }
            }
        }
        let (model, set) = (model.name.clone(), set.name().to_owned());
        Err(match other_content {
            Some((path, found)) => ModelError::WrongDigest { model, path, found, set },
            None => ModelError::Missing { model, file: usual, set, folders: self.folders.clone() },
        })
    }

    /// The calibration of a set: a file of the name in the manifest in one of the folders, else the built-in
    /// one.
    pub fn calibration(&self, set: &ModelSet) -> Result<CalibrationFile, ModelError> {
        let name = set.embedding.calibration.as_str();
        for folder in &self.folders {
            let path = folder.join(name);
            if path.is_file() {
                return CalibrationFile::parse(&path.display().to_string(), &read_text(&path)?, set);
            }
        }
        match BUILT_IN_CALIBRATIONS.iter().find(|(known, _)| *known == name) {
            Some((_, text)) => CalibrationFile::parse(&format!("{name} ({PLACE})"), text, set),
            None => Err(ModelError::Calibration {
                place: name.to_owned(),
                reason: "it is in none of the model folders; put it beside the manifest".to_owned(),
            }),
        }
    }

    fn embedders(&self) -> impl Iterator<Item = &Manifest> {
        self.manifests.iter().filter(|manifest| matches!(manifest.task, Task::Embedder(_)))
    }

    fn join(&self, embedder: &Manifest) -> Result<ModelSet, ModelError> {
        let wanted = match &embedder.task {
            Task::Embedder(embedding) => &embedding.detector,
            Task::Detector(_) => &embedder.name,
        };
        match self.manifests.iter().find(|manifest| manifest.name == *wanted) {
            Some(detector) => ModelSet::new(embedder, detector),
            None => Err(ModelError::Manifest {
                place: embedder.name.clone(),
                reason: format!("its detector {wanted:?} is not known; put that manifest beside it"),
            }),
        }
    }
}

impl Manifest {
    /// The export that a file of this digest belongs to.
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

/// The files in a folder whose names end so, in order; none when the folder is not there.
fn files_in(folder: &Path, end: &str) -> Result<Vec<PathBuf>, ModelError> {
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
        if !hidden && path.to_string_lossy().ends_with(end) && path.is_file() {
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
