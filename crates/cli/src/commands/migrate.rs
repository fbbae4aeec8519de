use anyhow::{Context, Result};
use clap::Args;
use padan_store::{AdminAct, Administration, AnnouncedAct, ClientSignature, Clients, KeySet, Store};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::{exit_status::ExitStatus, service, settings::SettingsArguments};

/// Apply missing migrations to the store
///
/// Brings the schema of the database `store.url` up to date, as the owner of its tables, or on a new database as a user
/// who may create schemas: `--set store.url_file=FILE` names a file with that user's URL. The registry is never written to; deploy/registry shows
/// how a site provides its view there. Migrations are recorded in the audit trail, so `store.audit_keys` is needed. A
/// migration of a release that did not sign clients signs the rows that it finds, whoever wrote them.
#[derive(Debug, Args)]
pub(crate) struct MigrateArguments {
    #[command(flatten)]
    settings: SettingsArguments,
}

/// Applies the missing migrations and prints their names.
pub(crate) fn run(arguments: &MigrateArguments) -> Result<ExitStatus> {
    let settings = arguments.settings.settings_with_log()?;
    Runtime::new()?.block_on(async {
        let store = service::open_store(&settings, KeySet::Audit)?;
        let pending = store.pending_migrations().await?;
        if !pending.is_empty() {
            migrate(&store, &pending).await?;
        }
        match pending.as_slice() {
            [] => eprintln!("The store was already up to date."),
            applied => eprintln!("The store is up to date. Applied migrations: {}.", applied.join(", ")),
        }
        Ok(ExitStatus::Success)
    })
}

/// Applies migrations and records them. The row comes first if the audit trail already has rows of operators; else the
/// migration makes them possible.
async fn migrate(store: &Store, pending: &[String]) -> Result<()> {
    let before = store.schema_support().await?;
    let act = AnnouncedAct {
        act: AdminAct::StoreMigrated,
        before: Value::Null,
        after: json!({ "migrations": pending }),
    };
    let administration = service::administration(store);
    if before.administration {
        administration.announce(act.clone()).await?;
    }
    store.migrate().await.context("cannot migrate the store")?;
    if !before.administration {
        administration.announce(act).await.context("the store was migrated, but its row was not written")?;
    }
    let signed = sign_rows_of_former_releases(store, &administration, before.signed_clients).await;
    administration.finish().await;
    signed
}

/// Signs rows that this release would refuse: of operators if a former release signed them, and of clients if none did.
async fn sign_rows_of_former_releases(
    store: &Store,
    administration: &Administration,
    clients_are_signed: bool,
) -> Result<()> {
    for operator in store.operators().with_former_signatures().await? {
        administration.sign_operator(&operator).await?;
    }
    if !clients_are_signed {
        sign_clients(&store.clients(), administration).await?;
    }
    Ok(())
}

/// Signs the clients of an older release as they are. Nothing says who wrote them.
async fn sign_clients(clients: &Clients, administration: &Administration) -> Result<()> {
    for client in clients.all().await?.refused {
        if client.signature == ClientSignature::Missing {
            administration.sign_client(&client.name.parse()?).await?;
            eprintln!("The row of client {} was signed as it was found.", client.name);
        }
    }
    Ok(())
}
