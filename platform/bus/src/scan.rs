//! Looking over everything that a stream or bucket holds, without holding it in memory, and
//! looking one thing up without a consumer.
//!
//! - A scan reads what is there when it begins and ends there; what comes meanwhile may or may not
//!   be seen, and what is purged meanwhile does not hold it up. One message is in memory at a time.
//! - Chunks of objects are counted by the broker, from its own table of subjects: their content is
//!   not read. It answers in pages of 100,000 subjects, which is the most that we hold.
//! - A look-up asks the stream's leader, so it sees everything that was acknowledged.
//! - What is removed is removed by its exact subject and only up to the sequence that was looked
//!   at: an object that was stored again meanwhile stays.

use std::time::Duration;

use async_nats::jetstream::{
    consumer::{DeliverPolicy, pull},
    message::StreamMessage,
    object_store::ObjectInfo,
    stream::{InfoWithSubjects, LastRawMessageErrorKind, Stream},
};
use base64::{
    Engine,
    engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD},
};
use bytes::Bytes;
use colloquy_contract::{Bucket, streams::KvSpec};
use futures::{StreamExt, TryStreamExt};
use jiff::Timestamp;

use crate::{Bus, BusError, Result, connect::object_stream, error::chain};

/// How long the next message of a scan may take before the stream is asked again what is left.
const QUIET: Duration = Duration::from_secs(5);

/// How often in a row a scan may fail to read before its caller is told.
const ATTEMPTS: u32 = 5;

/// An object as its bucket knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredObject {
    /// Its name.
    pub name: String,
    /// The id under which its chunks lie.
    pub nuid: String,
    /// Size in bytes.
    pub size_bytes: u64,
    /// Number of its chunks.
    pub chunks: u64,
    /// SHA-256 of the content as the bucket noted it, 64 lower-case hexadecimal digits; empty if
    /// it noted none.
    pub sha256: String,
    /// Whether only its name is left.
    pub deleted: bool,
    /// When this was noted.
    pub at: Timestamp,
    /// Sequence of the note in the bucket's stream.
    pub sequence: u64,
}

/// The chunks under one id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunksHeld {
    /// How many there are.
    pub count: u64,
    /// When the newest was stored; the epoch if there is none.
    pub newest: Timestamp,
    /// Sequence of the newest in the bucket's stream.
    pub sequence: u64,
}

/// Objects of a bucket, one after the other, deleted ones too.
pub struct Objects(Walk);

impl Objects {
    /// The next object; `None` after the last.
    pub async fn next(&mut self) -> Result<Option<StoredObject>> {
        let Some(found) = self.0.next().await? else {
            return Ok(None);
        };
        object(&found.payload, found.sequence, found.at, &self.0.stream).map(Some)
    }
}

/// How many chunks lie under each id of a bucket, one id after the other.
pub struct Chunks {
    pages: InfoWithSubjects,
    prefix: String,
    stream: String,
}

impl Chunks {
    /// The next id and the number of its chunks; `None` after the last.
    pub async fn next(&mut self) -> Result<Option<(String, u64)>> {
        let next = self.pages.try_next().await;
        let next = next.map_err(|error| scan_error(&self.stream, error))?;
        Ok(next.map(|(subject, count)| {
            let nuid = subject.strip_prefix(&self.prefix).unwrap_or(&subject);
            (nuid.to_owned(), count as u64)
        }))
    }
}

/// Entries of a key-value bucket, one after the other.
pub struct Values {
    walk: Walk,
    prefix: String,
}

impl Values {
    /// The next key and its value as it stands; `None` after the last.
    pub async fn next(&mut self) -> Result<Option<(String, Bytes)>> {
        while let Some(found) = self.walk.next().await? {
            if let Some(key) = found.subject.strip_prefix(&self.prefix)
                && !found.marker
            {
                return Ok(Some((key.to_owned(), found.payload)));
            }
        }
        Ok(None)
    }
}

impl Bus {
    /// Looks over the objects of a bucket.
    pub fn scan_objects(&self, bucket: Bucket) -> Objects {
        let filter = format!("$O.{bucket}.M.>");
        Objects(Walk::new(self.clone(), object_stream(bucket), filter))
    }

    /// Looks over the chunks of a bucket.
    pub async fn scan_chunks(&self, bucket: Bucket) -> Result<Chunks> {
        let name = object_stream(bucket);
        let stream = self.stream_of(&name).await?;
        let pages = stream
            .info_builder()
            .subjects(format!("$O.{bucket}.C.>"))
            .fetch()
            .await
            .map_err(|error| scan_error(&name, error))?;
        Ok(Chunks {
            pages,
            prefix: format!("$O.{bucket}.C."),
            stream: name,
        })
    }

    /// Looks over the entries of a key-value bucket.
    pub fn scan_values(&self, spec: &KvSpec) -> Values {
        let prefix = format!("$KV.{}.", spec.name);
        let walk = Walk::new(
            self.clone(),
            format!("KV_{}", spec.name),
            format!("{prefix}>"),
        );
        Values { walk, prefix }
    }

