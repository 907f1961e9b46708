//! Heavy things: recordings and documents, kept once under a name that says what they are.
//!
//! - A name is `<account>/<conversation>/<sha256>`: what it holds never changes, storing it twice
//!   stores it once, and erasing a conversation cannot touch another.
//! - Content goes in chunks of [`CHUNK_BYTES`] whatever sizes the source's reads have.
//! - `Ok` from storing means that the bucket holds every chunk. Reading checks size and SHA-256
//!   against the reference before the content is used.
//! - Every wait has a limit: content that stops flowing for [`STALL`] is an error.
//!
//! | | |
//! |---|---|
//! | `put` | storing: documents, files, what flows in |
//! | `get` | reading: documents, files, what flows out |
//! | `chunks` | an object's chunks, one request for each |
//! | `readers` | what content flows through: hashing, gathering, counting, stalling |

mod chunks;
mod get;
mod put;
mod readers;

use std::{sync::Arc, time::Duration};

use async_nats::jetstream::{
    self,
    object_store::{InfoErrorKind, ObjectInfo, ObjectStore},
    stream::Stream,
};
use colloquy_contract::{ArtifactRef, Bucket};
use futures::TryStreamExt;

use crate::{
    BusError, Result,
    connect::object_stream,
    denied::{Denials, apis},
    metrics::Meters,
};

pub use get::skip;

/// Size of a chunk in the bucket: below the broker's message limit, above its per-message cost.
pub const CHUNK_BYTES: usize = 128 * 1024;

/// How long content may stand still before we give up.
pub const STALL: Duration = Duration::from_secs(30);

/// Largest document that is held in memory, such as the transcript of a very long call.
pub const MAX_DOCUMENT_BYTES: u64 = 64 * 1024 * 1024;

/// The artifacts of both trust zones.
#[derive(Debug, Clone)]
pub struct Artifacts {
    jetstream: jetstream::Context,
    denials: Arc<Denials>,
    meters: Arc<Meters>,
}

impl Artifacts {
    pub(crate) const fn new(
        jetstream: jetstream::Context,
        denials: Arc<Denials>,
        meters: Arc<Meters>,
    ) -> Self {
        Self {
            jetstream,
            denials,
            meters,
        }
    }

    /// Does what reads a bucket; says so if the broker denies it.
    fn read<T>(
        &self,
        bucket: Bucket,
        reading: impl Future<Output = Result<T>>,
    ) -> impl Future<Output = Result<T>> {
        let calls = ["STREAM.INFO", "DIRECT.GET", "CONSUMER.CREATE"];
        let needed = apis(&calls, &object_stream(bucket));
        let reading = Box::pin(reading);
        async move { self.denials.or_denied(&needed, reading).await }
    }

    /// Does what writes to a bucket; says so if the broker denies it.
    fn write<T>(
        &self,
        bucket: Bucket,
        writing: impl Future<Output = Result<T>>,
    ) -> impl Future<Output = Result<T>> {
        let calls = ["STREAM.INFO", "DIRECT.GET", "STREAM.PURGE"];
        let mut needed = apis(&calls, &object_stream(bucket));
        needed.push(format!("$O.{bucket}.>"));
        let writing = Box::pin(writing);
        async move { self.denials.or_denied(&needed, writing).await }
    }

    /// Whether the referenced artifact is there with all its chunks.
    pub async fn check(&self, reference: &ArtifactRef) -> Result<bool> {
        let checking = async {
            let store = self.store(reference.bucket).await?;
            self.exists(&store, reference).await
        };
        self.read(reference.bucket, checking).await
    }

    /// Counts the chunks that the bucket holds: every one was acknowledged, and all are there.
    async fn verify_chunks(&self, bucket: Bucket, info: &ObjectInfo) -> Result<()> {
        let stream = self.stream(bucket).await?;
        let subject = format!("$O.{bucket}.C.{}", info.nuid);
        let mut counts = stream
            .info_builder()
            .subjects(&subject)
            .fetch()
            .await
            .map_err(|error| write_error(bucket, error))?;
        let found = match counts
            .try_next()
            .await
            .map_err(|error| write_error(bucket, error))?
        {
            Some((_, count)) => count,
            None => 0,
        };
        if found == info.chunks {
            return Ok(());
        }
        Err(BusError::ArtifactDamaged {
            bucket: bucket.as_str(),
            expected: format!("{} chunks", info.chunks),
            found: format!("{found} chunks"),
        })
    }

    /// Whether an artifact is there with all its chunks.
    async fn exists(&self, store: &ObjectStore, reference: &ArtifactRef) -> Result<bool> {
        match store.info(&reference.name).await {
            Ok(info) => Ok(!info.deleted
                && info.size as u64 == reference.size_bytes
                && self.verify_chunks(reference.bucket, &info).await.is_ok()),
            Err(error) if error.kind() == InfoErrorKind::NotFound => Ok(false),
            Err(error) => Err(read_error(reference.bucket, error)),
        }
    }

    /// The stream behind a bucket.
    async fn stream(&self, bucket: Bucket) -> Result<Stream<()>> {
        self.jetstream
            .get_stream_no_info(object_stream(bucket))
            .await
            .map_err(|error| read_error(bucket, error))
    }

    async fn store(&self, bucket: Bucket) -> Result<ObjectStore> {
        self.jetstream
            .get_object_store(bucket.as_str())
            .await
            .map_err(|error| read_error(bucket, error))
    }
}

fn damaged(reference: &ArtifactRef, found: u64) -> BusError {
    BusError::ArtifactDamaged {
        bucket: reference.bucket.as_str(),
        expected: format!("{} bytes", reference.size_bytes),
        found: format!("{found} bytes"),
    }
}

fn write_error<E>(bucket: Bucket, source: E) -> BusError
where
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    BusError::ArtifactWrite {
        bucket: bucket.as_str(),
        source: source.into(),
    }
}

fn read_error<E>(bucket: Bucket, source: E) -> BusError
where
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    BusError::ArtifactRead {
        bucket: bucket.as_str(),
        source: source.into(),
    }
}
