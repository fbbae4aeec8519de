use std::{io::Write, path::PathBuf};

use anyhow::Result;
use padan_inference::{Catalogue, FileDigest, Graph, Manifest, ModelError};
use serde::Serialize;

use crate::exit_status::ExitStatus;

/// Prints every set and model.
pub(super) fn list(catalogue: &Catalogue, json: bool, out: &mut impl Write) -> Result<ExitStatus> {
    let listing = Listing::of(catalogue)?;
    if json {
        writeln!(out, "{}", serde_json::to_string_pretty(&listing)?)?;
    } else {
        listing.write(out)?;
    }
    Ok(ExitStatus::Success)
}

#[derive(Serialize)]
struct Listing {
    sets: Vec<ListedSet>,
    models: Vec<ListedModel>,
}

#[derive(Serialize)]
struct ListedSet {
    set: String,
    contract: String,
    detector: String,
    embedder: String,
    /// The pass mark as a cosine.
    pass_cosine: f64,
    installed: bool,
}

#[derive(Serialize)]
struct ListedModel {
    model: String,
    task: &'static str,
    licence: String,
    licence_note: String,
    origin: String,
    /// The published files, the canonical one first.
    files: Vec<ListedFile>,
    /// The prepared file, if it is installed.
    installed: Option<PathBuf>,
    /// Why a file of the model's name cannot be used.
    fault: Option<String>,
}

#[derive(Serialize)]
struct ListedFile {
    file: String,
    sha256: FileDigest,
    prepared_sha256: FileDigest,
}

impl Listing {
    fn of(catalogue: &Catalogue) -> Result<Self> {
        let mut sets: Vec<ListedSet> = Vec::new();
        let mut models: Vec<ListedModel> = Vec::new();
        for set in catalogue.sets() {
            for model in set.models() {
                if !models.iter().any(|listed| listed.model == model.name) {
                    models.push(ListedModel::of(catalogue, &set, model)?);
                }
            }
            let is_installed = |model: &Manifest| {
                models.iter().any(|listed| listed.model == model.name && listed.installed.is_some())
            };
            sets.push(ListedSet {
                set: set.name().to_owned(),
                contract: set.contract().to_string(),
                detector: set.detector.name.clone(),
                embedder: set.embedder.name.clone(),
                pass_cosine: catalogue.calibration(&set)?.map()?.pass_cosine(),
                installed: set.models().into_iter().all(is_installed),
            });
        }
        for name in catalogue.liveness_sets() {
            for model in &catalogue.models_of(name)? {
                if !models.iter().any(|listed| listed.model == model.name) {
                    models.push(ListedModel::of(catalogue, &name, model)?);
                }
            }
        }
        Ok(Self { sets, models })
    }

    fn write(&self, out: &mut impl Write) -> Result<()> {
        let mut sets = vec![row(["SET", "CONTRACT", "DETECTOR", "EMBEDDER", "PASS MARK", "INSTALLED"])];
        for set in &self.sets {
            let mark = format!("{:.3}", set.pass_cosine);
            let installed = if set.installed { "yes" } else { "no" };
            sets.push(row([&set.set, &set.contract, &set.detector, &set.embedder, &mark, installed]));
        }
        write_table(&sets, out)?;

        let mut models =
            vec![row(["MODEL", "TASK", "LICENCE", "FILE", "SHA-256", "PREPARED", "ORIGIN", "INSTALLED"])];
        for model in &self.models {
            for (index, file) in model.files.iter().enumerate() {
                let (original, prepared) = (file.sha256.short(), file.prepared_sha256.short());
                models.push(if index == 0 {
                    let installed = model.installed_text();
                    row([
                        &model.model,
                        model.task,
                        &model.licence,
                        &file.file,
                        &original,
                        &prepared,
                        &model.origin,
                        &installed,
                    ])
                } else {
                    row(["", "", "", &file.file, &original, &prepared, "(equivalent)", ""])
                });
            }
        }
        writeln!(out)?;
        write_table(&models, out)?;

        writeln!(out)?;
        for model in &self.models {
            writeln!(out, "{}: {}", model.model, model.licence_note)?;
        }
        if self.sets.iter().any(|set| !set.installed) {
            eprintln!("`padan models install SET` installs the files of a set.");
        }
        Ok(())
    }
}

impl ListedModel {
    fn of(catalogue: &Catalogue, set: &impl AsRef<str>, model: &Manifest) -> Result<Self> {
        let (installed, fault) = match catalogue.locate(set, model, Graph::Prepared) {
            Ok(file) => (Some(file.path), None),
            Err(ModelError::Missing { .. }) => (None, None),
            Err(error @ ModelError::WrongDigest { .. }) => (None, Some(error.to_string())),
            Err(error) => return Err(error.into()),
        };
        let file = |export: &padan_inference::Export| ListedFile {
            file: export.file.clone(),
            sha256: export.sha256,
            prepared_sha256: export.prepared_sha256,
        };
        Ok(Self {
            model: model.name.clone(),
            task: model.task.name(),
            licence: model.licence.clone(),
            licence_note: model.licence_note.clone(),
            origin: model.origin.clone(),
            files: model.exports.iter().map(file).collect(),
            installed,
            fault,
        })
    }

    fn installed_text(&self) -> String {
        match (&self.installed, &self.fault) {
            (Some(path), _) => path.display().to_string(),
            (None, Some(_)) => "no: a file of this name has another digest".to_owned(),
            (None, None) => "no".to_owned(),
        }
    }
}

fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(str::to_owned).into()
}

/// Prints columns as wide as their widest cell, separated by two spaces.
fn write_table(rows: &[Vec<String>], out: &mut impl Write) -> Result<()> {
    let columns = rows.first().map_or(0, Vec::len);
    let widths: Vec<_> = (0..columns)
        .map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0))
        .collect();
    for row in rows {
        let cells: Vec<_> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        writeln!(out, "{}", cells.join("  ").trim_end())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(folders: &[PathBuf], json: bool) -> String {
        let mut out = Vec::new();
        list(&Catalogue::load(folders).unwrap(), json, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn models_are_listed_with_nothing_installed() {
        insta::assert_snapshot!(listing(&[], false));
    }

    #[test]
    fn json_has_full_digests_and_faults() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("sface.onnx"), b"another").unwrap();
        let json: serde_json::Value =
            serde_json::from_str(&listing(&[folder.path().to_owned()], true)).unwrap();
        let sface =
            &json["models"].as_array().unwrap().iter().find(|model| model["model"] == "sface").unwrap();
        assert_eq!(
            sface["files"][0]["sha256"],
            "0ba9fbfa01b5270c96627c4ef784da859931e02f04419c829e83484087c34e79"
        );
        assert_eq!(sface["installed"], serde_json::Value::Null);
        assert!(sface["fault"].as_str().unwrap().contains("which is not in the manifest of sface"));
        assert_eq!(json["sets"][1]["installed"], false);
    }
}
