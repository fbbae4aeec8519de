use std::{fs, io::Write, path::Path};

use anyhow::{Context as _, Result};
use padan_evaluation::{
    KindFigures, LivenessEvaluation, LivenessPhotos, SkippedFile, judge_liveness, liveness_report,
};

use crate::{
    commands::{
        labelled_photos::{LabelledPhotosArguments, bar, list_skipped},
        report_files::{made_now, write_json},
    },
    exit_status::ExitStatus,
    output::stdout,
};

/// Measures the liveness set, prints a table and writes the requested files.
pub(super) fn run(
    photos: &LabelledPhotosArguments,
    folder: &Path,
    json: Option<&Path>,
    out: Option<&Path>,
) -> Result<ExitStatus> {
    let settings = photos.settings()?;
    let set = settings.inference.liveness_set.clone().context(
        "there is no liveness set to measure: install one with `padan models install`, and name it with \
         `--set inference.liveness_set=NAME`",
    )?;
    let photos = LivenessPhotos::read(folder)?;
    list_skipped(&photos.skipped);
    let pipelines = padan_inference::load_uncalibrated(&settings.inference)?.pipelines;
    let bar = bar(photos.photos.len() as u64)?;
    let responses = judge_liveness(&photos.photos, pipelines, &|done| bar.set_position(done as u64));
    bar.finish_and_clear();
    let at = settings.verification.liveness.at();
    let source = folder.display().to_string();
    let evaluation = LivenessEvaluation::of(&photos, &responses?, &set, at, made_now(), source);
    print(&mut stdout(), &evaluation)?;
    if let Some(file) = json {
        write_json(file, &evaluation)?;
    }
    if let Some(out) = out {
        fs::create_dir_all(out).with_context(|| format!("cannot create {}", out.display()))?;
        write_json(&out.join("evaluation.json"), &evaluation)?;
        let page = out.join("report.html");
        fs::write(&page, liveness_report(&evaluation)?)
            .with_context(|| format!("cannot write {}", page.display()))?;
        eprintln!("The report was written to {}.", page.display());
    }
    Ok(ExitStatus::Success)
}

fn print(out: &mut impl Write, evaluation: &LivenessEvaluation) -> Result<()> {
    let figures = &evaluation.figures;
    writeln!(out, "{}\n", evaluation.notice)?;
    writeln!(out, "liveness set  {}, an attack from a score of {}", evaluation.liveness_set, figures.at)?;
    writeln!(out, "skipped       {}\n", SkippedFile::summary(&evaluation.skipped))?;
    writeln!(
        out,
        "{:<24} {:>6} {:>6}  {:<26} {:>6}  error rate % (95 %)",
        "presented", "photos", "none", "non-response rate % (95 %)", "errors"
    )?;
    for (kind, row) in &figures.attacks {
        print_row(out, &format!("attack, {kind}"), "APCER", row)?;
    }
    if let Some(row) = &figures.bona_fide {
        print_row(out, "bona fide", "BPCER", row)?;
    }
    writeln!(out)?;
    if let Some((kind, rate)) = figures.worst_kind.as_ref().zip(figures.worst_apcer()) {
        writeln!(out, "worst kind    {kind}, APCER {:.2} %", rate * 100.0)?;
    }
    match figures.acer {
        Some(acer) => writeln!(out, "ACER          {acer}")?,
        None => writeln!(out, "ACER          needs classified attacks and bona fide photos")?,
    }
    for (reason, count) in &evaluation.non_responses {
        writeln!(out, "no response   {count} {reason}")?;
    }
    writeln!(out, "\n  bound  highest APCER %  BPCER %")?;
    let percent = |share: Option<f64>| share.map_or("-".to_owned(), |share| format!("{:.2}", share * 100.0));
    for row in &evaluation.by_threshold {
        writeln!(out, "  {:<5}  {:>15}  {:>7}", row.at, percent(row.worst_apcer), percent(row.bpcer))?;
    }
    Ok(())
}

fn print_row(out: &mut impl Write, name: &str, rate: &str, row: &KindFigures) -> Result<()> {
    let error_rate =
        row.error_rate.map_or("none was classified".to_owned(), |found| format!("{rate} {found}"));
    writeln!(
        out,
        "{name:<24} {:>6} {:>6}  {:<26} {:>6}  {error_rate}",
        row.presentations,
        row.non_responses,
        row.non_response_rate.to_string(),
        row.errors
    )?;
    Ok(())
}
