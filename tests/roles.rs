//! The gateway and each worker as a process of its own, against one broker, each under its own user
//! with the permissions that the contract gives it: the same result, one trace across all of them;
//! any of them may be away for a while; two of one share the load; one that reaches outside is
//! refused; and the same against a cluster that speaks TLS and loses a server.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use colloquy_bus::{Bus, BusError, ConnectOptions};
use colloquy_contract::{
    Bucket,
    control::{INDEX_REBUILD, RebuildFrom, RebuildRequest},
    facts::Family,
    permissions::OPERATOR,
    streams,
};
use colloquy_runtime::collector::Span;
use reqwest::{Method, StatusCode};
use serde_json::Value;

use support::{Api, Process, Stage, StageBroker};

const WORKERS: [&str; 7] = [
    "decode",
    "transcribe",
    "tag",
    "anonymize",
    "qualify",
    "index",
    "progress",
];

/// Those beside a conversation's way.
const OTHERS: [&str; 5] = ["accounts", "notify", "crm", "webhooks", "warehouse"];

/// The facts of a conversation's good way, in order.
const WAY: [&str; 7] = [
    "received",
    "decoded",
    "transcribed",
    "tagged",
    "anonymized",
    "qualified",
    "indexed",
];

const SAMPLE: &str = "pharmacy-refill.opus";

async fn gateway(stage: &Stage) -> (Process, Api) {
    let args = ["gateway", "--listen", "127.0.0.1:0"];
    let process = stage.run_as("gateway", "gateway", &args);
    let base = process.line_after("the gateway listens on ");
    (process, Api::new(&base, &stage.key().await))
}

fn worker(stage: &Stage, name: &str) -> Process {
    stage.run_as(name, name, &["worker", name])
}

#[tokio::test(flavor = "multi_thread")]
async fn separate_processes_do_the_same_in_one_trace() {
    let stage = Stage::of_users().await;
    let (gateway, api) = gateway(&stage).await;
    let all = WORKERS.iter().chain(&OTHERS);
    let mut workers: BTreeMap<_, _> = all.map(|&name| (name, worker(&stage, name))).collect();
    // A second one of a worker shares the load.
    let second_decode = stage.run_as("decode", "decode-2", &["worker", "decode"]);

    // One of them is away while calls come in; when it is back they go on.
    workers.remove("tag").unwrap().end();
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(api.post_sample(SAMPLE).await);
    }
    until_stage(&api, &ids[0], "conversation.transcribed").await;
    workers.insert("tag", worker(&stage, "tag"));
    let signup = sign_up(&api).await;
    for id in &ids {
        let status = api.completed(id).await;
        let facts: Vec<_> = status["stages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|stage| stage["fact"].as_str().unwrap().rsplit('.').next().unwrap())
            .collect();
        assert_eq!(facts, WAY, "each fact once, in order");
    }
    let found = api.get("/v1/search?q=&limit=100").await;
    assert_eq!(found["hits"].as_array().unwrap().len(), ids.len());
    let transcript = format!("/v1/conversations/{}/transcript", ids[0]);
    assert!(!api.get(&transcript).await["turns"].is_null());
    until_welcomed(&api, &signup).await;

    let processes = workers.values().chain([&second_decode, &gateway]);
    let outputs: Vec<_> = processes.map(|process| process.output.clone()).collect();
    let warehouse = workers.remove("warehouse").unwrap();
    let processes = workers.into_values().chain([second_decode, gateway]);
    processes.for_each(Process::end);
    // It commits what it has read when it ends, rather than half a minute later.
    warehouse.end();
    has_rows(&stage, ids.len() * WAY.len() + SIGNUP_FACTS).await;
    for output in outputs {
        let output = output.lock().unwrap();
        // Both the broker's word and ours.
        assert!(!output.to_lowercase().contains("violation"), "{output}");
        assert!(!output.contains("denied"), "{output}");
    }
    let spans = stage.collector.spans();
    for id in &ids {
        is_one_trace(&spans, id);
    }
}

/// The facts of a sign-up's good way.
const SIGNUP_FACTS: usize = 3;

async fn sign_up(api: &Api) -> String {
    let body = serde_json::json!({
        "email": "ann@example.com",
        "name": "Ann Example",
        "password": "correct horse battery",
    });
    let request = api.anonymous(Method::POST, "/v1/signups").json(&body);
    let accepted: Value = request.send().await.unwrap().json().await.unwrap();
    accepted["id"].as_str().expect("it is accepted").to_owned()
}

