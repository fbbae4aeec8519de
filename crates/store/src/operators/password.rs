//! Passwords of operators, hashed with Argon2id.

use std::{fmt, str::FromStr};

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash},
};
use secrecy::{ExposeSecret as _, SecretString};

use crate::error::StoreError;

/// The password of an operator: 12 to 128 characters without control characters.
pub struct OperatorPassword(SecretString);

/// The text cannot be a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a password has 12 to 128 characters, none of them a control character")]
pub struct InvalidPassword;

/// The hash of a password, as a PHC string. It does not reveal the password.
#[derive(Clone)]
pub struct PasswordHashText(pub(crate) String);

const MIN_CHARS: usize = 12;
const MAX_CHARS: usize = 128;
/// The cost that OWASP names as the least for Argon2id: 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const SALT_BYTES: usize = 16;
const GENERATED_CHARS: usize = 24;
/// 32 characters that nobody confuses with each other: there is neither 0 nor o, neither 1 nor l.
const CHARACTERS: &[u8; 32] = b"23456789abcdefghijkmnpqrstuvwxyz";

impl OperatorPassword {
    /// A new password of 120 random bits, which is to be shown once.
    ///
    /// # Errors
    ///
    /// [`StoreError::Cryptography`] when the operating system gives no random bytes.
    pub fn generate() -> Result<Self, StoreError> {
        let mut bytes = [0; GENERATED_CHARS];
        getrandom::fill(&mut bytes).map_err(|_| StoreError::no_random_bytes())?;
        let text: String = bytes.iter().map(|byte| char::from(CHARACTERS[usize::from(byte % 32)])).collect();
        Ok(Self(text.into()))
    }

    /// The password itself, to be shown once.
    pub fn reveal(&self) -> &str {
        self.0.expose_secret()
    }

    /// Hashes the password with a new salt. This takes tens of milliseconds of a processor.
    ///
    /// # Errors
    ///
    /// [`StoreError::Cryptography`] when there are no random bytes or no memory for it.
    pub fn hash(&self) -> Result<PasswordHashText, StoreError> {
        let mut salt = [0; SALT_BYTES];
        getrandom::fill(&mut salt).map_err(|_| StoreError::no_random_bytes())?;
        let password = self.0.expose_secret().as_bytes();
        let hashed: Result<PasswordHash, _> = argon2()?.hash_password_with_salt(password, &salt);
        let hashed = hashed.map_err(|_| StoreError::Cryptography("the password cannot be hashed"))?;
        Ok(PasswordHashText(hashed.to_string()))
    }
}

impl PasswordHashText {
    /// Whether this is the hash of a text, which may be anything. It takes as long as [`OperatorPassword::hash`].
    pub fn is_of(&self, text: &str) -> bool {
        let (Ok(parsed), Ok(argon2)) = (PasswordHash::new(&self.0), argon2()) else { return false };
        text.chars().count() <= MAX_CHARS && argon2.verify_password(text.as_bytes(), &parsed).is_ok()
    }
}

impl FromStr for OperatorPassword {
    type Err = InvalidPassword;

    fn from_str(text: &str) -> Result<Self, InvalidPassword> {
        let is_long_enough = (MIN_CHARS..=MAX_CHARS).contains(&text.chars().count());
        if is_long_enough && !text.chars().any(char::is_control) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidPassword)
        }
    }
}

impl fmt::Debug for OperatorPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OperatorPassword")
    }
}

impl fmt::Debug for PasswordHashText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHashText")
    }
}

fn argon2() -> Result<Argon2<'static>, StoreError> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, None);
    let params = params.map_err(|_| StoreError::Cryptography("the parameters of Argon2id are wrong"))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_password_is_long_and_new_each_time() {
        let texts: Vec<_> = (0..3)
            .map(|_| {
                let password = OperatorPassword::generate().unwrap();
                assert!(password.hash().unwrap().is_of(password.reveal()));
                password.reveal().to_owned()
            })
            .collect();
        assert!(
            texts.iter().all(|text| text.len() == 24 && text.bytes().all(|byte| CHARACTERS.contains(&byte)))
        );
        assert!(texts[0] != texts[1] && texts[1] != texts[2] && texts[0] != texts[2]);
        let mut distinct = CHARACTERS.to_vec();
        distinct.dedup();
        assert_eq!(distinct.len(), 32);
    }

    #[test]
    fn a_hash_is_that_of_its_password_alone_and_no_two_are_equal() {
        let password: OperatorPassword = "correct horse battery".parse().unwrap();
        let (one, other) = (password.hash().unwrap(), password.hash().unwrap());
        assert!(one.0.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", one.0);
        assert_ne!(one.0, other.0);
        assert!(one.is_of("correct horse battery") && other.is_of("correct horse battery"));
        for wrong in ["", "correct horse batterY", "correct horse battery ", &"a".repeat(100_000)] {
            assert!(!one.is_of(wrong));
        }
        assert_eq!(format!("{password:?} {one:?}"), "OperatorPassword PasswordHashText");
    }

    #[test]
    fn the_hash_of_another_program_is_accepted() {
        // python3 -c "import argon2; print(argon2.PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)
        //     .hash('correct horse battery', salt=b'0123456789abcdef'))"
        let hash = PasswordHashText(OF_ANOTHER_PROGRAM.to_owned());
        assert!(hash.is_of("correct horse battery"));
        assert!(!hash.is_of("correct horse batterz"));
    }

    const OF_ANOTHER_PROGRAM: &str =
        "$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$69I7qCjDTsQwhQqFvpQJiqEI0lGQvxC84fXE0Ktxca4";

    #[test]
    fn a_password_has_a_length_and_no_control_characters() {
        for text in ["twelve chars", &"ä".repeat(128)] {
            assert!(text.parse::<OperatorPassword>().is_ok(), "{text}");
        }
        for text in ["eleven char", &"a".repeat(129), "twelve chars\n", ""] {
            assert_eq!(text.parse::<OperatorPassword>().unwrap_err(), InvalidPassword, "{text:?}");
        }
    }
}
