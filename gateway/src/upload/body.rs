//! Bodies of requests: one that is not read faster than it is used, and one that is read off when
//! nobody wants it.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, BodyDataStream},
    extract::Request,
    http::header,
};
use bytes::Bytes;
use futures::{Stream, StreamExt};
use tokio_util::task::TaskTracker;

/// How far the form's reader may run ahead of what is taken from it.
const MAX_READ_AHEAD_BYTES: u64 = 4 * 1024 * 1024;

/// How much of a body that nobody wants is read off, and for how long, so that its sender gets to
/// read the answer instead of a reset connection.
const LINGER_BYTES: u64 = 64 * 1024 * 1024;
const LINGER_TIME: Duration = Duration::from_secs(5);

/// The body of a form, one chunk at a time.
///
/// The form's reader takes all that it can get whenever it is polled, and keeps a part's header
/// whole, however long. This pauses after each chunk and fails when the reader is too far ahead of
/// what was taken from it, so that neither a fast sender nor a malicious one fills the memory.
pub(super) struct Paced {
    inner: BodyDataStream,
    /// Bytes handed to the form's reader.
    given: u64,
    /// Bytes taken from it.
    taken: Arc<AtomicU64>,
    pause: bool,
}

impl Paced {
    pub(super) fn new(body: Body, taken: Arc<AtomicU64>) -> Self {
        Self {
            inner: body.into_data_stream(),
            given: 0,
            taken,
            pause: false,
        }
    }
}

impl Stream for Paced {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if std::mem::take(&mut self.pause) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let ahead = self
            .given
            .saturating_sub(self.taken.load(Ordering::Relaxed));
        if ahead > MAX_READ_AHEAD_BYTES {
            return Poll::Ready(Some(Err(io::ErrorKind::FileTooLarge.into())));
        }
        let Poll::Ready(next) = self.inner.poll_next_unpin(cx) else {
            return Poll::Pending;
        };
        if let Some(Ok(chunk)) = &next {
            self.given += chunk.len() as u64;
            self.pause = true;
        }
        Poll::Ready(next.map(|chunk| chunk.map_err(io::Error::other)))
    }
}

/// A body that is read off for a while when it is dropped before its end.
///
/// A server that closes a connection with unread bytes resets it, and the client then often loses
/// the answer that says why. A client that waits for `100 Continue` has sent nothing yet, and is
/// not asked to.
pub(crate) struct Lingering {
    inner: Option<BodyDataStream>,
    lingering: TaskTracker,
    /// Whether the client waits to be asked for its body, which reading does.
    waits: bool,
}

impl Lingering {
    /// Wraps the body of a request.
    pub(crate) fn wrap(request: Request, lingering: &TaskTracker) -> Request {
        let waits = request.headers().contains_key(header::EXPECT);
        let lingering = lingering.clone();
        request.map(|body| {
            let inner = Some(body.into_data_stream());
            Body::from_stream(Self {
                inner,
                lingering,
                waits,
            })
        })
    }
}

impl Stream for Lingering {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.waits = false;
        let Some(inner) = &mut self.inner else {
            return Poll::Ready(None);
        };
        let polled = inner.poll_next_unpin(cx);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.inner = None;
        }
        polled
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        let Some(rest) = self.inner.take().filter(|_| !self.waits) else {
            return;
        };
        // Outside of a runtime nobody is there to read, nor to answer.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            self.lingering.spawn_on(read_off(rest), &runtime);
        }
    }
}

async fn read_off(mut rest: BodyDataStream) {
    let reading = async {
        let mut read = 0;
        while let Some(Ok(chunk)) = rest.next().await {
            read += chunk.len() as u64;
            if read > LINGER_BYTES {
                break;
            }
        }
    };
    // Time up or not, there is nothing more to be done for this client.
    let _ = tokio::time::timeout(LINGER_TIME, reading).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_unwanted_body_is_read_off_unless_its_sender_waits() {
        for (expect, tasks) in [(None, 1), (Some("100-continue"), 0)] {
            let tracker = TaskTracker::new();
            let mut request = Request::builder();
            if let Some(expect) = expect {
                request = request.header(header::EXPECT, expect);
            }
            let request = request.body(Body::from("sound")).unwrap();
            drop(Lingering::wrap(request, &tracker));
            assert_eq!(tracker.len(), tasks);
        }
    }
}
