use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result};
use clap::Args;
use padan_domain::Clock;
use padan_evaluation::{TransformationSearch, calibrate, evaluate, find_transformation};
use padan_inference::{CalibrationFile, CalibrationTransformation};

use crate::{
    commands::{
        calibrate_from_store::{FromStoreArguments, calibrate_from_store, write_calibration},
        calibration_live::Live,
        calibration_show,
        cohort_of::CohortOf,
        evaluate::write_report,
        labelled_photos::LabelledPhotosArguments,
        report_files::made_now,
    },
    exit_status::ExitStatus,
    output::stdout,
    telemetry,
};

/// Compute the calibration of a model set from labelled photos, from the people in the store, or from live counts
///
/// A calibration maps similarities to percentages. It needs at least 100,000 pairs of photos of different persons (450
/// photos of different people suffice) and, of labelled photos, 100 pairs of photos of the same person. From the store,
/// without such pairs, 100 % stays where it is. Of labelled photos of 2,000 people and more, it also finds out whether
/// comparing faces without the centre of these people pays: the centre is made from one half of them, and is taken if fewer
/// pairs of the same person are missed in both halves and no group of the other half has more false matches. Put the file
/// into the model folder, where it overrides the built-in calibration. One with a cohort has to be activated instead.
#[derive(Debug, Args)]
#[command(mut_arg("identities", |argument| argument.required_unless_present_any(["pairs", "from_store", "from_live"])))]
pub(crate) struct CalibrateArguments {
    #[command(flatten)]
    photos: LabelledPhotosArguments,
    /// Write the calibration to this file [default: SET.calibration.toml]
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// Write report.html and its pictures into this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Also try scores that compare both faces with a cohort of other people, and seal it in the store if one is taken
    ///
    /// The cohort has 1,000 to 2,000 people: people who are drawn from the store, or one photo of each person of the half of
    /// the labelled photos that chooses. Services read it from the store. The database user needs the role
    /// `padan_operator`.
    #[arg(long, value_name = "FROM", value_enum, conflicts_with_all = ["from_store", "from_live"])]
    cohort: Option<CohortOf>,
    #[command(flatten)]
    from_store: FromStoreArguments,
    /// Take the comparisons that services counted while they served: selfies with templates of other people
    ///
    /// Needs `verification.impostor_sample`, and at least 100,000 comparisons. Error rates of people who should pass are an
    /// estimate, by requests in which name and date of birth match.
    #[arg(long, conflicts_with_all = [
        "pairs", "root", "identities", "leave_out", "impostor_pairs", "device", "precision", "workers", "out", "from_store",
    ])]
    from_live: bool,
    /// Of how many days, today included
    #[arg(long, value_name = "DAYS", default_value_t = 30, requires = "from_live",
          value_parser = clap::value_parser!(u32).range(1..=3660))]
    days: u32,
}

/// Computes, writes and prints the calibration.
pub(crate) fn run(arguments: &CalibrateArguments) -> Result<ExitStatus> {
    telemetry::start_quietly();
    if arguments.from_store.from_store {
        let settings = arguments.photos.settings()?;
        let calibration = calibrate_from_store(
            &arguments.from_store,
            arguments.photos.model_set(),
            settings,
            arguments.out.as_deref(),
        )?;
        arguments.write(&calibration)?;
        return Ok(ExitStatus::Success);
    }
    if arguments.from_live {
        let live =
            Live::read(&mut arguments.photos.settings()?, arguments.photos.model_set(), arguments.days)?;
        let today = Clock::System.today_in_jakarta();
        arguments.write(&live.survey.calibrate(&live.set, &live.in_use, today)?)?;
        return Ok(ExitStatus::Success);
    }
    let photos = arguments.photos.measure()?;
    let cohort = arguments.cohort.map(|from| from.draw(&photos.settings, &photos.set)).transpose()?;
    let mut search =
        find_transformation(&photos.labelled, &photos.measured, cohort.as_ref().map(|cohort| &cohort.source));
    report_search(&search);
    if let (Some(cohort), Some(taken)) = (&cohort, &mut search.taken) {
        cohort.seal(&photos.settings, &photos.set, taken, &search.cohort)?;
    }
    let calibration_file = calibrate(
        &photos.labelled,
        &photos.measured,
        (&search.transformation, search.taken.as_ref()),
        &photos.set,
        Clock::System.today_in_jakarta(),
    )?;
    arguments.write(&calibration_file)?;
    if let Some(folder) = &arguments.out {
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let calibration = calibration_file.map()?.with(search.transformation);
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

/// Says what was tried, what the best would change, and whether it was taken.
fn report_search(search: &TransformationSearch) {
    for (name, missed) in &search.tried {
        eprintln!("Tried: {name}, which misses {:.2} % in the half that chooses.", missed * 100.0);
    }
    if let Some(check) = &search.check {
        eprintln!("{}", calibration_show::describe_check(check));
    }
    match (&search.refused, &search.taken) {
        (Some(why), _) => eprintln!("Faces are compared as they are: {why}."),
        (None, Some(CalibrationTransformation::Centre(_))) => {
            eprintln!("Faces are compared without the centre of these people.");
        }
        (None, _) => eprintln!("Faces are compared beside a cohort."),
    }
}

impl CalibrateArguments {
    /// Writes and prints the calibration.
    fn write(&self, calibration: &CalibrationFile) -> Result<()> {
        let default_file = || PathBuf::from(format!("{}.calibration.toml", calibration.set));
        let file = self.write.clone().unwrap_or_else(default_file);
        write_calibration(&file, calibration)?;
        calibration_show::print(&mut stdout(), calibration)?;
        eprintln!("The calibration was written to {}.", file.display());
        Ok(())
    }
}
