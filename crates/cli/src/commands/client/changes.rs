//! The commands that change a client.

use anyhow::{Result, bail, ensure};
use padan_domain::{ClientName, ClientRules};
use padan_store::{Administration, ClientSecret, Clients, NewClient, Rotation, StoreError};

use super::{
    arguments::{AddArguments, ClientCommand, RotateArguments},
    limits::LimitArguments,
    show::{self, NewSecrets},
};

/// How often a change of limits is computed again because somebody else changed the client meanwhile.
const ATTEMPTS: usize = 10;

/// Makes the change and prints what it was.
pub(super) async fn make(
    clients: &Clients,
    administration: &Administration,
    command: &ClientCommand,
) -> Result<()> {
    match command {
        ClientCommand::Add(add) => add_client(administration, add).await,
        ClientCommand::Set { name, limits, output } => {
            set_limits(clients, administration, name, limits, output.json).await
        }
        ClientCommand::Disable { name, .. } => {
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
        ClientCommand::Remove { name, .. } => {
            report_change(administration.remove_client(name).await?, name, "removed")
        }
        ClientCommand::List(_) | ClientCommand::Show { .. } => Ok(()),
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
        is_sandbox: add.sandbox,
        rules: add.limits.new_rules()?,
    };
    refuse_quota_of_sandbox(client.is_sandbox, &client.rules)?;
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
    secrets.print(add.output.json)?;
    if client.is_sandbox {
        eprintln!("{} is answered from the table of test people in docs/clients.md.", client.name);
    }
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

/// Computes the limits from the present ones, so that a change of other limits at the same time is not lost.
async fn set_limits(
    clients: &Clients,
    administration: &Administration,
    name: &ClientName,
    limits: &LimitArguments,
    as_json: bool,
) -> Result<()> {
    if limits.is_empty() {
        bail!(
            "nothing to change: name at least one limit, such as `--rate 5` (see `padan client set --help`)"
        );
    }
    let mut attempt = 1;
    loop {
        let Some(present) = clients.get(name).await? else { bail!("there is no client {name}") };
        let rules = limits.changed(&present.rules)?;
        refuse_quota_of_sandbox(present.is_sandbox, &rules)?;
        match administration.set_client_rules(name, &rules, present.changed_at).await {
            Err(StoreError::ClientChangedMeanwhile(_)) if attempt < ATTEMPTS => attempt += 1,
            changed => {
                report_change(changed?, name, "changed")?;
                if present.is_sandbox {
                    eprintln!("{name} is a sandbox client, and stays one.");
                }
                return show::print_change(name, &present.rules, &rules, as_json);
            }
        }
    }
}

/// Requests of a sandbox client are not counted, since nobody pays for them.
fn refuse_quota_of_sandbox(is_sandbox: bool, rules: &ClientRules) -> Result<()> {
    ensure!(
        !is_sandbox || (rules.daily_quota.is_none() && rules.monthly_quota.is_none()),
        "a sandbox client has no quota, because its requests are not counted: leave out --daily-quota and --monthly-quota"
    );
    Ok(())
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
    secrets.print(rotate.output.json)
}

fn report_change(was_found: bool, name: &ClientName, change: &str) -> Result<()> {
    if !was_found {
        bail!("there is no client {name}");
    }
    eprintln!("{name} is {change}. Running services apply this within seconds.");
    Ok(())
}
