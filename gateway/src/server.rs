//! The accept loop: bounded connections, bounded waits for handshakes and request heads, an orderly
//! end.

use std::{sync::Arc, time::Duration};

use axum::{Extension, Router};
use colloquy_bus::CancellationToken;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};
use tokio_util::task::TaskTracker;

/// Connections that are open at once; more wait in the system's queue.
const MAX_CONNECTIONS: usize = 4_096;

/// How long a client may take for a request's head, idle time before it included.
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a client may take to agree on encryption.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a connection takes new requests.
const CONNECTION_USE: Duration = Duration::from_secs(60 * 60);

/// How long a connection lives at most: a client that stopped reading does not keep it for ever.
const CONNECTION_LIFE: Duration = Duration::from_secs(3 * 60 * 60);

/// Largest head of a request, in bytes.
const MAX_HEAD_BYTES: usize = 64 * 1024;

/// Pause after the system could not give us a connection, such as for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Tells handlers that the process is about to end.
#[derive(Debug, Clone)]
pub(crate) struct Draining(pub(crate) CancellationToken);

/// How requests come in, as their URLs say it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scheme(pub(crate) &'static str);

/// Serves until told to drain, then finishes what is being answered, at most for `grace`.
///
/// Draining stops accepting, ends event streams and keep-alive connections, and lets requests
/// (uploads too) end; what is not done in time is cut off.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    drain: CancellationToken,
    grace: Duration,
) {
    serve_by(listener, None, router, drain, grace).await;
}

/// The same over TLS, with these settings. Who speaks anything else is hung up on.
pub async fn serve_tls(
    listener: TcpListener,
    settings: Arc<ServerConfig>,
    router: Router,
    drain: CancellationToken,
    grace: Duration,
) {
    let tls = TlsAcceptor::from(settings);
    serve_by(listener, Some(tls), router, drain, grace).await;
}

async fn serve_by(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    router: Router,
    drain: CancellationToken,
    grace: Duration,
) {
    let scheme = Scheme(if tls.is_some() { "https" } else { "http" });
    let router = router
        .layer(Extension(Draining(drain.clone())))
        .layer(Extension(scheme));
    let connections = TaskTracker::new();
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let cut = CancellationToken::new();
    while let Some((stream, permit)) = accept(&listener, &permits, &drain).await {
        let (tls, router) = (tls.clone(), router.clone());
        let (drain, cut) = (drain.clone(), cut.clone());
        connections.spawn(async move {
            let _permit = permit;
            // Only costs latency where it fails.
            let _ = stream.set_nodelay(true);
            match tls {
                None => connection(stream, router, drain, cut).await,
                Some(tls) => encrypted(tls, stream, router, drain, cut).await,
            }
        });
    }
    drop(listener);
    connections.close();
    if tokio::time::timeout(grace, connections.wait())
        .await
        .is_err()
    {
        tracing::warn!(
            connections = connections.len(),
            "requests did not end in time; cutting"
        );
        cut.cancel();
        connections.wait().await;
    }
}

/// Agrees on encryption, then serves. Nothing is lost by a drain before that: nothing was asked.
async fn encrypted(
    tls: TlsAcceptor,
    stream: TcpStream,
    router: Router,
    drain: CancellationToken,
    cut: CancellationToken,
) {
    let handshake = tokio::time::timeout(HANDSHAKE_TIMEOUT, tls.accept(stream));
    let agreed = tokio::select! {
        () = drain.cancelled() => return,
        agreed = handshake => agreed,
    };
    match agreed {
        Ok(Ok(stream)) => connection(stream, router, drain, cut).await,
        // Scanners, clients without TLS or without the authority: theirs to say.
        Ok(Err(error)) => tracing::debug!(%error, "a client did not agree on TLS"),
        Err(_) => tracing::debug!("a client took too long to agree on TLS"),
    }
}

/// The next connection and its permit; `None` when it is time to drain.
async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
    drain: &CancellationToken,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let accepting = async {
        let permit = permits.clone().acquire_owned().await.ok()?;
        loop {
            match listener.accept().await {
                Ok((stream, _)) => return Some((stream, permit)),
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    tokio::select! {
        () = drain.cancelled() => None,
        accepted = accepting => accepted,
    }
}

async fn connection(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    router: Router,
    drain: CancellationToken,
    cut: CancellationToken,
) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::pin!(connection);
    let born = Instant::now();
    let mut draining = false;
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "connection ended early");
                }
                return;
            }
            () = drain.cancelled(), if !draining => {
                draining = true;
                connection.as_mut().graceful_shutdown();
            }
            () = tokio::time::sleep_until(born + CONNECTION_USE), if !draining => {
                draining = true;
                connection.as_mut().graceful_shutdown();
            }
            () = tokio::time::sleep_until(born + CONNECTION_LIFE) => return,
            () = cut.cancelled() => return,
        }
    }
}
