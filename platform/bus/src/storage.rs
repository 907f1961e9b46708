//! How full the broker's storage is, so that ingest can stop while what is under way still has
//! room to come to its end.
//!
//! Nobody but the broker knows what it holds, but it does not tell all of its limits: that of its
//! account and those of its streams it does, that of the server (`max_file_store`) it enforces
//! without a word, and of the disk below it knows nothing. [`Room`] is what we know besides.

use std::path::{Path, PathBuf};

use async_nats::jetstream::{self, ErrorCode};
use colloquy_contract::streams;

use crate::{Bus, BusError, Result, artifacts::layout::object_stream, error::chain};

/// Free space of the broker's disk that is not for it: a broker whose disk is full stops
/// altogether, and what is under way needs some when nothing new is let in any more. As large as
/// the largest recording, unless that was configured otherwise.
pub const DISK_RESERVE_BYTES: u64 = 512 * 1024 * 1024;

/// The fullest store of the broker.
#[derive(Debug, Clone, PartialEq)]
pub struct Fullest {
    /// Such as `the stream CONVERSATIONS`, `the account`, `the server` or `the disk`.
    pub what: String,
    /// Share of its limit that is used, 0 to 1 and a little more.
    pub share: f64,
}

/// What is known of the broker's room besides what the broker tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Room {
    /// Most bytes that its server stores (`max_file_store`), if it is a single one.
    pub limit_bytes: Option<u64>,
    /// A folder on its disk, if that is a disk of this machine.
    pub folder: Option<PathBuf>,
}

impl Bus {
    /// The store that is nearest to its limit: the account's, or that of a stream of the contract.
    /// `None` where nothing is limited.
    pub async fn fullest_store(&self) -> Result<Option<Fullest>> {
        self.fullest_store_in(&Room::default()).await
    }

    /// The same, with what is known of the broker's room besides: the server's limit, the disk.
    pub async fn fullest_store_in(&self, room: &Room) -> Result<Option<Fullest>> {
        let account = self
            .jetstream()
            .query_account()
            .await
            .map_err(|error| failed(error.into()))?;
        let mut stores = Vec::new();
        let mut add = |what: String, used: u64, limit: Option<u64>| {
            stores.extend(share(used, limit).map(|share| Fullest { what, share }));
        };
        let limit = account.limits.max_storage.and_then(positive);
        add("the account".to_owned(), account.storage, limit);
        for (name, tier) in &account.tiers {
            let limit = tier.limits.max_storage.and_then(positive);
            add(format!("the account's tier {name}"), tier.storage, limit);
        }
        add("the server".to_owned(), account.storage, room.limit_bytes);
        if let Some(folder) = room.folder.clone() {
            let (used, limit) = on_disk(account.storage, free_bytes(folder).await?);
            add("the disk".to_owned(), used, Some(limit));
        }
        for name in stored_streams() {
            let stream = self
                .jetstream()
                .get_stream(&name)
                .await
                .map_err(|error| failed(error.into()))?;
            let info = stream.cached_info();
            let limit = positive(info.config.max_bytes);
            add(format!("the stream {name}"), info.state.bytes, limit);
        }
        Ok(stores
            .into_iter()
            .max_by(|one, other| one.share.total_cmp(&other.share)))
    }
}

