//! `padan models shadow`: measures a second model set on a share of the requests before it is activated.

mod findings;

use anyhow::{Result, bail, ensure};
use chrono::{SubsecRound as _, Utc};
use clap::Args;
use padan_domain::RequestShare;
use padan_inference::{Catalogue, ModelSet, model_folders};
use padan_store::{Administration, KeySet, ShadowModel, Store};
use padan_verification::{ActivationError, Exchange, check_exchangeable, set_in_use};
use tokio::runtime::Runtime;

pub(super) use self::findings::Findings;
use crate::{
    exit_status::ExitStatus,
    output::OutputArguments,
    service,
    settings::{Settings, SettingsArguments},
};

/// The share of the requests without `--share`.
const USUAL_SHARE: &str = "0.1";

/// Measure a second model set on a share of the requests, before it is activated
///
/// Each service embeds the selfies of this share by SET too, when it has capacity to spare, and compares them with the
/// templates that `padan enroll --model SET` has made. Nothing is answered from SET, and no answer waits for it: answers and
/// the audit trail stay as they are. What it would have decided is counted. Without SET the command prints what was counted: how many
/// decisions would change in each direction, at which percentages, and what SET costs. Running services begin and end
/// within seconds, without a restart.
#[derive(Debug, Args)]
pub(super) struct ShadowArguments {
    /// Model set to measure, in place of any other [default: print what was counted]
    #[arg(value_name = "SET", conflicts_with = "off")]
    model_set: Option<String>,
    /// Share of the requests, above 0 and up to 1 [default: 0.1]
    #[arg(long, value_name = "SHARE", requires = "model_set")]
    share: Option<RequestShare>,
    /// End the measurement; what was counted is kept
    #[arg(long)]
    off: bool,
    /// Print the counts of the last so many days, today included
    #[arg(
        long,
        value_name = "DAYS",
        default_value_t = 30,
        conflicts_with_all = ["model_set", "off"],
        value_parser = clap::value_parser!(u32).range(1..=3660)
    )]
    days: u32,
    #[command(flatten)]
    settings: SettingsArguments,
    #[command(flatten)]
    output: OutputArguments,
}

/// Begins or ends a measurement, or prints its state and counts.
pub(super) fn run(arguments: &ShadowArguments) -> Result<ExitStatus> {
    let settings = arguments.settings.settings_with_log()?;
    let catalogue = Catalogue::load(&model_folders(&settings.inference))?;
    Runtime::new()?.block_on(async {
        let store = service::open_store(&settings, KeySet::Audit)?;
        if arguments.model_set.is_none() && !arguments.off {
            let findings = measured(&settings, &store, &catalogue, arguments.days).await?;
            return findings::print_state(findings.as_ref(), arguments.output.json);
        }
        let administration = service::administration(&store);
        let done = match &arguments.model_set {
            Some(set) => begin(arguments, &settings, &store, &administration, &catalogue.set(set)?).await,
            None => end(&administration).await,
        };
        administration.finish().await;
        done
    })?;
    Ok(ExitStatus::Success)
}

/// What was counted of the set that is measured; `None` when none is.
async fn measured(
    settings: &Settings,
    store: &Store,
    catalogue: &Catalogue,
    days: u32,
) -> Result<Option<Findings>> {
    let Some(shadow) = store.shadow_model().await? else { return Ok(None) };
    let active = set_in_use(store, catalogue, &settings.inference.model_set).await?;
    let set = catalogue.set(&shadow.model_set)?;
    let exchange = Exchange { active: &active, other: &set };
    Ok(Some(Findings::read(store, catalogue, exchange, days).await?.with_shadow(shadow)))
}

async fn begin(
    arguments: &ShadowArguments,
    settings: &Settings,
    store: &Store,
    administration: &Administration,
    set: &ModelSet,
) -> Result<()> {
    let name = set.name();
    let catalogue = Catalogue::load(&model_folders(&settings.inference))?;
    let active = set_in_use(store, &catalogue, &settings.inference.model_set).await?;
    ensure!(active.name() != name, "{name} is the set that services use: measure another one beside it");
    match check_exchangeable(&catalogue, store, name, false).await {
        Ok(_) => {}
        Err(error @ ActivationError::NotEnrolled { .. }) => bail!(
            "{error}, so there is nothing to compare selfies with: run `padan enroll --model {name}` first"
        ),
        Err(error) => return Err(error.into()),
    }
    let share = match arguments.share {
        Some(share) => share,
        None => USUAL_SHARE.parse()?,
    };
    let (model_set, contract) = (name.to_owned(), set.contract());
    let began_at = Utc::now().trunc_subsecs(6);
    administration
        .set_shadow_model(ShadowModel { model_set, contract: contract.clone(), share, began_at })
        .await?;
    eprintln!(
        "{name} (contract {contract}) is measured on {} % of the requests beside {}. Services on which it is installed load \
         it within seconds, into memory of its own. `padan models shadow` prints what comes of it.",
        share.percent(),
        active.name()
    );
    Ok(())
}

async fn end(administration: &Administration) -> Result<()> {
    if administration.end_shadow_model().await? {
        eprintln!(
            "No model set is measured beside the active one any more. Services unload it within seconds."
        );
    } else {
        eprintln!("No model set was measured.");
    }
    Ok(())
}
