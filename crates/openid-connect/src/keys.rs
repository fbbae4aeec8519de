//! The provider's keys, and the signatures that they verify.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters, RsaPublicKeyComponents,
    UnparsedPublicKey, VerificationAlgorithm,
};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256, Sha384, Sha512};

/// An asymmetric algorithm of signatures. There is no other: `none` and the algorithms with a shared secret have no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    EdDsa,
}

/// A JSON Web Key Set, RFC 7517.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Keys {
    /// Keys of kinds that are not known here are left out when a signature is verified.
    keys: Vec<Value>,
}

#[derive(Deserialize)]
struct Key {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

/// What became of the verification of a signature.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verified {
    Right,
    Wrong,
    /// No key of the set could have made it, so the provider may have got another one.
    NoKey,
}

impl Algorithm {
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "RS256" => Self::Rs256,
            "RS384" => Self::Rs384,
            "RS512" => Self::Rs512,
            "PS256" => Self::Ps256,
            "PS384" => Self::Ps384,
            "PS512" => Self::Ps512,
            "ES256" => Self::Es256,
            "ES384" => Self::Es384,
            "EdDSA" => Self::EdDsa,
            _ => return None,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
        }
    }

    /// What the claim `at_hash` says of an access token.
    pub(crate) fn half_hash(self, text: &str) -> String {
        let digest = match self {
            Self::Rs256 | Self::Ps256 | Self::Es256 => Sha256::digest(text).to_vec(),
            Self::Rs384 | Self::Ps384 | Self::Es384 => Sha384::digest(text).to_vec(),
            Self::Rs512 | Self::Ps512 | Self::EdDsa => Sha512::digest(text).to_vec(),
        };
        URL_SAFE_NO_PAD.encode(&digest[..digest.len() / 2])
    }

    fn rsa(self) -> Option<&'static RsaParameters> {
        Some(match self {
            Self::Rs256 => &RSA_PKCS1_2048_8192_SHA256,
            Self::Rs384 => &RSA_PKCS1_2048_8192_SHA384,
            Self::Rs512 => &RSA_PKCS1_2048_8192_SHA512,
            Self::Ps256 => &RSA_PSS_2048_8192_SHA256,
            Self::Ps384 => &RSA_PSS_2048_8192_SHA384,
            Self::Ps512 => &RSA_PSS_2048_8192_SHA512,
            Self::Es256 | Self::Es384 | Self::EdDsa => return None,
        })
    }

    /// The kind of key and the curve, of the other algorithms.
    fn curve(self) -> Option<(&'static str, &'static str, &'static dyn VerificationAlgorithm)> {
        Some(match self {
            Self::Es256 => ("EC", "P-256", &ECDSA_P256_SHA256_FIXED),
            Self::Es384 => ("EC", "P-384", &ECDSA_P384_SHA384_FIXED),
            Self::EdDsa => ("OKP", "Ed25519", &ED25519),
            _ => return None,
        })
    }
}

impl Keys {
    /// Verifies a signature by the key that the token names, or by each key that fits when it names none.
    pub(crate) fn verify(
        &self,
        algorithm: Algorithm,
        key_id: Option<&str>,
        message: &[u8],
        signature: &[u8],
    ) -> Verified {
        let keys = self.keys.iter().filter_map(|key| Key::deserialize(key).ok());
        let outcomes = keys
            .filter(|key| key_id.is_none() || key.kid.as_deref() == key_id)
            .filter_map(|key| key.verify(algorithm, message, signature));
        outcomes.fold(Verified::NoKey, |found, is_right| match (found, is_right) {
            (Verified::Right, _) | (_, true) => Verified::Right,
            _ => Verified::Wrong,
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }
}

impl Key {
    /// Whether the key made the signature; `None` when it is for something else.
    fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> Option<bool> {
        if self.purpose.as_deref().is_some_and(|purpose| purpose != "sig")
            || self.alg.as_deref().is_some_and(|name| name != algorithm.name())
        {
            return None;
        }
        if let Some(parameters) = algorithm.rsa() {
            if self.kty != "RSA" {
                return None;
            }
            let key =
                RsaPublicKeyComponents { n: unsigned(self.n.as_deref()?)?, e: unsigned(self.e.as_deref()?)? };
            return Some(key.verify(parameters, message, signature).is_ok());
        }
        let (kind, curve, verification) = algorithm.curve()?;
        if self.kty != kind || self.crv.as_deref() != Some(curve) {
            return None;
        }
        let x = decoded(self.x.as_deref()?)?;
        let point = if kind == "EC" {
            // The uncompressed point of SEC 1.
            [vec![4], x, decoded(self.y.as_deref()?)?].concat()
        } else {
            x
        };
        Some(UnparsedPublicKey::new(verification, point).verify(message, signature).is_ok())
    }
}

fn decoded(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// A number without leading zero bytes.
fn unsigned(text: &str) -> Option<Vec<u8>> {
    let bytes = decoded(text)?;
    let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
    Some(bytes[zeros..].to_vec())
}
