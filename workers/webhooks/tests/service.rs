//! Webhooks from a real broker, each service under its own user, to a real HTTP server: signed,
//! repeated under one id, refused ones kept, and a receiver that is away left alone.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use std::time::Duration;

use axum::http::StatusCode;
use colloquy_contract::{
    FactType,
    facts::{
        AccountCreated, ConversationErased, ConversationIndexed, ConversationRejected, FactInput,
    },
    services,
};
use colloquy_testkit::eventually;
use colloquy_webhooks::{ConversationEnd, CrmService, Limits, WebhooksService};

use common::{Broker, PATIENCE, Receiver, Running, account, conversation};

const CRM_CONSUMER: &str = "$JS.API.CONSUMER.INFO.ACCOUNTS.crm";
const WEBHOOKS_CONSUMER: &str = "$JS.API.CONSUMER.INFO.CONVERSATIONS.webhooks";

fn created() -> AccountCreated {
    AccountCreated {
        email: "ann@example.com".to_owned(),
        name: "Ann Example".to_owned(),
        company: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_account_is_told_signed() {
    let broker = Broker::start().await;
    let receiver = Receiver::start(|_| StatusCode::NO_CONTENT).await;
    let endpoint = receiver.endpoint(Limits::default());
    let running = Running::start(&broker, CrmService::new(Some(endpoint))).await;
    let scope = account();
    broker.state(&scope, created()).await;
    receiver.until(1).await;
    let told = receiver.told().remove(0);
    told.is_signed();
    assert_eq!(
        told.id,
        broker.id_of(&scope, FactType::AccountCreated).await
    );
    assert_eq!(told.content_type, "application/json");
    let body = told.json();
    assert_eq!(body["type"], "account.created");
    assert_eq!(body["account"], scope.account().as_str());
    assert_eq!(body["data"]["email"], "ann@example.com");
    assert_eq!(body["data"]["name"], "Ann Example");
    running.stop().await;
    assert_eq!(receiver.told().len(), 1, "told once");
}

#[tokio::test(flavor = "multi_thread")]
async fn ends_of_conversations_are_told_and_nothing_else() {
    let broker = Broker::start().await;
    let receiver = Receiver::start(|_| StatusCode::OK).await;
    let endpoint = receiver.endpoint(Limits::default());
    let running = Running::start(&broker, WebhooksService::new(Some(endpoint))).await;
    let scope = conversation();
    broker.state(&scope, common::received()).await;
    broker.state(&scope, ConversationIndexed { turns: 3 }).await;
    let rejected = ConversationRejected {
        stage: "decode".to_owned(),
        code: "truncated".to_owned(),
        reason: "send the whole recording".to_owned(),
    };
    broker.state(&conversation(), rejected).await;
    broker
        .state(&scope, ConversationErased { artifacts: 4 })
        .await;
    receiver.until(3).await;
    running.stop().await;
    let told = receiver.told();
    assert_eq!(told.len(), 3);
    told.iter().for_each(|told| told.is_signed());
    let mut bodies: Vec<_> = told.iter().map(|told| told.json()).collect();
    bodies.sort_by_key(|body| body["type"].as_str().unwrap().to_owned());
    let types: Vec<_> = bodies.iter().map(|body| body["type"].clone()).collect();
    let expected = [
        "conversation.erased",
        "conversation.indexed",
        "conversation.rejected",
    ];
    assert_eq!(types, expected);
    assert_eq!(bodies[1]["data"], serde_json::json!({ "turns": 3 }));
    assert_eq!(bodies[1]["account"], "acme");
    assert_eq!(
        bodies[1]["conversation"],
        scope.conversation().unwrap().to_string()
    );
    assert_eq!(bodies[2]["data"]["code"], "truncated");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_is_repeated_under_the_same_id() {
    let broker = Broker::start().await;
    let receiver = Receiver::start(|attempt| match attempt {
        1 => StatusCode::SERVICE_UNAVAILABLE,
        2 => StatusCode::TOO_EARLY,
        _ => StatusCode::OK,
    })
    .await;
    let endpoint = receiver.endpoint(Limits::default());
    let running = Running::start(&broker, CrmService::new(Some(endpoint))).await;
    broker.state(&account(), created()).await;
    receiver.until(3).await;
    running.stop().await;
    let told = receiver.told();
    assert_eq!(told.len(), 3);
    for told in &told {
        told.is_signed();
    }
    assert!(told.iter().all(|other| other.id == told[0].id));
    assert!(told.iter().all(|other| other.body == told[0].body));
    assert!(broker.dead_letters("crm").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_delivered_again_is_told_under_the_same_id() {
    let broker = Broker::start().await;
    let receiver = Receiver::start(|_| StatusCode::OK).await;
    let endpoint = receiver.endpoint(Limits::default());
    let (service, scope) = (WebhooksService::new(Some(endpoint)), conversation());
    let cause = ConversationIndexed { turns: 3 };
    let facts = broker.kit.delivered_again(service, &scope, cause).await;
    assert_eq!(facts, [FactType::ConversationIndexed]);
    let id = broker.id_of(&scope, FactType::ConversationIndexed).await;
    let told = receiver.told();
    assert!(told.len() > 1, "it was told again");
    for told in &told {
        told.is_signed();
        assert_eq!(told.id, id);
        assert_eq!(told.json()["data"], serde_json::json!({ "turns": 3 }));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_is_kept_and_told_no_more() {
    let broker = Broker::start().await;
    let receiver = Receiver::start(|_| StatusCode::BAD_REQUEST).await;
    let endpoint = receiver.endpoint(Limits::default());
    let running = Running::start(&broker, WebhooksService::new(Some(endpoint))).await;
    let scope = conversation();
    broker.state(&scope, ConversationIndexed { turns: 3 }).await;
    eventually("there is a dead letter", PATIENCE, async || {
        !broker.dead_letters("webhooks").await.is_empty()
    })
    .await;
    // The kit says that we gave up, which ends nothing and is not told.
    eventually("the failure passes", PATIENCE, async || {
        broker.settled(WEBHOOKS_CONSUMER).await == 2
    })
    .await;
    running.stop().await;
    let letters = broker.dead_letters("webhooks").await;
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].attempts, 1);
    assert!(letters[0].error.contains("400"), "{}", letters[0].error);
    assert_eq!(
        broker.facts(&scope).await,
        [FactType::ConversationIndexed, FactType::ConversationFailed]
    );
    assert_eq!(receiver.told().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn redirects_are_not_followed() {
    let broker = Broker::start().await;
    let elsewhere = Receiver::start(|_| StatusCode::OK).await;
    let receiver = Receiver::redirecting(elsewhere.url()).await;
    let endpoint = receiver.endpoint(Limits::default());
    let running = Running::start(&broker, CrmService::new(Some(endpoint))).await;
    broker.state(&account(), created()).await;
    eventually("there is a dead letter", PATIENCE, async || {
        !broker.dead_letters("crm").await.is_empty()
    })
    .await;
    running.stop().await;
    let letters = broker.dead_letters("crm").await;
    assert!(
        letters[0].error.contains("redirects"),
        "{}",
        letters[0].error
    );
    assert!(!letters[0].error.contains("ann"), "{}", letters[0].error);
    assert!(elsewhere.told().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_is_away_is_left_alone_and_found_again() {
    let broker = Broker::start().await;
    let receiver = Receiver::start(|attempt| match attempt {
        // As many as are under way at once: a good answer among them would close it again.
        1..=4 => StatusCode::BAD_GATEWAY,
        _ => StatusCode::OK,
    })
    .await;
    let limits = Limits {
        failures: 2,
        pause: Duration::from_secs(3),
        ..Limits::default()
    };
    let endpoint = receiver.endpoint(limits);
    let running = Running::start(&broker, WebhooksService::new(Some(endpoint))).await;
    let mut scopes = Vec::new();
    for turns in 0..6 {
        let scope = conversation();
        broker.state(&scope, ConversationIndexed { turns }).await;
        scopes.push(scope);
    }
    receiver.until(10).await;
    running.stop().await;
    let told = receiver.told();
    // Two failures opened it; calls that were under way at the same time come on top of that.
    // Nobody was called until the pause was over.
    let longest = told
        .windows(2)
        .map(|pair| pair[1].at - pair[0].at)
        .max()
        .unwrap();
    assert!(longest >= Duration::from_millis(1_500), "{longest:?}");
    let ids: std::collections::BTreeSet<_> = told.iter().map(|told| told.id.clone()).collect();
    assert_eq!(ids.len(), 6, "all were told in the end");
    assert!(broker.dead_letters("webhooks").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_address_facts_pass() {
    let broker = Broker::start().await;
    let running = Running::start(&broker, CrmService::new(None)).await;
    broker.state(&account(), created()).await;
    eventually("the fact passes", PATIENCE, async || {
        broker.settled(CRM_CONSUMER).await == 1
    })
    .await;
    running.stop().await;
    assert!(broker.dead_letters("crm").await.is_empty());
}

#[test]
fn the_contract_knows_what_they_react_to() {
    let of = |name| services::find(name).unwrap().reacts;
    assert_eq!(of("crm"), AccountCreated::TYPES);
    assert_eq!(of("webhooks"), ConversationEnd::TYPES);
}
