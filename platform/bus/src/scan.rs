//! Looking over everything that a stream or bucket holds, without holding it in memory, and
//! looking one thing up without a consumer.
//!
//! - A scan reads what is there when it begins and ends there; what comes meanwhile may or may not
//!   be seen, and what is purged meanwhile does not hold it up. One message is in memory at a time.
//! - Chunks of objects are counted by the broker, from its own table of subjects: their content is
//!   not read. It is asked for one group of ids after the other, so that no answer is long and no
//!   writer waits; it answers in pages of 100,000 subjects, which is the most that we hold.
//! - A look-up asks the stream's leader, so it sees everything that was acknowledged.
//! - What is removed is removed by its exact subject and only up to the sequence that was looked
//!   at: an object that was stored again meanwhile stays.

use async_nats::jetstream::{
    message::StreamMessage,
    object_store::ObjectInfo,
    stream::{InfoWithSubjects, LastRawMessageErrorKind},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use colloquy_contract::{Bucket, streams::KvSpec};
use futures::TryStreamExt;
use jiff::Timestamp;

use crate::{
    Bus, BusError, Result,
    artifacts::{
        chunks,
        layout::{chunk_subject, id_groups, object_stream, object_subject},
    },
    log::log_error,
    time::timestamp,
    walk::Walk,
};

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
        let payload = &found.message.payload;
        object(payload, found.sequence, found.at, self.0.stream()).map(Some)
    }
}

/// How many chunks lie under each id of a bucket, one id after the other.
pub struct Chunks {
    bus: Bus,
    bucket: Bucket,
    groups: Box<dyn Iterator<Item = String> + Send>,
    group: Option<InfoWithSubjects>,
}

impl Chunks {
    /// The next id and the number of its chunks; `None` after the last.
    pub async fn next(&mut self) -> Result<Option<(String, u64)>> {
        let name = object_stream(self.bucket);
        loop {
            let Some(group) = &mut self.group else {
                let Some(ids) = self.groups.next() else {
                    return Ok(None);
                };
                let stream = self.bus.stream_of(&name).await?;
                let group = chunks::counts(&stream, self.bucket, &ids).await;
                self.group = Some(group.map_err(|error| log_error(&name, error))?);
                continue;
            };
            let next = group.try_next().await;
            match next.map_err(|error| log_error(&name, error))? {
                Some((subject, count)) => {
                    let prefix = chunk_subject(self.bucket, "");
                    let id = subject.strip_prefix(&prefix).unwrap_or(&subject);
                    return Ok(Some((id.to_owned(), count as u64)));
                }
                None => self.group = None,
            }
        }
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
            // Whether it says that a key was deleted.
            let marker = found.header("KV-Operation").is_some();
            if let Some(key) = found.message.subject.strip_prefix(&self.prefix)
                && !marker
            {
                return Ok(Some((key.to_owned(), found.message.payload)));
            }
        }
        Ok(None)
    }
}

impl Bus {
    /// Looks over the objects of a bucket.
    pub fn scan_objects(&self, bucket: Bucket) -> Objects {
        let filters = vec![format!("$O.{bucket}.M.>")];
        let stream = object_stream(bucket);
        Objects(Walk::new(self.clone(), stream, filters, 1))
    }

    /// Looks over the chunks of a bucket, one group of ids after the other.
    pub fn scan_chunks(&self, bucket: Bucket) -> Chunks {
        Chunks {
            bus: self.clone(),
            bucket,
            groups: Box::new(id_groups()),
            group: None,
        }
    }

    /// Looks over the entries of a key-value bucket.
    pub fn scan_values(&self, spec: &KvSpec) -> Values {
        let prefix = format!("$KV.{}.", spec.name);
        let (stream, filters) = (format!("KV_{}", spec.name), vec![format!("{prefix}>")]);
        let walk = Walk::new(self.clone(), stream, filters, 1);
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
        let count = chunks::count(&stream, bucket, nuid).await;
        count
            .map(|count| count as u64)
            .map_err(|error| log_error(&name, error))
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

    /// How many names a bucket holds: those of its objects, and the ids under which chunks lie.
    pub async fn names_held(&self, bucket: Bucket) -> Result<u64> {
        let name = object_stream(bucket);
        let found = self.jetstream().get_stream(&name).await;
        let found = found.map_err(|error| log_error(&name, error))?;
        Ok(found.cached_info().state.subjects_count)
    }

    /// First and last sequence of a stream; both 0 if it never held anything.
    pub async fn extent(&self, stream: &'static str) -> Result<(u64, u64)> {
        let found = self.jetstream().get_stream(stream).await;
        let found = found.map_err(|error| log_error(stream, error))?;
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

    /// The newest message of a stream under a subject, if there is one.
    pub(crate) async fn last_on(
        &self,
        stream: &str,
        subject: &str,
    ) -> Result<Option<StreamMessage>> {
        let found = self.stream_of(stream).await?;
        match found.get_last_raw_message_by_subject(subject).await {
            Ok(message) => Ok(Some(message)),
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
            Err(error) => Err(log_error(stream, error)),
        }
    }

    /// The first message from a sequence on whose subject matches, as the stream's leader knows it.
    pub(crate) async fn next_on(
        &self,
        stream: &str,
        filter: &str,
        from: u64,
    ) -> Result<Option<StreamMessage>> {
        let found = self.stream_of(stream).await?;
        let asking = found.raw_message_builder().sequence(from);
        match asking.next_by_subject(filter).send().await {
            Ok(message) => Ok(Some(message)),
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
            Err(error) => Err(log_error(stream, error)),
        }
    }
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
