//! The read model is brought into agreement with the log while a real service goes on writing it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking, helpers included"
)]

use std::{collections::BTreeSet, sync::Arc};

use colloquy_bus::{CancellationToken, Kv};
use colloquy_contract::{
    Scope,
    control::RebuildFrom,
    facts::{ConversationErased, ConversationErasureRequested, ConversationIndexed},
    progress::{Progress, Status},
    streams,
};
use colloquy_progress::{ProgressService, Report, rebuild};
use colloquy_testkit::{Kit, PATIENCE, conversation};
use jiff::Timestamp;

fn key(scope: &Scope) -> String {
    Progress::key(scope.account(), scope.conversation().unwrap())
}

async fn entry(entries: &Kv, scope: &Scope) -> Option<Progress> {
    let found = entries.get::<Progress>(&key(scope)).await.unwrap();
    found.map(|found| found.value)
}

async fn remove(entries: &Kv, scope: &Scope) {
    let key = key(scope);
    let present = entries.get_bytes(&key).await.unwrap().unwrap();
    assert!(entries.delete_at(&key, present.revision).await.unwrap());
}

/// An entry that tells what was never stated.
async fn falsify(entries: &Kv, scope: &Scope) {
    let mut progress = entry(entries, scope).await.unwrap();
    progress.stages[0].at += jiff::SignedDuration::from_secs(1);
    progress.words = Some(7);
    entries.put(&key(scope), &progress).await.unwrap();
}

/// An entry that lacks what was stated.
async fn forget(entries: &Kv, scope: &Scope) {
    let progress = Progress::new(scope.conversation().unwrap());
    entries.put(&key(scope), &progress).await.unwrap();
}

/// Conversations that have been indexed, and their entries.
async fn indexed(kit: &Kit, count: usize) -> Vec<Scope> {
    let mut scopes = Vec::new();
    for _ in 0..count {
        scopes.push(kit.begin(ConversationIndexed { turns: 3 }).await);
    }
    scopes
}

/// What the log says about a conversation.
async fn folded(kit: &Kit, scope: &Scope) -> Progress {
    let mut progress = Progress::new(scope.conversation().unwrap());
    for logged in kit.history(scope).await {
        progress.apply(&logged.envelope, &logged.fact);
    }
    progress
}

fn quiet(_: &Report) {}

