//! Facts are stated once for good, and read back in order.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use colloquy_bus::BusError;
use colloquy_contract::{
    Envelope, Fact, FactType,
    facts::{ConversationErased, ConversationFailed, ConversationIndexed, Family},
    streams,
};
use jiff::Timestamp;

use support::{conversation, start};

fn failed(attempts: u32) -> Fact {
    ConversationFailed {
        stage: "test".to_owned(),
        error: "no reason".to_owned(),
        attempts,
        dead_letter: 1,
    }
    .into()
}

#[tokio::test]
async fn a_fact_is_stated_once_however_often_it_is_stated() {
    let test = start().await;
    let fact: Fact = ConversationIndexed { turns: 1 }.into();
    let envelope = Envelope::first(
        "test",
        conversation(),
        FactType::ConversationIndexed,
        Timestamp::now(),
    );

    let first = test.bus.state(&envelope, &fact).await.unwrap();
    assert!(!first.repeated);
    for _ in 0..3 {
        let again = test.bus.state(&envelope, &fact).await.unwrap();
        assert!(again.repeated);
        assert_eq!(again.sequence, first.sequence);
    }
    assert_eq!(test.bus.history(&envelope.scope).await.unwrap().len(), 1);
}

#[tokio::test]
async fn another_fact_on_the_same_subject_is_a_conflict() {
    let test = start().await;
    let scope = conversation();
    let mut stated = Vec::new();
    for turns in [1, 2] {
        let envelope = Envelope::first(
            "test",
            scope.clone(),
            FactType::ConversationIndexed,
            Timestamp::now(),
        );
        stated.push(
            test.bus
                .state(&envelope, &ConversationIndexed { turns }.into())
                .await,
        );
    }
    assert!(stated[0].is_ok());
    assert!(
        matches!(&stated[1], Err(BusError::Conflict { .. })),
        "{:?}",
        stated[1]
    );
}

#[tokio::test]
async fn a_conversation_may_fail_again_after_it_was_redriven() {
    let test = start().await;
    let scope = conversation();
    for attempts in [6, 12] {
        let envelope = Envelope::first(
            "test",
            scope.clone(),
            FactType::ConversationFailed,
            Timestamp::now(),
        );
        test.bus.state(&envelope, &failed(attempts)).await.unwrap();
        assert!(
            test.bus
                .state(&envelope, &failed(attempts))
                .await
                .unwrap()
                .repeated
        );
    }
    assert_eq!(test.bus.history(&scope).await.unwrap().len(), 2);
}

#[tokio::test]
async fn many_at_once_state_it_once() {
    let test = start().await;
    let fact: Fact = ConversationErased { artifacts: 0 }.into();
    let envelope = Envelope::first(
        "test",
        conversation(),
        FactType::ConversationErased,
        Timestamp::now(),
    );
    let mut statements = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (bus, envelope, fact) = (test.bus.clone(), envelope.clone(), fact.clone());
        statements.spawn(async move { bus.state(&envelope, &fact).await });
    }
    let stated = statements.join_all().await;
    let new = stated
        .iter()
        .filter(|stated| !stated.as_ref().unwrap().repeated)
        .count();
    assert_eq!(new, 1);
    assert_eq!(
        test.bus.last_sequence(Family::Conversation).await.unwrap(),
        1
    );
}

#[tokio::test]
async fn history_is_in_order_and_of_one_thing() {
    let test = start().await;
    let (one, other) = (conversation(), conversation());
    assert!(test.bus.history(&one).await.unwrap().is_empty());
    test.bus
        .state_first("a", one.clone(), ConversationIndexed { turns: 1 })
        .await
        .unwrap();
    test.bus
        .state_first("b", other, ConversationIndexed { turns: 2 })
        .await
        .unwrap();
    test.bus
        .state_first("c", one.clone(), ConversationErased { artifacts: 1 })
        .await
        .unwrap();

    let history = test.bus.history(&one).await.unwrap();
    let sources: Vec<_> = history
        .iter()
        .map(|logged| logged.envelope.source.as_str())
        .collect();
    assert_eq!(sources, ["a", "c"]);
    assert!(history[0].sequence < history[1].sequence);
}

#[tokio::test]
async fn key_value_updates_do_not_get_lost() {
    let test = start().await;
    let kv = test.bus.kv(streams::PROGRESS.name).await.unwrap();
    assert!(kv.list::<u32>("acme.*", 10).await.unwrap().is_empty());
    let mut updates = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let kv = kv.clone();
        updates.spawn(async move {
            kv.update("acme.count", |count: Option<u32>| {
                Some(count.unwrap_or(0) + 1)
            })
            .await
        });
    }
    assert!(updates.join_all().await.iter().all(Result::is_ok));
    assert_eq!(
        kv.get::<u32>("acme.count").await.unwrap().unwrap().value,
        10
    );
    assert_eq!(
        kv.list::<u32>("acme.*", 10).await.unwrap(),
        [("acme.count".to_owned(), 10)]
    );
    assert!(!kv.create("acme.count", &1).await.unwrap());
}
