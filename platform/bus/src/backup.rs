//! Backups: every stream and bucket of the contract as files, and back again.
//!
//! - [`write`] asks the broker for a snapshot of each, one after the other, while the platform works.
//!   The broker verifies its messages' checksums meanwhile. The folder has its name only when all
//!   of it is on disk; what was cut short is called `<folder>.partial`.
//! - [`restore`] first compares every file with its digest, then makes each stream, with its
//!   consumers and how far they have come. It touches no stream that is there.
//!
//! The order of [`order`] makes a backup that was taken under load usable: what is referred to is
//! read after what refers to it, so every artifact of a fact in the backup is in it, too. What came
//! in meanwhile may be there in part: artifacts without facts, which a sweep removes, and entries of
//! read models, which a rebuild drops. A key of a request that is being repeated is never there
//! without its facts.
//!
//! A stream is a folder with `backup.json` (its settings and state) and `stream.tar.s2` (the
//! broker's own archive), as the broker's own tools lay it out. The requests are those of
//! JetStream's API, `STREAM.SNAPSHOT` and `STREAM.RESTORE`.

mod files;
mod transfer;

use std::path::Path;

use colloquy_contract::streams;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::fs::{self, File};

use crate::{Bus, BusError, Result, artifacts::layout::object_stream};

use files::{digest, private_folder, refused, to_json, with_suffix, write_file};
use transfer::{is_absent, read_stream, send_stream};

/// What a backup's list of contents is called.
const LIST: &str = "colloquy-backup.json";

/// The version of that list.
const VERSION: u32 = 1;

/// The archive of a stream in its folder.
const ARCHIVE: &str = "stream.tar.s2";

/// Its settings and state.
const SETTINGS: &str = "backup.json";

/// A stream of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamBackup {
    /// The stream; buckets are `KV_<name>` and `OBJ_<name>`.
    pub stream: String,
    /// Messages in it.
    pub messages: u64,
    /// Its last sequence number.
    pub last_sequence: u64,
    /// Size of the archive in bytes.
    pub archive_bytes: u64,
    /// SHA-256 of the archive, in hexadecimal.
    pub archive_sha256: String,
    /// SHA-256 of its settings and state, in hexadecimal.
    pub settings_sha256: String,
}

/// What is in a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backup {
    /// The version of this list.
    pub version: u32,
    /// When it was begun: nothing that was acknowledged before is missing.
    pub begun_at: Timestamp,
    /// When the last stream was done.
    pub ended_at: Timestamp,
    /// The streams, in the order in which they were read.
    pub streams: Vec<StreamBackup>,
}

/// The streams of the contract in the order in which they are read, and made again.
pub fn order() -> Vec<String> {
    let kv = |name: &str| format!("KV_{name}");
    let first = kv(streams::IDEMPOTENCY.name);
    let logs = streams::ALL.iter().map(|spec| spec.name.to_owned());
    let others = streams::KV_BUCKETS.iter().map(|spec| kv(spec.name));
    let others = others.filter(|name| *name != kv(streams::IDEMPOTENCY.name));
    let objects = streams::OBJECT_BUCKETS.into_iter().map(object_stream);
    [first]
        .into_iter()
        .chain(logs)
        .chain(others)
        .chain(objects)
        .collect()
}

/// Writes a backup into a folder that is not there yet; `done` is told of each stream.
///
/// # Errors
/// If the folder is there, a file cannot be written, or the broker cannot send a stream.
pub async fn write(
    bus: &Bus,
    folder: &Path,
    mut done: impl FnMut(&StreamBackup),
) -> Result<Backup> {
    if fs::try_exists(folder).await? {
        return Err(refused(folder, "is there already; name a new folder"));
    }
    let partial = with_suffix(folder, ".partial")?;
    if fs::try_exists(&partial).await? {
        fs::remove_dir_all(&partial).await?;
    }
    private_folder(&partial).await?;
    let begun_at = Timestamp::now();
    let mut streams = Vec::new();
    for stream in order() {
        let written = read_stream(bus, &stream, &partial.join(&stream)).await?;
        done(&written);
        streams.push(written);
    }
    let backup = Backup {
        version: VERSION,
        begun_at,
        ended_at: Timestamp::now(),
        streams,
    };
    write_file(&partial.join(LIST), &to_json(&backup)?).await?;
    fs::rename(&partial, folder).await?;
    // The name is on disk when the folder around it is.
    let parent = folder.parent().filter(|path| !path.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))
        .await?
        .sync_all()
        .await?;
    Ok(backup)
}

/// Reads what is in a backup, and compares every file with its digest.
///
/// # Errors
/// If it is no backup, or anything is missing or damaged.
pub async fn verify(folder: &Path) -> Result<Backup> {
    let text = fs::read(folder.join(LIST))
        .await
        .map_err(|_| refused(folder, &format!("holds no {LIST}: it is no whole backup")))?;
    let backup: Backup = serde_json::from_slice(&text).map_err(|source| BusError::Value {
        what: LIST.to_owned(),
        source,
    })?;
    if backup.version != VERSION {
        return Err(refused(folder, "is of another version of the platform"));
    }
    for stream in &backup.streams {
        let path = folder.join(&stream.stream);
        for (file, wanted) in [
            (ARCHIVE, &stream.archive_sha256),
            (SETTINGS, &stream.settings_sha256),
        ] {
            let path = path.join(file);
            let found = digest(&path).await?;
            if found != *wanted {
                return Err(refused(&path, "is damaged: its SHA-256 is another one"));
            }
        }
    }
    Ok(backup)
}

/// Makes the streams of a backup on a broker that has none of them; `done` is told of each. With
/// `replicas`, that many copies of each, or else as many as there were.
///
/// # Errors
/// If the backup is damaged, one of its streams is there, or the broker cannot make one. What was
/// made before that stays.
pub async fn restore(
    bus: &Bus,
    folder: &Path,
    replicas: Option<usize>,
    mut done: impl FnMut(&StreamBackup),
) -> Result<Backup> {
    let backup = verify(folder).await?;
    for stream in &backup.streams {
        is_absent(bus, &stream.stream).await?;
    }
    for stream in &backup.streams {
        let path = folder.join(&stream.stream);
        send_stream(bus, &stream.stream, &path, replicas).await?;
        done(stream);
    }
    Ok(backup)
}

#[cfg(test)]
mod tests {
    use colloquy_contract::Bucket;

    use super::*;

    #[test]
    fn what_is_referred_to_is_read_after_what_refers_to_it() {
        let order = order();
        let at = |name: &str| order.iter().position(|stream| stream == name).unwrap();
        let log = at(streams::CONVERSATIONS.name);
        assert!(at("KV_idempotency") < log);
        for bucket in Bucket::ALL {
            assert!(log < at(&object_stream(bucket)));
        }
        assert!(at(streams::ACCOUNTS.name) < at("KV_accounts"));
        let wanted = streams::ALL.len() + streams::KV_BUCKETS.len() + Bucket::ALL.len();
        assert_eq!(order.len(), wanted, "each stream, once");
    }
}
