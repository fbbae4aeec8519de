use std::sync::Arc;

use padan_http_api::Controls;
use padan_verification::Clients;
use tokio::signal::unix::Signal;

use crate::{
    settings::{Effective, SettingsArguments},
    telemetry::LogFilter,
};

/// The keys of other sections than `[http]` that a running service takes up.
const RELOADED: [&str; 1] = ["log.filter"];

/// The parts of a running service that read the settings again.
pub(crate) struct Reload {
    pub(crate) arguments: SettingsArguments,
    /// The settings at the start.
    pub(crate) at_start: Effective,
    pub(crate) log: LogFilter,
    pub(crate) clients: Arc<Clients>,
    pub(crate) controls: Controls,
}

impl Reload {
    /// Reads all again at each SIGHUP, for as long as signals can be received.
    pub(crate) async fn on_hangup(self, mut hangups: Signal) {
        while hangups.recv().await.is_some() {
            self.reload();
        }
    }

    /// What is not in order stays as it was, and the log says why.
    fn reload(&self) {
        let (settings, effective) = match self.arguments.load() {
            Ok(loaded) => loaded,
            Err(error) => return tracing::error!("all stays as it was: {error:#}"),
        };
        let mut is_whole = true;
        if let Err(error) = self.log.change(&settings.log) {
            tracing::error!("the log's filter stays as it was: {error:#}");
            is_whole = false;
        }
        match self.clients.reload() {
            Ok(count) => tracing::info!(count, "the clients were read again"),
            Err(error) => {
                tracing::error!("the clients stay as they were: {error}");
                is_whole = false;
            }
        }
        if let Err(error) = self.controls.reload(&settings.http) {
            tracing::error!("the certificates stay as they were: {error}");
            is_whole = false;
        }
        let changed = effective.changed_keys(&self.at_start);
        let (taken_up, for_the_next_start): (Vec<_>, Vec<_>) =
            changed.into_iter().partition(|key| is_reloaded(key));
        if !for_the_next_start.is_empty() {
            tracing::warn!("changed, but not before the next start: {}", for_the_next_start.join(", "));
        }
        if !is_whole {
            return tracing::warn!("the settings were read again in part: the lines before say what stays");
        }
        if for_the_next_start.is_empty()
            && let Ok(hash) = effective.hash()
        {
            self.controls.set_settings_hash(&hash);
        }
        tracing::info!(differs_from_start = taken_up.join(", "), "the settings were read again");
    }
}

fn is_reloaded(key: &str) -> bool {
    let of_http = key.strip_prefix("http.");
    RELOADED.contains(&key) || of_http.is_some_and(|key| Controls::KEYS.contains(&key))
}
