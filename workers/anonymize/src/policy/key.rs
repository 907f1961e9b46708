//! The key of keyed hashes.

use std::{fmt, path::Path};

use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::PolicyError;

/// Fewer characters could be guessed.
const LEAST_CHARS: usize = 16;
/// More is no key.
const MAX_BYTES: u64 = 4_096;
/// Bytes of a token: two values of one account share one by chance once in 2^24 values.
const TOKEN_BYTES: usize = 6;

/// A secret that tokens are made with. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(Vec<u8>);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

impl Key {
    /// A key of this text.
    ///
    /// # Errors
    /// If it is too short to be a secret.
    pub fn new(text: &str) -> Result<Self, PolicyError> {
        let text = text.trim();
        if text.chars().count() < LEAST_CHARS {
            return Err(PolicyError::ShortKey);
        }
        Ok(Self(text.as_bytes().to_vec()))
    }

    /// The key in a file.
    ///
    /// # Errors
    /// If it cannot be read, or is none.
    pub fn from_file(path: &Path) -> Result<Self, PolicyError> {
        if std::fs::metadata(path).map_err(PolicyError::ReadKey)?.len() > MAX_BYTES {
            return Err(PolicyError::LongKey);
        }
        Self::new(&std::fs::read_to_string(path).map_err(PolicyError::ReadKey)?)
    }

    /// The token of a value: equal values of an account have equal tokens, which tell nothing to
    /// whom the key is not known.
    pub(crate) fn token(&self, account: &str, kind: &str, value: &str) -> String {
        // HMAC takes keys of any length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else {
            return String::new();
        };
        for part in [account, kind, value] {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        hex::encode_upper(&mac.finalize().into_bytes()[..TOKEN_BYTES])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_equal_for_equal_values_of_one_account_only() {
        let key = Key::new("0123456789abcdef\n").unwrap();
        let token = key.token("acme", "PERSON", "jane smith");
        assert_eq!(token.len(), 2 * TOKEN_BYTES);
        assert_eq!(token, key.token("acme", "PERSON", "jane smith"));
        let others = [
            key.token("other", "PERSON", "jane smith"),
            key.token("acme", "CUSTOM", "jane smith"),
            key.token("acme", "PERSON", "jane smit"),
            key.token("acm", "ePERSON", "jane smith"),
            Key::new("0123456789abcdeg")
                .unwrap()
                .token("acme", "PERSON", "jane smith"),
        ];
        assert!(others.iter().all(|other| *other != token));
        assert_eq!(format!("{key:?}"), "Key");
    }

    #[test]
    fn a_short_key_is_refused() {
        assert!(matches!(
            Key::new(" 0123456789 "),
            Err(PolicyError::ShortKey)
        ));
    }
}
