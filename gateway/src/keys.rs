//! API keys: what a program shows to act for an account.
//!
//! A key is shown once, when it is made. What is stored is its SHA-256: it has 256 random bits, so
//! a slow hash would add nothing. A revoked key keeps its entry, so that it stays known who had it.

use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use colloquy_bus::{Bus, BusError, Kv};
use colloquy_contract::{AccountId, streams};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// What every key begins with, so that secret scanners know it.
const PREFIX: &str = "cq_";

/// Random bytes of a key.
const SECRET_BYTES: usize = 32;

/// Most keys that are listed.
const MAX_LISTED: usize = 10_000;

/// Longest name of a key, in characters.
const MAX_NAME_CHARS: usize = 100;

/// How long a gateway believes what it knows about a key; a revoked one works that much longer.
const CACHE_TIME: Duration = Duration::from_secs(10);

/// Most keys that a gateway keeps in mind.
const CACHE_SIZE: usize = 4_096;

/// Why a key could not be made, listed or revoked.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The name is empty or too long.
    #[error("the name of an API key has 1 to {MAX_NAME_CHARS} printable characters")]
    Name,
    /// No such key.
    #[error("there is no API key with this id")]
    Unknown,
    /// The broker failed.
    #[error("the API keys cannot be reached")]
    Bus(#[from] BusError),
}

/// A key as it was made. The secret is not stored anywhere.
#[derive(Clone)]
pub struct NewKey {
    /// What to send with requests.
    pub secret: String,
    /// What to revoke it by.
    pub id: Uuid,
}

impl fmt::Debug for NewKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewKey")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// What is known about a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    /// What to revoke it by.
    pub id: Uuid,
    /// The account that it acts for.
    pub account: AccountId,
    /// What it is for, for people.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was revoked, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
}

/// Makes a key for an account.
///
/// # Errors
/// [`KeyError::Name`] if the name is empty or longer than a hundred characters.
pub async fn create(bus: &Bus, account: &AccountId, name: &str) -> Result<NewKey, KeyError> {
    let name = name.trim();
    let printable = !name.chars().any(char::is_control);
    if name.is_empty() || name.chars().count() > MAX_NAME_CHARS || !printable {
        return Err(KeyError::Name);
    }
    let secret = Secret::generate();
    let key = ApiKey {
        id: Uuid::now_v7(),
        account: account.clone(),
        name: name.to_owned(),
        created_at: Timestamp::now(),
        revoked_at: None,
    };
    bus.kv(streams::API_KEYS.name)
        .await?
        .put(&secret.entry(), &key)
        .await?;
    Ok(NewKey {
        secret: secret.0,
        id: key.id,
    })
}

/// All keys, revoked ones included, oldest first.
pub async fn list(bus: &Bus) -> Result<Vec<ApiKey>, KeyError> {
    let entries = entries(bus).await?;
    let mut keys: Vec<ApiKey> = entries.into_iter().map(|(_, key)| key).collect();
    keys.sort_by_key(|key| key.id);
    Ok(keys)
}

/// Revokes a key; gateways may go on taking it for ten seconds. Revoking twice changes nothing.
///
/// # Errors
/// [`KeyError::Unknown`] if no key has this id.
pub async fn revoke(bus: &Bus, id: Uuid) -> Result<(), KeyError> {
    let found = entries(bus)
        .await?
        .into_iter()
        .find(|(_, key)| key.id == id);
    let (entry, _) = found.ok_or(KeyError::Unknown)?;
    let now = Timestamp::now();
    let kv = bus.kv(streams::API_KEYS.name).await?;
    kv.update(&entry, |present: Option<ApiKey>| {
        let key = present.filter(|key| key.revoked_at.is_none())?;
        Some(ApiKey {
            revoked_at: Some(now),
            ..key
        })
    })
    .await?;
    Ok(())
}

