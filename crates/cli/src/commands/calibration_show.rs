use std::{
    io::{self, Write},
    process::ExitCode,
};

use anyhow::Result;
use clap::Args;
use padan_inference::{CalibrationFile, Catalogue};

use crate::settings::SettingsArguments;

/// Print the cosine, false match rate (FMR) and false non-match rate (FNMR) of each percentage
#[derive(Debug, Args)]
pub(crate) struct CalibrationShowArguments {
    /// Model set [default: `inference.model_set`]
    #[arg(value_name = "SET")]
    model_set: Option<String>,
    #[command(flatten)]
    settings: SettingsArguments,
}

/// Prints the calibration that a service with these settings would use.
pub(crate) fn run(arguments: &CalibrationShowArguments) -> Result<ExitCode> {
    let settings = arguments.settings.settings()?;
    let catalogue = Catalogue::load(&padan_inference::model_folders(&settings.inference))?;
    let set = catalogue.set(arguments.model_set.as_ref().unwrap_or(&settings.inference.model_set))?;
    print(&mut io::stdout().lock(), &catalogue.calibration(&set)?)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints a calibration as tables.
pub(crate) fn print(out: &mut impl Write, calibration_file: &CalibrationFile) -> Result<()> {
    writeln!(
        out,
        "{}, calibration {}, made on {}\n",
        calibration_file.set,
        calibration_file.id(),
        calibration_file.made_on
    )?;
    writeln!(out, "  percentage  cosine   FMR        FNMR %")?;
    for point in &calibration_file.points {
        let beyond = if point.extrapolated { "*" } else { " " };
        let anchor = point.anchor.as_deref().unwrap_or_default();
        let line = format!(
            "  {:<10}  {:.4}   {:.2e}{beyond}   {:<8.3}  {anchor}",
            point.percentage,
            point.cosine,
            point.fmr,
            point.fnmr * 100.0
        );
        writeln!(out, "{}", line.trim_end())?;
    }
    writeln!(out, "  * extrapolated beyond the data, linear in the logarithm of the FMR\n")?;
    for mark in &calibration_file.marks {
        let worst = mark.worst_group.as_ref().map_or(String::new(), |worst| {
            format!(
                "; worst group {}: {:.2e} ({:.2e} to {:.2e})",
                worst.name, worst.fmr.value, worst.fmr.low, worst.fmr.high
            )
        });
        writeln!(
            out,
            "  {} %: FMR {:.2e} ({:.2e} to {:.2e}){worst}; FNMR {:.3} % ({:.3} to {:.3})",
            mark.percentage,
            mark.fmr.value,
            mark.fmr.low,
            mark.fmr.high,
            mark.fnmr.value * 100.0,
            mark.fnmr.low * 100.0,
            mark.fnmr.high * 100.0
        )?;
    }
    writeln!(out)?;
    for group in &calibration_file.groups {
        writeln!(
            out,
            "  {}: {} persons, {} pairs{}; FMR at 75 %: {:.2e} ({:.2e} to {:.2e})",
            group.name,
            group.persons,
            group.impostor_pairs,
            if group.decides { "" } else { " (too few to set a threshold)" },
            group.fmr_at_pass_mark.value,
            group.fmr_at_pass_mark.low,
            group.fmr_at_pass_mark.high
        )?;
    }
    writeln!(out, "\n  computed from {} impostor pairs:", calibration_file.impostor_pairs)?;
    for source in &calibration_file.sources {
        writeln!(
            out,
            "  {}: {} photos of {} persons, {} without a face, {} genuine pairs, {} impostor pairs",
            source.name,
            source.photos,
            source.persons,
            source.failures_to_acquire,
            source.genuine_pairs,
            source.impostor_pairs
        )?;
    }
    Ok(())
}
