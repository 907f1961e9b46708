//! Reading artifacts: whole and verified, or as they flow.
//!
//! Promise: what is handed out whole has the size and the SHA-256 of its reference.

use std::{io, path::Path};

use bytes::Bytes;
use colloquy_contract::ArtifactRef;
use tokio::{
    fs::File,
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
};

use super::{
    Artifacts, MAX_DOCUMENT_BYTES, chunks, damaged, read_error,
    readers::{Counted, Hashing, Stalling},
};
use crate::{BusError, Result};

impl Artifacts {
    /// Reads a document of at most [`MAX_DOCUMENT_BYTES`] into memory and verifies it.
    pub async fn get_bytes(&self, reference: &ArtifactRef) -> Result<Bytes> {
        if reference.size_bytes > MAX_DOCUMENT_BYTES {
            return Err(BusError::TooLarge {
                limit_bytes: MAX_DOCUMENT_BYTES,
            });
        }
        let mut content = Vec::with_capacity(usize::try_from(reference.size_bytes).unwrap_or(0));
        let copying = self.copy_verified(reference, &mut content);
        self.read(reference.bucket, copying).await?;
        Ok(content.into())
    }

    /// Reads an artifact into a local file and verifies it; the file is not to be used on error.
    pub async fn get_file(&self, reference: &ArtifactRef, path: &Path) -> Result<()> {
        let mut file = File::create(path).await?;
        let copying = self.copy_verified(reference, &mut file);
        self.read(reference.bucket, copying).await?;
        file.flush().await?;
        Ok(())
    }

    /// Opens an artifact for streaming. The reader fails on a stall; whoever streams it on should
    /// have been told size and digest, because the end is reached before the digest is known.
    pub async fn open(
        &self,
        reference: &ArtifactRef,
    ) -> Result<impl AsyncRead + Send + Unpin + use<>> {
        let bucket = reference.bucket;
        let opening = async {
            let entry = self.entry(bucket, &reference.name).await?;
            let (info, _) = entry.ok_or_else(|| read_error(bucket, "there is none"))?;
            Ok((info, self.stream(bucket).await?))
        };
        let (info, stream) = self.read(bucket, opening).await?;
        if info.deleted {
            return Err(read_error(bucket, "it was removed"));
        }
        if info.size as u64 != reference.size_bytes {
            return Err(damaged(reference, info.size as u64));
        }
        let content = chunks::read(stream, bucket, &info);
        Ok(Stalling::new(Counted::new(
            content,
            bucket,
            self.meters.clone(),
        )))
    }

    async fn copy_verified(
        &self,
        reference: &ArtifactRef,
        sink: &mut (impl tokio::io::AsyncWrite + Unpin),
    ) -> Result<()> {
        let bucket = reference.bucket;
        let mut hashing = Hashing::new(self.open(reference).await?, reference.size_bytes);
        tokio::io::copy(&mut hashing, sink)
            .await
            .map_err(|error| read_error(bucket, error))?;
        let (sha256, size) = hashing.finish();
        if size != reference.size_bytes {
            return Err(damaged(reference, size));
        }
        if sha256 != reference.sha256 {
            return Err(BusError::ArtifactDamaged {
                bucket: bucket.as_str(),
                expected: reference.sha256.clone(),
                found: sha256,
            });
        }
        Ok(())
    }
}

/// Skips so many bytes of an artifact's content; what follows is there to be taken.
///
/// # Errors
/// If there are fewer.
pub async fn skip(reader: &mut (impl AsyncRead + Unpin), bytes: u64) -> io::Result<()> {
    let mut skipped = reader.take(bytes);
    let count = tokio::io::copy(&mut skipped, &mut tokio::io::sink()).await?;
    if count == bytes {
        Ok(())
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}
