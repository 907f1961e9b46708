//! Storing artifacts: the chunks under an id of their own, then the entry that makes an artifact of
//! them, under a name that says what they hold.
//!
//! Promise: what failed is not referenced, and two that store the same at once store it once.

use std::{collections::VecDeque, io, path::Path, time::Duration};

use async_nats::{
    HeaderMap,
    header::{NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, NATS_EXPECTED_STREAM, NATS_ROLLUP},
    jetstream::{
        context::PublishAckFuture,
        object_store::{ObjectInfo, ObjectOptions},
    },
};
use base64::{Engine, engine::general_purpose::URL_SAFE};
use bytes::{Bytes, BytesMut};
use colloquy_contract::{ArtifactRef, Bucket, Scope};
use sha2::{Digest, Sha256};
use tokio::{
    fs::File,
    io::{AsyncRead, AsyncReadExt},
};

use super::{
    Artifacts, CHUNK_BYTES, STALL, Standing, damaged,
    layout::{chunk_subject, new_id, object_stream, object_subject},
    readers::Hashing,
    write_error,
};
use crate::{BusError, Result, publish::is_conflict};

/// Chunks of an upload that wait for their acknowledgement at once; more gain nothing, and each is
/// in memory.
const CHUNKS_AT_ONCE: usize = 4;

/// How often an entry is written that others write as well. Who wrote it last stored the same, so a
/// second look nearly always finds it.
const ENTRY_ATTEMPTS: u32 = 5;

/// Pause before that: of three replicas any may say what stands there, also one that lags behind.
const ENTRY_PAUSE: Duration = Duration::from_millis(50);

/// Chunks that are stored, and what they are together.
struct Uploaded {
    id: String,
    chunks: usize,
    size: u64,
    sha256: String,
}

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
        let putting = async {
            let uploaded = self.upload(bucket, source, limit_bytes).await?;
            let (size, sha256) = (uploaded.size, uploaded.sha256.clone());
            let reference = reference(bucket, scope, media_type, size, sha256);
            self.enter(&reference, uploaded).await?;
            Ok(reference)
        };
        self.write(bucket, putting).await
    }

    async fn put_known(
        &self,
        reference: ArtifactRef,
        source: impl AsyncRead + Unpin + Send,
    ) -> Result<ArtifactRef> {
        if self.standing(&reference).await?.whole {
            return Ok(reference);
        }
        let bucket = reference.bucket;
        let uploaded = self.upload(bucket, source, reference.size_bytes).await?;
        if uploaded.sha256 != reference.sha256 {
            self.discard(bucket, &uploaded.id).await;
            return Err(BusError::ArtifactDamaged {
                bucket: bucket.as_str(),
                expected: reference.sha256,
                found: uploaded.sha256,
            });
        }
        self.enter(&reference, uploaded).await?;
        Ok(reference)
    }

    /// Stores the chunks of some content, at most `limit_bytes`; nothing of it if it fails.
    async fn upload(
        &self,
        bucket: Bucket,
        source: impl AsyncRead + Unpin + Send,
        limit_bytes: u64,
    ) -> Result<Uploaded> {
        let id = new_id();
        let mut hashing = Hashing::new(source, limit_bytes);
        let stored = self.store_chunks(bucket, &id, &mut hashing).await;
        self.meters.moved(bucket, "write", hashing.size);
        let overflow = hashing.overflow;
        let (sha256, size) = hashing.finish();
        let verified = match stored {
            Ok(chunks) => self
                .verify_chunks(bucket, &id, chunks)
                .await
                .map(|()| chunks),
            Err(_) if overflow => Err(BusError::TooLarge { limit_bytes }),
            Err(error) => Err(error),
        };
        match verified {
            Ok(chunks) => Ok(Uploaded {
                id,
                chunks,
                size,
                sha256,
            }),
            Err(error) => {
                self.discard(bucket, &id).await;
                Err(error)
            }
        }
    }

    /// Stores chunk after chunk, each acknowledged; how many. Nothing is on its way when it returns.
    async fn store_chunks(
        &self,
        bucket: Bucket,
        id: &str,
        source: &mut (impl AsyncRead + Unpin),
    ) -> Result<usize> {
        let mut waiting = VecDeque::with_capacity(CHUNKS_AT_ONCE);
        let sent = self.send_chunks(bucket, id, source, &mut waiting).await;
        let mut acknowledged = Ok(());
        for ack in waiting {
            acknowledged = acknowledged.and(ack.await.map(drop));
        }
        let chunks = sent?;
        acknowledged.map_err(|error| write_error(bucket, error))?;
        Ok(chunks)
    }

    /// Sends chunk after chunk; how many. The acknowledgements of the last are still to be awaited.
    async fn send_chunks(
        &self,
        bucket: Bucket,
        id: &str,
        source: &mut (impl AsyncRead + Unpin),
        waiting: &mut VecDeque<PublishAckFuture>,
    ) -> Result<usize> {
        let subject = chunk_subject(bucket, id);
        let mut chunks = 0;
        while let Some(chunk) = next_chunk(source).await.map_err(BusError::Content)? {
            if waiting.len() == CHUNKS_AT_ONCE
                && let Some(oldest) = waiting.pop_front()
            {
                oldest.await.map_err(|error| write_error(bucket, error))?;
            }
            let sent = self.jetstream.publish(subject.clone(), chunk).await;
            waiting.push_back(sent.map_err(|error| write_error(bucket, error))?);
            chunks += 1;
        }
        Ok(chunks)
    }

    /// Makes an artifact of chunks, unless it is there already: then they are removed.
    async fn enter(&self, reference: &ArtifactRef, uploaded: Uploaded) -> Result<()> {
        let bucket = reference.bucket;
        if uploaded.size != reference.size_bytes {
            self.discard(bucket, &uploaded.id).await;
            return Err(damaged(reference, uploaded.size));
        }
        let subject = object_subject(bucket, &reference.name);
        let entry = serde_json::to_vec(&entry(reference, &uploaded)).map_err(|source| {
            let what = "an artifact's entry".to_owned();
            BusError::Value { what, source }
        })?;
        let entry = Bytes::from(entry);
        let mut attempt = 1;
        loop {
            let standing = self.standing(reference).await?;
            if standing.whole {
                // Who stored the same at the same time was first; or it was us, and the
                // acknowledgement was lost.
                if standing.id.as_deref() != Some(&uploaded.id) {
                    self.discard(bucket, &uploaded.id).await;
                }
                return Ok(());
            }
            let headers = guarded(bucket, &standing);
            let publishing = async {
                let sent =
                    self.jetstream
                        .publish_with_headers(subject.clone(), headers, entry.clone());
                sent.await?.await
            };
            match publishing.await {
                Ok(_) => {
                    // What stood there before was removed or not whole; or it was ours, whose
                    // chunks could not be counted just then.
                    if let Some(before) = standing.id.filter(|id| *id != uploaded.id) {
                        self.discard(bucket, &before).await;
                    }
                    return Ok(());
                }
                Err(error) if attempt == ENTRY_ATTEMPTS || !is_conflict(&error) => {
                    if !self.standing(reference).await?.whole {
                        return Err(write_error(bucket, error));
                    }
                }
                Err(_) => tokio::time::sleep(ENTRY_PAUSE * attempt).await,
            }
            attempt += 1;
        }
    }

    /// Removes chunks that nothing refers to. If that fails, the sweep will.
    async fn discard(&self, bucket: Bucket, id: &str) {
        let removing = async {
            let stream = self.stream(bucket).await?;
            let purging = stream.purge().filter(chunk_subject(bucket, id));
            purging.await.map_err(|error| write_error(bucket, error))
        };
        if let Err(error) = removing.await {
            tracing::debug!(%error, "chunks that nothing refers to are left to the sweep");
        }
    }
}