    /// Looks up an object; `None` if the bucket does not know it.
    pub async fn find_object(&self, bucket: Bucket, name: &str) -> Result<Option<StoredObject>> {
        let stream = object_stream(bucket);
        let subject = object_subject(bucket, name);
        let Some(found) = self.last_on(&stream, &subject).await? else {
            return Ok(None);
        };
        object(
            &found.payload,
            found.sequence,
            timestamp(found.time),
            &stream,
        )
        .map(Some)
    }

    /// Looks up the chunks under an id.
    pub async fn find_chunks(&self, bucket: Bucket, nuid: &str) -> Result<ChunksHeld> {
        let name = object_stream(bucket);
        let subject = chunk_subject(bucket, nuid);
        let Some(newest) = self.last_on(&name, &subject).await? else {
            return Ok(ChunksHeld {
                count: 0,
                newest: Timestamp::UNIX_EPOCH,
                sequence: 0,
            });
        };
        Ok(ChunksHeld {
            count: self.count_chunks(bucket, nuid).await?,
            newest: timestamp(newest.time),
            sequence: newest.sequence,
        })
    }

    /// How many chunks lie under an id. Reads none of them.
    pub async fn count_chunks(&self, bucket: Bucket, nuid: &str) -> Result<u64> {
        let name = object_stream(bucket);
        let stream = self.stream_of(&name).await?;
        let mut counts = stream
            .info_builder()
            .subjects(chunk_subject(bucket, nuid))
            .fetch()
            .await
            .map_err(|error| scan_error(&name, error))?;
        let first = counts.try_next().await;
        let first = first.map_err(|error| scan_error(&name, error))?;
        Ok(first.map_or(0, |(_, count)| count as u64))
    }

    /// Removes an object as it was looked at, with its chunks. `false` if it was stored again or
    /// is gone: then nothing is removed.
    pub async fn remove_object(&self, bucket: Bucket, object: &StoredObject) -> Result<bool> {
        let subject = object_subject(bucket, &object.name);
        if self.purge(bucket, subject, object.sequence).await? == 0 {
            return Ok(false);
        }
        let held = self.find_chunks(bucket, &object.nuid).await?;
        self.remove_chunks(bucket, &object.nuid, held.sequence)
            .await?;
        Ok(true)
    }

    /// Removes the chunks under an id, up to a sequence of the bucket's stream; how many there
    /// were.
    pub async fn remove_chunks(&self, bucket: Bucket, nuid: &str, through: u64) -> Result<u64> {
        self.purge(bucket, chunk_subject(bucket, nuid), through)
            .await
    }

    /// First and last sequence of a stream; both 0 if it never held anything.
    pub async fn extent(&self, stream: &'static str) -> Result<(u64, u64)> {
        let found = self.jetstream().get_stream(stream).await;
        let found = found.map_err(|error| scan_error(stream, error))?;
        let state = &found.cached_info().state;
        Ok((state.first_sequence, state.last_sequence))
    }

    async fn purge(&self, bucket: Bucket, subject: String, through: u64) -> Result<u64> {
        let name = object_stream(bucket);
        let purged = self
            .stream_of(&name)
            .await?
            .purge()
            .filter(subject)
            .sequence(through + 1)
            .await
            .map_err(|error| BusError::ArtifactWrite {
                bucket: bucket.as_str(),
                source: error.into(),
            })?;
        Ok(purged.purged)
    }

    async fn last_on(&self, stream: &str, subject: &str) -> Result<Option<StreamMessage>> {
        let found = self.stream_of(stream).await?;
        match found.get_last_raw_message_by_subject(subject).await {
            Ok(message) => Ok(Some(message)),
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
            Err(error) => Err(scan_error(stream, error)),
        }
    }

    async fn stream_of(&self, name: &str) -> Result<Stream<()>> {
        self.jetstream()
            .get_stream_no_info(name)
            .await
            .map_err(|error| scan_error(name, error))
    }
}

/// A message that a scan came by.
struct Found {
    subject: String,
    payload: Bytes,
    /// Whether it says that a key was deleted.
    marker: bool,
    sequence: u64,
    pending: u64,
    at: Timestamp,
}

/// The messages of a stream that match, from its beginning to where it ended when we began.
struct Walk {
    bus: Bus,
    stream: String,
    filter: String,
    next_sequence: u64,
    /// Where to end; known once the stream was opened.
    last: Option<u64>,
    messages: Option<pull::Ordered>,
    pending: u64,
}

/// What one attempt to read gave.
enum Step {
    Found(Box<Found>),
    End,
    Again,
}

impl Walk {
    const fn new(bus: Bus, stream: String, filter: String) -> Self {
        Self {
            bus,
            stream,
            filter,
            next_sequence: 1,
            last: None,
            messages: None,
            pending: 0,
        }
    }

