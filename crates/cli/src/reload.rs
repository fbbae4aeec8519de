use std::sync::Arc;

use padan_http_api::Controls;
use padan_verification::Clients;
use tokio::signal::unix::Signal;

use crate::{
    settings::{EffectiveSettings, SettingsArguments},
    telemetry::LogFilter,
};

/// The keys outside `[http]` that a running service reloads.
const RELOADED: [&str; 1] = ["log.filter"];

/// The parts of a running service that can change while it serves.
pub(crate) struct Reload {
    pub(crate) arguments: SettingsArguments,
    /// The settings at the start.
    pub(crate) at_start: EffectiveSettings,
    pub(crate) log: LogFilter,
    pub(crate) clients: Arc<Clients>,
    pub(crate) controls: Controls,
}

impl Reload {
    /// Reloads at each SIGHUP, for as long as signals can be received.
    pub(crate) async fn on_hangup(self, mut hangups: Signal) {
        while hangups.recv().await.is_some() {
            self.reload();
        }
    }

    /// Applies the settings that can change. An invalid part keeps its former settings, and the log says why.
    fn reload(&self) {
        let (settings, effective) = match self.arguments.load() {
            Ok(loaded) => loaded,
            Err(error) => return tracing::error!("settings not reloaded, nothing changed: {error:#}"),
        };
        let mut is_complete = true;
        if let Err(error) = self.log.change(&settings.log) {
            tracing::error!("log filter not changed: {error:#}");
            is_complete = false;
        }
        match self.clients.reload() {
            Ok(count) => tracing::info!(count, "clients reloaded"),
            Err(error) => {
                tracing::error!("clients not reloaded, the former ones stay: {error}");
                is_complete = false;
            }
        }
        if let Err(error) = self.controls.reload(&settings.http) {
            tracing::error!("certificates not reloaded, the former ones stay: {error}");
            is_complete = false;
        }
        let changed = effective.changed_keys(&self.at_start);
        let (reloaded, needs_restart): (Vec<_>, Vec<_>) =
            changed.into_iter().partition(|key| is_reloaded(key));
        if !needs_restart.is_empty() {
            tracing::warn!(
                "these changed settings take effect at the next start: {}",
                needs_restart.join(", ")
            );
        }
        if !is_complete {
            return tracing::warn!("settings reloaded in part: the lines before say what did not change");
        }
        if needs_restart.is_empty()
            && let Ok(hash) = effective.hash()
        {
            self.controls.set_settings_hash(&hash);
        }
        tracing::info!(differs_from_start = reloaded.join(", "), "settings reloaded");
    }
}

fn is_reloaded(key: &str) -> bool {
    let of_http = key.strip_prefix("http.");
    RELOADED.contains(&key) || of_http.is_some_and(|key| Controls::KEYS.contains(&key))
}
