//! Dead letters over the API, against a real broker, where the gateway runs under its own user and
//! may do no more than it declares.

#![allow(clippy::unwrap_used, clippy::panic, unreachable_pub, reason = "tests")]

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::http::{Method, StatusCode};
use colloquy_bus::worker::{Context, Failure, Service};
use colloquy_contract::{
    ConversationId, Fact, Scope,
    facts::{ConversationIndexed, Family},
};
use colloquy_gateway::{GatewayOptions, keys};
use colloquy_testkit::{Authorization, BrokerOptions, KitOptions, PATIENCE, eventually};
use common::{Answer, Platform, Sent};
use serde_json::{Value, json};

const LIST: &str = "/v1/deadletters";
const REDRIVE: &str = "/v1/deadletters/redrive";

/// Cannot do its work until it is mended.
#[derive(Debug, Default)]
struct Broken {
    mended: AtomicBool,
    handled: AtomicUsize,
}

impl Service for Broken {
    const NAME: &'static str = "webhooks";
    type Input = ConversationIndexed;

    async fn handle(&self, _: Self::Input, _: &Context) -> Result<Vec<Fact>, Failure> {
        if self.mended.load(Ordering::SeqCst) {
            self.handled.fetch_add(1, Ordering::SeqCst);
            return Ok(Vec::new());
        }
        let reason = "the Receiver is gone".to_owned();
        Err(Failure::Permanent { reason })
    }
}

struct Desk {
    platform: Platform,
    other: String,
}

impl Desk {
    async fn start() -> Self {
        let kit = KitOptions {
            broker: BrokerOptions {
                authorization: Some(Authorization::of_contract()),
                ..BrokerOptions::default()
            },
            ..KitOptions::default()
        };
        let platform = Platform::with(kit, GatewayOptions::default()).await;
        let account = "other".parse().unwrap();
        let key = keys::create(&platform.bus, &account, "tests").await;
        let other = key.unwrap().secret;
        Self { platform, other }
    }

    async fn index(&self, account: &str) {
        let scope = Scope::Conversation {
            account: account.parse().unwrap(),
            conversation: ConversationId::generate(),
        };
        let fact = ConversationIndexed { turns: 4711 };
        self.platform.kit().state(&scope, fact).await;
    }

    async fn dead_letters_become(&self, count: u64) {
        let kit = self.platform.kit();
        let what = format!("there are {count} dead letters");
        eventually(&what, PATIENCE, async || kit.dead_letters().await == count).await;
    }

    async fn list(&self, query: &str) -> Vec<Value> {
        let answer = self.platform.get(&format!("{LIST}?{query}")).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        answer.json()["deadletters"].as_array().unwrap().clone()
    }

    async fn sequences(&self) -> Vec<u64> {
        self.list("").await.iter().map(sequence).collect()
    }

    async fn redrive(&self, request: Value) -> Value {
        let answer = self.platform.send(redrive(&request)).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        answer.json()
    }

    async fn as_other(&self, method: Method, path: &str) -> Answer {
        let bearer = format!("Bearer {}", self.other);
        let sent = Sent::new(method, path).header("authorization", &bearer);
        self.platform.send(sent).await
    }
}

fn redrive(request: &Value) -> Sent {
    let sent = Sent::new(Method::POST, REDRIVE).typed("application/json");
    sent.body(request.to_string())
}

fn sequence(letter: &Value) -> u64 {
    letter["sequence"].as_u64().unwrap()
}

fn path(sequence: u64) -> String {
    format!("{LIST}/{sequence}")
}

/// One broker serves all parts: starting one takes longer than all of them.
#[tokio::test(flavor = "multi_thread")]
async fn dead_letters() {
    let desk = Desk::start().await;
    let service = Arc::new(Broken::default());
    let running = desk.platform.kit().run(service.clone()).await;
    for account in ["acme", "other", "acme", "acme"] {
        desk.index(account).await;
    }
    desk.dead_letters_become(4).await;
    listing(&desk).await;
    let others = showing(&desk).await;
    refusals(&desk).await;
    nothing_changes_unasked(&desk, others).await;
    still_broken(&desk).await;
    service.mended.store(true, Ordering::SeqCst);
    redriving(&desk, &service).await;
    discarding(&desk, others).await;
    without_a_service(&desk).await;
    running.drain().await;
}

