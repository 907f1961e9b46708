//! Listing dead letters while others redrive and discard them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::time::Duration;

use async_nats::jetstream;
use colloquy_bus::deadletters::DeadLetterFilter;
use colloquy_contract::{
    facts::{ConversationIndexed, Family},
    streams,
};
use colloquy_testkit::{Kit, PATIENCE, conversation, eventually};

/// What was to be listed when the listing began is gone when it gets to it.
#[tokio::test]
async fn a_listing_ends_though_its_dead_letters_are_gone() {
    let kit = Kit::behind_a_proxy(1).await;
    let scope = conversation();
    kit.state(&scope, ConversationIndexed { turns: 1 }).await;
    let mut letters = Vec::new();
    for service in ["first", "second", "third"] {
        let kept = kit
            .bus
            .bury_fact(service, Family::Conversation, 1, 1, "test")
            .await;
        letters.push(kept.unwrap().unwrap());
    }
    let slow = kit.connect("operator").await;
    kit.proxies()[0].make(|trouble| trouble.delay = Duration::from_millis(500));
    let all = DeadLetterFilter::default();
    let listing = async {
        let listed = slow.dead_letters(&all, 0, 10);
        tokio::time::timeout(PATIENCE, listed).await
    };
    let discarding = async {
        let client = async_nats::connect(kit.broker().url("operator")).await;
        let jetstream = jetstream::new(client.unwrap());
        eventually("the listing has begun", PATIENCE, async || {
            let stream = jetstream.get_stream(streams::DEADLETTERS.name).await;
            stream.unwrap().cached_info().state.consumer_count == 1
        })
        .await;
        for &letter in &letters {
            assert!(kit.bus.discard(letter).await.unwrap());
        }
    };
    let (listed, ()) = tokio::join!(listing, discarding);
    assert_eq!(listed.expect("it ends").unwrap(), []);
}