    async fn next(&mut self) -> Result<Option<Found>> {
        let mut attempt = 1;
        loop {
            match self.step().await {
                Ok(Step::Found(found)) => return Ok(Some(*found)),
                Ok(Step::End) => return Ok(None),
                // The stream itself says what is left, each time it is opened.
                Ok(Step::Again) => {}
                Err(error) if attempt == ATTEMPTS => return Err(error),
                Err(error) => {
                    let error = chain(&error);
                    tracing::warn!(attempt, error, "a scan cannot read; trying again");
                    tokio::time::sleep(Duration::from_millis(100) * 2_u32.pow(attempt)).await;
                    self.messages = None;
                    attempt += 1;
                }
            }
        }
    }

    async fn step(&mut self) -> Result<Step> {
        if self.last.is_some_and(|last| self.next_sequence > last) {
            return Ok(Step::End);
        }
        let Some(messages) = &mut self.messages else {
            self.open().await?;
            let over = self.pending == 0;
            return Ok(if over { Step::End } else { Step::Again });
        };
        if self.pending == 0 {
            return Ok(Step::End);
        }
        let message = match tokio::time::timeout(QUIET, messages.next()).await {
            Ok(Some(Ok(message))) => message,
            Ok(Some(Err(error))) => return Err(scan_error(&self.stream, error)),
            Ok(None) => return Err(scan_error(&self.stream, "the consumer ended")),
            Err(_) => {
                self.messages = None;
                return Ok(Step::Again);
            }
        };
        let found = found(message).map_err(|error| scan_error(&self.stream, error))?;
        // A reader that was opened again may begin a little earlier.
        if found.sequence < self.next_sequence {
            return Ok(Step::Again);
        }
        self.next_sequence = found.sequence + 1;
        self.pending = found.pending;
        Ok(Step::Found(Box::new(found)))
    }

    async fn open(&mut self) -> Result<()> {
        let stream = self.bus.jetstream().get_stream(&self.stream).await;
        let stream = stream.map_err(|error| scan_error(&self.stream, error))?;
        self.last
            .get_or_insert(stream.cached_info().state.last_sequence);
        let config = pull::OrderedConfig {
            filter_subject: self.filter.clone(),
            deliver_policy: DeliverPolicy::ByStartSequence {
                start_sequence: self.next_sequence,
            },
            ..pull::OrderedConfig::default()
        };
        let consumer = stream.create_consumer(config).await;
        let consumer = consumer.map_err(|error| scan_error(&self.stream, error))?;
        self.pending = consumer.cached_info().num_pending;
        let messages = consumer.messages().await;
        self.messages = Some(messages.map_err(|error| scan_error(&self.stream, error))?);
        Ok(())
    }
}

fn found(message: async_nats::jetstream::Message) -> std::result::Result<Found, async_nats::Error> {
    let info = message.info()?;
    let (sequence, pending) = (info.stream_sequence, info.pending);
    let at = timestamp(info.published);
    let headers = message.headers.as_ref();
    let marker = headers.is_some_and(|headers| headers.get("KV-Operation").is_some());
    let message = message.message;
    Ok(Found {
        subject: message.subject.to_string(),
        payload: message.payload,
        marker,
        sequence,
        pending,
        at,
    })
}

fn object(payload: &[u8], sequence: u64, at: Timestamp, stream: &str) -> Result<StoredObject> {
    let info: ObjectInfo = serde_json::from_slice(payload).map_err(|source| BusError::Value {
        what: format!("an object's entry in {stream}"),
        source,
    })?;
    Ok(StoredObject {
        name: info.name,
        nuid: info.nuid,
        size_bytes: info.size as u64,
        chunks: info.chunks as u64,
        sha256: info.digest.as_deref().map(sha256_of).unwrap_or_default(),
        deleted: info.deleted,
        at,
        sequence,
    })
}

/// The hexadecimal form of `SHA-256=<base64url>`; empty if it is not that.
fn sha256_of(digest: &str) -> String {
    digest
        .strip_prefix("SHA-256=")
        .and_then(|encoded| URL_SAFE_NO_PAD.decode(encoded.trim_end_matches('=')).ok())
        .map(hex::encode)
        .unwrap_or_default()
}

fn object_subject(bucket: Bucket, name: &str) -> String {
    format!("$O.{bucket}.M.{}", URL_SAFE.encode(name))
}

fn chunk_subject(bucket: Bucket, nuid: &str) -> String {
    format!("$O.{bucket}.C.{nuid}")
}

fn timestamp(time: async_nats::datetime::DateTime) -> Timestamp {
    Timestamp::from_nanosecond(time.unix_timestamp_nanos()).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn scan_error<E>(what: &str, source: E) -> BusError
where
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    BusError::Log {
        what: what.to_owned(),
        source: source.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_hexadecimal_with_or_without_padding() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        for digest in [
            "SHA-256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU=",
            "SHA-256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU",
        ] {
            assert_eq!(sha256_of(digest), empty);
        }
        assert_eq!(sha256_of("MD5=x"), "");
    }
}
