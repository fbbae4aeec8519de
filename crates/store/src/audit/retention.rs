//! Pruning: months of the trail are deleted, and a signed anchor stands in for the rows of each chain.
//!
//! A signature must not vouch for what somebody else put into the database. So each row of a month is verified before
//! its chain's anchor is signed, and the bounds of a month follow from its name and not from the database.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use padan_postgres::{Fault, Transactions};
use sqlx::{Connection as _, PgConnection, Postgres, Transaction, error::DatabaseError};
use tokio::time::sleep;
use uuid::Uuid;

use super::{
    anchor::{Anchor, MIN_AGE, insert_anchor},
    checker::{CheckedMonth, check_month},
    head::AuditHead,
    keys::AuditKeys,
    month::Month,
    row::ChainRow,
    usage::UsageCounts,
};
use crate::error::StoreError;

/// The result of pruning the audit trail.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PrunedMonths {
    /// The names of the deleted partitions, oldest first; in a dry run, of those that would be deleted.
    pub deleted: Vec<String>,
    /// Why other months stay although their rows bear an old date, one sentence each.
    pub kept: Vec<String>,
}

/// How long pruning waits for readers of the trail.
const LOCK_TIMEOUT: Duration = Duration::from_mins(10);
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// The most faults that an error names.
const NAMED_FAULTS: usize = 3;

/// What is pruned, and as of when.
pub(super) struct Pruning<'k> {
    pub(super) keys: &'k AuditKeys,
    /// Months that end after this moment stay.
    pub(super) before: DateTime<Utc>,
    pub(super) now: DateTime<Utc>,
    /// Whether the months are only verified, and none is deleted.
    pub(super) dry_run: bool,
}

/// Prunes month by month, each in one transaction: verifies the rows, writes anchors, then drops the rows.
pub(super) async fn prune(
    connection: &mut Transactions,
    pruning: &Pruning<'_>,
) -> Result<PrunedMonths, StoreError> {
    if pruning.before > pruning.now - MIN_AGE {
        return Err(StoreError::Config(format!(
            "a month of the audit trail is kept for {} days after its end: prune rows that are older",
            MIN_AGE.num_days()
        )));
    }
    let mut pruned = PrunedMonths::default();
    // A chain is pruned from its beginning on: once one of its months stays, so do the later ones.
    let mut kept_chains = HashSet::new();
    let mut transaction = connection.begin("").await?;
    let months = months(&mut transaction).await?;
    transaction.commit().await.map_err(|error| Fault::of(&error))?;
    for month in months.into_iter().filter(|month| month.end() <= pruning.before) {
        match prune_month(connection, pruning, month, &kept_chains).await? {
            Outcome::Deleted => pruned.deleted.push(month.partition()),
            Outcome::Kept(reason, chains) => {
                pruned.kept.push(format!("{}: {reason}", month.partition()));
                kept_chains.extend(chains);
            }
        }
    }
    Ok(pruned)
}

enum Outcome {
    Deleted,
    /// Why, and the chains with rows in the month.
    Kept(String, Vec<Uuid>),
}

async fn months(connection: &mut PgConnection) -> Result<Vec<Month>, StoreError> {
    let names = sqlx::query_scalar!(
        r#"SELECT relname::text AS "name!"
             FROM pg_inherits
             JOIN pg_class ON pg_class.oid = inhrelid
            WHERE inhparent = 'store.audit_event'::regclass"#
    );
    let names = names.fetch_all(connection).await.map_err(|error| Fault::of(&error))?;
    let mut months: Vec<_> = names.iter().filter_map(|name| Month::of_partition(name)).collect();
    months.sort_unstable();
    Ok(months)
}

