use std::{collections::BTreeMap, fs, io::Write, path::PathBuf};

use anyhow::{Context as _, Result};
use clap::Args;
use padan_domain::Calibration;
use padan_evaluation::{Evaluated, Evaluation, Figures, SkippedFile, crops, evaluate, report, worst_pairs};

use crate::{
    commands::{
        evaluate_liveness,
        labelled_photos::{LabelledPhotos, LabelledPhotosArguments},
        report_files::{made_now, write_json, write_pages},
    },
    exit_status::ExitStatus,
    output::stdout,
    telemetry,
};

/// Measure the error rates of a model set, or of a liveness set, on labelled photos
///
/// Needs neither a database nor a running service. Uses the largest, most central face of each photo, whatever its
/// quality. A photo without a face counts as a non-match in all its pairs. The same photos give the same figures.
#[derive(Debug, Args)]
pub(crate) struct EvaluateArguments {
    #[command(flatten)]
    photos: LabelledPhotosArguments,
    /// Measure the liveness set (`inference.liveness_set`) instead, on the photos of this folder: bona-fide has photos of
    /// living persons, attack has a folder for each kind of attack
    ///
    /// Prints APCER by kind, BPCER and ACER in the terms of ISO/IEC 30107-3, at the score `verification.liveness.at`. Such
    /// figures are no certified detection.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["pairs", "root", "identities", "leave_out", "gates"])]
    liveness: Option<PathBuf>,
    /// Also show the figures under the service's rules: sufficient quality, and one clearly intended face
    #[arg(long)]
    gates: bool,
    /// Write report.html, its pictures as SVG, and evaluation.json into this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Write the figures and scores to this file as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Evaluates, prints a table and writes the requested files.
pub(crate) fn run(arguments: &EvaluateArguments) -> Result<ExitStatus> {
    telemetry::start_quietly();
    if let Some(folder) = &arguments.liveness {
        return evaluate_liveness::run(
            &arguments.photos,
            folder,
            arguments.json.as_deref(),
            arguments.out.as_deref(),
        );
    }
    let photos = arguments.photos.measure()?;
    let calibration_file = photos.calibration()?;
    let calibration = calibration_file.calibration()?;
    let model = photos.model(&calibration_file);
    let evaluated =
        evaluate(&photos.labelled, &photos.measured, model, made_now(), &calibration, arguments.gates);
    print(&mut stdout(), &evaluated.evaluation)?;
    if let Some(file) = &arguments.json {
        write_json(file, &evaluated.evaluation)?;
    }
    if let Some(folder) = &arguments.out {
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        write_json(&folder.join("evaluation.json"), &evaluated.evaluation)?;
        write_report(
            folder,
            &format!("Evaluation of {}", photos.set.name()),
            &photos,
            &evaluated,
            &calibration,
        )?;
    }
    Ok(ExitStatus::Success)
}

/// Writes the page and its pictures into a folder.
pub(crate) fn write_report(
    folder: &std::path::Path,
    title: &str,
    photos: &LabelledPhotos,
    evaluated: &Evaluated,
    calibration: &Calibration,
) -> Result<()> {
    let pairs = worst_pairs(&photos.labelled, evaluated);
    let crops = crops(&photos.labelled, &pairs, &mut photos.pipeline()?)?;
    let rendered = report(title, &photos.labelled, evaluated, calibration, &crops)?;
    write_pages(folder, &rendered)
}

fn print(out: &mut impl Write, evaluation: &Evaluation) -> Result<()> {
    let counts = &evaluation.counts;
    let persons = counts.identities.map_or("unknown".to_owned(), |count| count.to_string());
    writeln!(out, "{}\n", evaluation.verdict)?;
    writeln!(out, "model      {}, contract {}", evaluation.model, evaluation.engine.contract)?;
    writeln!(out, "photos     {} of {persons} persons", counts.photos)?;
    writeln!(out, "pairs      {} genuine, {} impostor", counts.genuine, counts.impostor)?;
    if let Some(all) = counts.all_impostor {
        writeln!(out, "           among all photos: {} genuine, {all} impostor", counts.all_genuine)?;
    }
    writeln!(out, "skipped    {}", SkippedFile::summary(&evaluation.skipped))?;
    if !evaluation.copies.is_empty() {
        writeln!(
            out,
            "copies     {} photos with two labels, of which one is wrong",
            evaluation.copies.len()
        )?;
    }
    if !evaluation.unmatched_exclusions.is_empty() {
        let count = evaluation.unmatched_exclusions.len();
        writeln!(out, "no effect  {count} exclusions of photos that are not there")?;
    }
    writeln!(out, "failed     {} photos without a face", evaluation.failures_to_acquire.len())?;
    writeln!(out, "speed      {:.1} photos a second", evaluation.images_per_second)?;
    print_figures(out, "\nany photo with a face", &evaluation.figures)?;
    if let Some(gated) = &evaluation.with_gates {
        print_figures(out, "\nwith the service's rules", gated)?;
        let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
        for photo in &evaluation.turned_away {
            *reasons.entry(photo.reason).or_default() += 1;
        }
        let reasons = reasons.iter().map(|(reason, count)| format!("{count} {reason}")).collect::<Vec<_>>();
        let reasons = if reasons.is_empty() { "none".to_owned() } else { reasons.join(", ") };
        writeln!(out, "  photos rejected by a rule: {reasons}")?;
    }
    writeln!(out, "\n  percentage  cosine   FMR                               FNMR %")?;
    for mark in &evaluation.marks {
        let fmr = mark.fmr.map_or("unknown".to_owned(), |fmr| {
            format!("{:.2e} ({:.2e} to {:.2e})", fmr.value, fmr.low, fmr.high)
        });
        writeln!(
            out,
            "  {:<10}  {:.4}   {fmr:<32}  {:.3} ({:.3} to {:.3})",
            mark.percentage,
            mark.cosine,
            mark.fnmr.value * 100.0,
            mark.fnmr.low * 100.0,
            mark.fnmr.high * 100.0
        )?;
    }
    for group in &evaluation.groups {
        writeln!(
            out,
            "  {}: {} persons, {} impostor pairs, FMR at 75 %: {:.2e} ({:.2e} to {:.2e})",
            group.name,
            group.persons,
            group.impostor_pairs,
            group.fmr_at_pass_mark.value,
            group.fmr_at_pass_mark.low,
            group.fmr_at_pass_mark.high
        )?;
    }
    Ok(())
}

fn print_figures(out: &mut impl Write, head: &str, figures: &Figures) -> Result<()> {
    let accuracy = &figures.accuracy;
    let how = if accuracy.folds.is_empty() {
        "at the best threshold".to_owned()
    } else {
        format!("± {:.3} over {} folds", accuracy.std * 100.0, accuracy.folds.len())
    };
    writeln!(out, "{head}, {} photos without an embedding", figures.photos_failed)?;
    writeln!(
        out,
        "  accuracy {:.3} % {how}, AUC {:.4} %, EER {:.3} %",
        accuracy.mean * 100.0,
        figures.auc * 100.0,
        figures.eer * 100.0
    )?;
    writeln!(
        out,
        "  FMR    cosine   FNMR, listed pairs %       FNMR, all pairs %      (thresholds from {})",
        figures.thresholds_from
    )?;
    for point in &figures.fnmr_at_fmr {
        writeln!(
            out,
            "  {:<5}  {:.4}   {:.3} ({:.3} to {:.3})     {:.3} ({:.3} to {:.3})",
            format!("{:e}", point.fmr),
            point.cosine,
            point.fnmr.fnmr * 100.0,
            point.fnmr.low * 100.0,
            point.fnmr.high * 100.0,
            point.all_genuine.value * 100.0,
            point.all_genuine.low * 100.0,
            point.all_genuine.high * 100.0
        )?;
    }
    Ok(())
}
