use std::collections::HashSet;

use chrono::{DateTime, TimeDelta, Utc};
use padan_domain::Clock;
use padan_store::{AuditQuery, AuditRow, Store, StoreError};
use tokio::sync::OwnedSemaphorePermit;
use uuid::Uuid;

/// How long after its moment a row may become visible: it is written together with others, at the end of its request.
const DELAY: TimeDelta = TimeDelta::seconds(30);
/// The newest rows of that time which are looked at.
const MOST_ROWS: u16 = 500;

/// Follows the rows of requests as they are written.
#[derive(Debug)]
pub struct Watch {
    store: Store,
    clock: Clock,
    client: Option<String>,
    began: DateTime<Utc>,
    /// The rows that were returned and are still looked at.
    returned: HashSet<(Uuid, i64)>,
    _permit: OwnedSemaphorePermit,
}

impl Watch {
    pub(super) fn begin(
        store: Store,
        clock: Clock,
        client: Option<String>,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        Self { store, clock, client, began: clock.now(), returned: HashSet::new(), _permit: permit }
    }

    /// The rows that were written since the last call, oldest first. Of very many, only the newest.
    ///
    /// # Errors
    ///
    /// When the store fails. The next call returns the rows that this one did not.
    pub async fn new_rows(&mut self) -> Result<Vec<AuditRow>, StoreError> {
        let now = self.clock.now();
        let rows = self
            .store
            .search_audit(AuditQuery {
                request_id: None,
                nik: None,
                kind: Some("request".to_owned()),
                client: self.client.clone(),
                reason: None,
                except_reasons: Vec::new(),
                from: self.began.max(now - DELAY),
                // Rows of a process whose clock is ahead are found too.
                to: now + TimeDelta::days(1),
                before: None,
                limit: MOST_ROWS,
            })
            .await?;
        let found: HashSet<_> = rows.iter().map(|row| (row.writer, row.sequence)).collect();
        let returned = std::mem::replace(&mut self.returned, found);
        Ok(rows.into_iter().rev().filter(|row| !returned.contains(&(row.writer, row.sequence))).collect())
    }
}
