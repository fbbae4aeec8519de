//! Searches the trail page by page, newest row first.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use padan_domain::NationalId;
use uuid::Uuid;

use super::row::AuditRow;
use crate::{error::StoreError, store::Store};

/// Selects rows by all criteria that are set.
#[derive(Debug, Clone)]
pub struct AuditQuery {
    /// Rows of this request.
    pub request_id: Option<String>,
    /// Rows about this person.
    pub nik: Option<NationalId>,
    /// Rows of this kind: `request`, `forget` or `admin`.
    pub kind: Option<String>,
    /// Rows of this client.
    pub client: Option<String>,
    /// Rows with this reason.
    pub reason: Option<String>,
    /// No rows with these reasons.
    pub except_reasons: Vec<String>,
    /// Rows at this moment or later.
    pub from: DateTime<Utc>,
    /// Rows before this moment.
    pub to: DateTime<Utc>,
    /// Rows that are older than the one at this place.
    pub before: Option<AuditPosition>,
    /// The number of rows of a page.
    pub limit: u16,
}

/// The place of a row in a search. It selects a place only: whoever makes one up gets no row that the query excludes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditPosition {
    pub(super) at: DateTime<Utc>,
    pub(super) writer: Uuid,
    pub(super) sequence: i64,
}

/// The text is not the place of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the text is not a place in the audit trail")]
pub struct InvalidAuditPosition;

impl AuditPosition {
    /// The place of a row.
    pub fn of(row: &AuditRow) -> Self {
        Self { at: row.at, writer: row.writer, sequence: row.sequence }
    }
}

impl fmt::Display for AuditPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.at.timestamp_micros(), self.writer.simple(), self.sequence)
    }
}

impl FromStr for AuditPosition {
    type Err = InvalidAuditPosition;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.split('.');
        let mut next = || parts.next().ok_or(InvalidAuditPosition);
        let micros: i64 = next()?.parse().map_err(|_| InvalidAuditPosition)?;
        let position = Self {
            at: DateTime::from_timestamp_micros(micros).ok_or(InvalidAuditPosition)?,
            writer: Uuid::try_parse(next()?).map_err(|_| InvalidAuditPosition)?,
            sequence: next()?.parse().map_err(|_| InvalidAuditPosition)?,
        };
        // Only the text that a row has is accepted: neither signs nor other spellings of a UUID.
        if position.to_string() == text { Ok(position) } else { Err(InvalidAuditPosition) }
    }
}

impl Store {
    /// The next rows of a search, newest first, at most `limit` of them. Their HMACs are not checked: this takes the
    /// verification of the whole trail.
    ///
    /// # Errors
    ///
    /// When the store was opened without person keys and the query names a person; when the store fails.
    /// [`StoreError::Timeout`] when there are too many rows in the time that the query names.
    pub async fn search_audit(&self, query: AuditQuery) -> Result<Vec<AuditRow>, StoreError> {
        let people = query.nik.as_ref().map(|nik| self.0.person_keys()?.all_of(nik)).transpose()?;
        let before = query.before.as_ref();
        let search = || {
            sqlx::query_as!(
                AuditRow,
                "SELECT at, writer, sequence, kind, request_id, client, endpoint, sandbox, reason, person_key,
                        person_key_id, person_salt, person_seal, nik_plausible, fields, name_rules, percentage, spoof,
                        contract_id, calibration_id, milliseconds, forget_key_id, forget_mac, key_id, mac
                   FROM store.audit_event
                  WHERE ($1::bytea[] IS NULL OR person_key = ANY($1))
                    AND ($2::text IS NULL OR request_id = $2)
                    AND ($3::text IS NULL OR kind = $3)
                    AND ($4::text IS NULL OR client = $4)
                    AND ($5::text IS NULL OR reason = $5)
                    AND reason <> ALL($6::text[])
                    AND at >= $7
                    AND at < $8
                    AND ($9::timestamptz IS NULL OR (at, writer, sequence) < ($9, $10::uuid, $11::bigint))
                  ORDER BY at DESC, writer DESC, sequence DESC
                  LIMIT $12",
                people.as_deref(),
                query.request_id,
                query.kind,
                query.client,
                query.reason,
                &query.except_reasons,
                query.from,
                query.to,
                before.map(|before| before.at),
                before.map(|before| before.writer),
                before.map(|before| before.sequence),
                i64::from(query.limit)
            )
        };
        Ok(self.0.pool().fetch_all(search).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_reads_its_own_text_and_no_other_spelling() {
        let text = "1767323045000001.01999999999979998999999999999999.7";
        assert_eq!(text.parse::<AuditPosition>().unwrap().to_string(), text);
        for wrong in [
            "",
            "1.2",
            "1767323045000001.01999999999979998999999999999999",
            "1767323045000001.01999999999979998999999999999999.7.8",
            "1767323045000001.01999999999979998999999999999999.+7",
            "01767323045000001.01999999999979998999999999999999.7",
            "1767323045000001.01999999-9999-7999-8999-999999999999.7",
            "99999999999999999999.01999999999979998999999999999999.7",
            "9223372036854775807.01999999999979998999999999999999.7",
            "1767323045000001.01999999999979998999999999999999.7' OR 1=1",
        ] {
            assert_eq!(wrong.parse::<AuditPosition>(), Err(InvalidAuditPosition), "{wrong}");
        }
    }
}
