//! `padan calibration live`: what the scale in use does on the people who were verified.

use std::{fs, io::Write, path::PathBuf};

use anyhow::{Context as _, Result};
use chrono::{Days, NaiveDate};
use clap::Args;
use padan_domain::{Clock, Percentage};
use padan_evaluation::{GenuinePairs, LivePairs, LiveSurvey, live_plot};
use padan_inference::{CalibrationFile, Catalogue, ModelSet, Rate, model_folders};
use padan_store::{Compared, KeySet, LiveScale, Store};
use padan_verification::calibration_in_use;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::{
    engine,
    exit_status::ExitStatus,
    live_rates::counted_parts,
    output::{OutputArguments, print_json, stdout},
    service,
    settings::{Settings, SettingsArguments},
};

/// Compare the scale in use with what services have counted on the people they verified
///
/// For each percentage it prints the false match rate that the scale states, and the one that was measured by comparing
/// selfies with templates of other people (`verification.impostor_sample`), with its 95 % interval. It also prints how many
/// people do not pass, by requests in which name and date of birth match: an estimate, since a few of them are somebody
/// else. The last line says what a scale of these people would change.
#[derive(Debug, Args)]
pub(crate) struct CalibrationLiveArguments {
    /// Model set [default: the active one]
    #[arg(value_name = "SET")]
    model_set: Option<String>,
    /// Count the last so many days, today included
    #[arg(long, value_name = "DAYS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=3660))]
    days: u32,
    /// Write the plot of the measured curve beside the stated one to this file, as SVG
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    #[command(flatten)]
    settings: SettingsArguments,
    #[command(flatten)]
    output: OutputArguments,
}

/// What was counted, and the scale that it is compared with.
pub(crate) struct Live {
    pub(crate) set: ModelSet,
    pub(crate) in_use: CalibrationFile,
    pub(crate) survey: LiveSurvey,
}

/// The percentages that are compared.
const PERCENTAGES: [f64; 5] = [25.0, 50.0, 60.0, 75.0, 90.0];
/// The false match rate of a pass mark.
const FMR_OF_PASS_MARK: f64 = 1e-4;

/// Prints the measured curve beside the stated one.
pub(crate) fn run(arguments: &CalibrationLiveArguments) -> Result<ExitStatus> {
    let mut settings = arguments.settings.settings_with_log()?;
    let live = Live::read(&mut settings, arguments.model_set.as_deref(), arguments.days)?;
    let comparison = Comparison::of(&live)?;
    if let Some(file) = &arguments.plot {
        let plot = live_plot(&live.survey, &live.in_use)?;
        fs::write(file, plot.svg).with_context(|| format!("cannot write {}", file.display()))?;
    }
    if arguments.output.json {
        print_json(&comparison.json(&live))?;
    } else {
        comparison.print(&mut stdout(), &live)?;
    }
    Ok(ExitStatus::Success)
}

impl Live {
    /// Reads the counts of the last days, today included.
    pub(crate) fn read(settings: &mut Settings, model_set: Option<&str>, days: u32) -> Result<Self> {
        let catalogue = Catalogue::load(&model_folders(&settings.inference))?;
        let today = Clock::System.today_in_jakarta();
        let from = today.checked_sub_days(Days::new(u64::from(days) - 1)).unwrap_or(today);
        Runtime::new()?.block_on(async {
            let store = service::open_store(settings, KeySet::Audit)?;
            settings.inference.model_set = engine::model_set(model_set, settings, &store).await;
            let set = catalogue.set(&settings.inference.model_set)?;
            let in_use = calibration_in_use(&store, &catalogue, &set).await?;
            let survey =
                read(&store, LiveScale { contract: set.contract(), score: in_use.score() }, from).await?;
            Ok(Self { set, in_use, survey })
        })
    }
}

/// Reads what was counted under a scale with the same transformation.
async fn read(store: &Store, scale: LiveScale, from: NaiveDate) -> Result<LiveSurvey> {
    let counts = store.live_counts(&scale, from).await?;
    let of = |compared: Compared| counted_parts(&counts, compared);
    let impostors = LivePairs::new(of(Compared::ImpostorByProbe), of(Compared::ImpostorByReference));
    Ok(LiveSurvey { impostors, genuine: GenuinePairs::new(of(Compared::Genuine)), from })
}

/// The stated and the measured rates of a percentage.
struct Row {
    percentage: f64,
    cosine: f64,
    stated: f64,
    fmr: Rate,
    fnmr: Rate,
}

