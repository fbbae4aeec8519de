use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result};
use clap::Args;
use padan_domain::Clock;
use padan_evaluation::{calibrate, evaluate};
use padan_inference::CalibrationFile;

use crate::{
    commands::{
        calibrate_from_store::{FromStoreArguments, calibrate_from_store, write_calibration},
        calibration_show,
        evaluate::write_report,
        labelled_photos::LabelledPhotosArguments,
        report_files::made_now,
    },
    exit_status::ExitStatus,
    telemetry,
};

/// Compute the calibration of a model set from labelled photos or from the people in the store
///
/// A calibration maps similarities to percentages. It needs at least 100,000 pairs of photos of different persons (450
/// photos of different people suffice) and, of labelled photos, 100 pairs of photos of the same person. From the store,
/// without such pairs, 100 % stays where it is. Put the file into the model folder, where it overrides the built-in
/// calibration.
#[derive(Debug, Args)]
#[command(mut_arg("identities", |argument| argument.required_unless_present_any(["pairs", "from_store"])))]
pub(crate) struct CalibrateArguments {
    #[command(flatten)]
    photos: LabelledPhotosArguments,
    /// Write the calibration to this file [default: SET.calibration.toml]
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// Write report.html and its pictures into this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    from_store: FromStoreArguments,
}

/// Computes, writes and prints the calibration.
pub(crate) fn run(arguments: &CalibrateArguments) -> Result<ExitStatus> {
    telemetry::start_quietly();
    if arguments.from_store.from_store {
        let settings = arguments.photos.settings()?;
        let calibration =
            calibrate_from_store(&arguments.from_store, arguments.photos.model_set(), settings)?;
        arguments.write(&calibration)?;
        return Ok(ExitStatus::Success);
    }
    let photos = arguments.photos.measure()?;
    let calibration_file =
        calibrate(&photos.labelled, &photos.measured, &photos.set, Clock::System.today_in_jakarta())?;
    arguments.write(&calibration_file)?;
    if let Some(folder) = &arguments.out {
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let calibration = calibration_file.calibration()?;
        let model = photos.model(&calibration_file);
        let evaluated = evaluate(&photos.labelled, &photos.measured, model, made_now(), &calibration, false);
        write_report(
            folder,
            &format!("Calibration of {}", photos.set.name()),
            &photos,
            &evaluated,
            &calibration,
        )?;
    }
    Ok(ExitStatus::Success)
}

impl CalibrateArguments {
    /// Writes and prints the calibration.
    fn write(&self, calibration: &CalibrationFile) -> Result<()> {
        let default_file = || PathBuf::from(format!("{}.calibration.toml", calibration.set));
        let file = self.write.clone().unwrap_or_else(default_file);
        write_calibration(&file, calibration)?;
        calibration_show::print(&mut std::io::stdout().lock(), calibration)?;
        eprintln!("The calibration was written to {}.", file.display());
        Ok(())
    }
}
