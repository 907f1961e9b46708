//! Readers that content flows through on its way in or out: they hash, count, and fail when
//! nothing moves.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use colloquy_contract::Bucket;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, ReadBuf};

use super::STALL;
use crate::metrics::Meters;

/// Hashes and counts what flows through, and fails past a limit.
pub(super) struct Hashing<R> {
    source: R,
    digest: Sha256,
    limit: u64,
    pub(super) size: u64,
    /// Whether there was more than the limit.
    pub(super) overflow: bool,
}

impl<R> Hashing<R> {
    pub(super) fn new(source: R, limit: u64) -> Self {
        Self {
            source,
            digest: Sha256::new(),
            limit,
            size: 0,
            overflow: false,
        }
    }

    /// The SHA-256 in hexadecimal, and the size.
    pub(super) fn finish(self) -> (String, u64) {
        (hex::encode(self.digest.finalize()), self.size)
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Hashing<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
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

/// Counts what was read of an artifact, in one go when it is dropped.
pub(super) struct Counted<R> {
    source: R,
    bucket: Bucket,
    meters: Arc<Meters>,
    read: u64,
}

impl<R> Counted<R> {
    pub(super) const fn new(source: R, bucket: Bucket, meters: Arc<Meters>) -> Self {
        Self {
            source,
            bucket,
            meters,
            read: 0,
        }
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Counted<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
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
pub(super) struct Stalling<R> {
    source: R,
    deadline: Pin<Box<tokio::time::Sleep>>,
}

impl<R> Stalling<R> {
    pub(super) fn new(source: R) -> Self {
        Self {
            source,
            deadline: Box::pin(tokio::time::sleep(STALL)),
        }
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Stalling<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
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
