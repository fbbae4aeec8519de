use std::io::Write;

use anyhow::Result;
use clap::Args;
use padan_inference::{
    BeforeAndAfter, CalibrationCohort, CalibrationFile, CalibrationGroup, CalibrationMark, CalibrationPeople,
    CalibrationPoint, CalibrationSource, CalibrationTransformation, Catalogue, GroupCheck,
    TransformationCheck,
};
use padan_store::KeySet;
use padan_verification::{calibration_in_use, check_cohort};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::{
    exit_status::ExitStatus,
    output::{OutputArguments, print_json, stdout},
    service,
    settings::{Settings, SettingsArguments},
};

/// Print the cosine, false match rate (FMR) and false non-match rate (FNMR) of each percentage
///
/// If the settings name the store and the audit key, it is the calibration that `padan calibration activate` made all
/// services use. Otherwise, and with --installed, it is the one that is installed on this machine.
#[derive(Debug, Args)]
pub(crate) struct CalibrationShowArguments {
    /// Model set [default: `inference.model_set`]
    #[arg(value_name = "SET")]
    model_set: Option<String>,
    /// Print the calibration that is installed on this machine, whether or not another one is active
    #[arg(long)]
    installed: bool,
    #[command(flatten)]
    settings: SettingsArguments,
    #[command(flatten)]
    output: OutputArguments,
}

/// Prints the calibration that a service with these settings would use.
pub(crate) fn run(arguments: &CalibrationShowArguments) -> Result<ExitStatus> {
    let settings = arguments.settings.settings()?;
    let catalogue = Catalogue::load(&padan_inference::model_folders(&settings.inference))?;
    let name = arguments.model_set.as_deref();
    let in_use = if arguments.installed {
        let set = catalogue.set(name.unwrap_or(&settings.inference.model_set))?;
        InUse { file: catalogue.calibration(&set)?, is_active: None, cohort: None }
    } else {
        look_up_in_use(&settings, &catalogue, name)?
    };
    if arguments.output.json {
        print_json(&json_of(&in_use))?;
    } else {
        let mut out = stdout();
        print(&mut out, &in_use.file)?;
        if let Some(cohort) = &in_use.cohort {
            writeln!(out, "  Cohort: {cohort}.")?;
        }
        match in_use.is_active {
            Some(true) => writeln!(out, "\n  Active: all services use it.")?,
            Some(false) => writeln!(out, "\n  Installed on this machine. No other one is active.")?,
            None => {}
        }
    }
    Ok(ExitStatus::Success)
}

/// A calibration, and whether it is the active one.
struct InUse {
    file: CalibrationFile,
    /// Whether it was activated; `None` when the store was not asked.
    is_active: Option<bool>,
    /// What there is to say of its cohort.
    cohort: Option<String>,
}

/// Asks the store which calibration services use for this model set, or for the active one. Without settings of a store,
/// and when the store does not answer, it is the installed calibration.
fn look_up_in_use(settings: &Settings, catalogue: &Catalogue, model_set: Option<&str>) -> Result<InUse> {
    let configured = &settings.inference.model_set;
    let installed = || {
        let set = catalogue.set(model_set.unwrap_or(configured))?;
        anyhow::Ok(InUse { file: catalogue.calibration(&set)?, is_active: None, cohort: None })
    };
    if settings.store.faults(KeySet::Audit).is_empty() {
        Runtime::new()?.block_on(async {
            let store = service::open_store(settings, KeySet::Audit)?;
            let active = match store.active_model().await {
                Ok(active) => active.map(|active| active.model_set),
                Err(error) => {
                    eprintln!("The installed calibration is shown, since the store does not say whether another one is active: {error}");
                    return installed();
                }
            };
            let set = catalogue.set(model_set.or(active.as_deref()).unwrap_or(configured))?;
            let is_active = store.active_calibration(set.name()).await?.is_some();
            let file = calibration_in_use(&store, catalogue, &set).await?;
            let cohort = match check_cohort(&store.templates(), &file).await {
                Ok(state) => state.map(|state| {
                    format!("{} of its {} people were forgotten since", state.forgotten, state.members)
                }),
                Err(error) => Some(format!("{:#}", anyhow::Error::from(error))),
            };
            Ok(InUse { file, is_active: Some(is_active), cohort })
        })
    } else {
        installed()
    }
}

fn json_of(InUse { file, is_active, cohort }: &InUse) -> Value {
    json!({
        "active": is_active,
        "model_set": file.set,
        "calibration": file.id(),
        "made_on": file.made_on,
        "embedder_sha256": file.embedder_sha256,
        "impostor_pairs": file.impostor_pairs,
        "pass_mark_cosine": file.pass_mark.cosine,
        "points": file.points.iter().map(json_of_point).collect::<Vec<_>>(),
        "marks": file.marks.iter().map(json_of_mark).collect::<Vec<_>>(),
        "groups": file.groups.iter().map(json_of_group).collect::<Vec<_>>(),
        "sources": file.sources.iter().map(json_of_source).collect::<Vec<_>>(),
        "people": file.people.as_ref().map(json_of_people),
        "cohort_state": cohort,
        "transformation": file.transformation.as_ref().map(json_of_transformation),
    })
}

