use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::Result;
use clap::Args;
use indicatif::ProgressBar;
use padan_store::Resealed;
use tokio::{runtime::Runtime, time::sleep};

use crate::{service, settings::SettingsArguments, telemetry};

/// Seal every face template anew with the first of `store.template_keys`
///
/// To exchange a key while services run: add the new key behind the old one in every service's settings and restart
/// them one by one; put it first and restart again; run this command; take the old key away. It can be stopped at any
/// moment and run again: it goes on with what is left. The exit code is 1 when some templates open with none of the
/// keys; they are left as they are.
#[derive(Debug, Args)]
pub(crate) struct KeysRotateArguments {
    #[command(flatten)]
    settings: SettingsArguments,
    /// Templates a second at most, so that the database keeps time for the services
    #[arg(long, default_value_t = 5000, value_parser = clap::value_parser!(u32).range(1..))]
    rate: u32,
}

/// Seals, and says how far it is.
pub(crate) fn run(arguments: &KeysRotateArguments) -> Result<ExitCode> {
    let settings = arguments.settings.settings()?;
    telemetry::start(&settings.log)?;
    let progress = ProgressBar::new_spinner();
    let done = Runtime::new()?.block_on(async {
        let store = service::open_store(&settings)?;
        let began = Instant::now();
        let report = async |so_far: Resealed| {
            let rows = so_far.resealed + so_far.superseded + so_far.unreadable;
            progress
                .set_message(format!("{} templates looked at, {} sealed anew", so_far.seen, so_far.resealed));
            progress.tick();
            let due = Duration::from_secs_f64(rows as f64 / f64::from(arguments.rate));
            sleep(due.saturating_sub(began.elapsed())).await;
        };
        anyhow::Ok(store.reseal_templates(report).await?)
    })?;
    progress.finish_and_clear();
    let Resealed { resealed, superseded, unreadable, .. } = done;
    eprintln!("{resealed} templates sealed anew; {superseded} were written by a service in the meantime.");
    if unreadable > 0 {
        eprintln!(
            "{unreadable} templates open with none of the keys in store.template_keys and stay as they are: add the key \
             that sealed them, or let their people be enrolled again."
        );
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}
