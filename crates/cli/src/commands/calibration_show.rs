use std::{
    io::{self, Write},
    process::ExitCode,
};

use anyhow::Result;
use clap::Args;
use padan_inference::{CalibrationFile, CalibrationPeople, Catalogue};

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
        let fnmr = point.fnmr.map_or("-".to_owned(), |fnmr| format!("{:.3}", fnmr * 100.0));
        let interval = point.fmr_interval.map_or(String::new(), |[low, high]| {
            format!(" (at this cosine, 95 % interval {low:.2e} to {high:.2e})")
        });
        let line = format!(
            "  {:<10}  {:.4}   {:.2e}{beyond}   {fnmr:<8}  {anchor}{interval}",
            point.percentage, point.cosine, point.fmr,
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
        let fnmr = mark.fnmr.as_ref().map_or("FNMR not known".to_owned(), |fnmr| {
            let [value, low, high] = [fnmr.value, fnmr.low, fnmr.high].map(|rate| rate * 100.0);
            format!("FNMR {value:.3} % ({low:.3} to {high:.3})")
        });
        writeln!(
            out,
            "  {} %: FMR {:.2e} ({:.2e} to {:.2e}){worst}; {fnmr}",
            mark.percentage, mark.fmr.value, mark.fmr.low, mark.fmr.high,
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
    match &calibration_file.people {
        Some(people) => print_people(out, people),
        None => Ok(()),
    }
}

/// Prints how people of the site were drawn, and what the calibration cannot say.
fn print_people(out: &mut impl Write, people: &CalibrationPeople) -> Result<()> {
    writeln!(
        out,
        "\n  Compared: {}. {} people were drawn (seed {}) and {} left out: {} pairs are of one person, of one photo or of \
         twins.",
        people.compared, people.drawn, people.seed, people.left_out, people.pairs_told_apart
    )?;
    writeln!(
        out,
        "  Without pairs of one person, FNMR is not known, and 100 % stays where calibration {} has it.",
        people.anchor_of_100_from
    )?;
    Ok(())
}