async fn listing(desk: &Desk) {
    let all = desk.sequences().await;
    assert_eq!(all.len(), 3, "only those of the account");
    assert!(all.is_sorted(), "oldest first");
    let first = desk.platform.get(&format!("{LIST}?limit=2")).await.json();
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = desk
        .platform
        .get(&format!("{LIST}?limit=2&cursor={cursor}"))
        .await
        .json();
    let pages = [&first, &second].map(|page| page["deadletters"].as_array().unwrap());
    let paged: Vec<u64> = pages.into_iter().flatten().map(sequence).collect();
    assert_eq!(paged, all);
    assert_eq!(second.get("next_cursor"), None);
    for (query, count) in [
        ("service=webhooks", 3),
        ("service=tag", 0),
        ("error=receiver", 3),
        ("error=nothing", 0),
        ("older=1h", 0),
        ("younger=1h", 3),
        ("limit=3", 3),
    ] {
        assert_eq!(desk.list(query).await.len(), count, "{query}");
    }
    let theirs = desk.as_other(Method::GET, LIST).await.json();
    assert_eq!(theirs["deadletters"].as_array().unwrap().len(), 1);
}

/// Returns the number of the other account's dead letter.
async fn showing(desk: &Desk) -> u64 {
    let listed = desk.list("").await.remove(0);
    let answer = desk.platform.get(&path(sequence(&listed))).await;
    let shown = answer.json();
    assert_eq!(shown, listed);
    assert_eq!(shown["service"], "webhooks");
    assert_eq!(shown["error"], "the Receiver is gone");
    assert_eq!(shown["attempts"], 1);
    assert_eq!(shown["type"], "conversation.indexed");
    assert_eq!(shown["history"], json!([]));
    assert!(shown["links"]["conversation"].is_string());
    assert!(!answer.text().contains("4711"), "the message is not shown");
    let theirs = desk.as_other(Method::GET, LIST).await.json();
    let others = sequence(&theirs["deadletters"][0]);
    for hidden in [path(others), path(1_000_000), path(0), format!("{LIST}/x")] {
        let answer = desk.platform.get(&hidden).await;
        answer.is_problem(404, "not-found", &hidden);
    }
    let seen = desk.as_other(Method::GET, &path(others)).await;
    assert_eq!(seen.status, StatusCode::OK);
    others
}

async fn refusals(desk: &Desk) {
    for query in [
        "colour=blue",
        "older=soon",
        "service=*",
        "limit=0",
        "cursor=x",
    ] {
        let path = format!("{LIST}?{query}");
        let answer = desk.platform.get(&path).await;
        answer.is_problem(400, "bad-request", &path);
    }
    for request in [
        json!({ "colour": "blue" }),
        json!({ "sequences": [1], "error": "x" }),
        json!({ "service": "tag.*" }),
        json!({ "younger": "soon" }),
    ] {
        let answer = desk.platform.send(redrive(&request)).await;
        answer.is_problem(422, "invalid", REDRIVE);
    }
    let anonymous = redrive(&json!({})).anonymous();
    let answer = desk.platform.send(anonymous).await;
    answer.is_problem(401, "unauthenticated", REDRIVE);
}

/// Neither a dry run nor somebody else's number does anything.
async fn nothing_changes_unasked(desk: &Desk, others: u64) {
    let before = desk.sequences().await;
    let report = desk.redrive(json!({ "service": "webhooks" })).await;
    let expected = json!({
        "dry_run": true, "selected": 3, "redriven": 3, "gone": [], "failed": [], "remaining": 0,
        "more": false
    });
    assert_eq!(report, expected);
    let report = desk.redrive(json!({ "limit": 2 })).await;
    assert_eq!(
        (&report["selected"], &report["more"]),
        (&json!(2), &json!(true))
    );
    let report = desk
        .redrive(json!({ "sequences": [others, before[0]] }))
        .await;
    assert_eq!(report["gone"], json!([others]));
    assert_eq!(report["redriven"], 1);
    let report = desk
        .redrive(json!({ "sequences": [others], "dry_run": false }))
        .await;
    assert_eq!(report["gone"], json!([others]));
    let answer = desk
        .platform
        .send(Sent::new(Method::DELETE, &path(others)))
        .await;
    answer.is_problem(404, "not-found", &path(others));
    assert_eq!(desk.sequences().await, before);
    assert_eq!(desk.platform.kit().dead_letters().await, 4);
}

