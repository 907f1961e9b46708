//! The gateway's server over TLS: who speaks it is served, who does not is hung up on and keeps nobody
//! waiting, and a drain lets a request end.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, routing::get};
use colloquy_bus::CancellationToken;
use colloquy_gateway::serve_tls;
use colloquy_testkit::Certificates;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore, ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    },
};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(30);

fn settings(made: &Certificates) -> Arc<ServerConfig> {
    let certificate = CertificateDer::from_pem_file(&made.certificate).unwrap();
    let key = PrivateKeyDer::from_pem_file(&made.key).unwrap();
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let settings = builder.with_no_client_auth();
    Arc::new(settings.with_single_cert(vec![certificate], key).unwrap())
}

async fn client(address: SocketAddr, made: &Certificates) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_file(&made.authority).unwrap();
    roots.add(authority).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let settings = builder.with_root_certificates(roots).with_no_client_auth();
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let connector = TlsConnector::from(Arc::new(settings));
    connector.connect(name, stream).await.unwrap()
}

async fn ask(stream: &mut TlsStream<TcpStream>, path: &str) {
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
}

async fn within<T>(doing: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, doing).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_lets_requests_end_and_waits_for_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let made = Certificates::make(folder.path());
    let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let slow = {
        let (begun, go_on) = (begun.clone(), go_on.clone());
        get(move || async move {
            begun.notify_one();
            go_on.notified().await;
            "done"
        })
    };
    let router = Router::new()
        .route("/slow", slow)
        .route("/fast", get(|| async { "here" }));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let drain = CancellationToken::new();
    let serving = serve_tls(listener, settings(&made), router, drain.clone(), PATIENCE);
    let serving = tokio::spawn(serving);

    let mut stream = client(address, &made).await;
    ask(&mut stream, "/fast").await;
    let mut answer = [0; 12];
    within(stream.read_exact(&mut answer)).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");

    // Without TLS there is no answer, only an end.
    let mut plain = TcpStream::connect(address).await.unwrap();
    plain
        .write_all(b"GET /fast HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    // A reset is an end as well.
    let _ = within(plain.read_to_end(&mut answer)).await;
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");

    // One says nothing at all, one waits for its answer.
    let silent = TcpStream::connect(address).await.unwrap();
    let mut waiting = client(address, &made).await;
    ask(&mut waiting, "/slow").await;
    within(begun.notified()).await;
    drain.cancel();
    go_on.notify_one();
    let mut answer = String::new();
    within(waiting.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.ends_with("done"), "{answer}");
    // Well before the grace is over, though the silent one is still there.
    tokio::time::timeout(PATIENCE / 3, serving)
        .await
        .unwrap()
        .unwrap();
    drop(silent);
}
