use std::{fs, path::PathBuf, process::ExitCode};

use anyhow::{Context as _, Result};
use clap::Args;
use padan_domain::Clock;
use padan_evaluation::{calibrate, evaluate};

use crate::{
    commands::{calibration_show, evaluate::write_report, labelled_photos::LabelledPhotosArguments},
    telemetry,
};

/// Make a scale of percentages for a model set from labelled photos
///
/// Takes at least 100,000 pairs of two persons (450 photos of different people make so many) and 100 pairs of one person.
/// Put the file that it writes into the model folder, where it comes before the built-in one.
#[derive(Debug, Args)]
pub(crate) struct CalibrateArguments {
    #[command(flatten)]
    photos: LabelledPhotosArguments,
    /// Where the scale is written [default: SET.calibration.toml]
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// Write report.html and its pictures into this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Calibrates, writes the scale and prints it.
pub(crate) fn run(arguments: &CalibrateArguments) -> Result<ExitCode> {
    telemetry::start_quietly();
    let photos = arguments.photos.measure()?;
    let scale = calibrate(&photos.labelled, &photos.measured, &photos.set, Clock::System.today_in_jakarta())?;
    let usual = || PathBuf::from(format!("{}.calibration.toml", photos.set.name()));
    let file = arguments.write.clone().unwrap_or_else(usual);
    let beside = file.with_extension("toml.new");
    fs::write(&beside, scale.to_toml()?).with_context(|| format!("cannot write {}", beside.display()))?;
    fs::rename(&beside, &file).with_context(|| format!("cannot write {}", file.display()))?;
    calibration_show::print(&mut std::io::stdout().lock(), &scale)?;
    eprintln!("The scale is {}.", file.display());
    if let Some(folder) = &arguments.out {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let calibration = scale.calibration()?;
        let model = photos.model(&scale);
        let evaluated = evaluate(&photos.labelled, &photos.measured, model, &calibration, false);
        write_report(
            folder,
            &format!("Calibration of {}", photos.set.name()),
            &photos,
            (&evaluated, &calibration),
        )?;
    }
    Ok(ExitCode::SUCCESS)
}
