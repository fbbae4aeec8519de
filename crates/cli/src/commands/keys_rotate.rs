use std::{
    io::Write as _,
    time::{Duration, Instant},
};

use anyhow::Result;
use clap::Args;
use indicatif::ProgressBar;
use padan_store::{AdminAct, AnnouncedAct, KeySet, Resealed, TemplatesOfKey};
use serde_json::{Value, json};
use tokio::{runtime::Runtime, time::sleep};

use crate::{
    exit_status::ExitStatus,
    output::{OutputArguments, print_json, stdout},
    service,
    settings::{Settings, SettingsArguments},
};

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
/// The command can be stopped at any time and run again. Templates that none of the keys decrypts are left unchanged.
#[derive(Debug, Args)]
pub(crate) struct KeysRotateArguments {
    #[command(flatten)]
    settings: SettingsArguments,
    /// Maximum templates per second, to limit the load on the database
    #[arg(long, default_value_t = 5000, value_parser = clap::value_parser!(u32).range(1..))]
    rate: u32,
    /// Print how many templates each key encrypts, and change nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    output: OutputArguments,
}

/// Encrypts the templates and shows the progress.
pub(crate) fn run(arguments: &KeysRotateArguments) -> Result<ExitStatus> {
    let settings = arguments.settings.settings_with_log()?;
    if arguments.dry_run {
        return print_keys(&settings, arguments.output.json);
    }
    let progress = ProgressBar::new_spinner();
    let done = Runtime::new()?.block_on(async {
        let store = service::open_store(&settings, KeySet::AuditAndTemplates)?;
        let after = json!({ "template_key": store.templates().key_id()? });
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
        anyhow::Ok(store.templates().reseal(report).await?)
    })?;
    progress.finish_and_clear();
    let Resealed { seen, resealed, superseded, unreadable } = done;
    let status = ExitStatus::success_if(unreadable == 0);
    if arguments.output.json {
        print_json(&json!({
            "templates_read": seen,
            "encrypted_again": resealed,
            "replaced_by_services": superseded,
            "unreadable": unreadable,
        }))?;
        return Ok(status);
    }
    eprintln!("{resealed} templates encrypted again; services replaced {superseded} others in the meantime.");
    if unreadable > 0 {
        eprintln!(
            "None of the keys in store.template_keys decrypts {unreadable} templates, which were left unchanged: add the \
             key that encrypted them, or enrol these people again."
        );
    }
    Ok(status)
}

/// Prints how many templates each key encrypts.
fn print_keys(settings: &Settings, as_json: bool) -> Result<ExitStatus> {
    let keys = Runtime::new()?.block_on(async {
        let store = service::open_store(settings, KeySet::AuditAndTemplates)?;
        anyhow::Ok(store.templates().by_key().await?)
    })?;
    if as_json {
        let keys: Vec<_> = keys.iter().map(json_of).collect();
        print_json(&json!({ "dry_run": true, "keys": keys }))?;
        return Ok(ExitStatus::Success);
    }
    let mut out = stdout();
    for TemplatesOfKey { key_id, templates, is_known, is_current } in &keys {
        let what = match (is_current, is_known) {
            (true, _) => "stay as they are: this is the first key",
            (false, true) => "would be encrypted again with the first key",
            (false, false) => "cannot be decrypted: this key is not in store.template_keys",
        };
        writeln!(out, "{key_id}  {templates:>12} templates {what}")?;
    }
    if keys.is_empty() {
        eprintln!("The store has no template with an embedding.");
    }
    Ok(ExitStatus::Success)
}

fn json_of(key: &TemplatesOfKey) -> Value {
    let TemplatesOfKey { key_id, templates, is_known, is_current } = key;
    json!({ "key_id": key_id, "templates": templates, "in_settings": is_known, "first": is_current })
}
