#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;

use uuid::Uuid;

/// The last row of a chain at a point in time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditHead {
    /// The chain.
    pub writer: Uuid,
    /// The row's number in the chain, from 1; 0 is the chain's beginning.
    pub sequence: i64,
    /// The row's HMAC.
    pub mac: Vec<u8>,
}

impl AuditHead {
    /// Finds the first head in a line: as [`Display`](std::fmt::Display) writes it, or as the service logs it, in text or
    /// JSON. Its three values follow each other, so that a head is not mixed from the words of a line, and no word before
    /// it hides it.
    pub fn find_in(line: &str) -> Option<Self> {
        line.match_indices(WRITER).find_map(|(at, _)| Self::at_start_of(&line[at..]))
    }

    fn at_start_of(text: &str) -> Option<Self> {
        let (writer, rest) = value(text, WRITER)?;
        let (sequence, rest) = value(rest, "sequence")?;
        let (mac, _) = value(rest, "mac")?;
        Some(Self {
            writer: writer.parse().ok()?,
            sequence: sequence.parse().ok().filter(|sequence| *sequence >= 0)?,
            mac: hex::decode(mac).ok().filter(|mac| mac.len() == 32)?,
        })
    }
}

const WRITER: &str = "writer";

/// The value of a name, and the text behind it.
fn value<'t>(text: &'t str, name: &str) -> Option<(&'t str, &'t str)> {
    let start = text.trim_start_matches(['"', ',', ' ']).strip_prefix(name)?;
    let start = start.trim_start_matches(['"', ':', '=', ' ']);
    let end = start.find(|c: char| !c.is_ascii_hexdigit() && c != '-').unwrap_or(start.len());
    Some(start.split_at(end))
}

impl std::fmt::Display for AuditHead {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "writer={} sequence={} mac={}", self.writer, self.sequence, hex::encode(&self.mac))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_found_in_a_line_of_text_and_in_one_of_json() {
        let head = AuditHead { writer: Uuid::from_u128(7), sequence: 12, mac: vec![0xab; 32] };
        assert_eq!(AuditHead::find_in(&head.to_string()), Some(head.clone()));
        let json = format!(
            "{{\"timestamp\":\"2026-11-24T00:00:00Z\",\"message\":\"audit head\",\"writer\":\"{}\",\"sequence\":12,\
             \"mac\":\"{}\",\"target\":\"padan_store\"}}",
            head.writer,
            "ab".repeat(32)
        );
        assert_eq!(AuditHead::find_in(&json), Some(head));
        assert_eq!(AuditHead::find_in("answered endpoint=face-verification"), None);
        assert_eq!(AuditHead::find_in("writer=7 sequence=12 mac=ab"), None);
    }

    /// Found by the fuzz target `audit_head`.
    #[test]
    fn a_head_is_neither_hidden_by_words_before_it_nor_mixed_with_them() {
        let head = AuditHead { writer: Uuid::from_u128(7), sequence: 12, mac: vec![0xab; 32] };
        let other = AuditHead { writer: Uuid::from_u128(8), sequence: 13, mac: vec![0xcd; 32] };
        for before in ["the writer ended: ", "sequence=13 ", "mac=cd ", "writer=7 sequence=1 ", "writer"] {
            assert_eq!(AuditHead::find_in(&format!("{before}{head}")), Some(head.clone()), "{before}");
        }
        let writer_of_other = format!("writer={} {head}", other.writer);
        assert_eq!(AuditHead::find_in(&writer_of_other), Some(head.clone()));
        assert_eq!(AuditHead::find_in(&format!("{other}, {head}")), Some(other.clone()));
        let without_a_mac = format!("writer={} sequence=12 target=x mac={}", head.writer, "cd".repeat(32));
        assert_eq!(AuditHead::find_in(&without_a_mac), None);
        assert_eq!(AuditHead::find_in(&AuditHead { sequence: -1, ..head }.to_string()), None);
    }
}