impl BusError {
    /// Whether the broker refused to store something for want of room: nothing was stored then, and
    /// trying again helps only after somebody made room.
    pub fn is_storage_exhausted(&self) -> bool {
        let first: &(dyn std::error::Error + 'static) = self;
        let mut sources = std::iter::successors(Some(first), |error| error.source());
        // Bounded: an error chain deeper than this says nothing more.
        let typed = sources.by_ref().take(16).any(|error| {
            error
                .downcast_ref::<jetstream::Error>()
                .is_some_and(means_no_room)
        });
        // The client library keeps of a refused chunk of an artifact only what the broker said.
        typed || (matches!(self, Self::ArtifactWrite { .. }) && says_no_room(&chain(self)))
    }
}

fn means_no_room(error: &jetstream::Error) -> bool {
    match error.error_code() {
        // Limits of the account, of the server, of the server's disk.
        ErrorCode::ACCOUNT_RESOURCES_EXCEEDED
        | ErrorCode::INSUFFICIENT_RESOURCES
        | ErrorCode::STORAGE_RESOURCES_EXCEEDED => true,
        // A stream's own limit is one of the reasons why it did not store something.
        ErrorCode::STREAM_STORE_FAILED => says_no_room(&error.to_string()),
        _ => false,
    }
}

/// What the broker says when there is no room, with the codes that stand in the same text.
fn says_no_room(text: &str) -> bool {
    [
        "maximum bytes exceeded",
        "error code 10002)",
        "error code 10023)",
        "error code 10047)",
    ]
    .iter()
    .any(|sign| text.contains(sign))
}

/// Every stream of the contract, those behind buckets included.
fn stored_streams() -> impl Iterator<Item = String> {
    let logs = streams::ALL.iter().map(|spec| spec.name.to_owned());
    let objects = streams::OBJECT_BUCKETS.into_iter().map(object_stream);
    let kvs = streams::KV_BUCKETS
        .iter()
        .map(|spec| format!("KV_{}", spec.name));
    logs.chain(objects).chain(kvs)
}

/// What is stored, and how much that can become, on a disk with so much free space. Nothing stored
/// and no room to store anything is as full as can be.
fn on_disk(stored: u64, free: u64) -> (u64, u64) {
    let room = free.saturating_sub(DISK_RESERVE_BYTES);
    (stored.max(1), stored.max(1).saturating_add(room))
}

/// What the disk of a folder has left for us, in bytes.
async fn free_bytes(folder: PathBuf) -> Result<u64> {
    // A disk may take its time.
    tokio::task::spawn_blocking(move || free_space(&folder))
        .await
        .map_err(|error| failed(error.into()))?
        .map_err(BusError::File)
}

/// What the disk of a folder has left for us, in bytes.
pub(crate) fn free_space(folder: &Path) -> std::io::Result<u64> {
    let disk = rustix::fs::statvfs(folder)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// JetStream says -1, or 0, where there is no limit.
fn positive(limit: i64) -> Option<u64> {
    u64::try_from(limit).ok().filter(|limit| *limit > 0)
}

/// The share of a limit; `None` if there is none.
fn share(used: u64, limit: Option<u64>) -> Option<f64> {
    #[allow(
        clippy::cast_precision_loss,
        reason = "a share needs no more than 52 bits"
    )]
    limit.map(|limit| used as f64 / limit as f64)
}

fn failed(source: Box<dyn std::error::Error + Send + Sync>) -> BusError {
    BusError::Log {
        what: "the broker's storage".to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_of_limits_only() {
        assert_eq!(share(5, positive(-1)), None);
        assert_eq!(share(5, positive(0)), None);
        assert_eq!(share(5, positive(10)), Some(0.5));
    }

    #[test]
    fn the_last_of_a_disk_is_not_for_us() {
        let full = |stored, free| {
            let (used, limit) = on_disk(stored, free);
            share(used, Some(limit)).unwrap()
        };
        let gib = 1024 * 1024 * 1024;
        assert!(full(0, 100 * gib) < 0.01);
        assert!(full(0, DISK_RESERVE_BYTES + gib) < 0.01);
        for stored in [0, gib] {
            assert!((full(stored, DISK_RESERVE_BYTES) - 1.0).abs() < 0.01);
            assert!((full(stored, 0) - 1.0).abs() < 0.01);
        }
        assert!((full(gib, DISK_RESERVE_BYTES + gib) - 0.5).abs() < 0.01);
    }

    #[test]
    fn only_a_want_of_room_is_one() {
        let refused = |text: &str| BusError::ArtifactWrite {
            bucket: "vault",
            source: text.into(),
        };
        for said in [
            "failed getting chunk ack: other error: insufficient resources (code 503, error code 10023)",
            "failed getting chunk ack: other error: maximum bytes exceeded (code 503, error code 10077)",
            "failed getting chunk ack: other error: resource limits exceeded for account (code 400, error code 10002)",
        ] {
            assert!(refused(said).is_storage_exhausted(), "{said}");
        }
        for said in [
            "timed out",
            "maximum messages exceeded (code 503, error code 10077)",
            "stream not found (code 404, error code 10059)",
        ] {
            assert!(!refused(said).is_storage_exhausted(), "{said}");
        }
    }
}
