use std::{fmt, str::FromStr};

/// Identifies a client's certificate by one of its alternative names, or by its digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CertificateName {
    /// A DNS name in lower case, an e-mail address or a URI among the certificate's subject alternative names. Names
    /// are compared literally: a wildcard matches only itself. The name stays the same when the certificate is renewed.
    AlternativeName(String),
    /// The SHA-256 of the certificate in DER. It identifies this one certificate.
    Sha256([u8; 32]),
}

/// A certificate whose private key the caller holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The SHA-256 of its DER.
    pub sha256: [u8; 32],
    /// Its DNS names in lower case, its e-mail addresses and its URIs.
    pub alternative_names: Vec<String>,
}

/// The text does not identify a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected sha256: and 64 hexadecimal digits, or a DNS name, an e-mail address or a URI of the certificate"
)]
pub struct InvalidCertificateName;

const DIGEST: &str = "sha256:";

impl ClientCertificate {
    /// Whether a name identifies this certificate.
    pub fn has_name(&self, name: &CertificateName) -> bool {
        match name {
            CertificateName::AlternativeName(name) => self.alternative_names.contains(name),
            CertificateName::Sha256(digest) => self.sha256 == *digest,
        }
    }
}

impl FromStr for CertificateName {
    type Err = InvalidCertificateName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_digest = text.get(..DIGEST.len()).is_some_and(|start| start.eq_ignore_ascii_case(DIGEST));
        if let Some(digits) = text.get(DIGEST.len()..).filter(|_| is_digest) {
            return digest(digits).map(Self::Sha256).ok_or(InvalidCertificateName);
        }
        let is_visible =
            !text.is_empty() && text.len() <= 256 && text.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_visible {
            return Err(InvalidCertificateName);
        }
        let is_dns_name = !text.contains(['@', ':', '/']);
        Ok(Self::AlternativeName(if is_dns_name { text.to_ascii_lowercase() } else { text.to_owned() }))
    }
}

impl fmt::Display for CertificateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlternativeName(name) => f.write_str(name),
            Self::Sha256(digest) => {
                f.write_str(DIGEST)?;
                digest.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }
    }
}

/// Parses hexadecimal digits as tools print them: with or without colons between the bytes.
fn digest(digits: &str) -> Option<[u8; 32]> {
    let digits: Vec<u32> = digits
        .chars()
        .filter(|letter| *letter != ':')
        .map(|letter| letter.to_digit(16))
        .collect::<Option<_>>()?;
    let bytes: Vec<u8> =
        digits.chunks_exact(2).filter_map(|pair| u8::try_from(pair[0] * 16 + pair[1]).ok()).collect();
    if digits.len() == 64 { bytes.try_into().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_parsed_as_tools_print_it() {
        let plain: CertificateName = format!("sha256:{}", "0aF".repeat(21) + "7").parse().unwrap();
        let with_colons = "0A:F0:AF:".repeat(10) + "0A:F7";
        assert_eq!(format!("sha256:{with_colons}").parse(), Ok(plain.clone()));
        assert_eq!(plain.to_string(), format!("sha256:{}", "0af".repeat(21) + "7"));
        for wrong in [
            "sha256:",
            "SHA256:0a",
            "sha256:0a",
            &format!("sha256:{}", "x".repeat(64)),
            "",
            "two words",
            "caf\u{e9}",
        ] {
            assert_eq!(wrong.parse::<CertificateName>(), Err(InvalidCertificateName), "{wrong}");
        }
    }

    #[test]
    fn names_are_compared_literally_and_dns_names_without_case() {
        let names = ["bank.example", "ops@bank.example", "spiffe://bank/A"].map(str::to_owned);
        let certificate = ClientCertificate { sha256: [7; 32], alternative_names: names.into() };
        let has_name = |name: &str| certificate.has_name(&name.parse().unwrap());
        assert!(has_name("Bank.Example") && has_name("ops@bank.example") && has_name("spiffe://bank/A"));
        assert!(has_name(&format!("sha256:{}", "07".repeat(32))));
        assert!(!has_name("*.example") && !has_name("example") && !has_name("spiffe://bank/a"));
        assert!(!has_name(&format!("sha256:{}", "08".repeat(32))));
    }
}
