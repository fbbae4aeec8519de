use std::{str::FromStr, time::Duration};

use anyhow::{Error, Result, bail};
use clap::{Args, Subcommand};
use padan_domain::{ClientName, Username};

use super::limits::LimitArguments;
use crate::{confirmation::ConfirmationArguments, output::OutputArguments, settings::SettingsArguments};

/// Manage the clients that may call the service
///
/// A client's secrets are 256 random bits each. They are shown once, and only their hashes are stored. Running services
/// apply a change within seconds. Each change leaves a row in the audit trail. Changes need a database user with the
/// role `padan_operator`, and `store.audit_keys`; for list and show the role `padan_auditor` and no key are enough.
#[derive(Debug, Args)]
pub(crate) struct ClientArguments {
    #[command(subcommand)]
    pub(super) command: ClientCommand,
    #[command(flatten)]
    pub(super) settings: SettingsArguments,
}

#[derive(Debug, Subcommand)]
pub(super) enum ClientCommand {
    /// Add a client and print its secrets, which are shown only this once
    Add(AddArguments),
    /// List the clients
    List(OutputArguments),
    /// Show a client and how much of its quotas it has used
    Show {
        /// Name of the client
        name: ClientName,
        #[command(flatten)]
        output: OutputArguments,
    },
    /// Change the limits that are given, and print all of them before and after; the others stay
    ///
    /// `--network any`, `--no-certificate`, `--endpoint all`, `--fields default`, `--no-rate`, `--no-daily-quota` and
    /// `--no-monthly-quota` lift limits.
    Set {
        /// Name of the client
        name: ClientName,
        #[command(flatten)]
        limits: LimitArguments,
        #[command(flatten)]
        output: OutputArguments,
    },
    /// Refuse all requests of a client until it is enabled again
    Disable {
        /// Name of the client
        name: ClientName,
        #[command(flatten)]
        confirmation: ConfirmationArguments,
    },
    /// Enable a disabled client
    Enable {
        /// Name of the client
        name: ClientName,
    },
    /// Give a client new secrets and print them
    Rotate(RotateArguments),
    /// Sign the rows of clients as they are, whoever wrote them, so that services trust them
    ///
    /// Services refuse a client whose row in the store was not written by Padan. Compare each row with what the audit
    /// trail records (`padan audit export --kind admin --client NAME`) before you sign it.
    Sign {
        /// Names of the clients
        #[arg(required = true)]
        names: Vec<ClientName>,
    },
    /// Remove a client; its audit rows and its usage stay
    Remove {
        /// Name of the client
        name: ClientName,
        #[command(flatten)]
        confirmation: ConfirmationArguments,
    },
}

#[derive(Debug, Args)]
pub(super) struct AddArguments {
    /// Name of the client in logs, metrics, the audit trail and the usage
    pub(super) name: ClientName,
    /// User name that the client authenticates with [default: NAME]
    #[arg(long)]
    pub(super) username: Option<Username>,
    /// Answer the client from the table of test people (docs/clients.md), and never from the registry
    ///
    /// For programmers who develop a client. It has no quota, and it stays a sandbox client: add another one for real
    /// requests.
    #[arg(long)]
    pub(super) sandbox: bool,
    #[command(flatten)]
    pub(super) limits: LimitArguments,
    #[command(flatten)]
    pub(super) output: OutputArguments,
}

#[derive(Debug, Args)]
pub(super) struct RotateArguments {
    /// Name of the client
    pub(super) name: ClientName,
    /// How long the old secrets stay valid, such as 90s, 30m, 24h or 7d, so that the client can change without failing
    /// requests. By default they are revoked at once, as stolen secrets must be
    #[arg(long, value_name = "TIME", default_value = "0s")]
    pub(super) keep_old: TimeSpan,
    /// Replace only the password
    #[arg(long, conflicts_with = "api_key_only")]
    pub(super) password_only: bool,
    /// Replace only the API key
    #[arg(long)]
    pub(super) api_key_only: bool,
    #[command(flatten)]
    pub(super) confirmation: ConfirmationArguments,
    #[command(flatten)]
    pub(super) output: OutputArguments,
}

/// A length of time on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TimeSpan(pub(super) Duration);

impl FromStr for TimeSpan {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let seconds = match &text[digits.len()..] {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            "d" => 86_400,
            _ => bail!("expected a time such as 90s, 30m, 24h or 7d"),
        };
        // An old secret must not stay valid for years.
        let count = digits.parse::<u32>().ok().filter(|count| u64::from(*count) * seconds <= 366 * 86_400);
        match count {
            Some(count) => Ok(Self(Duration::from_secs(u64::from(count) * seconds))),
            None => bail!("expected a time of at most 366d, such as 24h"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_span_needs_a_unit() {
        let seconds = |text: &str| text.parse::<TimeSpan>().unwrap().0.as_secs();
        assert_eq!([seconds("0s"), seconds("90s"), seconds("30m"), seconds("24h")], [0, 90, 1800, 86_400]);
        for wrong in ["", "24", "h", "-1h", "1w", "400d", "99999999999s"] {
            assert!(wrong.parse::<TimeSpan>().is_err(), "{wrong}");
        }
    }
}