/// The scale in use beside the counts, and what another pass mark would change.
struct Comparison {
    rows: Vec<Row>,
    /// The pass mark that a scale of these people would have; `None` with too few comparisons.
    new_pass_mark: Option<Row>,
}

impl Comparison {
    fn of(live: &Live) -> Result<Self> {
        let scale = live.in_use.map()?;
        let row = |percentage: f64, cosine: f64| Row {
            percentage,
            cosine,
            stated: stated(&live.in_use, cosine),
            fmr: live.survey.impostors.fmr(cosine),
            fnmr: live.survey.genuine.below(cosine),
        };
        let rows =
            PERCENTAGES.map(|percentage| row(percentage, scale.cosine(Percentage::new(percentage)))).into();
        let new_pass_mark = live.survey.impostors.cosine_at(FMR_OF_PASS_MARK);
        let new_pass_mark = new_pass_mark.map(|cosine| row(Percentage::PASS_MARK.value(), cosine));
        Ok(Self { rows, new_pass_mark })
    }

    fn json(&self, live: &Live) -> Value {
        let survey = &live.survey;
        json!({
            "model_set": live.set.name(),
            "calibration": live.in_use.id(),
            "from": survey.from.to_string(),
            "comparisons": survey.impostors.comparisons(),
            "selfies": survey.genuine.comparisons(),
            "points": self.rows.iter().map(Row::json).collect::<Vec<_>>(),
            "new_pass_mark": self.new_pass_mark.as_ref().map(Row::json),
        })
    }

    fn print(&self, out: &mut impl Write, live: &Live) -> Result<()> {
        let survey = &live.survey;
        writeln!(
            out,
            "{}, calibration {}, from {} on: {} selfies whose name and date of birth match, {} comparisons with other \
             people\n",
            live.set.name(),
            live.in_use.id(),
            survey.from,
            survey.genuine.comparisons(),
            survey.impostors.comparisons()
        )?;
        writeln!(
            out,
            "  percentage  cosine   FMR stated  measured, 95 % interval        do not reach it (estimate)"
        )?;
        for row in &self.rows {
            row.print(out)?;
        }
        let Some(new) = &self.new_pass_mark else {
            writeln!(
                out,
                "\n  Too few comparisons for a scale of these people: a false match rate of 1 in 10,000 needs 100,000."
            )?;
            return Ok(());
        };
        writeln!(
            out,
            "\n  A scale of these people, `padan calibrate --from-live`, would have its pass mark here:"
        )?;
        new.print(out)?;
        let now = self.rows.iter().find(|row| row.percentage == new.percentage).unwrap_or(new);
        let change = (new.fnmr.value - now.fnmr.value) * 100.0;
        let (size, direction) = (change.abs(), if change > 0.0 { "fewer" } else { "more" });
        writeln!(
            out,
            "  Of people whose name and date of birth match, {size:.2} % {direction} would pass; of other people, {:.1e} \
             instead of {:.1e}.",
            new.fmr.value, now.fmr.value
        )?;
        Ok(())
    }
}

impl Row {
    fn json(&self) -> Value {
        let rate = |rate: &Rate| json!({ "value": rate.value, "low": rate.low, "high": rate.high });
        json!({
            "percentage": self.percentage,
            "cosine": self.cosine,
            "stated_fmr": self.stated,
            "fmr": rate(&self.fmr),
            "fnmr_estimate": rate(&self.fnmr),
        })
    }

    fn print(&self, out: &mut impl Write) -> Result<()> {
        let [fnmr, low, high] = [self.fnmr.value, self.fnmr.low, self.fnmr.high].map(|share| share * 100.0);
        writeln!(
            out,
            "  {:<10}  {:.4}   {:.2e}    {:.2e} ({:.2e} to {:.2e})   {fnmr:.2} % ({low:.2} to {high:.2})",
            self.percentage, self.cosine, self.stated, self.fmr.value, self.fmr.low, self.fmr.high
        )?;
        Ok(())
    }
}

/// The false match rate that a scale states for a cosine: between points by the logarithm.
fn stated(file: &CalibrationFile, cosine: f64) -> f64 {
    let above = file.points.iter().position(|point| point.cosine >= cosine);
    let (low, high) = match above {
        None | Some(0) => {
            let end = if above.is_some() { file.points.first() } else { file.points.last() };
            return end.map_or(0.0, |point| point.fmr);
        }
        Some(above) => (&file.points[above - 1], &file.points[above]),
    };
    let share = (cosine - low.cosine) / (high.cosine - low.cosine);
    let [from, to] = [low, high].map(|point| point.fmr.max(f64::MIN_POSITIVE).log10());
    10_f64.powf(from + share * (to - from))
}
