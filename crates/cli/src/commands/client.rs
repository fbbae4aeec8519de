//! `padan client`: manages the clients in the store, which may call the service.
//!
//! Start at [`run`]. Running services apply a change within seconds.

mod limits;
mod show;

use std::{process::ExitCode, str::FromStr, time::Duration};

use anyhow::{Error, Result, bail};
use clap::{Args, Subcommand};
use padan_domain::{ClientName, Clock, Username};
use padan_store::{Administration, ClientSecret, KeySet, NewClient, Overview, Rotation, Store};
use tokio::runtime::Runtime;

use self::{limits::LimitArguments, show::NewSecrets};
use crate::{service, settings::SettingsArguments, telemetry};

/// Manage the clients that may call the service
///
/// A client's secrets are 256 random bits each. They are shown once, and only their hashes are stored. Running services
/// apply a change within seconds. Each change leaves a row in the audit trail. Changes need a database user with the
/// role `padan_operator`, and `store.audit_keys`; for list and show the role `padan_auditor` and no key are enough.
#[derive(Debug, Args)]
pub(crate) struct ClientArguments {
    #[command(subcommand)]
    command: ClientCommand,
    #[command(flatten)]
    settings: SettingsArguments,
}

#[derive(Debug, Subcommand)]
enum ClientCommand {
    /// Add a client and print its secrets, which are shown only this once
    Add(AddArguments),
    /// List the clients
    List {
        /// Print one JSON object per line
        #[arg(long)]
        json: bool,
    },
    /// Show a client and how much of its quotas it has used
    Show {
        /// Name of the client
        name: ClientName,
        /// Print a JSON object
        #[arg(long)]
        json: bool,
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
    },
    /// Refuse all requests of a client until it is enabled again
    Disable {
        /// Name of the client
        name: ClientName,
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
    },
}

#[derive(Debug, Args)]
struct AddArguments {
    /// Name of the client in logs, metrics, the audit trail and the usage
    name: ClientName,
    /// User name that the client authenticates with [default: NAME]
    #[arg(long)]
    username: Option<Username>,
    #[command(flatten)]
    limits: LimitArguments,
    /// Print the secrets as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct RotateArguments {
    /// Name of the client
    name: ClientName,
    /// How long the old secrets stay valid, such as 90s, 30m, 24h or 7d, so that the client can change without failing
    /// requests. By default they are revoked at once, as stolen secrets must be
    #[arg(long, value_name = "TIME", default_value = "0s")]
    keep_old: TimeSpan,
    /// Replace only the password
    #[arg(long, conflicts_with = "api_key_only")]
    password_only: bool,
    /// Replace only the API key
    #[arg(long)]
    api_key_only: bool,
    /// Print the secrets as JSON
    #[arg(long)]
    json: bool,
}

/// A length of time on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct TimeSpan(Duration);

/// Runs the command.
pub(crate) fn run(arguments: &ClientArguments) -> Result<ExitCode> {
    let settings = arguments.settings.settings()?;
    telemetry::start(&settings.log)?;
    Runtime::new()?.block_on(async {
        match &arguments.command {
            ClientCommand::List { json } => {
                show::print_list(&Overview::open(&settings.store)?.clients().await?, *json)?;
            }
            ClientCommand::Show { name, json } => {
                let store = Overview::open(&settings.store)?;
                let Some(client) = store.client(name).await? else { bail!("there is no client {name}") };
                show::print_client(&store, &client, &Clock::System, *json).await?;
            }
            change => {
                let store = service::open_store(&settings, KeySet::Audit)?;
                let administration = service::administration(&store);
                let changed = run_change(&store, &administration, change).await;
                administration.finish().await;
                changed?;
            }
        }
        Ok(ExitCode::SUCCESS)
    })
}

async fn run_change(store: &Store, administration: &Administration, command: &ClientCommand) -> Result<()> {
    match command {
        ClientCommand::Add(add) => add_client(administration, add).await,
        ClientCommand::Set { name, limits } => set_limits(store, administration, name, limits).await,
        ClientCommand::Disable { name } => {
            report_change(administration.set_client_disabled(name, true).await?, name, "disabled")
        }
        ClientCommand::Enable { name } => {
            report_change(administration.set_client_disabled(name, false).await?, name, "enabled")
        }
        ClientCommand::Rotate(rotate) => rotate_client(administration, rotate).await,
        ClientCommand::Sign { names } => {
            for name in names {
                report_change(administration.sign_client(name).await?, name, "signed")?;
            }
            Ok(())
        }
        ClientCommand::Remove { name } => {
            report_change(administration.remove_client(name).await?, name, "removed")
        }
        ClientCommand::List { .. } | ClientCommand::Show { .. } => Ok(()),
    }
}

async fn add_client(administration: &Administration, add: &AddArguments) -> Result<()> {
    let username = match &add.username {
        Some(username) => username.clone(),
        None => add.name.as_str().parse()?,
    };
    let client = NewClient {
        name: add.name.clone(),
        username,
        password: ClientSecret::generate()?,
        api_key: ClientSecret::generate()?,
        rules: add.limits.new_rules()?,
    };
    if !administration.add_client(&client).await? {
        bail!(
            "another client already has the name {} or the user name {}",
            client.name,
            client.username.as_str()
        );
    }
    let secrets = NewSecrets {
        name: &client.name,
        username: Some(&client.username),
        password: Some(&client.password),
        api_key: Some(&client.api_key),
    };
    secrets.print(add.json)?;
    match client.rules.rate {
        Some(rate) => eprintln!(
            "{} may send {} requests a second to each process, and {} at once. --rate sets another rate, --no-rate none.",
            client.name,
            rate.per_second(),
            rate.burst()
        ),
        None => eprintln!("{} may send requests without a limit of their rate.", client.name),
    }
    Ok(())
}

async fn set_limits(
    store: &Store,
    administration: &Administration,
    name: &ClientName,
    limits: &LimitArguments,
) -> Result<()> {
    if limits.is_empty() {
        bail!(
            "nothing to change: name at least one limit, such as `--rate 5` (see `padan client set --help`)"
        );
    }
    let Some(present) = store.client(name).await? else { bail!("there is no client {name}") };
    let rules = limits.changed(&present.rules)?;
    report_change(administration.set_client_rules(name, &rules).await?, name, "changed")?;
    show::print_change(&present.rules, &rules)
}

async fn rotate_client(administration: &Administration, rotate: &RotateArguments) -> Result<()> {
    let generate_if = |wanted: bool| wanted.then(ClientSecret::generate).transpose();
    let rotation = Rotation {
        name: rotate.name.clone(),
        password: generate_if(!rotate.api_key_only)?,
        api_key: generate_if(!rotate.password_only)?,
        keep_old: rotate.keep_old.0,
    };
    if !administration.rotate_client(&rotation).await? {
        bail!("there is no client {}", rotate.name);
    }
    let secrets = NewSecrets {
        name: &rotate.name,
        username: None,
        password: rotation.password.as_ref(),
        api_key: rotation.api_key.as_ref(),
    };
    secrets.print(rotate.json)
}

fn report_change(was_found: bool, name: &ClientName, change: &str) -> Result<()> {
    if !was_found {
        bail!("there is no client {name}");
    }
    eprintln!("{name} is {change}. Running services apply this within seconds.");
    Ok(())
}

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
