//! The service at a real broker, under its own user: the entry of a conversation is what its facts
//! say, however they are delivered and by however many it is kept.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::sync::Arc;

use colloquy_contract::{
    FactType, Scope,
    facts::{
        ConversationErased, ConversationErasureRequested, ConversationIndexed, ConversationRejected,
    },
    progress::{Progress, Status},
    streams,
};
use colloquy_progress::ProgressService;
use colloquy_testkit::{Kit, PATIENCE, conversation};

/// As it is run: it opens the read model with what its own user may do.
async fn service(kit: &Kit) -> ProgressService {
    let bus = kit.connect("progress").await;
    ProgressService::new(&bus).await.unwrap()
}

async fn entry(kit: &Kit, scope: &Scope) -> Option<Progress> {
    let entries = kit.bus.kv(streams::PROGRESS.name).await.unwrap();
    let key = Progress::key(scope.account(), scope.conversation().unwrap());
    let found = entries.get::<Progress>(&key).await.unwrap();
    found.map(|found| found.value)
}

/// What the log says.
async fn folded(kit: &Kit, scope: &Scope) -> Progress {
    let mut progress = Progress::new(scope.conversation().unwrap());
    for logged in kit.history(scope).await {
        progress.apply(&logged.envelope, &logged.fact);
    }
    progress
}

fn asked() -> ConversationErasureRequested {
    ConversationErasureRequested {
        reason: "subject_request".to_owned(),
    }
}

#[tokio::test]
async fn an_entry_tells_how_far_a_conversation_is() {
    let kit = Kit::with_permissions(1).await;
    let progress = kit.run(Arc::new(service(&kit).await)).await;
    let rejected = ConversationRejected {
        stage: "decode".to_owned(),
        code: "truncated".to_owned(),
        reason: "send the whole recording".to_owned(),
    };
    let (indexed, rejected) = (
        kit.begin(ConversationIndexed { turns: 3 }).await,
        kit.begin(rejected).await,
    );
    kit.settled(PATIENCE).await;
    let found = entry(&kit, &indexed).await.unwrap();
    assert_eq!(found.status(), Status::Completed);
    assert_eq!(found, folded(&kit, &indexed).await);
    let found = entry(&kit, &rejected).await.unwrap();
    assert_eq!(found.status(), Status::Error);
    assert_eq!(found, folded(&kit, &rejected).await);

    kit.state(&indexed, ConversationErased { artifacts: 7 })
        .await;
    kit.settled(PATIENCE).await;
    let found = entry(&kit, &indexed).await.unwrap();
    assert_eq!(found.status(), Status::Erased);
    assert_eq!(entry(&kit, &conversation()).await, None);
    progress.drain().await;
}

#[tokio::test]
async fn what_is_delivered_again_changes_nothing() {
    let kit = Kit::with_permissions(2).await;
    let scope = conversation();
    let service = service(&kit).await;
    let cause = ConversationIndexed { turns: 3 };
    let facts = kit.delivered_again(service, &scope, cause).await;
    assert_eq!(facts, [FactType::ConversationIndexed]);
    let found = entry(&kit, &scope).await.unwrap();
    assert_eq!(found.stages.len(), 1, "{found:?}");
    assert_eq!(found, folded(&kit, &scope).await);
}

#[tokio::test]
async fn two_keep_the_entries_of_the_same_conversations() {
    let kit = Kit::with_permissions(3).await;
    let one = kit.run(Arc::new(service(&kit).await)).await;
    let another = kit.run(Arc::new(service(&kit).await)).await;
    kit.proxies()[0].make(|trouble| {
        trouble.redeliver = 0.2;
        trouble.duplicate_deliveries = 0.2;
    });
    let scopes: Vec<Scope> = (0..20).map(|_| conversation()).collect();
    for scope in &scopes {
        // Close together, so that both have to do with it at once.
        kit.state(scope, asked()).await;
        kit.state(scope, ConversationIndexed { turns: 3 }).await;
        kit.state(scope, ConversationErased { artifacts: 1 }).await;
    }
    kit.proxies()[0].heal();
    kit.settled(PATIENCE).await;
    for scope in &scopes {
        let found = entry(&kit, scope).await.unwrap();
        assert_eq!(found.stages.len(), 3, "{found:?}");
        // The stages stand in the order of their times, which is that of the log here.
        assert_eq!(found, folded(&kit, scope).await);
    }
    one.drain().await;
    another.drain().await;
}

#[tokio::test]
async fn a_fact_that_cannot_be_read_is_a_dead_letter() {
    let kit = Kit::with_permissions(4).await;
    let progress = kit.run(Arc::new(service(&kit).await)).await;
    let scope = conversation();
    let data = r#"{ "turns": "as Susan Parker said" }"#;
    kit.garble(&scope, FactType::ConversationIndexed, data)
        .await;
    let letter = kit.the_dead_letter("progress", &scope).await;
    // What comes behind it is not held up.
    let next = kit.begin(ConversationIndexed { turns: 3 }).await;
    kit.settled(PATIENCE).await;
    assert!(entry(&kit, &next).await.is_some());
    assert_eq!(entry(&kit, &scope).await, None);
    progress.drain().await;
    assert!(letter.error.contains("cannot be read"), "{}", letter.error);
    assert!(!letter.error.contains("Susan"), "{}", letter.error);
}