#[tokio::test(flavor = "multi_thread")]
async fn entries_agree_with_the_log_while_new_facts_come() {
    let kit = Kit::start().await;
    let service = kit
        .run(Arc::new(ProgressService::new(&kit.bus).await.unwrap()))
        .await;
    let scopes = indexed(&kit, 60).await;
    kit.settled(PATIENCE).await;
    let entries = kit.bus.kv(streams::PROGRESS.name).await.unwrap();
    for scope in &scopes[..15] {
        remove(&entries, scope).await;
    }
    for scope in &scopes[15..30] {
        falsify(&entries, scope).await;
    }
    for scope in &scopes[30..40] {
        forget(&entries, scope).await;
    }
    let unreadable = &scopes[40];
    entries.put(&key(unreadable), &"rubbish").await.unwrap();
    let surplus = conversation();
    forget(&entries, &surplus).await;
    entries.put("no.key.of.ours", &1).await.unwrap();

    // Meanwhile, facts of new conversations and of all but the unreadable one.
    let stop = CancellationToken::new();
    let talking = async {
        let mut more = Vec::new();
        let mut known = scopes.iter().filter(|&scope| scope != unreadable);
        while !stop.is_cancelled() {
            more.extend(indexed(&kit, 1).await);
            if let Some(scope) = known.next() {
                let reason = "retention".to_owned();
                kit.state(scope, ConversationErasureRequested { reason })
                    .await;
            }
        }
        more
    };
    let mending = async {
        let _stops = stop.clone().drop_guard();
        rebuild(&kit.bus, RebuildFrom::Start, quiet).await.unwrap()
    };
    let (more, report) = tokio::join!(talking, mending);
    assert_eq!((report.partitions, report.deleted), (64, 2));
    assert!(report.facts >= 60 && report.compared >= 60, "{report:?}");
    assert!(report.replaced >= 10, "{report:?}");
    assert!(!more.is_empty());

    kit.settled(PATIENCE).await;
    let mut expected = BTreeSet::new();
    for scope in scopes.iter().chain(&more) {
        assert_eq!(
            entry(&entries, scope).await,
            Some(folded(&kit, scope).await)
        );
        expected.insert(key(scope));
    }
    let mut keys = entries.keys(">").await.unwrap();
    let mut present = BTreeSet::new();
    while let Some(key) = keys.next().await.unwrap() {
        assert!(present.insert(key), "a key came twice");
    }
    assert_eq!(present, expected);

    // What agrees is left alone.
    let before = entries.get_bytes(&key(&scopes[0])).await.unwrap();
    let again = rebuild(&kit.bus, RebuildFrom::Start, quiet).await.unwrap();
    assert_eq!((again.made, again.replaced, again.deleted), (0, 0, 0));
    assert_eq!(entries.get_bytes(&key(&scopes[0])).await.unwrap(), before);
    service.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emptied_bucket_is_filled() {
    let kit = Kit::start().await;
    let scopes = indexed(&kit, 30).await;
    let entries = kit.bus.kv(streams::PROGRESS.name).await.unwrap();
    let mut told = Vec::new();
    let report = rebuild(&kit.bus, RebuildFrom::Start, |report| {
        told.push(report.partitions);
    });
    let report = report.await.unwrap();
    assert_eq!((report.made, report.facts, report.compared), (30, 30, 30));
    assert_eq!(told, (1..=64).chain([64]).collect::<Vec<u8>>());
    for scope in &scopes {
        let progress = entry(&entries, scope).await.unwrap();
        assert_eq!(progress.status(), Status::Completed);
        remove(&entries, scope).await;
    }
    assert!(
        entries
            .keys(">")
            .await
            .unwrap()
            .next()
            .await
            .unwrap()
            .is_none()
    );
    let report = rebuild(&kit.bus, RebuildFrom::Start, quiet).await.unwrap();
    assert_eq!(report.made, 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn from_a_place_on_only_later_conversations_are_touched() {
    let kit = Kit::start().await;
    let scopes = indexed(&kit, 10).await;
    let (early, both) = (&scopes[0], &scopes[1]);
    let place = kit
        .bus
        .last_sequence(colloquy_contract::facts::Family::Conversation);
    let place = place.await.unwrap() + 1;
    let time = Timestamp::now();
    kit.state(both, ConversationErased { artifacts: 1 }).await;
    let late = &indexed(&kit, 1).await[0];
    let entries = kit.bus.kv(streams::PROGRESS.name).await.unwrap();
    let surplus = conversation();
    for from in [RebuildFrom::Sequence(place), RebuildFrom::Time(time)] {
        for scope in [early, both, late, &surplus] {
            forget(&entries, scope).await;
        }
        let report = rebuild(&kit.bus, from, quiet).await.unwrap();
        assert_eq!((report.compared, report.replaced, report.facts), (2, 2, 2));
        for scope in [both, late] {
            assert_eq!(
                entry(&entries, scope).await,
                Some(folded(&kit, scope).await)
            );
        }
        let status = entry(&entries, both).await.unwrap().status();
        assert_eq!(status, Status::Erased, "its earlier facts count too");
        for scope in [early, &surplus] {
            assert!(entry(&entries, scope).await.unwrap().stages.is_empty());
        }
    }
    let later = RebuildFrom::Sequence(place + 100);
    let report = rebuild(&kit.bus, later, quiet).await.unwrap();
    assert_eq!((report.facts, report.compared), (0, 0));
}
