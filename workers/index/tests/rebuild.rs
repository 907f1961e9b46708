//! Rebuilds, revisions and redriven facts of an index node, against a real broker.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking, helpers included"
)]

mod common;

use std::{
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use colloquy_bus::CancellationToken;
use colloquy_contract::{
    ConversationId, FactType,
    control::RebuildFrom,
    facts::ConversationErasureRequested,
    search::{SUBJECT, SearchReply, SearchRequest},
    transcript::Role,
};
use colloquy_index::IndexOptions;
use colloquy_testkit::eventually;
use common::{Broker, Call, PATIENCE, Running, damage, one_answer};

const PASSWORD: &[(Role, &str)] = &[
    (Role::Agent, "How can I help?"),
    (Role::Customer, "I'd like to reset my password."),
];

const REFUND: &[(Role, &str)] = &[(Role::Customer, "I want a refund for my last bill.")];

/// Options under which a rebuild takes its time: a commit for each fact.
fn slow(folder: &Path) -> IndexOptions {
    IndexOptions {
        max_batch: 1,
        ..IndexOptions::new(folder)
    }
}

fn question(account: &str, query: &str, limit: u32) -> SearchRequest {
    SearchRequest {
        account: account.parse().unwrap(),
        query: query.to_owned(),
        limit,
        offset: 0,
        agent: None,
        role: None,
        from: None,
        to: None,
    }
}

async fn found(node: &Running, query: &str) -> Vec<ConversationId> {
    let reply = node.ask(question("acme", query, 100)).await;
    assert_eq!(reply.error, None);
    reply.hits.iter().map(|hit| hit.conversation).collect()
}

/// Searches without a break until told to stop. What was found once is found from then on, and
/// nothing is found twice. Returns how many searches there were.
async fn search_all_the_time(
    bus: colloquy_bus::Bus,
    at_least: u64,
    stated: &AtomicU64,
    stop: CancellationToken,
) -> u64 {
    let (mut searches, mut most) = (0, at_least);
    while !stop.is_cancelled() {
        let reply: SearchReply = one_answer(&bus, SUBJECT, &question("acme", "password", 0)).await;
        assert_eq!(reply.partitions.len(), 64);
        assert!(reply.total >= most, "{} found, {most} before", reply.total);
        assert!(reply.total <= stated.load(Ordering::SeqCst), "found twice");
        most = reply.total;
        searches += 1;
    }
    searches
}

/// Has calls qualified until told to stop, no faster than a node with slow commits can follow.
async fn talk_all_the_time(
    broker: &Broker,
    stated: &AtomicU64,
    stop: CancellationToken,
) -> Vec<ConversationId> {
    let mut calls = Vec::new();
    // Slower than the draft, which commits each fact by itself, can read on a busy machine.
    let mut rate = tokio::time::interval(Duration::from_millis(400));
    while !stop.is_cancelled() {
        rate.tick().await;
        stated.fetch_add(1, Ordering::SeqCst);
        calls.push(broker.qualify(Call::of("acme", PASSWORD)).await);
    }
    calls
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_is_not_noticed_by_searches_and_new_facts() {
    const BEFORE: u64 = 60;
    let broker = Broker::start().await;
    let erased = Call::of("globex", PASSWORD);
    broker.qualify(erased.clone()).await;
    let mut calls = Vec::new();
    for _ in 0..BEFORE {
        calls.push(broker.qualify(Call::of("acme", PASSWORD)).await);
    }
    let folder = tempfile::tempdir().unwrap();
    let node = Running::start(&broker, slow(folder.path())).await;
    broker
        .wait_for(FactType::ConversationIndexed, BEFORE + 1)
        .await;

    let (stated, stop) = (AtomicU64::new(BEFORE), CancellationToken::new());
    let rebuild = async {
        let _stops = stop.clone().drop_guard();
        for round in 1..=2 {
            assert_eq!(node.rebuild(RebuildFrom::Start).await.error, None);
            let second = node.rebuild(RebuildFrom::Start).await;
            assert!(second.rebuild.is_some(), "the first is under way");
            assert!(second.error.unwrap().contains("under way already"));
            if round == 1 {
                let reason = "subject_request".to_owned();
                broker
                    .state_about(&erased, ConversationErasureRequested { reason })
                    .await;
            }
            let done = async || node.state().await.rebuilds == round;
            eventually("it is rebuilt", PATIENCE, done).await;
        }
    };
    let bus = node.operator();
    let (searches, more, ()) = tokio::join!(
        search_all_the_time(bus, BEFORE, &stated, stop.clone()),
        talk_all_the_time(&broker, &stated, stop.clone()),
        rebuild,
    );
    assert!(searches > 10 && !more.is_empty());
    calls.extend(more);

    let expected = u64::try_from(calls.len()).unwrap();
    broker
        .wait_for(FactType::ConversationIndexed, expected + 1)
        .await;
    check_holdings(&node, &calls).await;
    let gone = node.holdings(&[erased.conversation()]).await;
    assert_eq!((gone.held.len(), gone.entries), (0, expected));
    node.stop().await;
    assert!(!folder.path().join("data").exists());
    assert!(folder.path().join("data.2").exists());

    // The place went over to the new index with it.
    let node = Running::start(&broker, slow(folder.path())).await;
    check_holdings(&node, &calls).await;
    calls.push(broker.qualify(Call::of("acme", PASSWORD)).await);
    broker
        .wait_for(FactType::ConversationIndexed, expected + 2)
        .await;
    check_holdings(&node, &calls).await;
    node.stop().await;
    assert_eq!(broker.count(FactType::ConversationFailed).await, 0);
}

async fn check_holdings(node: &Running, calls: &[ConversationId]) {
    for some in calls.chunks(100) {
        let holdings = node.holdings(some).await;
        assert_eq!(holdings.partitions.len(), 64);
        assert_eq!(holdings.held.len(), some.len());
        let whole = |held: &colloquy_contract::control::Holding| {
            held.documents == 1 && held.turns == 2 && some.contains(&held.conversation)
        };
        assert!(holdings.held.iter().all(whole), "{:?}", holdings.held);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_in_a_rebuild_leaves_the_index_as_it_was() {
    const CALLS: usize = 60;
    let broker = Broker::start().await;
    let mut calls = Vec::new();
    for _ in 0..CALLS {
        calls.push(broker.qualify(Call::of("acme", PASSWORD)).await);
    }
    let folder = tempfile::tempdir().unwrap();
    let node = Running::start(&broker, slow(folder.path())).await;
    broker.wait_for(FactType::ConversationIndexed, 60).await;
    node.rebuild(RebuildFrom::Start).await;
    let in_the_middle = async || {
        let state = node.state().await;
        assert_eq!(state.rebuilds, 0, "the rebuild is done already");
        state.rebuild.is_some_and(|rebuild| rebuild.read > 2)
    };
    eventually("it is in the middle", PATIENCE, in_the_middle).await;
    node.kill().await;
    let half = folder.path().join("data.1");
    assert!(half.exists());

    let opened = async || {
        let options = slow(folder.path());
        let node = colloquy_index::IndexNode::open(broker.bus().await, options).await;
        node.is_ok()
    };
    // What the dead node still had in its hands goes with it.
    eventually("the folder is free", PATIENCE, opened).await;
    assert!(!half.exists(), "the half-built index is left over");
    let node = Running::start(&broker, slow(folder.path())).await;
    assert_eq!(node.state().await.rebuild, None);
    check_holdings(&node, &calls).await;
    node.rebuild_all(RebuildFrom::Start).await;
    check_holdings(&node, &calls).await;
    node.stop().await;
    assert_eq!(broker.count(FactType::ConversationIndexed).await, 60);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redriven_fact_is_indexed() {
    let (broker, elsewhere) = (Broker::start().await, Broker::start().await);
    let call = Call::of("acme", PASSWORD);
    // The transcript is not there yet.
    let transcript = elsewhere.store(&call).await;
    broker.state_with(&call, transcript).await;
    let folder = tempfile::tempdir().unwrap();
    let node = Running::start(&broker, IndexOptions::new(folder.path())).await;
    broker.wait_for(FactType::ConversationFailed, 1).await;
    assert_eq!(broker.redrive().await, 1);
    broker.wait_for(FactType::ConversationFailed, 2).await;
    assert!(found(&node, "password").await.is_empty());

    broker.store(&call).await;
    assert_eq!(broker.redrive().await, 1);
    broker.wait_for(FactType::ConversationIndexed, 1).await;
    assert_eq!(found(&node, "password").await, [call.conversation()]);
    // The log has the fact three times now; it is one document, and is stated once.
    node.rebuild_all(RebuildFrom::Start).await;
    let holdings = node.holdings(&[call.conversation()]).await;
    assert_eq!((holdings.entries, holdings.held[0].documents), (1, 1));
    node.stop().await;
    assert_eq!(broker.count(FactType::ConversationIndexed).await, 1);
    assert_eq!(broker.count(FactType::ConversationFailed).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_revision_replaces_what_was_found() {
    let broker = Broker::start().await;
    let call = Call::of("acme", PASSWORD);
    broker.qualify(call.clone()).await;
    let folder = tempfile::tempdir().unwrap();
    let node = Running::start(&broker, slow(folder.path())).await;
    broker.wait_for(FactType::ConversationIndexed, 1).await;
    broker.requalify(&call.saying(REFUND), 2).await;
    broker.wait_for(FactType::ConversationIndexed, 2).await;
    for from in [
        None,
        Some(RebuildFrom::Sequence(1)),
        Some(RebuildFrom::Start),
    ] {
        if let Some(from) = from {
            node.rebuild_all(from).await;
        }
        assert_eq!(found(&node, "refund").await, [call.conversation()]);
        assert!(found(&node, "password").await.is_empty());
    }
    node.stop().await;
    assert_eq!(broker.count(FactType::ConversationIndexed).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn from_a_place_on_only_later_facts_are_put_again() {
    let broker = Broker::start().await;
    let early = broker.qualify(Call::of("acme", PASSWORD)).await;
    let place = broker.end().await + 1;
    // The broker's clock and ours are the same machine's.
    let time = jiff::Timestamp::now();
    let late = broker.qualify(Call::of("acme", PASSWORD)).await;
    let folder = tempfile::tempdir().unwrap();
    let node = Running::start(&broker, IndexOptions::new(folder.path())).await;
    broker.wait_for(FactType::ConversationIndexed, 2).await;
    node.stop().await;

    for from in [RebuildFrom::Sequence(place), RebuildFrom::Time(time)] {
        damage(folder.path(), &[early, late]);
        let node = Running::start(&broker, IndexOptions::new(folder.path())).await;
        assert!(found(&node, "password").await.is_empty());
        let through = node.state().await.through;
        node.rebuild_all(from).await;
        assert_eq!(found(&node, "password").await, [late], "{from:?}");
        assert_eq!(node.state().await.through, through);
        node.stop().await;
    }
    let node = Running::start(&broker, IndexOptions::new(folder.path())).await;
    node.rebuild_all(RebuildFrom::Start).await;
    assert_eq!(found(&node, "password").await.len(), 2);
    node.stop().await;
    assert_eq!(broker.count(FactType::ConversationIndexed).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_whose_transcript_is_gone_survives_a_rebuild() {
    let (before, after) = (Broker::start().await, Broker::start().await);
    let call = Call::of("acme", PASSWORD);
    before.qualify(call.clone()).await;
    // The same log, but the artifacts are lost.
    after.state(&call, "gone").await;
    let folder = tempfile::tempdir().unwrap();
    let node = Running::start(&before, IndexOptions::new(folder.path())).await;
    before.wait_for(FactType::ConversationIndexed, 1).await;
    node.stop().await;
    let node = Running::start(&after, IndexOptions::new(folder.path())).await;
    node.rebuild_all(RebuildFrom::Start).await;
    assert_eq!(found(&node, "password").await, [call.conversation()]);
    node.stop().await;
    assert_eq!(after.count(FactType::ConversationFailed).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_call_does_not_wait_for_a_batch() {
    let broker = Broker::start().await;
    let folder = tempfile::tempdir().unwrap();
    let options = IndexOptions {
        commit_interval: Duration::from_secs(3_600),
        ..IndexOptions::new(folder.path())
    };
    let node = Running::start(&broker, options).await;
    broker.qualify(Call::of("acme", PASSWORD)).await;
    broker.wait_for(FactType::ConversationIndexed, 1).await;
    assert_eq!(found(&node, "password").await.len(), 1);
    node.stop().await;
}
