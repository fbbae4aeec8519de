use std::{io::Write, path::PathBuf};

use anyhow::Result;
use padan_inference::{Catalogue, FileDigest, Graph, Manifest, ModelError};
use serde_json::{Value, json};

use crate::exit_status::ExitStatus;

/// Checks the digest of every installed file. The exit code is 1 when a digest is wrong, when a file of `only` is
/// missing, or when no set is complete.
pub(super) fn verify(
    catalogue: &Catalogue,
    only: Option<&str>,
    as_json: bool,
    out: &mut impl Write,
) -> Result<ExitStatus> {
    let sets: Vec<String> = match only {
        Some(name) => vec![name.to_owned()],
        None => catalogue.sets().map(|set| set.name().to_owned()).collect(),
    };
    // Nobody needs a liveness set, so one does not count as a complete model set.
    let liveness_sets = catalogue.liveness_sets().filter(|_| only.is_none()).map(str::to_owned);
    let sets = sets.into_iter().map(|set| (set, true)).chain(liveness_sets.map(|set| (set, false)));
    let mut seen: Vec<Finding> = Vec::new();
    let (mut wrong, mut complete_sets) = (0, 0);
    for (set, counts_as_complete) in sets {
        let mut complete = counts_as_complete;
        for model in &catalogue.models_of(&set)? {
            let findings =
                [Graph::Prepared, Graph::Original].map(|graph| Finding::of(catalogue, &set, model, graph));
            for finding in findings {
                let finding = finding?;
                complete &= matches!(finding.outcome, Outcome::Correct);
                if !seen.iter().any(|known| known.file == finding.file) {
                    let counts = only.is_some() || !matches!(finding.outcome, Outcome::Missing);
                    wrong += usize::from(counts && !matches!(finding.outcome, Outcome::Correct));
                    if !as_json {
                        writeln!(out, "{finding}")?;
                    }
                    seen.push(finding);
                }
            }
        }
        complete_sets += usize::from(complete);
    }
    let is_in_order = wrong == 0 && complete_sets > 0;
    if as_json {
        let document = json!({
            "in_order": is_in_order,
            "wrong_files": wrong,
            "complete_sets": complete_sets,
            "files": seen.iter().map(Finding::json).collect::<Vec<_>>(),
        });
        writeln!(out, "{document:#}")?;
        return Ok(ExitStatus::success_if(is_in_order));
    }
    if is_in_order {
        return Ok(ExitStatus::Success);
    }
    let set = only.unwrap_or("SET");
    eprintln!(
        "{wrong} files are wrong or missing, {complete_sets} model sets are complete: run `padan models install {set}`."
    );
    Ok(ExitStatus::Failure)
}

/// The result for one file.
struct Finding {
    file: String,
    outcome: Outcome,
    /// The file that was found, and its digest.
    found: Option<(FileDigest, PathBuf)>,
}

#[derive(Clone, Copy)]
enum Outcome {
    Correct,
    Wrong,
    Missing,
}

impl Finding {
    fn of(catalogue: &Catalogue, set: &str, model: &Manifest, graph: Graph) -> Result<Self> {
        let file = model.file_name(graph);
        let (outcome, found) = match catalogue.locate(&set, model, graph) {
            Ok(found) => (Outcome::Correct, Some((found.sha256, found.path))),
            Err(ModelError::Missing { .. }) => (Outcome::Missing, None),
            Err(ModelError::WrongDigest { path, found, .. }) => (Outcome::Wrong, Some((found, path))),
            Err(error) => return Err(error.into()),
        };
        Ok(Self { file, outcome, found })
    }

    fn json(&self) -> Value {
        let state = match self.outcome {
            Outcome::Correct => "correct",
            Outcome::Wrong => "wrong",
            Outcome::Missing => "missing",
        };
        let (digest, path) = self.found.as_ref().map(|(digest, path)| (digest.to_string(), path)).unzip();
        json!({ "file": self.file, "state": state, "sha256": digest, "path": path })
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let outcome = match self.outcome {
            Outcome::Correct => "ok",
            Outcome::Wrong => "WRONG",
            Outcome::Missing => "missing",
        };
        write!(f, "{:28} {outcome:8} ", self.file)?;
        if let Some((digest, path)) = &self.found {
            write!(f, "{digest} {}", path.display())?;
        }
        f.write_str(if matches!(self.outcome, Outcome::Wrong) { " has another digest" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    fn verify_in(folder: &Path, only: Option<&str>) -> (ExitStatus, String) {
        let mut out = Vec::new();
        let catalogue = Catalogue::load(&[folder.to_owned()]).unwrap();
        let code = verify(&catalogue, only, false, &mut out).unwrap();
        (code, String::from_utf8(out).unwrap())
    }

    /// The models that `make deps` installs.
    fn installed() -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.deps/models")
    }

    #[test]
    fn installed_models_are_correct() {
        let (code, out) = verify_in(&installed(), Some("sface"));
        assert_eq!(code, ExitStatus::Success, "run `make deps`: {out}");
        assert_eq!(out.matches(" ok ").count(), 4);
    }

    #[test]
    fn a_changed_byte_is_found() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["yunet.onnx", "yunet.original.onnx", "sface.onnx", "sface.original.onnx"] {
            let from = installed().join(name);
            fs::copy(&from, folder.path().join(name))
                .unwrap_or_else(|error| panic!("{}: {error}; run `make deps`", from.display()));
        }
        let changed = folder.path().join("sface.onnx");
        let mut bytes = fs::read(&changed).unwrap();
        bytes[20_000] ^= 1;
        fs::write(&changed, bytes).unwrap();
        let (code, out) = verify_in(folder.path(), None);
        assert_eq!(code, ExitStatus::Failure);
        assert_eq!(
            out.lines().find(|line| line.contains("WRONG")).unwrap().split(' ').next(),
            Some("sface.onnx")
        );
    }

    #[test]
    fn verification_fails_when_nothing_is_installed() {
        let folder = tempfile::tempdir().unwrap();
        let (code, out) = verify_in(folder.path(), None);
        assert_eq!(code, ExitStatus::Failure);
        assert!(out.contains("sface.onnx") && out.contains("missing"));
    }
}
