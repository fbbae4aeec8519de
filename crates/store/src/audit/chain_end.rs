//! Ends of chains: a chain that nobody goes on with, and its last row. Later chains need not look at it again, so an
//! end is signed, and verification expects its row.

use padan_postgres::Selection;
use uuid::Uuid;

use super::{head::AuditHead, keys::AuditKeys, row::unsigned};
use crate::error::StoreError;

/// The end of a chain: a row of the table `store.audit_end`.
pub(super) struct ChainEnd {
    pub(super) head: AuditHead,
    pub(super) key_id: String,
    pub(super) signature: Vec<u8>,
}

impl ChainEnd {
    pub(super) fn signed(head: AuditHead, keys: &AuditKeys) -> Result<Self, StoreError> {
        let mut end = Self { head, key_id: keys.current_id().to_owned(), signature: Vec::new() };
        end.signature = end.computed_signature(keys).ok_or_else(unsigned)?;
        Ok(end)
    }

    pub(super) fn is_signed(&self, keys: &AuditKeys) -> bool {
        self.computed_signature(keys).as_ref() == Some(&self.signature)
    }

    /// Older releases signed no ends. Such an end says nothing.
    pub(super) fn is_of_older_release(&self) -> bool {
        self.signature.is_empty()
    }

    fn computed_signature(&self, keys: &AuditKeys) -> Option<Vec<u8>> {
        Some(keys.signature(&self.key_id, "padan audit end 1")?.head(&self.head).finish())
    }
}

/// All ends.
pub(super) fn chain_ends() -> impl Selection<Row = ChainEnd> + use<> {
    sqlx::query_as!(EndRow, "SELECT writer, sequence, mac, key_id, signature FROM store.audit_end")
        .map(ChainEnd::from)
}

struct EndRow {
    writer: Uuid,
    sequence: i64,
    mac: Vec<u8>,
    key_id: String,
    signature: Vec<u8>,
}

impl From<EndRow> for ChainEnd {
    fn from(EndRow { writer, sequence, mac, key_id, signature }: EndRow) -> Self {
        Self { head: AuditHead { writer, sequence, mac }, key_id, signature }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_row_is_signed() {
        let keys = AuditKeys::from_hex(&"0123456789abcdef".repeat(4).into()).unwrap();
        let head = AuditHead {
            writer: "01999999-9999-7999-8999-999999999999".parse().unwrap(),
            sequence: 7,
            mac: (0..32).collect(),
        };
        let end = ChainEnd::signed(head.clone(), &keys).unwrap();
        // Computed in Python (tools/oracle/audit_signatures.py).
        assert_eq!(
            hex::encode(&end.signature),
            "361d3efb811d8dd308d293fd010ec2d706d60dfd1cb8398f311d62cb7a419d88"
        );
        assert!(end.is_signed(&keys) && !end.is_of_older_release());
        let signature = end.signature;
        for changed in [
            AuditHead { sequence: 6, ..head.clone() },
            AuditHead { mac: vec![0; 32], ..head.clone() },
            AuditHead { writer: Uuid::nil(), ..head },
        ] {
            let key_id = keys.current_id().to_owned();
            assert!(!ChainEnd { head: changed, key_id, signature: signature.clone() }.is_signed(&keys));
        }
    }
}