async fn entries(bus: &Bus) -> Result<Vec<(String, ApiKey)>, KeyError> {
    Ok(bus
        .kv(streams::API_KEYS.name)
        .await?
        .list(">", MAX_LISTED)
        .await?)
}

/// The text of a key. Never shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    pub(crate) fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    fn generate() -> Self {
        let random: [u8; SECRET_BYTES] = rand::random();
        Self(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(random)))
    }

    /// Whether it can be a key at all; what cannot is not worth a question to the broker.
    fn is_plausible(&self) -> bool {
        let encoded = self.0.strip_prefix(PREFIX).unwrap_or_default();
        encoded.len() == (SECRET_BYTES * 8).div_ceil(6)
            && encoded
                .bytes()
                .all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'_')
    }

    fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_bytes()).into()
    }

    /// Where it is stored. Looking it up by its hash leaks no timing that helps to guess it.
    fn entry(&self) -> String {
        hex::encode(self.digest())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Valid keys seen lately: by hash, the account and until when to believe it.
#[derive(Debug, Default)]
pub(crate) struct KeyCache {
    seen: Mutex<HashMap<[u8; 32], (AccountId, Instant)>>,
}

impl KeyCache {
    /// The account that a key acts for; `None` if it is unknown or revoked.
    pub(crate) async fn account(
        &self,
        keys: &Kv,
        secret: &Secret,
    ) -> Result<Option<AccountId>, BusError> {
        if !secret.is_plausible() {
            return Ok(None);
        }
        let digest = secret.digest();
        if let Some(account) = self.remembered(&digest, Instant::now()) {
            return Ok(Some(account));
        }
        let found = keys
            .get::<ApiKey>(&secret.entry())
            .await?
            .map(|found| found.value);
        let account = found
            .filter(|key| key.revoked_at.is_none())
            .map(|key| key.account);
        if let Some(account) = &account {
            self.remember(digest, account.clone(), Instant::now());
        }
        Ok(account)
    }

    fn remembered(&self, digest: &[u8; 32], now: Instant) -> Option<AccountId> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let (account, until) = seen.get(digest)?;
        (now < *until).then(|| account.clone())
    }

    fn remember(&self, digest: [u8; 32], account: AccountId, now: Instant) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= CACHE_SIZE {
            seen.retain(|_, (_, until)| now < *until);
        }
        // Full of keys in use: the rest are looked up each time.
        if seen.len() < CACHE_SIZE {
            seen.insert(digest, (account, now + CACHE_TIME));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_look_like_keys() {
        let secret = Secret::generate();
        assert!(secret.is_plausible());
        assert_eq!(secret.0.len(), 46);
        assert_ne!(secret, Secret::generate());
        assert_eq!(secret.entry().len(), 64);
        assert_eq!(format!("{secret:?}"), "Secret(…)");
        for bad in [
            "",
            "cq_",
            "cq_short",
            "xx_0123456789012345678901234567890123456789012",
        ] {
            assert!(!Secret::new(bad).is_plausible(), "{bad}");
        }
    }

    #[test]
    fn the_cache_forgets_and_is_bounded() {
        let (cache, now) = (KeyCache::default(), Instant::now());
        let account: AccountId = "acme".parse().unwrap();
        cache.remember([1; 32], account.clone(), now);
        assert_eq!(cache.remembered(&[1; 32], now), Some(account.clone()));
        assert_eq!(cache.remembered(&[1; 32], now + CACHE_TIME), None);
        for n in 0..2 * CACHE_SIZE {
            let mut digest = [0; 32];
            digest[..8].copy_from_slice(&n.to_be_bytes());
            cache.remember(digest, account.clone(), now);
        }
        assert_eq!(cache.seen.lock().unwrap().len(), CACHE_SIZE);
        cache.remember([2; 32], account.clone(), now + CACHE_TIME);
        assert_eq!(cache.seen.lock().unwrap().len(), 1);
    }
}