/// Up to [`CHUNK_BYTES`] of what flows in; `None` at its end.
async fn next_chunk(source: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Bytes>> {
    let mut chunk = BytesMut::with_capacity(CHUNK_BYTES);
    while chunk.len() < CHUNK_BYTES {
        let room = CHUNK_BYTES - chunk.len();
        let mut source = (&mut *source).take(room as u64);
        let reading = source.read_buf(&mut chunk);
        let read = tokio::time::timeout(STALL, reading)
            .await
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        if read == 0 {
            break;
        }
    }
    Ok((!chunk.is_empty()).then(|| chunk.freeze()))
}

/// The entry of an artifact, as the object store has it.
fn entry(reference: &ArtifactRef, uploaded: &Uploaded) -> ObjectInfo {
    let digest = hex::decode(&uploaded.sha256).unwrap_or_default();
    ObjectInfo {
        name: reference.name.clone(),
        description: None,
        metadata: std::collections::HashMap::new(),
        headers: None,
        options: Some(ObjectOptions {
            link: None,
            max_chunk_size: Some(CHUNK_BYTES),
        }),
        bucket: reference.bucket.to_string(),
        nuid: uploaded.id.clone(),
        size: usize::try_from(uploaded.size).unwrap_or(usize::MAX),
        chunks: uploaded.chunks,
        modified: Some(async_nats::datetime::now()),
        digest: Some(format!("SHA-256={}", URL_SAFE.encode(digest))),
        deleted: false,
    }
}

/// Headers of an entry that takes the place of what stands there, and of nothing else.
fn guarded(bucket: Bucket, standing: &Standing) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(NATS_ROLLUP, "sub");
    headers.insert(
        NATS_EXPECTED_LAST_SUBJECT_SEQUENCE,
        standing.sequence.to_string(),
    );
    headers.insert(NATS_EXPECTED_STREAM, object_stream(bucket));
    headers
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
