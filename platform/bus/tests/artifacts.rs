//! Artifacts are stored whole, under content-hash names, and verified when read.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use colloquy_bus::{Bus, BusError};
use colloquy_contract::Bucket;
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

use support::{conversation, start};

/// Yields bytes, some hundred a read and with pauses as a network has them, then ends or fails.
struct Trickle {
    left: usize,
    fails: bool,
    pauses: bool,
}

impl Trickle {
    fn new(left: usize, fails: bool) -> Self {
        Self {
            left,
            fails,
            pauses: false,
        }
    }
}

impl AsyncRead for Trickle {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.pauses = !self.pauses;
        if self.pauses {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let take = self.left.min(777).min(buf.remaining());
        if take == 0 && self.fails {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        for index in 0..take {
            buf.put_slice(&[u8::try_from((self.left - index) % 251).unwrap()]);
        }
        self.left -= take;
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn what_flows_in_comes_out_whole() {
    let test = start().await;
    let (artifacts, scope) = (test.bus.artifacts(), conversation());
    let size = 1_500_000;
    let source = || Trickle::new(size, false);
    let reference = artifacts
        .put_stream(Bucket::Vault, &scope, "audio/x", source(), 2_000_000)
        .await
        .unwrap();
    assert_eq!(reference.size_bytes, size as u64);
    assert!(reference.name.ends_with(&reference.sha256));

    let mut expected = Vec::new();
    source().read_to_end(&mut expected).await.unwrap();
    assert_eq!(artifacts.get_bytes(&reference).await.unwrap(), expected);
    assert!(artifacts.check(&reference).await.unwrap());

    // The same again, however it comes, is the same artifact.
    let again = artifacts
        .put_stream(Bucket::Vault, &scope, "audio/x", source(), 2_000_000)
        .await
        .unwrap();
    let bytes = artifacts
        .put_bytes(Bucket::Vault, &scope, "audio/x", expected)
        .await
        .unwrap();
    assert_eq!(again, reference);
    assert_eq!(bytes, reference);
}

#[tokio::test]
async fn too_much_and_broken_sources_are_refused() {
    let test = start().await;
    let (artifacts, scope) = (test.bus.artifacts(), conversation());
    let put = |left, fails, limit| {
        let source = Trickle::new(left, fails);
        artifacts.put_stream(Bucket::Vault, &scope, "audio/x", source, limit)
    };
    let too_large = put(1_000_001, false, 1_000_000).await;
    assert!(matches!(
        too_large,
        Err(BusError::TooLarge {
            limit_bytes: 1_000_000
        })
    ));
    assert!(
        put(1_000_000, false, 1_000_000).await.is_ok(),
        "the limit itself is allowed"
    );
    let broken = put(600_000, true, 1_000_000).await;
    assert!(matches!(broken, Err(BusError::Content(_))), "{broken:?}");
    // Only what was allowed has left anything.
    assert_eq!(chunks(&test.bus).await, [8]);
}

/// How many chunks lie under each id.
async fn chunks(bus: &Bus) -> Vec<u64> {
    let (mut scan, mut counts) = (bus.scan_chunks(Bucket::Vault), Vec::new());
    while let Some((_, count)) = scan.next().await.unwrap() {
        counts.push(count);
    }
    counts
}

#[tokio::test]
async fn who_stores_the_same_at_once_stores_it_once() {
    let test = start().await;
    let (artifacts, scope) = (test.bus.artifacts(), conversation());
    let put = || {
        let source = Trickle::new(300_000, false);
        artifacts.put_stream(Bucket::Vault, &scope, "audio/x", source, 1_000_000)
    };
    let stored = futures::future::try_join_all((0..8).map(|_| put()))
        .await
        .unwrap();
    assert!(stored.iter().all(|reference| *reference == stored[0]));
    assert_eq!(
        artifacts.get_bytes(&stored[0]).await.unwrap().len(),
        300_000
    );
    assert_eq!(chunks(&test.bus).await, [3]);
}

#[tokio::test]
async fn what_other_tools_store_is_read_and_found() {
    let test = start().await;
    let (artifacts, scope) = (test.bus.artifacts(), conversation());
    let content = vec![7; 300_000];
    let ours = artifacts
        .put_bytes(Bucket::Vault, &scope, "x/y", content.clone())
        .await
        .unwrap();
    let client = async_nats::connect(test.url("test")).await.unwrap();
    let jetstream = async_nats::jetstream::new(client);
    let store = jetstream.get_object_store("vault").await.unwrap();
    // What we store is an object for the client library, too.
    let mut read = Vec::new();
    let mut object = store.get(&ours.name).await.unwrap();
    object.read_to_end(&mut read).await.unwrap();
    assert_eq!(read, content);
    // It stores under ids of its own kind.
    store.delete(&ours.name).await.unwrap();
    assert!(!artifacts.check(&ours).await.unwrap());
    let mut source = content.as_slice();
    store.put(ours.name.as_str(), &mut source).await.unwrap();
    assert!(artifacts.check(&ours).await.unwrap());
    assert_eq!(artifacts.get_bytes(&ours).await.unwrap(), content);
    assert_eq!(chunks(&test.bus).await.len(), 1);
    // What was removed can be stored again.
    store.delete(&ours.name).await.unwrap();
    let again = artifacts
        .put_bytes(Bucket::Vault, &scope, "x/y", content.clone())
        .await
        .unwrap();
    assert_eq!(artifacts.get_bytes(&again).await.unwrap(), content);
    assert_eq!(chunks(&test.bus).await, [3]);
}

#[tokio::test]
async fn damage_is_found() {
    let test = start().await;
    let (artifacts, scope) = (test.bus.artifacts(), conversation());
    let mut reference = artifacts
        .put_bytes(Bucket::Open, &scope, "text/plain", b"hello".to_vec())
        .await
        .unwrap();
    assert_eq!(
        artifacts.get_bytes(&reference).await.unwrap().as_ref(),
        b"hello"
    );

    let good = reference.clone();
    reference.sha256 = "0".repeat(64);
    let wrong_digest = artifacts.get_bytes(&reference).await;
    assert!(matches!(
        wrong_digest,
        Err(BusError::ArtifactDamaged { .. })
    ));
    reference = good.clone();
    reference.size_bytes = 4;
    let wrong_size = artifacts.get_bytes(&reference).await;
    assert!(matches!(wrong_size, Err(BusError::ArtifactDamaged { .. })));
    reference = good;
    reference.name.push('x');
    assert!(matches!(
        artifacts.get_bytes(&reference).await,
        Err(BusError::ArtifactRead { .. })
    ));
    assert!(!artifacts.check(&reference).await.unwrap());
}

#[tokio::test]
async fn empty_content_is_an_artifact_too() {
    let test = start().await;
    let artifacts = test.bus.artifacts();
    let source = tokio::io::empty();
    let reference = artifacts
        .put_stream(Bucket::Vault, &conversation(), "audio/x", source, 10)
        .await
        .unwrap();
    assert_eq!(reference.size_bytes, 0);
}

#[tokio::test]
async fn reading_leaves_nothing_with_the_broker() {
    let test = start().await;
    let artifacts = test.bus.artifacts();
    // More than one chunk.
    let content: Vec<u8> = (0..300_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    let reference = artifacts
        .put_bytes(Bucket::Vault, &conversation(), "x/y", content.clone())
        .await
        .unwrap();
    for _ in 0..20 {
        assert_eq!(artifacts.get_bytes(&reference).await.unwrap(), content);
    }
    // A consumer for each reading would be there for a while; a bucket may have so many.
    let client = async_nats::connect(test.url("test")).await.unwrap();
    let jetstream = async_nats::jetstream::new(client);
    let stream = jetstream.get_stream("OBJ_vault").await.unwrap();
    assert_eq!(stream.cached_info().state.consumer_count, 0);
}

#[tokio::test]
async fn a_chunk_that_is_gone_is_an_error() {
    let test = start().await;
    let artifacts = test.bus.artifacts();
    let content = vec![7; 300_000];
    let reference = artifacts
        .put_bytes(Bucket::Vault, &conversation(), "x/y", content)
        .await
        .unwrap();
    let client = async_nats::connect(test.url("test")).await.unwrap();
    let jetstream = async_nats::jetstream::new(client);
    let stream = jetstream.get_stream("OBJ_vault").await.unwrap();
    // The first of three.
    let first = stream.cached_info().state.first_sequence;
    assert!(stream.delete_message(first).await.unwrap());
    let read = artifacts.get_bytes(&reference).await;
    assert!(
        matches!(read, Err(BusError::ArtifactRead { .. })),
        "{read:?}"
    );
    assert!(!artifacts.check(&reference).await.unwrap());
}