/// Fails again: another dead letter, which knows the one before.
async fn still_broken(desk: &Desk) {
    let first = desk.sequences().await[0];
    let report = desk
        .redrive(json!({ "sequences": [first], "dry_run": false }))
        .await;
    assert_eq!(report["redriven"], 1, "{report}");
    let mut again = Value::Null;
    eventually("it is a dead letter again", PATIENCE, async || {
        let listed = desk.list("").await;
        let with_history = |letter: &&Value| letter["history"].as_array().unwrap().len() == 1;
        again = listed
            .iter()
            .find(with_history)
            .cloned()
            .unwrap_or_default();
        again.is_object()
    })
    .await;
    assert_eq!(sequence(&again["history"][0]), first);
    assert_eq!(again["history"][0]["error"], "the Receiver is gone");
    assert!(sequence(&again) > first);
    assert_eq!(
        desk.platform.get(&path(first)).await.status,
        StatusCode::NOT_FOUND
    );
}

async fn redriving(desk: &Desk, service: &Broken) {
    let report = desk
        .redrive(json!({ "error": "RECEIVER", "dry_run": false, "rate": 1000 }))
        .await;
    assert_eq!(report["redriven"], 3, "{report}");
    assert_eq!(report["remaining"], 0);
    eventually("all are handled", PATIENCE, async || {
        service.handled.load(Ordering::SeqCst) == 3
    })
    .await;
    assert!(desk.sequences().await.is_empty());
    assert_eq!(desk.platform.kit().dead_letters().await, 1, "the other's");
}

async fn discarding(desk: &Desk, others: u64) {
    let dropped = desk.as_other(Method::DELETE, &path(others)).await;
    assert_eq!(dropped.status, StatusCode::NO_CONTENT);
    let again = desk.as_other(Method::DELETE, &path(others)).await;
    again.is_problem(404, "not-found", &path(others));
    assert_eq!(desk.platform.kit().dead_letters().await, 0);
}

/// What cannot be redriven says why; what is not done in time remains.
async fn without_a_service(desk: &Desk) {
    let (kit, scope) = (
        desk.platform.kit(),
        desk.platform.scope(ConversationId::generate()),
    );
    kit.state(&scope, ConversationIndexed { turns: 1 }).await;
    let sequence = kit.history(&scope).await[0].sequence;
    let bury = |service| {
        kit.bus
            .bury_fact(service, Family::Conversation, sequence, 1, "retired")
    };
    for service in ["gone-1", "gone-2", "gone-3", "gone-4"] {
        bury(service).await.unwrap().unwrap();
    }
    let all = json!({ "error": "retired", "dry_run": false });
    let report = desk.redrive(all).await;
    let failed = report["failed"].as_array().unwrap();
    assert_eq!(failed.len(), 4, "{report}");
    assert!(failed[0]["reason"].as_str().unwrap().contains("discard"));
    assert_eq!(report["redriven"], 0);

    // One each second, and two seconds for all of them.
    let hurried = desk.platform.beside(GatewayOptions {
        request_timeout: Duration::from_secs(3),
        ..GatewayOptions::default()
    });
    let slowly = json!({ "error": "retired", "dry_run": false, "rate": 1 });
    let report = desk.platform.send_to(&hurried, redrive(&slowly)).await;
    let report = report.json();
    let (failed, remaining) = (
        report["failed"].as_array().unwrap().len(),
        report["remaining"].as_u64().unwrap(),
    );
    assert!(failed > 0 && remaining > 0, "{report}");
    assert_eq!(failed as u64 + remaining, 4);
    for sequence in desk.sequences().await {
        let sent = Sent::new(Method::DELETE, &path(sequence));
        let answer = desk.platform.send(sent).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT);
    }
}
