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
//! | `chunks` | an object's chunks, one request for each; how many there are |
//! | `layout` | where a bucket keeps what |
//! | `readers` | what content flows through: hashing, counting, stalling |

pub(crate) mod chunks;
mod get;
pub(crate) mod layout;
mod put;
mod readers;

use std::{sync::Arc, time::Duration};

use async_nats::jetstream::{
    self,
    object_store::ObjectInfo,
    stream::{DirectGetErrorKind, Stream},
};
use colloquy_contract::{ArtifactRef, Bucket};

use crate::{
    BusError, Result,
    denied::{Denials, apis},
    metrics::Meters,
};

use layout::{object_stream, object_subject};

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
        let checking = async { Ok(self.standing(reference).await?.whole) };
        self.read(reference.bucket, checking).await
    }

    /// Counts the chunks that the bucket holds: every one was acknowledged, and all are there.
    async fn verify_chunks(&self, bucket: Bucket, id: &str, chunks: usize) -> Result<()> {
        let stream = self.stream(bucket).await?;
        let found = chunks::count(&stream, bucket, id).await;
        let found = found.map_err(|error| write_error(bucket, error))?;
        if found == chunks {
            return Ok(());
        }
        Err(BusError::ArtifactDamaged {
            bucket: bucket.as_str(),
            expected: format!("{chunks} chunks"),
            found: format!("{found} chunks"),
        })
    }

    /// What stands under the name of an artifact.
    async fn standing(&self, reference: &ArtifactRef) -> Result<Standing> {
        let bucket = reference.bucket;
        let Some((info, sequence)) = self.entry(bucket, &reference.name).await? else {
            return Ok(Standing::default());
        };
        let as_referenced = !info.deleted && info.size as u64 == reference.size_bytes;
        let whole = as_referenced
            && self
                .verify_chunks(bucket, &info.nuid, info.chunks)
                .await
                .is_ok();
        Ok(Standing {
            sequence,
            id: Some(info.nuid).filter(|id| !id.is_empty()),
            whole,
        })
    }

    /// What a bucket notes under a name, and where in its stream; `None` if it never noted anything.
    async fn entry(&self, bucket: Bucket, name: &str) -> Result<Option<(ObjectInfo, u64)>> {
        let stream = self.stream(bucket).await?;
        let subject = object_subject(bucket, name);
        match stream.direct_get_last_for_subject(subject).await {
            Ok(message) => {
                let info = serde_json::from_slice(&message.payload)
                    .map_err(|error| read_error(bucket, error))?;
                Ok(Some((info, message.sequence)))
            }
            Err(error) if error.kind() == DirectGetErrorKind::NotFound => Ok(None),
            Err(error) => Err(read_error(bucket, error)),
        }
    }

    /// The stream behind a bucket.
    async fn stream(&self, bucket: Bucket) -> Result<Stream<()>> {
        self.jetstream
            .get_stream_no_info(object_stream(bucket))
            .await
            .map_err(|error| read_error(bucket, error))
    }
}

/// What stands under the name of an artifact.
#[derive(Debug, Default)]
struct Standing {
    /// Where in the stream; 0 if nothing does.
    sequence: u64,
    /// The id of its chunks.
    id: Option<String>,
    /// Whether it is the artifact with all its chunks.
    whole: bool,
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
