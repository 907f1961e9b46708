//! Reads the chunks of an artifact, one request for each.
//!
//! The client library reads an object through a consumer of its own, which the broker keeps for
//! half a minute after its reader is gone; with some tens of readings a second a bucket has as many
//! as it may have, and nothing can be read any more. A direct get leaves nothing behind.
//!
//! The broker counts chunks from its own table of subjects, without reading them.
//!
//! Promise: the content ends after the last chunk, or with an error. A chunk that is not there is
//! [`io::ErrorKind::UnexpectedEof`]; any other error says nothing about the content.

use std::{io, time::Duration};

use async_nats::jetstream::{
    object_store::ObjectInfo,
    stream::{DirectGetErrorKind, InfoError, InfoWithSubjects, Stream},
};
use bytes::Bytes;
use colloquy_contract::Bucket;
use futures::TryStreamExt;
use tokio::io::AsyncRead;
use tokio_util::io::StreamReader;

use super::layout::chunk_subject;

/// Of three replicas any may answer, also one that does not have the newest chunk yet: so often it
/// is asked again, and after these pauses.
const PAUSES: [Duration; 5] = [
    Duration::from_millis(20),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(300),
    Duration::from_millis(800),
];

/// How many chunks lie under each of the ids that match.
pub(crate) async fn counts(
    stream: &Stream<()>,
    bucket: Bucket,
    ids: &str,
) -> Result<InfoWithSubjects, InfoError> {
    let asking = stream.info_builder();
    asking.subjects(chunk_subject(bucket, ids)).fetch().await
}

/// How many chunks lie under an id.
pub(crate) async fn count(
    stream: &Stream<()>,
    bucket: Bucket,
    id: &str,
) -> Result<usize, InfoError> {
    let found = counts(stream, bucket, id).await?.try_next().await?;
    Ok(found.map_or(0, |(_, count)| count))
}

struct Chunks {
    stream: Stream<()>,
    subject: String,
    /// Sequence from which on the next one stands.
    from: u64,
    left: usize,
}

/// The content of an object of a bucket, whose stream this is.
pub(super) fn read(
    stream: Stream<()>,
    bucket: Bucket,
    info: &ObjectInfo,
) -> impl AsyncRead + Send + Unpin + use<> {
    let chunks = Chunks {
        stream,
        subject: chunk_subject(bucket, &info.nuid),
        from: 1,
        left: info.chunks,
    };
    let content = futures::stream::try_unfold(chunks, |mut chunks| async move {
        let next = chunks.next().await?;
        Ok::<_, io::Error>(next.map(|content| (content, chunks)))
    });
    StreamReader::new(Box::pin(content))
}

impl Chunks {
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        if self.left == 0 {
            return Ok(None);
        }
        let mut pauses = PAUSES.into_iter();
        loop {
            let asking = self
                .stream
                .direct_get_builder()
                .sequence(self.from)
                .next_by_subject(&self.subject);
            let error = match asking.send().await {
                Ok(message) => {
                    self.from = message.sequence + 1;
                    self.left -= 1;
                    return Ok(Some(message.payload));
                }
                Err(error) => error,
            };
            match error.kind() {
                DirectGetErrorKind::NotFound => match pauses.next() {
                    Some(pause) => tokio::time::sleep(pause).await,
                    None => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, error)),
                },
                DirectGetErrorKind::TimedOut => {
                    return Err(io::Error::new(io::ErrorKind::TimedOut, error));
                }
                _ => return Err(io::Error::other(error)),
            }
        }
    }
}
