//! `padan operator`: manages the operators in the store, who may call the management interface.
//!
//! Start at [`run`]. A change takes effect with the next request.

mod arguments;
mod plan;
mod show;

use anyhow::{Context as _, Result, bail};
use chrono::{DateTime, TimeDelta, Utc};
use padan_domain::{Clock, OperatorName};
use padan_store::{
    Administration, ClientSecret, CodeSecret, KeySet, NewOperator, OperatorPassword, OperatorSettings,
    Overview,
};
use tokio::runtime::Runtime;

pub(crate) use self::arguments::OperatorArguments;
use self::arguments::{AddArguments, CodeArguments, OperatorCommand, RotateArguments, SetArguments};
use super::time_span::TimeSpan;
use crate::{confirmation::Confirmed, exit_status::ExitStatus, password_input, service};

/// Runs the command.
pub(crate) fn run(arguments: &OperatorArguments) -> Result<ExitStatus> {
    let settings = arguments.settings.settings_with_log()?;
    Runtime::new()?.block_on(async {
        match &arguments.command {
            OperatorCommand::List(output) => {
                show::print_list(&Overview::open(&settings.store)?.operators().await?, output.json)?;
            }
            change => {
                if plan::confirm(&settings, change).await? == Confirmed::DryRun {
                    return Ok(ExitStatus::Success);
                }
                let store = service::open_store(&settings, KeySet::Audit)?;
                let administration = service::administration(&store);
                let changed = make(&administration, change).await;
                administration.finish().await;
                changed?;
            }
        }
        Ok(ExitStatus::Success)
    })
}

/// Makes the change and prints what it was.
async fn make(administration: &Administration, command: &OperatorCommand) -> Result<()> {
    match command {
        OperatorCommand::Add(add) => add_operator(administration, add).await,
        OperatorCommand::Set(set) => {
            let was_found = administration.set_operator(&set.name, &set.settings()?).await?;
            report_change(was_found, &set.name, "changed")
        }
        OperatorCommand::Rotate(rotate) => rotate_token(administration, rotate).await,
        OperatorCommand::Password { name } => set_password(administration, name).await,
        OperatorCommand::Code(code) => set_code(administration, code).await,
        OperatorCommand::EndSessions { name, .. } => {
            if !administration.end_sessions(name).await? {
                bail!("{name} has no session");
            }
            eprintln!("The sessions of {name} have ended.");
            Ok(())
        }
        OperatorCommand::Remove { name, .. } => {
            report_change(administration.remove_operator(name).await?, name, "removed")
        }
        OperatorCommand::List(_) => Ok(()),
    }
}

async fn add_operator(administration: &Administration, add: &AddArguments) -> Result<()> {
    let operator = NewOperator {
        name: add.name.clone(),
        role: add.role,
        token: ClientSecret::generate()?,
        expires_at: add.valid_for.map(expiry).transpose()?,
    };
    if !administration.add_operator(&operator).await? {
        bail!("another operator already has the name {}", operator.name);
    }
    show::print_token(&operator.name, &operator.token, add.output.json)
}

async fn rotate_token(administration: &Administration, rotate: &RotateArguments) -> Result<()> {
    let token = ClientSecret::generate()?;
    if !administration.rotate_operator(&rotate.name, &token).await? {
        bail!("there is no operator {}", rotate.name);
    }
    show::print_token(&rotate.name, &token, rotate.output.json)
}

async fn set_password(administration: &Administration, name: &OperatorName) -> Result<()> {
    let password: OperatorPassword = password_input::read(&format!("Password of {name}"))?.parse()?;
    if !administration.set_operator_password(name, password.hash()?).await? {
        bail!("there is no operator {name}");
    }
    eprintln!("{name} has a new password. Its sessions have ended.");
    Ok(())
}

async fn set_code(administration: &Administration, code: &CodeArguments) -> Result<()> {
    let secret = if code.remove { None } else { Some(CodeSecret::generate()?) };
    let shown = secret.as_ref().map(|secret| (secret.reveal(), secret.address(&code.name)));
    if !administration.set_operator_code(&code.name, secret).await? {
        bail!("there is no operator {}", code.name);
    }
    if let Some((secret, address)) = shown {
        return show::print_code_secret(&code.name, &secret, &address, code.output.json);
    }
    eprintln!("{} signs in without a code. Its sessions have ended.", code.name);
    Ok(())
}

impl SetArguments {
    fn settings(&self) -> Result<OperatorSettings> {
        let expires_at = match self.valid_for {
            Some(time) => Some(Some(expiry(time)?)),
            None if self.no_expiry => Some(None),
            None => None,
        };
        let disabled = (self.disable || self.enable).then_some(self.disable);
        Ok(OperatorSettings { role: self.role, expires_at, disabled })
    }
}

fn expiry(TimeSpan(time): TimeSpan) -> Result<DateTime<Utc>> {
    Clock::System.now().checked_add_signed(TimeDelta::from_std(time)?).context("the time is too long")
}

fn report_change(was_found: bool, name: &OperatorName, change: &str) -> Result<()> {
    if !was_found {
        bail!("there is no operator {name}");
    }
    eprintln!("{name} is {change}. The next request of its token is judged by this.");
    Ok(())
}
