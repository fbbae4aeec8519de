use std::fmt;

/// Identifies what an embedding means: embeddings are comparable only under the same contract.
///
/// It is the first 16 hexadecimal digits of a SHA-256 over everything in a model set's manifests that changes
/// an embedding: file digests, colour order, normalisation, landmark frame, length.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ModelContractId(Box<str>);

impl ModelContractId {
    /// Takes the digest of the manifests' meaning.
    pub fn from_digest(digest: &[u8; 32]) -> Self {
        let head = digest.first_chunk().map_or(0, |head| u64::from_be_bytes(*head));
        Self(format!("{head:016x}").into())
    }

    /// The 16 hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
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
    fn it_is_the_head_of_the_digest() {
        let mut digest = [0_u8; 32];
        digest[0] = 0xab;
        digest[7] = 0x01;
        assert_eq!(ModelContractId::from_digest(&digest).to_string(), "ab00000000000001");
    }
}
