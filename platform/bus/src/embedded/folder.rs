//! The data folder of an embedded broker: who owns it, how much it may hold, the configuration in it.
//!
//! Promise: one process owns it at a time, and the credentials in it are for our user only.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use super::embedded;
use crate::{
    Result,
    storage::{DISK_RESERVE_BYTES, free_space},
};

/// Folder of what it stores, in its data folder.
const STORE: &str = "jetstream";

/// Least limit of what it stores where nobody chose one, so that it starts on a full disk.
const LEAST_STORAGE_BYTES: u64 = 64 * 1024 * 1024;

/// Deepest folder that is looked into for what is stored; the broker's own go six deep.
const MAX_DEPTH: usize = 16;

/// Owns the data folder for as long as the file lives; the system releases it when we die.
pub(super) fn own(data: &Path) -> Result<File> {
    let file = File::create(data.join("lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(embedded(format!(
            "another process uses the data folder {}; stop it or choose another folder",
            data.display()
        ))),
        Err(fs::TryLockError::Error(error)) => Err(error.into()),
    }
}

/// The broker's own log file.
pub(super) fn log(data: &Path) -> PathBuf {
    data.join("nats-server.log")
}

/// What is stored already and what the disk has left, but for the reserve. It does not shrink with
/// each start as more is stored.
pub(super) fn default_limit(data: &Path) -> Result<u64> {
    let stored = stored_bytes(&data.join(STORE), MAX_DEPTH);
    let free = free_space(data)?.saturating_sub(DISK_RESERVE_BYTES);
    Ok(stored.saturating_add(free).max(LEAST_STORAGE_BYTES))
}

/// Bytes of the files in a folder. What cannot be read counts nothing.
fn stored_bytes(folder: &Path, depth: usize) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else {
        return 0;
    };
    let sizes = entries.flatten().map(|entry| match entry.file_type() {
        Ok(kind) if kind.is_dir() && depth > 0 => stored_bytes(&entry.path(), depth - 1),
        Ok(kind) if kind.is_file() => entry.metadata().map_or(0, |file| file.len()),
        _ => 0,
    });
    sizes.sum()
}

/// Writes the configuration; only we can read it.
pub(super) fn write_config(
    data: &Path,
    port: u16,
    user: &str,
    password: &str,
    limit_bytes: u64,
) -> Result<PathBuf> {
    // JSON is a subset of the server's configuration language, and quotes everything.
    let config = serde_json::json!({
        "server_name": "colloquy-embedded",
        "host": "127.0.0.1",
        "port": port,
        "log_file": log(data),
        "logfile_size_limit": 16 * 1024 * 1024,
        "logfile_max_num": 3,
        "max_payload": 1024 * 1024,
        "lame_duck_grace_period": "1s",
        "jetstream": {
            "store_dir": data.join(STORE),
            "sync_interval": "always",
            "max_file_store": limit_bytes,
            "max_memory_store": 16 * 1024 * 1024,
        },
        "authorization": { "user": user, "password": password },
    });
    let path = data.join("nats-server.conf");
    let text = serde_json::to_string_pretty(&config)
        .map_err(|error| embedded(format!("its configuration cannot be written: {error}")))?;
    write_private(&path, text.as_bytes())?;
    Ok(path)
}

/// Writes a file that only we can read.
fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    use std::io::Write;
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(content)
}
