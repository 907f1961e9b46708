//! The files of a backup: for their owner only, and on disk before they count.

use std::{
    io,
    path::{Path, PathBuf},
};

use serde::Serialize;
use sha2::{Digest, Sha256};
use tokio::{
    fs::{self, File},
    io::{AsyncReadExt, AsyncWriteExt},
};

use crate::{BusError, Result};

/// Bytes of a file that are read at once.
const BLOCK_BYTES: usize = 128 * 1024;

pub(super) fn to_json<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    serde_json::to_vec_pretty(value).map_err(|source| BusError::Value {
        what: "a backup".to_owned(),
        source,
    })
}

pub(super) fn refused(path: &Path, why: &str) -> BusError {
    let message = format!("{} {why}", path.display());
    BusError::File(io::Error::other(message))
}

pub(super) fn with_suffix(folder: &Path, suffix: &str) -> Result<PathBuf> {
    let name = folder
        .file_name()
        .ok_or_else(|| refused(folder, "has no name of its own"))?;
    let mut name = name.to_owned();
    name.push(suffix);
    Ok(folder.with_file_name(name))
}

/// A folder for its owner only: what is in it was said in confidence.
pub(super) async fn private_folder(path: &Path) -> Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    builder.mode(0o700);
    builder.recursive(true).create(path).await?;
    Ok(())
}

pub(super) async fn write_file(path: &Path, content: &[u8]) -> Result<()> {
    let mut file = File::create(path).await?;
    file.write_all(content).await?;
    file.sync_all().await?;
    Ok(())
}

pub(super) async fn digest(path: &Path) -> Result<String> {
    let mut file = File::open(path)
        .await
        .map_err(|_| refused(path, "is missing"))?;
    let (mut hash, mut piece) = (Sha256::new(), vec![0; BLOCK_BYTES]);
    loop {
        let read = file.read(&mut piece).await?;
        if read == 0 {
            return Ok(hex::encode(hash.finalize()));
        }
        hash.update(&piece[..read]);
    }
}
