//! `padan client`: who may call, kept in the store.
//!
//! Enter with [`run`]. Services take a change up within seconds.

mod show;

use std::{num::NonZeroU32, process::ExitCode, str::FromStr, time::Duration};

use anyhow::{Error, Result, bail};
use clap::{Args, Subcommand};
use padan_domain::{
    CertificateName, ClientName, ClientRules, Clock, Endpoint, RequestRate, Username, parse_network,
};
use padan_store::{ClientSecret, NewClient, Overview, Rotation, Store};
use tokio::runtime::Runtime;

use crate::{service, settings::SettingsArguments, telemetry};

/// Look after the clients who may call
///
/// Their secrets are 256 random bits, shown once and kept as hashes. Services take a change up within seconds. What changes
/// something needs a user in the role `padan_operator`; looking needs no key, and `padan_auditor` is enough.
#[derive(Debug, Args)]
pub(crate) struct ClientArguments {
    #[command(subcommand)]
    command: ClientCommand,
    #[command(flatten)]
    settings: SettingsArguments,
}

#[derive(Debug, Subcommand)]
enum ClientCommand {
    /// Add a client and print its secrets, which are shown this once
    Add(AddArguments),
    /// List the clients
    List {
        /// As JSON, an object a client
        #[arg(long)]
        json: bool,
    },
    /// Show a client and what it has used of its quotas
    Show {
        /// Its name
        name: ClientName,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Replace what a client may do: what is not given is not limited
    Set {
        /// Its name
        name: ClientName,
        #[command(flatten)]
        rules: RuleArguments,
    },
    /// Refuse a client until it is enabled again
    Disable {
        /// Its name
        name: ClientName,
    },
    /// Let a disabled client call again
    Enable {
        /// Its name
        name: ClientName,
    },
    /// Give a client new secrets and print them
    Rotate(RotateArguments),
    /// Remove a client; its audit rows and what it used stay
    Remove {
        /// Its name
        name: ClientName,
    },
}

#[derive(Debug, Args)]
struct AddArguments {
    /// The name in logs, metrics, audit and usage
    name: ClientName,
    /// The user name that it presents [default: the name]
    #[arg(long)]
    username: Option<Username>,
    #[command(flatten)]
    rules: RuleArguments,
    /// Print the secrets as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct RotateArguments {
    /// Its name
    name: ClientName,
    /// How long the old secrets stay good: `90s`, `30m`, `24h` or `7d`; `0s` ends them at once
    #[arg(long, value_name = "TIME", default_value = "24h")]
    keep_old: Span,
    /// Only the password
    #[arg(long, conflicts_with = "api_key_only")]
    password_only: bool,
    /// Only the API key
    #[arg(long)]
    api_key_only: bool,
    /// Print the secrets as JSON
    #[arg(long)]
    json: bool,
}

/// What a client may do.
#[derive(Debug, Args)]
struct RuleArguments {
    /// A network or address it may call from; may be given several times [default: anywhere]
    #[arg(long, value_name = "CIDR", value_parser = parse_network)]
    network: Vec<ipnet::IpNet>,
    /// A certificate of which it must hold one, with TLS and `http.tls.client_ca_file`: `sha256:DIGEST`, or a DNS name, an
    /// e-mail address or a URI of its alternative names; may be given several times [default: needs none]
    #[arg(long, value_name = "NAME")]
    certificate: Vec<CertificateName>,
    /// An endpoint it may call, face-verification or verification; may be given several times [default: all]
    #[arg(long, value_name = "NAME")]
    endpoint: Vec<Endpoint>,
    /// Requests a second, counted by each service process
    #[arg(long, value_name = "PER SECOND")]
    rate: Option<f64>,
    /// Requests that may come at once [default: one second's]
    #[arg(long, requires = "rate")]
    burst: Option<u32>,
    /// Requests a day of Jakarta, over all processes
    #[arg(long, value_name = "REQUESTS")]
    daily_quota: Option<NonZeroU32>,
    /// Requests a month
    #[arg(long, value_name = "REQUESTS")]
    monthly_quota: Option<NonZeroU32>,
}

/// A time on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span(Duration);

/// Runs the command.
pub(crate) fn run(arguments: &ClientArguments) -> Result<ExitCode> {
    let settings = arguments.settings.settings()?;
    telemetry::start(&settings.log)?;
    Runtime::new()?.block_on(async {
        let open_store = || service::open_store(&settings);
        match &arguments.command {
            ClientCommand::Add(add) => add_client(&open_store()?, add).await?,
            ClientCommand::List { json } => {
                show::list(&Overview::open(&settings.store)?.clients().await?, *json)?;
            }
            ClientCommand::Show { name, json } => {
                let store = Overview::open(&settings.store)?;
                let Some(client) = store.client(name).await? else { bail!("there is no client {name}") };
                show::one(&store, &client, &Clock::System, *json).await?;
            }
            ClientCommand::Set { name, rules } => {
                said(open_store()?.set_client_rules(name, &rules.rules()?).await?, name, "changed")?;
            }
            ClientCommand::Disable { name } => {
                said(open_store()?.set_client_disabled(name, true).await?, name, "disabled")?;
            }
            ClientCommand::Enable { name } => {
                said(open_store()?.set_client_disabled(name, false).await?, name, "enabled")?;
            }
            ClientCommand::Rotate(rotate) => rotate_client(&open_store()?, rotate).await?,
            ClientCommand::Remove { name } => {
                said(open_store()?.remove_client(name).await?, name, "removed")?;
            }
        }
        Ok(ExitCode::SUCCESS)
    })
}

async fn add_client(store: &Store, add: &AddArguments) -> Result<()> {
    let username = match &add.username {
        Some(username) => username.clone(),
        None => add.name.as_str().parse()?,
    };
    let client = NewClient {
        name: add.name.clone(),
        username,
        password: ClientSecret::generate()?,
        api_key: ClientSecret::generate()?,
        rules: add.rules.rules()?,
    };
    if !store.add_client(&client).await? {
        bail!("a client has the name {} or the user name {} already", client.name, client.username.as_str());
    }
    let secrets = (Some(&client.password), Some(&client.api_key));
    show::secrets(&client.name, Some(&client.username), secrets, add.json)
}

async fn rotate_client(store: &Store, rotate: &RotateArguments) -> Result<()> {
    let new = |wanted: bool| wanted.then(ClientSecret::generate).transpose();
    let rotation = Rotation {
        name: rotate.name.clone(),
        password: new(!rotate.api_key_only)?,
        api_key: new(!rotate.password_only)?,
        keep_old: rotate.keep_old.0,
    };
    if !store.rotate_client(&rotation).await? {
        bail!("there is no client {}", rotate.name);
    }
    show::secrets(&rotate.name, None, (rotation.password.as_ref(), rotation.api_key.as_ref()), rotate.json)
}

fn said(done: bool, name: &ClientName, what: &str) -> Result<()> {
    if !done {
        bail!("there is no client {name}");
    }
    eprintln!("{name} is {what}; services follow within seconds.");
    Ok(())
}

impl RuleArguments {
    fn rules(&self) -> Result<ClientRules> {
        Ok(ClientRules {
            networks: self.network.clone(),
            certificates: self.certificate.clone(),
            endpoints: (!self.endpoint.is_empty()).then(|| self.endpoint.clone()),
            rate: self.rate.map(|rate| RequestRate::new(rate, self.burst)).transpose()?,
            daily_quota: self.daily_quota,
            monthly_quota: self.monthly_quota,
        })
    }
}

impl FromStr for Span {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let seconds = match &text[digits.len()..] {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            "d" => 86_400,
            _ => bail!("write 90s, 30m, 24h or 7d"),
        };
        // A secret that is replaced is not kept for years.
        let count = digits.parse::<u32>().ok().filter(|count| u64::from(*count) * seconds <= 366 * 86_400);
        match count {
            Some(count) => Ok(Self(Duration::from_secs(u64::from(count) * seconds))),
            None => bail!("write a time of at most 366d, such as 24h"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit() {
        let seconds = |text: &str| text.parse::<Span>().unwrap().0.as_secs();
        assert_eq!([seconds("0s"), seconds("90s"), seconds("30m"), seconds("24h")], [0, 90, 1800, 86_400]);
        for wrong in ["", "24", "h", "-1h", "1w", "400d", "99999999999s"] {
            assert!(wrong.parse::<Span>().is_err(), "{wrong}");
        }
    }
}