async fn until_welcomed(api: &Api, id: &str) {
    let deadline = std::time::Instant::now() + support::PATIENCE;
    loop {
        let signup = api.get(&format!("/v1/signups/{id}")).await;
        if signup["status"] == "welcomed" {
            return;
        }
        assert!(std::time::Instant::now() < deadline, "{signup}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The warehouse, which has ended, has so many rows. If it was slower than everything else, it reads
/// the rest when it runs again.
async fn has_rows(stage: &Stage, expected: usize) {
    let folder = stage.folder.path().join("warehouse/warehouse");
    let rows = || colloquy_warehouse::rows(&folder).unwrap().len();
    if rows() < expected {
        let again = worker(stage, "warehouse");
        let deadline = std::time::Instant::now() + support::PATIENCE;
        while rows() < expected && std::time::Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        again.end();
    }
    assert_eq!(rows(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_over_tls_loses_a_server_and_no_call() {
    let stage = Stage::of_users_over_tls().await;
    let StageBroker::OfUsers(broker) = &stage.broker else {
        panic!("a broker of users")
    };
    let (gateway, api) = gateway(&stage).await;
    let all = WORKERS.iter().chain(&OTHERS);
    let workers: Vec<_> = all.map(|&name| worker(&stage, name)).collect();
    let mut calls = support::all_samples();
    let later = calls.split_off(calls.len() / 2);

    let mut ids = Vec::new();
    for name in &calls {
        ids.push(post_until_accepted(&api, name).await);
    }
    broker.kill(1);
    for name in &later {
        ids.push(post_until_accepted(&api, name).await);
    }
    for id in &ids {
        until_completed(&api, id).await;
    }
    broker.start(1).await;
    broker.ready().await;
    // The servers agree again; whoever asks too early is told to come later.
    until_completed(&api, &ids[0]).await;
    let found = api.get("/v1/search?q=&limit=100").await;
    assert_eq!(found["hits"].as_array().unwrap().len(), ids.len());
    let bus = stage.bus().await;
    let options = colloquy_audit::AuditOptions {
        deep: true,
        ..Default::default()
    };
    let report = colloquy_audit::audit(&bus, &options).await.unwrap();
    assert!(report.clean, "{report}");
    bus.close().await;

    // Who does not know the authority does not speak to it, and neither does who would do without.
    for scheme in ["tls", "nats"] {
        let options = ConnectOptions {
            url: broker
                .url(OPERATOR)
                .replace("tls://", &format!("{scheme}://")),
            root_certificates: None,
            ..broker.connect_options(OPERATOR)
        };
        let refused = Bus::connect(options).await;
        assert!(matches!(refused, Err(BusError::Connect { .. })), "{scheme}");
    }
    drop(gateway);
    drop(workers);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_reaches_outside_is_refused() {
    let stage = Stage::of_users().await;
    // A worker under another's user ends at once and says why.
    let mut foreign = stage.run_as("qualify", "foreign", &["worker", "tag"]);
    assert!(!foreign.ended().success());
    let said = foreign.output.lock().unwrap().clone();
    let why = "tag failed: the broker denied ";
    assert!(said.contains(why), "{said}");

    // What qualify measures is anonymized: it has no way to the raw recordings, and none to the
    // work and the facts of others.
    let operator = stage.bus().await;
    let scope = colloquy_testkit::conversation();
    let (vault, open) = (Bucket::Vault, Bucket::Open);
    let put = async |bucket| {
        let artifacts = operator.artifacts();
        let put = artifacts.put_bytes(bucket, &scope, "x/y", vec![7]);
        put.await.unwrap()
    };
    let (raw, redacted) = (put(vault).await, put(open).await);
    let qualify = stage.bus_of("qualify").await;
    let artifacts = qualify.artifacts();
    assert_eq!(artifacts.get_bytes(&redacted).await.unwrap()[..], [7]);
    is_denied(artifacts.get_bytes(&raw).await);
    is_denied(artifacts.put_bytes(open, &scope, "x/y", vec![8]).await);
    is_denied(qualify.kv(streams::PROGRESS.name).await);
    let log = qualify.follow(Family::Conversation, vec![scope.history_filter()], 1);
    is_denied(log.await);
    let rebuild = RebuildRequest {
        from: RebuildFrom::Start,
    };
    let minute = Duration::from_secs(60);
    let asked = qualify.ask_all(INDEX_REBUILD, &rebuild, minute, |_: Value| true);
    is_denied(asked.await);
}

fn is_denied<T>(result: colloquy_bus::Result<T>) {
    match result {
        Err(BusError::Denied { .. }) => {}
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it is allowed"),
    }
}

/// Posts a sample as a client does that wants it kept: what is refused while the cluster chooses new
/// leaders is repeated with the same key.
async fn post_until_accepted(api: &Api, name: &str) -> String {
    let content = std::fs::read(support::sample(name)).unwrap();
    let deadline = std::time::Instant::now() + support::PATIENCE;
    loop {
        let request = api
            .request(
                Method::POST,
                "/v1/conversations?channel_roles=agent,customer",
            )
            .header("Idempotency-Key", name)
            .body(content.clone());
        let response = request.send().await.unwrap();
        let status = response.status();
        let answer: Value = response.json().await.unwrap();
        if status == StatusCode::ACCEPTED {
            return answer["id"].as_str().unwrap().to_owned();
        }
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{answer}");
        assert!(std::time::Instant::now() < deadline, "{name}: {answer}");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Waits for a conversation's end as a client does: an answer that says "later" is asked for again.
async fn until_completed(api: &Api, id: &str) {
    let deadline = std::time::Instant::now() + support::PATIENCE;
    loop {
        let request = api.request(Method::GET, &format!("/v1/conversations/{id}"));
        let response = request.send().await.unwrap();
        let status = response.status();
        let answer: Value = response.json().await.unwrap();
        if answer["status"] == "completed" {
            return;
        }
        let later = status.is_success() || status == StatusCode::SERVICE_UNAVAILABLE;
        assert!(later && answer["status"] != "error", "{status} {answer}");
        assert!(std::time::Instant::now() < deadline, "{answer}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn until_stage(api: &Api, id: &str, fact: &str) {
    let deadline = std::time::Instant::now() + support::PATIENCE;
    loop {
        let status = api.get(&format!("/v1/conversations/{id}")).await;
        if status["stages"]
            .as_array()
            .unwrap()
            .iter()
            .any(|stage| stage["fact"] == fact)
        {
            return;
        }
        assert!(std::time::Instant::now() < deadline, "no {fact}: {status}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Publish, process and settle of every hop hang together, across all processes.
fn is_one_trace(spans: &[Span], conversation: &str) {
    let about =
        |span: &&Span| span.attribute("messaging.message.conversation_id") == Some(conversation);
    let first = spans.iter().find(about).expect("spans of the conversation");
    let trace: Vec<_> = spans
        .iter()
        .filter(|span| span.trace_id == first.trace_id)
        .collect();
    assert!(
        spans
            .iter()
            .filter(about)
            .all(|span| span.trace_id == first.trace_id)
    );

    let by_id: BTreeMap<_, _> = trace
        .iter()
        .map(|span| (span.span_id.as_str(), *span))
        .collect();
    let roots: Vec<_> = trace
        .iter()
        .filter(|span| !by_id.contains_key(span.parent_id.as_str()))
        .collect();
    assert_eq!(roots.len(), 1, "{roots:#?}");
    assert_eq!(
        (roots[0].kind, roots[0].service.as_str()),
        (2, "colloquy-gateway")
    );

    let template =
        |fact: &str| format!("conversations.{{partition}}.{{account}}.{{conversation}}.{fact}");
    for (index, fact) in WAY.iter().enumerate() {
        let publish = trace
            .iter()
            .find(|span| span.name == format!("publish {}", template(fact)) && span.kind == 4)
            .unwrap_or_else(|| panic!("no publish span of {fact}"));
        let Some(service) = WORKERS
            .get(index)
            .filter(|name| !["index", "progress"].contains(name))
        else {
            continue;
        };
        let process = trace
            .iter()
            .find(|span| {
                span.name == format!("process {}", template(fact))
                    && span.service == format!("colloquy-{service}")
            })
            .unwrap_or_else(|| panic!("no process span of {fact} in {service}"));
        assert_eq!(process.kind, 5);
        assert_eq!(process.parent_id, publish.span_id, "parent");
        assert!(process.links.contains(&publish.span_id), "link");
        assert_eq!(process.attribute("messaging.system"), Some("nats"));
        assert_eq!(
            process.attribute("messaging.consumer.group.name"),
            Some(*service)
        );
        let settle = trace.iter().find(|span| {
            span.name == format!("ack {}", template(fact)) && span.parent_id == process.span_id
        });
        assert_eq!(settle.expect("a settle span").kind, 3);
    }
    let services: BTreeSet<_> = trace.iter().map(|span| span.service.as_str()).collect();
    for name in [
        "gateway",
        "decode",
        "transcribe",
        "tag",
        "anonymize",
        "qualify",
        "index",
    ] {
        assert!(
            services.contains(format!("colloquy-{name}").as_str()),
            "{name} in {services:?}"
        );
    }
}
