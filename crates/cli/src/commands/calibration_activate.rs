use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use chrono::{SubsecRound as _, Utc};
use clap::Args;
use padan_domain::{Percentage, Similarity};
use padan_inference::{CalibrationFile, Catalogue, ModelSet, model_folders};
use padan_store::{ActiveCalibration, Administration, KeySet};
use padan_verification::calibration_in_use;
use serde::Deserialize;
use tokio::runtime::Runtime;

use crate::{
    cohorts::check_cohort, exit_status::ExitStatus, service, settings::SettingsArguments, telemetry,
};

/// Make all services use a calibration
///
/// Running services switch to it within seconds, without a restart and without failing requests. Rows of the audit trail
/// keep the id of the calibration that decided. The file is kept in the store, signed, so that it need not be installed on
/// the machines of the services. A calibration that names a cohort is refused unless the store has that cohort.
#[derive(Debug, Args)]
pub(crate) struct CalibrationActivateArguments {
    /// Calibration, as `padan calibrate` writes it
    #[arg(value_name = "FILE", required_unless_present = "installed", conflicts_with = "installed")]
    calibration: Option<PathBuf>,
    /// Return to the calibration of this model set that is installed on each machine
    #[arg(long, value_name = "SET")]
    installed: Option<String>,
    #[command(flatten)]
    settings: SettingsArguments,
}

/// The size of the longest file, as the store limits it.
const MAX_BYTES: u64 = 1_000_000;

/// Activates the calibration and prints what changes.
pub(crate) fn run(arguments: &CalibrationActivateArguments) -> Result<ExitStatus> {
    let settings = arguments.settings.settings()?;
    telemetry::start(&settings.log)?;
    let catalogue = Catalogue::load(&model_folders(&settings.inference))?;
    let change = match (&arguments.calibration, &arguments.installed) {
        (Some(file), _) => Change::read(file, &catalogue)?,
        (None, Some(name)) => {
            let set = catalogue.set(name)?;
            Change { calibration: catalogue.calibration(&set)?, set, file: None }
        }
        (None, None) => bail!("name a calibration file, or a model set with --installed"),
    };
    Runtime::new()?.block_on(async {
        let store = service::open_store(&settings, KeySet::Audit)?;
        check_cohort(&store, &change.calibration).await?;
        let former = calibration_in_use(&store, &catalogue, &change.set).await;
        let administration = service::administration(&store);
        let done = change.activate(&administration).await;
        administration.finish().await;
        if done? {
            // A former calibration that cannot be read is replaced like any other.
            change.print(former.ok().as_ref())?;
        } else {
            eprintln!("{} uses the installed calibration already.", change.set.name());
        }
        anyhow::Ok(())
    })?;
    Ok(ExitStatus::Success)
}

/// The calibration that a model set gets.
struct Change {
    set: ModelSet,
    calibration: CalibrationFile,
    /// The text of the file; `None` for the installed calibration.
    file: Option<String>,
}

impl Change {
    fn read(file: &std::path::Path, catalogue: &Catalogue) -> Result<Self> {
        #[derive(Deserialize)]
        struct Named {
            set: String,
        }
        let location = file.display().to_string();
        let bytes = fs::metadata(file).with_context(|| format!("cannot read {location}"))?.len();
        ensure!(bytes <= MAX_BYTES, "{location} has {bytes} bytes, which no calibration has");
        let text = fs::read_to_string(file).with_context(|| format!("cannot read {location}"))?;
        let named: Named = toml::from_str(&text).with_context(|| format!("{location} is no calibration"))?;
        let set = catalogue.set(&named.set)?;
        let calibration = CalibrationFile::parse(&location, &text, &set)?;
        let (stated, pass_cosine) = (calibration.pass_mark.cosine, calibration.map()?.pass_cosine());
        ensure!(
            stated == pass_cosine,
            "{location} was changed after it was made: its pass mark is cosine {stated}, and its point at 75 % has \
             {pass_cosine}. Make it again with `padan calibrate`"
        );
        Ok(Self { set, calibration, file: Some(text) })
    }

    /// False when there is nothing to change.
    async fn activate(&self, administration: &Administration) -> Result<bool> {
        let model_set = self.set.name().to_owned();
        let Some(file) = self.file.clone() else {
            return Ok(administration.use_installed_calibration(&model_set).await?);
        };
        let (calibration_id, activated_at) = (self.calibration.id(), Utc::now().trunc_subsecs(6));
        let active = ActiveCalibration { model_set, calibration_id, file, activated_at };
        administration.activate_calibration(active).await?;
        Ok(true)
    }

    /// Prints what the new scale makes of the former one.
    fn print(&self, former: Option<&CalibrationFile>) -> Result<()> {
        let (name, id) = (self.set.name(), self.calibration.id());
        eprintln!("Calibration {id} of {name} is active. Services switch to it within seconds.");
        let Some(former) = former else { return Ok(()) };
        let (old, new) = (former.map()?, self.calibration.map()?);
        if former.score() != self.calibration.score() {
            eprintln!(
                "Faces are compared by another score now, so cosines before and after are not comparable: the pass mark was at \
                 {:.4} and is at {:.4} of the new score. What changes, `padan evaluate` shows on photos. To undo it, activate \
                 calibration {} again, or use --installed.",
                old.pass_cosine(),
                new.pass_cosine(),
                former.id()
            );
            return Ok(());
        }
        eprintln!(
            "The pass mark moves from cosine {:.4} to {:.4}. What was 75 % is now {:.2} %, and what is 75 % now was \
             {:.2} %. To undo it, activate calibration {} again, or use --installed.",
            old.pass_cosine(),
            new.pass_cosine(),
            percentage(&new, old.pass_cosine()),
            percentage(&old, new.pass_cosine()),
            former.id()
        );
        Ok(())
    }
}

fn percentage(scale: &padan_domain::Calibration, cosine: f64) -> f64 {
    let percentage: Percentage = scale.percentage(Similarity::from_cosine(cosine));
    percentage.value()
}
