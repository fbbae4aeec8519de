use std::{fs, path::PathBuf, process::ExitCode};

use anyhow::{Context as _, Result};
use clap::Args;
use padan_domain::Clock;
use padan_evaluation::{calibrate, evaluate};

use crate::{
    commands::{
        calibration_show,
        evaluate::{made_now, write_report},
        labelled_photos::LabelledPhotosArguments,
    },
    telemetry,
};

/// Compute the calibration of a model set from labelled photos
///
/// A calibration maps similarities to percentages. It needs at least 100,000 pairs of photos of different persons (450
/// photos of different people suffice) and 100 pairs of photos of the same person. Put the file into the model folder,
/// where it overrides the built-in calibration.
#[derive(Debug, Args)]
pub(crate) struct CalibrateArguments {
    #[command(flatten)]
    photos: LabelledPhotosArguments,
    /// Write the calibration to this file [default: SET.calibration.toml]
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// Write report.html and its pictures into this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Computes, writes and prints the calibration.
pub(crate) fn run(arguments: &CalibrateArguments) -> Result<ExitCode> {
    telemetry::start_quietly();
    let photos = arguments.photos.measure()?;
    let calibration_file =
        calibrate(&photos.labelled, &photos.measured, &photos.set, Clock::System.today_in_jakarta())?;
    let default_file = || PathBuf::from(format!("{}.calibration.toml", photos.set.name()));
    let file = arguments.write.clone().unwrap_or_else(default_file);
    let unfinished = file.with_extension("toml.new");
    fs::write(&unfinished, calibration_file.to_toml()?)
        .with_context(|| format!("cannot write {}", unfinished.display()))?;
    fs::rename(&unfinished, &file).with_context(|| format!("cannot write {}", file.display()))?;
    calibration_show::print(&mut std::io::stdout().lock(), &calibration_file)?;
    eprintln!("The calibration was written to {}.", file.display());
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
    Ok(ExitCode::SUCCESS)
}
