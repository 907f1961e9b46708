//! Storing artifacts: what is known beforehand under its name at once, what flows in under a name of
//! its own until its digest is known.
//!
//! Promise: what failed is not referenced, and two that store the same at once store it once.

use std::{io, path::Path};

use async_nats::jetstream::object_store::{
    ObjectInfo, ObjectMetadata, ObjectStore, PutError, PutErrorKind, UpdateMetadata,
};
use colloquy_contract::{ArtifactRef, Bucket, Scope};
use sha2::{Digest, Sha256};
use tokio::{fs::File, io::AsyncRead, sync::watch};

use super::{
    Artifacts, CHUNK_BYTES, STALL,
    readers::{Hashing, Rechunked},
    write_error,
};
use crate::{BusError, Result};

impl Artifacts {
    /// Stores a document.
    pub async fn put_bytes(
        &self,
        bucket: Bucket,
        scope: &Scope,
        media_type: &str,
        content: Vec<u8>,
    ) -> Result<ArtifactRef> {
        let sha256 = hex::encode(Sha256::digest(&content));
        let reference = reference(bucket, scope, media_type, content.len() as u64, sha256);
        let putting = self.put_known(reference, io::Cursor::new(content));
        self.write(bucket, putting).await
    }

    /// Stores a local file.
    pub async fn put_file(
        &self,
        bucket: Bucket,
        scope: &Scope,
        media_type: &str,
        path: &Path,
    ) -> Result<ArtifactRef> {
        let mut hashing = Hashing::new(File::open(path).await?, u64::MAX);
        tokio::io::copy(&mut hashing, &mut tokio::io::sink()).await?;
        let (sha256, size) = hashing.finish();
        let reference = reference(bucket, scope, media_type, size, sha256);
        let putting = self.put_known(reference, File::open(path).await?);
        self.write(bucket, putting).await
    }

    /// Stores what flows in, at most `limit_bytes`, without holding it in memory.
    ///
    /// # Errors
    /// [`BusError::TooLarge`] past the limit; [`BusError::Content`] if the source failed or stood
    /// still. Then nothing is referenced, and the chunks are removed.
    pub async fn put_stream(
        &self,
        bucket: Bucket,
        scope: &Scope,
        media_type: &str,
        source: impl AsyncRead + Unpin + Send,
        limit_bytes: u64,
    ) -> Result<ArtifactRef> {
        let putting = self.put_streaming(bucket, scope, media_type, source, limit_bytes);
        self.write(bucket, putting).await
    }

    async fn put_streaming(
        &self,
        bucket: Bucket,
        scope: &Scope,
        media_type: &str,
        source: impl AsyncRead + Unpin + Send,
        limit_bytes: u64,
    ) -> Result<ArtifactRef> {
        let store = self.store(bucket).await?;
        let temporary = format!("{}/incoming-{}", prefix(scope), uuid_like());
        let mut hashing = Hashing::new(source, limit_bytes);
        let stored = self
            .put_chunks(&store, bucket, &temporary, &mut hashing)
            .await;
        let overflow = hashing.overflow;
        let info = match stored {
            Ok(info) => info,
            Err(_) if overflow => return Err(BusError::TooLarge { limit_bytes }),
            Err(error) => return Err(error),
        };
        let (sha256, size) = hashing.finish();
        let reference = reference(bucket, scope, media_type, size, sha256);
        self.verify_chunks(bucket, &info).await?;
        if self.exists(&store, &reference).await? {
            store
                .delete(&temporary)
                .await
                .map_err(|error| write_error(bucket, error))?;
            return Ok(reference);
        }
        let renamed = UpdateMetadata {
            name: reference.name.clone(),
            ..UpdateMetadata::default()
        };
        match store.update_metadata(&temporary, renamed).await {
            Ok(_) => Ok(reference),
            // Another upload of the same content was first.
            Err(_) if self.exists(&store, &reference).await? => Ok(reference),
            Err(error) => Err(write_error(bucket, error)),
        }
    }

    async fn put_known(
        &self,
        reference: ArtifactRef,
        source: impl AsyncRead + Unpin + Send,
    ) -> Result<ArtifactRef> {
        let bucket = reference.bucket;
        let store = self.store(bucket).await?;
        if self.exists(&store, &reference).await? {
            return Ok(reference);
        }
        let mut hashing = Hashing::new(source, reference.size_bytes);
        let info = match self
            .put_chunks(&store, bucket, &reference.name, &mut hashing)
            .await
        {
            Ok(info) => info,
            // Two that store the same at once get in each other's way; what counts is the result.
            Err(_) if self.exists(&store, &reference).await? => return Ok(reference),
            Err(error) => return Err(error),
        };
        let (sha256, _) = hashing.finish();
        if sha256 != reference.sha256 {
            return Err(BusError::ArtifactDamaged {
                bucket: bucket.as_str(),
                expected: reference.sha256,
                found: sha256,
            });
        }
        self.verify_chunks(bucket, &info).await?;
        Ok(reference)
    }

    /// Puts the content and gives up when it stands still; removes the chunks of a failed put.
    async fn put_chunks<R: AsyncRead + Unpin + Send>(
        &self,
        store: &ObjectStore,
        bucket: Bucket,
        name: &str,
        source: &mut Hashing<R>,
    ) -> Result<ObjectInfo> {
        let metadata = ObjectMetadata {
            name: name.to_owned(),
            chunk_size: Some(CHUNK_BYTES),
            ..ObjectMetadata::default()
        };
        let (moved, mut movement) = watch::channel(());
        let mut chunked = Rechunked::new(source, moved);
        let info = {
            let mut put = std::pin::pin!(store.put(metadata, &mut chunked));
            loop {
                tokio::select! {
                    done = &mut put => break done.map_err(|error| put_error(bucket, error))?,
                    moved = tokio::time::timeout(STALL, movement.changed()) => if moved.is_err() {
                        return Err(BusError::Content(io::ErrorKind::TimedOut.into()));
                    },
                }
            }
        };
        self.meters.moved(bucket, "write", source.size);
        same_size(bucket, source.size, info)
    }
}

fn prefix(scope: &Scope) -> String {
    match scope {
        Scope::Conversation {
            account,
            conversation,
        } => format!("{account}/{conversation}"),
        Scope::Account { account } => account.to_string(),
    }
}

fn reference(
    bucket: Bucket,
    scope: &Scope,
    media_type: &str,
    size_bytes: u64,
    sha256: String,
) -> ArtifactRef {
    let name = format!("{}/{sha256}", prefix(scope));
    ArtifactRef {
        bucket,
        name,
        size_bytes,
        sha256,
        media_type: media_type.to_owned(),
    }
}

/// What no other upload calls itself.
fn uuid_like() -> String {
    hex::encode(rand::random::<[u8; 16]>())
}

/// What was stored is as long as what was read.
fn same_size(bucket: Bucket, read: u64, info: ObjectInfo) -> Result<ObjectInfo> {
    if info.size as u64 == read {
        return Ok(info);
    }
    Err(BusError::ArtifactDamaged {
        bucket: bucket.as_str(),
        expected: format!("{read} bytes"),
        found: format!("{} bytes", info.size),
    })
}

/// Tells a failing source from a failing broker.
fn put_error(bucket: Bucket, error: PutError) -> BusError {
    if error.kind() == PutErrorKind::ReadChunks {
        BusError::Content(io::Error::other(error))
    } else {
        write_error(bucket, error)
    }
}