fn json_of_point(point: &CalibrationPoint) -> Value {
    json!({
        "percentage": point.percentage,
        "cosine": point.cosine,
        "fmr": point.fmr,
        "fmr_interval": point.fmr_interval,
        "fnmr": point.fnmr,
        "extrapolated": point.extrapolated,
    })
}

fn json_of_mark(mark: &CalibrationMark) -> Value {
    let worst = mark.worst_group.as_ref();
    json!({
        "percentage": mark.percentage,
        "cosine": mark.cosine,
        "extrapolated": mark.extrapolated,
        "fmr": mark.fmr,
        "fnmr": mark.fnmr,
        "worst_group": worst.map(|group| json!({ "name": group.name, "fmr": group.fmr })),
    })
}

fn json_of_group(group: &CalibrationGroup) -> Value {
    json!({
        "name": group.name,
        "persons": group.persons,
        "impostor_pairs": group.impostor_pairs,
        "sets_threshold": group.decides,
        "fmr_at_pass_mark": group.fmr_at_pass_mark,
    })
}

fn json_of_source(source: &CalibrationSource) -> Value {
    json!({
        "name": source.name,
        "photos": source.photos,
        "persons": source.persons,
        "photos_without_face": source.failures_to_acquire,
        "genuine_pairs": source.genuine_pairs,
        "impostor_pairs": source.impostor_pairs,
    })
}

fn json_of_people(people: &CalibrationPeople) -> Value {
    json!({
        "compared": people.compared,
        "drawn": people.drawn,
        "seed": people.seed,
        "left_out": people.left_out,
        "pairs_told_apart": people.pairs_told_apart,
        "break_cosine": people.break_cosine,
        "expected_strangers": people.expected_strangers,
        "anchor_of_100_from": people.anchor_of_100_from,
    })
}

fn json_of_transformation(transformation: &CalibrationTransformation) -> Value {
    let (check, cohort) = (transformation.what_changes(), transformation.cohort());
    json!({
        "kind": transformation.kind(),
        "persons": transformation.persons(),
        "cohort": cohort.map(|cohort| &cohort.cohort),
        "top": cohort.map(|cohort| cohort.top),
        "checked_on_persons": check.persons,
        "fnmr": check.fnmr,
        "groups": check.groups.iter().map(json_of_group_check).collect::<Vec<_>>(),
    })
}

fn json_of_group_check(group: &GroupCheck) -> Value {
    json!({ "name": group.name, "persons": group.persons, "fmr": group.fmr })
}

/// What a transformation changes among persons who did not make it, as lines.
pub(crate) fn describe_check(check: &TransformationCheck) -> String {
    let percent = |rate: f64| rate * 100.0;
    let BeforeAndAfter { change, before, after } = &check.fnmr;
    let missed = format!(
        "Checked on {} persons who did not make it: missed genuine pairs at the pass mark {:.2} % -> {:.2} % \
         (change {:+.2} to {:+.2})",
        check.persons,
        percent(before.value),
        percent(after.value),
        percent(change[0]),
        percent(change[1])
    );
    let groups =
        check.groups.iter().map(|GroupCheck { name, persons, fmr: BeforeAndAfter { before, after, .. } }| {
            format!(
                "  {name}, {persons} persons: FMR {:.2e} ({:.2e} to {:.2e}) -> {:.2e} ({:.2e} to {:.2e})",
                before.value, before.low, before.high, after.value, after.low, after.high
            )
        });
    std::iter::once(missed).chain(groups).collect::<Vec<_>>().join("\n")
}

/// What the cosines of a scale are.
pub(crate) fn describe_transformation(transformation: &CalibrationTransformation) -> String {
    match transformation {
        CalibrationTransformation::Centre(centre) => {
            format!("Cosines are those without the centre of {} persons.", centre.persons)
        }
        CalibrationTransformation::TopMean(CalibrationCohort { cohort, persons, top, .. }) => format!(
            "Cosines are scores: the mean of the {top} highest with {persons} people (cohort {cohort}) is taken from both \
             faces."
        ),
        CalibrationTransformation::Symmetric(CalibrationCohort { cohort, persons, top, .. }) => format!(
            "Cosines are scores: they are normalised for both faces by the {top} highest with {persons} people (cohort \
             {cohort})."
        ),
    }
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
        if source.persons == 0 {
            writeln!(
                out,
                "  {}: {} selfies, {} impostor pairs; people were not counted",
                source.name, source.photos, source.impostor_pairs
            )?;
            continue;
        }
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
    if let Some(transformation) = &calibration_file.transformation {
        writeln!(out, "\n  {}", describe_transformation(transformation))?;
        writeln!(out, "  {}", describe_check(transformation.what_changes()).replace('\n', "\n  "))?;
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
