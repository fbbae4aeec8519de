//! The fuzz target of heads.

use super::*;

/// Looks for heads in a line of a log, and hides a head in it. The first bytes are those of the head.
///
/// # Panics
///
/// When a property does not hold.
pub fn audit_head(data: &[u8]) {
    let line = String::from_utf8_lossy(data);
    if let Some(found) = AuditHead::find_in(&line) {
        assert_eq!(found.mac.len(), 32);
        assert_eq!(
            AuditHead::find_in(&found.to_string()).as_ref(),
            Some(&found),
            "a head does not read itself"
        );
        let is_in_line = line.to_ascii_lowercase().contains(&hex::encode(&found.mac));
        assert!(is_in_line, "the head is of another line");
    }
    let Some((head, rest)) = head(data) else { return };
    let around = String::from_utf8_lossy(rest).replace('\n', " ");
    let before = AuditHead::find_in(&around);
    let json = format!(
        "{{\"writer\":\"{}\",\"sequence\":{},\"mac\":\"{}\"}}",
        head.writer,
        head.sequence,
        hex::encode(&head.mac)
    );
    for written in [head.to_string(), json] {
        let found = AuditHead::find_in(&format!("{around} {written}"));
        assert_eq!(found.as_ref(), before.as_ref().or(Some(&head)), "text before a head hides it");
        let found = AuditHead::find_in(&format!("{written} {around}"));
        assert_eq!(found.as_ref(), Some(&head), "text behind a head changes it");
    }
}

fn head(data: &[u8]) -> Option<(AuditHead, &[u8])> {
    let (writer, rest) = data.split_first_chunk::<16>()?;
    let (sequence, rest) = rest.split_first_chunk::<8>()?;
    let (mac, rest) = rest.split_first_chunk::<32>()?;
    let sequence = i64::from_be_bytes(*sequence) & i64::MAX;
    Some((AuditHead { writer: Uuid::from_bytes(*writer), sequence, mac: mac.to_vec() }, rest))
}
