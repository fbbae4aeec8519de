use clap::{Args, Subcommand};
use padan_domain::{ClientName, Username};

use super::limits::LimitArguments;
use crate::{
    commands::time_span::TimeSpan, confirmation::ConfirmationArguments, output::OutputArguments,
    settings::SettingsArguments,
};

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