async fn prune_month(
    connection: &mut Transactions,
    pruning: &Pruning<'_>,
    month: Month,
    kept_chains: &HashSet<Uuid>,
) -> Result<Outcome, StoreError> {
    let fault = |error: sqlx::Error| Fault::of(&error);
    let mut transaction = connection.begin("").await?;
    let mut counts = UsageCounts::default();
    let CheckedMonth { heads, faults } =
        check_month(&mut transaction, pruning.keys, month, |row| counts.add(row)).await?;
    let writers: Vec<_> = heads.iter().map(|head| head.writer).collect();
    if let Some(chain) = writers.iter().find(|writer| kept_chains.contains(*writer)) {
        return Ok(Outcome::Kept(format!("chain {chain} has rows in an earlier month that stays"), writers));
    }
    if !faults.is_empty() {
        let named: Vec<_> = faults.iter().take(NAMED_FAULTS).map(ToString::to_string).collect();
        return Err(StoreError::Tampered(named.join("; ")));
    }
    if let Some(reason) = misdated(&mut transaction, pruning, &writers).await? {
        return Ok(Outcome::Kept(reason, writers));
    }
    if pruning.dry_run {
        return Ok(Outcome::Deleted);
    }
    for head in heads {
        let anchor = Anchor::signed(head, month, pruning.now, pruning.keys)?;
        insert_anchor(&mut transaction, &anchor).await.map_err(fault)?;
    }
    counts.save(&mut transaction).await.map_err(fault)?;
    drop_month(&mut transaction, &month.partition()).await?;
    transaction.commit().await.map_err(fault)?;
    // Outside the transaction, since nothing depends on the heads of pruned rows.
    let mut transaction = connection.begin("").await?;
    sqlx::query!("SELECT store.drop_audit_heads()").fetch_one(&mut *transaction).await.map_err(fault)?;
    transaction.commit().await.map_err(fault)?;
    Ok(Outcome::Deleted)
}

/// Finds a chain whose clock was wrong: its beginning names a row of a time that is not due yet, so that its own rows,
/// which are younger, bear too old a date.
async fn misdated(
    connection: &mut PgConnection,
    pruning: &Pruning<'_>,
    writers: &[Uuid],
) -> Result<Option<String>, StoreError> {
    let chains = sqlx::query_as!(
        ChainRow,
        "SELECT writer, started_at, previous_writer, previous_sequence, previous_mac, seen, unrecorded, person_key_id,
                key_id, mac
           FROM store.audit_chain
          WHERE writer = ANY($1)",
        writers
    );
    for chain in chains.fetch_all(&mut *connection).await.map_err(|error| Fault::of(&error))? {
        // A beginning that nobody signed names nothing. The chain then hangs on its anchor.
        let seen = if chain.is_signed(pruning.keys) { chain.seen_heads() } else { Vec::new() };
        if let Some(at) = newest_of(connection, &seen, pruning.now).await?
            && at >= pruning.before
        {
            return Ok(Some(format!(
                "chain {} began after a row of {at}, so the clock of its process was wrong when it wrote {}",
                chain.writer, chain.started_at
            )));
        }
    }
    Ok(None)
}

/// The time of the newest of these rows and beginnings. Those of the future are ignored: their clock was wrong.
async fn newest_of(
    connection: &mut PgConnection,
    heads: &[AuditHead],
    now: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>, StoreError> {
    let writers: Vec<_> = heads.iter().map(|head| head.writer).collect();
    let sequences: Vec<_> = heads.iter().map(|head| head.sequence).collect();
    let macs: Vec<_> = heads.iter().map(|head| head.mac.clone()).collect();
    let newest = sqlx::query_scalar!(
        "SELECT max(coalesce(event.at, chain.started_at))
           FROM unnest($1::uuid[], $2::bigint[], $3::bytea[]) AS head (writer, sequence, mac)
           LEFT JOIN store.audit_event AS event
             ON event.writer = head.writer AND event.sequence = head.sequence AND event.mac = head.mac
           LEFT JOIN store.audit_chain AS chain
             ON chain.writer = head.writer AND chain.mac = head.mac AND head.sequence = 0
          WHERE coalesce(event.at, chain.started_at) <= $4",
        &writers,
        &sequences,
        &macs,
        now
    );
    Ok(newest.fetch_one(connection).await.map_err(|error| Fault::of(&error))?)
}

/// Drops the month when no session reads the trail. Writers queue behind a waiting DROP, so each attempt is short and
/// the pauses between attempts grow.
async fn drop_month(transaction: &mut Transaction<'_, Postgres>, month: &str) -> Result<(), StoreError> {
    let began = Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        let mut attempt = transaction.begin().await.map_err(|error| Fault::of(&error))?;
        match sqlx::query!("SELECT store.drop_audit_month($1)", month).fetch_one(&mut *attempt).await {
            Ok(_) => return Ok(attempt.commit().await.map_err(|error| Fault::of(&error))?),
            Err(error) if is_locked(&error) && began.elapsed() < LOCK_TIMEOUT => {
                attempt.rollback().await.map_err(|error| Fault::of(&error))?;
                sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            Err(error) if is_locked(&error) => {
                return Err(StoreError::Timeout(format!(
                    "{month} was not pruned, since another session reads the audit trail: prune again later"
                )));
            }
            Err(error) => return Err(Fault::of(&error).into()),
        }
    }
}

fn is_locked(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(DatabaseError::code);
    code.as_deref() == Some("55P03")
}
