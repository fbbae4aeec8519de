//! Anchors: what stands in for the rows of a chain that were pruned.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{head::AuditHead, keys::AuditKeys, month::Month, row::unsigned};
use crate::error::StoreError;

/// How long a month stays after its end, whatever the operator asks for. The function `store.drop_audit_month` has the
/// same limit, by the clock of the database's server.
pub(super) const MIN_AGE: TimeDelta = TimeDelta::days(90);

/// The last row of a chain in a month that was pruned.
pub(super) struct Anchor {
    pub(super) writer: Uuid,
    pub(super) sequence: i64,
    pub(super) mac: Vec<u8>,
    /// The first day of the month; `None` in an anchor of an older release, which does not say what it stands for.
    pub(super) month: Option<NaiveDate>,
    pub(super) pruned_at: DateTime<Utc>,
    pub(super) key_id: String,
    pub(super) signature: Vec<u8>,
}

impl Anchor {
    /// Signs that the rows up to this head belonged to the month or to earlier ones, and were pruned at this time.
    pub(super) fn signed(
        head: AuditHead,
        month: Month,
        pruned_at: DateTime<Utc>,
        keys: &AuditKeys,
    ) -> Result<Self, StoreError> {
        let AuditHead { writer, sequence, mac } = head;
        let mut anchor = Self {
            writer,
            sequence,
            mac,
            month: Some(month.first_day()),
            pruned_at,
            key_id: keys.current_id().to_owned(),
            signature: Vec::new(),
        };
        anchor.signature = anchor.computed_signature(keys).ok_or_else(unsigned)?;
        Ok(anchor)
    }

    pub(super) fn is_signed(&self, keys: &AuditKeys) -> bool {
        self.computed_signature(keys).as_ref() == Some(&self.signature)
    }

    pub(super) fn month(&self) -> Option<Month> {
        self.month.map(Month::of_day)
    }

    /// Whether the month had been over for long enough when it was pruned.
    pub(super) fn is_old_enough(&self) -> bool {
        self.month().is_none_or(|month| self.pruned_at - month.end() >= MIN_AGE)
    }

    /// `None` when the key is not among the keys.
    fn computed_signature(&self, keys: &AuditKeys) -> Option<Vec<u8>> {
        let purpose = if self.month.is_some() { "padan audit anchor 2" } else { "padan audit anchor 1" };
        let head = AuditHead { writer: self.writer, sequence: self.sequence, mac: self.mac.clone() };
        let signature = keys.signature(&self.key_id, purpose)?.head(&head);
        // Anchors of older releases stay valid.
        let signature = match self.month() {
            Some(month) => {
                signature.text(Some(&month.to_string())).integer(self.pruned_at.timestamp_micros())
            }
            None => signature,
        };
        Some(signature.finish())
    }
}

pub(super) async fn read_anchors(connection: &mut PgConnection) -> sqlx::Result<Vec<Anchor>> {
    sqlx::query_as!(
        Anchor,
        "SELECT writer, sequence, mac, month, pruned_at, key_id, signature FROM store.audit_anchor ORDER BY sequence"
    )
    .fetch_all(connection)
    .await
}

pub(super) async fn insert_anchor(connection: &mut PgConnection, anchor: &Anchor) -> sqlx::Result<()> {
    sqlx::query!(
        "INSERT INTO store.audit_anchor (writer, sequence, mac, month, pruned_at, key_id, signature)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        anchor.writer,
        anchor.sequence,
        anchor.mac,
        anchor.month,
        anchor.pruned_at,
        anchor.key_id,
        anchor.signature
    )
    .execute(connection)
    .await
    .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> AuditKeys {
        AuditKeys::from_hex(&"0123456789abcdef".repeat(4).into()).unwrap()
    }

    fn head() -> AuditHead {
        AuditHead {
            writer: "01999999-9999-7999-8999-999999999999".parse().unwrap(),
            sequence: 7,
            mac: (0..32).collect(),
        }
    }

    fn pruned_at() -> DateTime<Utc> {
        "2026-03-04T05:06:07.000001Z".parse().unwrap()
    }

    #[test]
    fn month_and_time_are_signed_and_an_anchor_of_an_older_release_stays_valid() {
        let month = Month::of_partition("audit_event_2024_01").unwrap();
        let anchor = Anchor::signed(head(), month, pruned_at(), &keys()).unwrap();
        // All computed in Python (tools/oracle/audit_signatures.py).
        assert_eq!(
            hex::encode(&anchor.signature),
            "4ad516344291e8ae050aa333eed90de7fc3dfdbd32ce93ea0adb8c0ac0cf1923"
        );
        assert!(anchor.is_signed(&keys()));
        let old = Anchor {
            month: None,
            signature: hex::decode("1c7f2b04d100683f61513b933d30a367016cd40670383be1aa9c069466990dec")
                .unwrap(),
            ..anchor
        };
        assert!(old.is_signed(&keys()));
        for changed in [
            Anchor { month: NaiveDate::from_ymd_opt(2024, 1, 1), ..with(&old) },
            Anchor { sequence: 8, ..with(&old) },
        ] {
            assert!(!changed.is_signed(&keys()));
        }
        let anchor = Anchor::signed(head(), month, pruned_at(), &keys()).unwrap();
        for changed in [
            Anchor { month: None, ..with(&anchor) },
            Anchor { month: NaiveDate::from_ymd_opt(2024, 2, 1), ..with(&anchor) },
            Anchor { pruned_at: pruned_at() + TimeDelta::microseconds(1), ..with(&anchor) },
            Anchor { key_id: "00000000".into(), ..with(&anchor) },
        ] {
            assert!(!changed.is_signed(&keys()));
        }
    }

    fn with(anchor: &Anchor) -> Anchor {
        Anchor {
            mac: anchor.mac.clone(),
            key_id: anchor.key_id.clone(),
            signature: anchor.signature.clone(),
            ..*anchor
        }
    }

    #[test]
    fn a_month_is_old_enough_ninety_days_after_its_end() {
        let month = Month::of_partition("audit_event_2024_01").unwrap();
        let pruned = |at: &str| Anchor::signed(head(), month, at.parse().unwrap(), &keys()).unwrap();
        assert!(!pruned("2024-04-30T23:59:59Z").is_old_enough());
        assert!(pruned("2024-05-01T00:00:00Z").is_old_enough());
    }
}
