//! `Idempotency-Key`: what makes a repeated post the same conversation, or the same sign-up.
//!
//! A key is claimed by creating its entry, which only one of several gateways can. The claim fixes
//! the id of what is made before anything of it is stored, so whoever repeats a post that broke off
//! goes on under the same id, and since all further steps repeat harmlessly under it, the outcome
//! is one conversation.

use axum::http::HeaderMap;
use colloquy_bus::Kv;
use colloquy_contract::{AccountId, ArtifactRef, ConversationId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

use crate::problem::{Kind, Problem};

const HEADER: &str = "idempotency-key";

/// Longest key, in characters.
const MAX_CHARS: usize = 255;

/// Stands in place of the account for sign-ups, which have none yet. No account id has a `_`.
const SIGNUPS: &str = "_signups";

/// The key that a request came with.
#[derive(Debug)]
pub(crate) struct IdempotencyKey(String);

impl IdempotencyKey {
    /// The request's key, if it has one.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Option<Self>, Problem> {
        let mut values = headers.get_all(HEADER).iter();
        let Some(value) = values.next() else {
            return Ok(None);
        };
        let visible = |text: &&str| {
            (1..=MAX_CHARS).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_graphic())
        };
        match (value.to_str().ok().filter(visible), values.next()) {
            (Some(text), None) => Ok(Some(Self(text.to_owned()))),
            _ => Err(Problem::bad_request(format!(
                "'Idempotency-Key' takes 1 to {MAX_CHARS} visible ASCII characters, once; a fresh \
                 UUID for each new request is a good choice."
            ))),
        }
    }

    /// Where the claim of a conversation stands.
    pub(crate) fn entry(&self, account: &AccountId) -> String {
        format!("{account}.{}", self.digest())
    }

    /// Where the claim of a sign-up stands.
    pub(crate) fn signup_entry(&self) -> String {
        format!("{SIGNUPS}.{}", self.digest())
    }

    /// A digest of personal data, salted with the key, which is not stored: whoever reads the
    /// entry cannot try e-mail addresses against it.
    pub(crate) fn salted(&self, parts: &[&str]) -> String {
        let mut digest = Sha256::new_with_prefix(self.0.as_bytes());
        for part in parts {
            digest.update([0]);
            digest.update(part.as_bytes());
        }
        hex::encode(digest.finalize())
    }

    fn digest(&self) -> String {
        hex::encode(Sha256::digest(self.0.as_bytes()))
    }
}

/// What a key stands for: a conversation that is being accepted or was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claim {
    /// Its id.
    pub(crate) conversation: ConversationId,
    /// When it was posted first.
    pub(crate) received_at: Timestamp,
    /// What was posted, once it lies in the vault.
    pub(crate) content: Option<Content>,
    /// Whether the fact was acknowledged.
    pub(crate) accepted: bool,
}

/// What was posted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Content {
    /// Digest of the metadata.
    pub(crate) fingerprint: String,
    /// The recording in the vault.
    pub(crate) recording: ArtifactRef,
    /// The vocabulary in the vault, if one was posted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) vocabulary: Option<ArtifactRef>,
}

impl Claim {
    /// The claim of a conversation that is posted now.
    pub(crate) fn new() -> Self {
        Self {
            conversation: ConversationId::generate(),
            received_at: Timestamp::now(),
            content: None,
            accepted: false,
        }
    }
}

/// What a key stands for: a sign-up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SignupClaim {
    /// The account's id.
    pub(crate) account: AccountId,
    /// Salted digest of what was posted.
    pub(crate) fingerprint: String,
    /// Whether the fact was acknowledged.
    pub(crate) accepted: bool,
}

/// Claims an entry, or reads the claim that stands there.
pub(crate) async fn claim<T>(kv: &Kv, entry: &str, new: T) -> Result<T, Problem>
where
    T: Serialize + DeserializeOwned,
{
    if kv.create(entry, &new).await? {
        return Ok(new);
    }
    match kv.get(entry).await? {
        Some(standing) => Ok(standing.value),
        // It ran out in between.
        None => Err(Problem::unavailable(
            "The idempotency key just ran out; try again.",
        )),
    }
}

/// The problem of a key that stands for something else.
pub(crate) fn mismatch() -> Problem {
    Problem::new(
        Kind::IdempotencyMismatch,
        "This 'Idempotency-Key' came before with another content; use a new key for a new request.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(value: &str) -> Result<Option<IdempotencyKey>, Problem> {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, value.parse().unwrap());
        IdempotencyKey::of(&headers)
    }

    #[test]
    fn keys_are_visible_ascii() {
        assert!(IdempotencyKey::of(&HeaderMap::new()).unwrap().is_none());
        assert!(key("a").unwrap().is_some());
        assert!(key(&"x".repeat(255)).unwrap().is_some());
        for bad in ["", "a b", &"x".repeat(256)] {
            assert!(key(bad).is_err(), "{bad}");
        }
        let mut twice = HeaderMap::new();
        twice.append(HEADER, "a".parse().unwrap());
        twice.append(HEADER, "b".parse().unwrap());
        assert!(IdempotencyKey::of(&twice).is_err());
    }

    #[test]
    fn entries_are_apart() {
        let key = key("a").unwrap().unwrap();
        let (acme, other) = ("acme".parse().unwrap(), "other".parse().unwrap());
        assert_ne!(key.entry(&acme), key.entry(&other));
        assert!(key.entry(&acme).starts_with("acme."));
        assert!("_signups".parse::<AccountId>().is_err());
        assert_ne!(key.salted(&["ab", "c"]), key.salted(&["a", "bc"]));
    }
}
