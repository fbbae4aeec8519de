use std::{fmt, str::FromStr};

/// Identifies the models that made an embedding: only embeddings of the same contract are comparable.
///
/// It is the first 16 hexadecimal digits of a SHA-256 over everything in a model set's manifests that changes
/// an embedding: file digests, colour order, normalisation, landmark frame, length.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ModelContractId(Box<str>);

/// The text is not exactly 16 lower-case hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a model contract id of exactly 16 lower-case hexadecimal digits")]
pub struct InvalidModelContractId;

impl ModelContractId {
    /// Takes the id from the digest of the manifests.
    pub fn from_digest(digest: &[u8; 32]) -> Self {
        let head = digest.first_chunk().map_or(0, |head| u64::from_be_bytes(*head));
        Self(format!("{head:016x}").into())
    }

    /// The 16 hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ModelContractId {
    type Err = InvalidModelContractId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() == 16 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidModelContractId)
        }
    }
}

impl fmt::Display for ModelContractId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_the_beginning_of_the_digest() {
        let mut digest = [0_u8; 32];
        digest[0] = 0xab;
        digest[7] = 0x01;
        assert_eq!(ModelContractId::from_digest(&digest).to_string(), "ab00000000000001");
    }

    #[test]
    fn only_the_text_of_an_id_is_parsed() {
        let id = ModelContractId::from_digest(&[0xab; 32]);
        assert_eq!(id.to_string().parse(), Ok(id));
        for text in ["", "ab", "AB00000000000001", "ab0000000000000g", "ab000000000000011"] {
            assert_eq!(text.parse::<ModelContractId>(), Err(InvalidModelContractId), "{text}");
        }
    }
}
