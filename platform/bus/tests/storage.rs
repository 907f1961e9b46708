//! Limits of a real broker: known before they are reached, and told apart when they are.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use std::path::Path;

use colloquy_bus::{
    Bus, BusError, Room,
    embedded::{EmbeddedBroker, EmbeddedOptions},
    provision::{self, Storage},
};
use colloquy_contract::{Bucket, facts::ConversationIndexed, streams};
use support::{conversation, limit};

const MIB: u64 = 1024 * 1024;

/// Stores artifacts until the broker takes no more.
async fn fill(bus: &Bus) -> BusError {
    for n in 0..100_u8 {
        let content = vec![n; 200_000];
        let stored = bus
            .artifacts()
            .put_bytes(Bucket::Vault, &conversation(), "audio/wav", content)
            .await;
        if let Err(error) = stored {
            return error;
        }
    }
    panic!("the broker takes more than it may");
}

#[tokio::test]
async fn limits_of_streams_are_known_and_their_refusals_understood() {
    let test = support::start().await;
    assert_eq!(test.bus.fullest_store().await.unwrap(), None);
    limit(&test, "OBJ_vault", 3_000_000).await;
    limit(&test, streams::CONVERSATIONS.name, 10_000).await;
    limit(&test, "KV_idempotency", 10_000).await;
    let refused = fill(&test.bus).await;
    assert!(refused.is_storage_exhausted(), "{refused:?}");
    let fullest = test.bus.fullest_store().await.unwrap().unwrap();
    assert_eq!(fullest.what, "the stream OBJ_vault");
    assert!((0.9..1.01).contains(&fullest.share), "{fullest:?}");

    let refused = loop {
        let fact = ConversationIndexed { turns: 1 };
        if let Err(error) = test.bus.state_first("test", conversation(), fact).await {
            break error;
        }
    };
    assert!(refused.is_storage_exhausted(), "{refused:?}");

    let kv = test.bus.kv(streams::IDEMPOTENCY.name).await.unwrap();
    let (mut n, value) = (0, "x".repeat(1_000));
    let refused = loop {
        n += 1;
        if let Err(error) = kv.create(&format!("acme.{n}"), &value).await {
            break error;
        }
    };
    assert!(refused.is_storage_exhausted(), "{refused:?}");
    assert!(n < 20, "the limit is 10 kB");
}

fn options(folder: &Path) -> EmbeddedOptions {
    EmbeddedOptions {
        program: colloquy_assets::nats_server().unwrap(),
        data: folder.to_owned(),
    }
}

async fn connect(broker: &EmbeddedBroker) -> Bus {
    let bus = Bus::connect(broker.connect_options("test")).await.unwrap();
    provision::apply(&bus, Storage::default()).await.unwrap();
    bus
}

/// The server enforces its limit but tells nobody: what the embedded broker says of its room does.
#[tokio::test]
async fn the_embedded_brokers_limit_is_real() {
    let folder = tempfile::tempdir().unwrap();
    let broker = EmbeddedBroker::start_limited(options(folder.path()), Some(4 * MIB))
        .await
        .unwrap();
    let bus = connect(&broker).await;
    let refused = fill(&bus).await;
    assert!(refused.is_storage_exhausted(), "{refused:?}");
    assert_eq!(bus.fullest_store().await.unwrap(), None, "it tells nobody");
    let room = Room {
        folder: None,
        ..broker.room().clone()
    };
    let fullest = bus.fullest_store_in(&room).await.unwrap().unwrap();
    assert_eq!(fullest.what, "the server");
    assert!((0.9..1.2).contains(&fullest.share), "{fullest:?}");
    bus.close().await;
    broker.stop().await;

    // Started again with the default, there is as much room as its disk has, and all is there.
    let broker = EmbeddedBroker::start(options(folder.path())).await.unwrap();
    let limit = broker.room().limit_bytes.unwrap();
    assert!(limit > 4 * MIB, "{limit}");
    let bus = connect(&broker).await;
    bus.artifacts()
        .put_bytes(
            Bucket::Vault,
            &conversation(),
            "audio/wav",
            vec![1; 500_000],
        )
        .await
        .unwrap();
    let fullest = bus.fullest_store_in(broker.room()).await.unwrap().unwrap();
    assert!(["the server", "the disk"].contains(&fullest.what.as_str()));
    bus.close().await;
    broker.stop().await;
}
