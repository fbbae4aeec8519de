use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::Result;
use clap::Args;
use indicatif::ProgressBar;
use padan_store::{AdminAct, AnnouncedAct, KeySet, Resealed};
use serde_json::{Value, json};
use tokio::{runtime::Runtime, time::sleep};

use crate::{service, settings::SettingsArguments, telemetry};

/// Encrypt all face templates again with the first key in `store.template_keys`
///
/// To replace a key while services run:
///
/// 1. Add the new key after the old one in the settings of every service, and restart them one by one.
///
/// 2. Put the new key first, and restart them again.
///
/// 3. Run this command, and then remove the old key.
///
/// The command can be stopped at any time and run again. It exits with 1 when none of the keys decrypts some templates,
/// which are left unchanged.
#[derive(Debug, Args)]
pub(crate) struct KeysRotateArguments {
    #[command(flatten)]
    settings: SettingsArguments,
    /// Maximum templates per second, to limit the load on the database
    #[arg(long, default_value_t = 5000, value_parser = clap::value_parser!(u32).range(1..))]
    rate: u32,
}

/// Encrypts the templates and shows the progress.
pub(crate) fn run(arguments: &KeysRotateArguments) -> Result<ExitCode> {
    let settings = arguments.settings.settings()?;
    telemetry::start(&settings.log)?;
    let progress = ProgressBar::new_spinner();
    let done = Runtime::new()?.block_on(async {
        let store = service::open_store(&settings, KeySet::AuditAndTemplates)?;
        let after = json!({ "template_key": store.template_key_id()? });
        service::announce(&store, AnnouncedAct { act: AdminAct::KeysRotated, before: Value::Null, after })
            .await?;
        let began = Instant::now();
        let report = async |so_far: Resealed| {
            let rows = so_far.resealed + so_far.superseded + so_far.unreadable;
            progress
                .set_message(format!("{} templates read, {} encrypted again", so_far.seen, so_far.resealed));
            progress.tick();
            let due = Duration::from_secs_f64(rows as f64 / f64::from(arguments.rate));
            sleep(due.saturating_sub(began.elapsed())).await;
        };
        anyhow::Ok(store.reseal_templates(report).await?)
    })?;
    progress.finish_and_clear();
    let Resealed { resealed, superseded, unreadable, .. } = done;
    eprintln!("{resealed} templates encrypted again; services replaced {superseded} others in the meantime.");
    if unreadable > 0 {
        eprintln!(
            "None of the keys in store.template_keys decrypts {unreadable} templates, which were left unchanged: add the \
             key that encrypted them, or enrol these people again."
        );
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}
