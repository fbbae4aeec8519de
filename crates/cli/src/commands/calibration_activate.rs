use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use padan_inference::{Catalogue, model_folders};
use padan_store::KeySet;
use padan_verification::{CalibrationActivation, ScaleChange, check_calibration_size};
use tokio::runtime::Runtime;

use crate::{exit_status::ExitStatus, service, settings::SettingsArguments};

/// Make all services use a calibration
///
/// Running services switch to it within seconds, without a restart and without failing requests. Rows of the audit trail
/// keep the id of the calibration that decided. The file is kept in the store, signed, so that it need not be installed on
/// the machines of the services. A calibration that names a cohort is refused unless the store has that cohort.
#[derive(Debug, Args)]
pub(crate) struct CalibrationActivateArguments {
    /// Calibration, as `padan calibrate` writes it
    #[arg(value_name = "FILE", required_unless_present = "installed", conflicts_with = "installed")]
    calibration: Option<PathBuf>,
    /// Return to the calibration of this model set that is installed on each machine
    #[arg(long, value_name = "SET")]
    installed: Option<String>,
    #[command(flatten)]
    settings: SettingsArguments,
}

/// Activates the calibration and prints what changes.
pub(crate) fn run(arguments: &CalibrationActivateArguments) -> Result<ExitStatus> {
    let settings = arguments.settings.settings_with_log()?;
    let catalogue = Catalogue::load(&model_folders(&settings.inference))?;
    let activation = match (&arguments.calibration, &arguments.installed) {
        (Some(file), _) => read(file, &catalogue)?,
        (None, Some(name)) => CalibrationActivation::of_installed(name, &catalogue)?,
        (None, None) => bail!("name a calibration file, or a model set with --installed"),
    };
    Runtime::new()?.block_on(async {
        let store = service::open_store(&settings, KeySet::Audit)?;
        let change = activation.compare(&store).await?;
        let administration = service::administration(&store);
        let done = activation.activate(&administration).await;
        administration.finish().await;
        if done? {
            print(&change);
        } else {
            eprintln!("{} uses the installed calibration already.", change.model_set);
        }
        anyhow::Ok(())
    })?;
    Ok(ExitStatus::Success)
}

fn read(file: &Path, catalogue: &Catalogue) -> Result<CalibrationActivation> {
    let location = file.display().to_string();
    let bytes = fs::metadata(file).with_context(|| format!("cannot read {location}"))?.len();
    check_calibration_size(&location, bytes)?;
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {location}"))?;
    Ok(CalibrationActivation::of_file(&location, text, catalogue)?)
}

/// Prints what the new scale makes of the former one.
fn print(change: &ScaleChange) {
    let ScaleChange { model_set, before, after, pass_mark, is_change: _ } = change;
    eprintln!(
        "Calibration {} of {model_set} is active. Services switch to it within seconds.",
        after.calibration
    );
    let Some(before) = before else { return };
    let Some(moved) = pass_mark else {
        eprintln!(
            "Faces are compared by another score now, so cosines before and after are not comparable: the pass mark was at \
             {:.4} and is at {:.4} of the new score. What changes, `padan evaluate` shows on photos. To undo it, activate \
             calibration {} again, or use --installed.",
            before.pass_cosine, after.pass_cosine, before.calibration
        );
        return;
    };
    eprintln!(
        "The pass mark moves from cosine {:.4} to {:.4}. What was 75 % is now {:.2} %, and what is 75 % now was {:.2} %. To \
         undo it, activate calibration {} again, or use --installed.",
        before.pass_cosine, after.pass_cosine, moved.former_is_now, moved.present_was, before.calibration
    );
}
