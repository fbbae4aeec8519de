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
    /// Finds a head in a line: as [`Display`](std::fmt::Display) writes it, or as the service logs it, in text or JSON.
    pub fn find_in(line: &str) -> Option<Self> {
        let value = |name: &str| {
            let after = line.split(name).nth(1)?;
            let start = after.trim_start_matches(['"', ':', '=', ' ']);
            let end = start.find(|c: char| !c.is_ascii_hexdigit() && c != '-').unwrap_or(start.len());
            Some(&start[..end])
        };
        Some(Self {
            writer: value("writer")?.parse().ok()?,
            sequence: value("sequence")?.parse().ok()?,
            mac: hex::decode(value("mac")?).ok().filter(|mac| mac.len() == 32)?,
        })
    }
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
}
