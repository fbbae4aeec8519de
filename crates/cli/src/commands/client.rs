//! `padan client`: manages the clients in the store, which may call the service.
//!
//! Start at [`run`]. Running services apply a change within seconds.

mod arguments;
mod changes;
mod limits;
mod plan;
mod show;

use anyhow::{Result, bail};
use padan_domain::Clock;
use padan_store::{KeySet, Overview};
use tokio::runtime::Runtime;

pub(crate) use self::arguments::ClientArguments;
use self::arguments::ClientCommand;
use crate::{confirmation::Confirmed, exit_status::ExitStatus, service};

/// Runs the command.
pub(crate) fn run(arguments: &ClientArguments) -> Result<ExitStatus> {
    let settings = arguments.settings.settings_with_log()?;
    Runtime::new()?.block_on(async {
        match &arguments.command {
            ClientCommand::List(output) => {
                show::print_list(&Overview::open(&settings.store)?.clients().await?, output.json)?;
            }
            ClientCommand::Show { name, output } => {
                let store = Overview::open(&settings.store)?;
                let Some(client) = store.client(name).await? else { bail!("there is no client {name}") };
                show::print_client(&store, &client, &Clock::System, output.json).await?;
            }
            change => {
                if plan::confirm(&settings, change).await? == Confirmed::DryRun {
                    return Ok(ExitStatus::Success);
                }
                let store = service::open_store(&settings, KeySet::Audit)?;
                let administration = service::administration(&store);
                let changed = changes::make(&store.clients(), &administration, change).await;
                administration.finish().await;
                changed?;
            }
        }
        Ok(ExitStatus::Success)
    })
}
