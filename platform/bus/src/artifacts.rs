//! Heavy things: recordings and documents, kept once under a name that says what they are.
//!
//! - A name is `<account>/<conversation>/<sha256>`: what it holds never changes, storing it twice
//!   stores it once, and erasing a conversation cannot touch another.
//! - Content goes in chunks of [`CHUNK_BYTES`] whatever sizes the source's reads have.
//! - `Ok` from storing means that the bucket holds every chunk. Reading checks size and SHA-256
//!   against the reference before the content is used.
//! - Every wait has a limit: content that stops flowing for [`STALL`] is an error.

use std::{
    io,
    path::Path,
    pin::Pin,
    sync::Arc,
    task::{Context as TaskContext, Poll},
    time::Duration,
};

use async_nats::jetstream::{
    self,
    object_store::{InfoErrorKind, ObjectInfo, ObjectMetadata, ObjectStore, UpdateMetadata},
};
use bytes::Bytes;
use colloquy_contract::{ArtifactRef, Bucket, Scope};
use futures::TryStreamExt;
use sha2::{Digest, Sha256};
use tokio::{
    fs::File,
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf},
    sync::watch,
};

use crate::{
    BusError, Result, chunks,
    connect::object_stream,
    denied::{Denials, apis},
    metrics::Meters,
};

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
            let store = self.store(bucket).await?;
            let info = tokio::time::timeout(STALL, store.info(&reference.name))
                .await
                .map_err(|_| BusError::TimedOut {
                    what: "opening an artifact",
                    limit: STALL,
                })?
                .map_err(|error| read_error(bucket, error))?;
            let stream = self
                .jetstream
                .get_stream_no_info(object_stream(bucket))
                .await
                .map_err(|error| read_error(bucket, error))?;
            Ok((info, stream))
        };
        let (info, stream) = self.read(bucket, opening).await?;
        if info.deleted {
            return Err(read_error(bucket, "it was removed"));
        }
        if info.size as u64 != reference.size_bytes {
            return Err(damaged(reference, info.size as u64));
        }
        let counted = Counted {
            source: chunks::read(stream, bucket, &info),
            bucket,
            meters: self.meters.clone(),
            read: 0,
        };
        Ok(Stalling::new(counted))
    }

    /// Whether the referenced artifact is there with all its chunks.
    pub async fn check(&self, reference: &ArtifactRef) -> Result<bool> {
        let checking = async {
            let store = self.store(reference.bucket).await?;
            self.exists(&store, reference).await
        };
        self.read(reference.bucket, checking).await
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
        let mut chunked = Rechunked {
            source,
            moved,
            gathered: Vec::with_capacity(CHUNK_BYTES),
        };
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

    /// Counts the chunks that the bucket holds: every one was acknowledged, and all are there.
    async fn verify_chunks(&self, bucket: Bucket, info: &ObjectInfo) -> Result<()> {
        let stream = self
            .jetstream
            .get_stream_no_info(object_stream(bucket))
            .await
            .map_err(|error| write_error(bucket, error))?;
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

    async fn exists(&self, store: &ObjectStore, reference: &ArtifactRef) -> Result<bool> {
        match store.info(&reference.name).await {
            Ok(info) => Ok(!info.deleted
                && info.size as u64 == reference.size_bytes
                && self.verify_chunks(reference.bucket, &info).await.is_ok()),
            Err(error) if error.kind() == InfoErrorKind::NotFound => Ok(false),
            Err(error) => Err(read_error(reference.bucket, error)),
        }
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

    async fn store(&self, bucket: Bucket) -> Result<ObjectStore> {
        self.jetstream
            .get_object_store(bucket.as_str())
            .await
            .map_err(|error| read_error(bucket, error))
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

fn uuid_like() -> String {
    hex::encode(rand::random::<[u8; 16]>())
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
fn put_error(bucket: Bucket, error: jetstream::object_store::PutError) -> BusError {
    if error.kind() == jetstream::object_store::PutErrorKind::ReadChunks {
        BusError::Content(io::Error::other(error))
    } else {
        write_error(bucket, error)
    }
}

/// Hashes and counts what flows through, and fails past a limit.
struct Hashing<R> {
    source: R,
    digest: Sha256,
    size: u64,
    limit: u64,
    overflow: bool,
}

impl<R> Hashing<R> {
    fn new(source: R, limit: u64) -> Self {
        Self {
            source,
            digest: Sha256::new(),
            size: 0,
            limit,
            overflow: false,
        }
    }

    fn finish(self) -> (String, u64) {
        (hex::encode(self.digest.finalize()), self.size)
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Hashing<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        match Pin::new(&mut self.source).poll_read(cx, buf) {
            Poll::Ready(Ok(())) => {}
            other => return other,
        }
        let read = &buf.filled()[before..];
        self.size += read.len() as u64;
        if self.size > self.limit {
            self.overflow = true;
            return Poll::Ready(Err(io::ErrorKind::FileTooLarge.into()));
        }
        self.digest.update(read);
        Poll::Ready(Ok(()))
    }
}

/// Gathers a whole chunk before it lets the reader have any of it, and reports movement.
struct Rechunked<'a, R> {
    source: &'a mut R,
    moved: watch::Sender<()>,
    gathered: Vec<u8>,
}

/// How much is read from the source at once.
const READ_BYTES: usize = 16 * 1024;

impl<R: AsyncRead + Unpin> AsyncRead for Rechunked<'_, R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let whole = buf.remaining().min(CHUNK_BYTES);
        let mut block = [0; READ_BYTES];
        while this.gathered.len() < whole {
            let room = (whole - this.gathered.len()).min(READ_BYTES);
            let mut read = ReadBuf::new(&mut block[..room]);
            match Pin::new(&mut *this.source).poll_read(cx, &mut read) {
                Poll::Ready(Ok(())) if read.filled().is_empty() => break,
                Poll::Ready(Ok(())) => {
                    this.gathered.extend_from_slice(read.filled());
                    let _ = this.moved.send(());
                }
                // What was gathered stays for the next poll.
                other => return other,
            }
        }
        buf.put_slice(&this.gathered);
        this.gathered.clear();
        Poll::Ready(Ok(()))
    }
}

/// Counts what was read of an artifact, in one go when it is dropped.
struct Counted<R> {
    source: R,
    bucket: Bucket,
    meters: Arc<Meters>,
    read: u64,
}

impl<R: AsyncRead + Unpin> AsyncRead for Counted<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.source).poll_read(cx, buf);
        self.read += (buf.filled().len() - before) as u64;
        polled
    }
}

impl<R> Drop for Counted<R> {
    fn drop(&mut self) {
        self.meters.moved(self.bucket, "read", self.read);
    }
}

/// Fails when the source yields nothing for [`STALL`].
struct Stalling<R> {
    source: R,
    deadline: Pin<Box<tokio::time::Sleep>>,
}

impl<R> Stalling<R> {
    fn new(source: R) -> Self {
        Self {
            source,
            deadline: Box::pin(tokio::time::sleep(STALL)),
        }
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Stalling<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let ready @ Poll::Ready(_) = Pin::new(&mut self.source).poll_read(cx, buf) {
            let next = tokio::time::Instant::now() + STALL;
            self.deadline.as_mut().reset(next);
            return ready;
        }
        match self.deadline.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

/// Reads exactly a range of an artifact's content: skips, then takes.
pub async fn skip(reader: &mut (impl AsyncRead + Unpin), bytes: u64) -> io::Result<()> {
    let mut skipped = reader.take(bytes);
    let count = tokio::io::copy(&mut skipped, &mut tokio::io::sink()).await?;
    if count == bytes {
        Ok(())
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}
