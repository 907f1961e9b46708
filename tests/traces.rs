//! What is seen of a conversation from outside: one trace through every service, links where one
//! trace leads to another, searches through the shards, log lines with ids, metrics without.
//!
//! The services run as processes of their own and export to a real OTLP receiver. `make traces`
//! shows the trace.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests"
)]

#[path = "support/jaeger.rs"]
mod jaeger;
#[path = "support/spans.rs"]
mod spans;
mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::TcpListener,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{Router, extract::State, http::StatusCode as Answer, routing::post};
use colloquy_contract::permissions::OPERATOR;
use colloquy_runtime::collector::{Point, Span};
use reqwest::{Method, StatusCode};
use serde_json::Value;

use spans::{CLIENT, CONSUMER, PRODUCER, SERVER, Trace, own_trace, template};
use support::{Api, Process, Stage, sample};

/// The way of a conversation: who handles what, and what it states.
const WAY: [(&str, &str, &str); 6] = [
    ("decode", "received", "decoded"),
    ("transcribe", "decoded", "transcribed"),
    ("tag", "transcribed", "tagged"),
    ("anonymize", "tagged", "anonymized"),
    ("qualify", "anonymized", "qualified"),
    ("index", "qualified", "indexed"),
];

const SAMPLE: &str = "pharmacy-refill.opus";

/// What the receiver of webhooks answers, one after the other; the last for ever.
const ANSWERS: [Answer; 3] = [Answer::SERVICE_UNAVAILABLE, Answer::GONE, Answer::OK];

/// A metric of the documentation that this installation cannot have: its broker has no TLS.
const NOT_HERE: [&str; 1] = ["colloquy_tls_not_after_seconds"];

/// Every service as a process of its own, index nodes twice.
struct Platform {
    processes: BTreeMap<&'static str, Process>,
    /// Addresses of `/metrics`.
    metrics: Vec<String>,
    api: Api,
}

impl Platform {
    async fn start(stage: &Stage, webhook: &str) -> Self {
        let mut processes = BTreeMap::new();
        let mut metrics = Vec::new();
        let gateway = stage.command_as(
            "gateway",
            "gateway",
            &["gateway", "--listen", "127.0.0.1:0"],
        );
        let gateway = Self::run(gateway).await;
        let base = gateway.line_after("the gateway listens on ");
        metrics.push(format!("{base}/metrics"));
        processes.insert("gateway", gateway);
        let api = Api::new(&base, &stage.key().await);
        let others: [(&str, &str, Vec<&str>); 11] = [
            ("decode", "decode", vec![]),
            ("transcribe", "transcribe", vec![]),
            ("tag", "tag", vec![]),
            ("anonymize", "anonymize", vec![]),
            ("qualify", "qualify", vec![]),
            ("index", "index", vec!["--index-partitions", "0-31"]),
            ("index-2", "index", vec!["--index-partitions", "32-63"]),
            ("progress", "progress", vec![]),
            ("accounts", "accounts", vec![]),
            ("warehouse", "warehouse", vec![]),
            (
                "webhooks",
                "webhooks",
                vec![
                    "--webhook-url",
                    webhook,
                    "--webhook-secret",
                    "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz",
                    "--log-format",
                    "json",
                ],
            ),
        ];
        for (place, service, options) in others {
            let health = free_address();
            metrics.push(format!("http://{health}/metrics"));
            let mut args = vec!["worker", service, "--health", &health];
            args.extend(options);
            let command = stage.command_as(service, place, &args);
            processes.insert(place, Self::run(command).await);
        }
        Self {
            processes,
            metrics,
            api,
        }
    }

    async fn run(mut command: Command) -> Process {
        let receiver = "OTEL_EXPORTER_OTLP_ENDPOINT";
        let own = command.get_envs().find(|(name, _)| *name == receiver);
        let own = own.unwrap().1.unwrap().to_str().unwrap().to_owned();
        if let Some(tee) = jaeger::tee(&own).await {
            command.env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", tee);
        }
        command.env("OTEL_METRIC_EXPORT_INTERVAL", "1000");
        Process::start(command)
    }

    /// Everything that `/metrics` of all processes says.
    async fn metrics(&self) -> String {
        let mut text = String::new();
        for address in &self.metrics {
            let answer = reqwest::get(address).await.unwrap();
            assert_eq!(answer.status(), StatusCode::OK, "{address}");
            text.push_str(&answer.text().await.unwrap());
        }
        text
    }
}

/// An address that nobody listens on; somebody may take it before we do, which is seldom.
fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

/// A receiver of webhooks that does not want the first ones.
async fn receiver() -> String {
    let count = Arc::new(AtomicUsize::new(0));
    let answer = async |State(count): State<Arc<AtomicUsize>>| {
        let before = count.fetch_add(1, Ordering::Relaxed);
        ANSWERS[before.min(ANSWERS.len() - 1)]
    };
    let router = Router::new().route("/hook", post(answer)).with_state(count);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}/hook")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_is_seen_from_its_request_to_its_end() {
    let stage = Stage::of_users().await;
    let platform = Platform::start(&stage, &receiver().await).await;
    let api = &platform.api;

    let (trace_id, client_span, header) = own_trace();
    let response = api
        .request(Method::POST, "/v1/conversations?channel_roles=customer")
        .header("traceparent", &header)
        .body(std::fs::read(sample(SAMPLE)).unwrap())
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::ACCEPTED);
    let answered = response.headers()["traceparent"]
        .to_str()
        .unwrap()
        .to_owned();
    let accepted: Value = response.json().await.unwrap();
    let id = accepted["id"].as_str().unwrap().to_owned();
    until_indexed(api, &id).await;

    // The receiver of webhooks refuses; the fact is a dead letter.
    let letter = until_dead_letter(api).await;
    let trace = Trace::awaited(&stage.collector, &trace_id, |trace| {
        let settled = |fact: &str, service: &str| {
            let name = format!("ack {}", template(fact));
            let service = format!("colloquy-{service}");
            trace
                .find(|span| span.name == name && span.service == service)
                .is_some()
        };
        let way = WAY.iter().filter(|(service, ..)| *service != "index");
        let mut stages = way.map(|(service, fact, _)| settled(fact, service));
        let given_up = format!("term {}", template("indexed"));
        stages.all(|done| done)
            && settled("indexed", "progress")
            && settled("failed", "progress")
            && trace.find(|span| span.name == given_up).is_some()
    })
    .await;
    println!("{}", trace.tree());
    if jaeger::shows(&trace).await {
        println!("Jaeger shows the same");
    }
    let request = is_whole(&trace, &id, &client_span);
    assert_eq!(answered, format!("00-{trace_id}-{}-01", request.span_id));
    draws_the_way(&trace);

    redriven_is_linked(&stage, &trace, letter).await;
    reprocessed_is_linked(&stage, &trace, &id).await;
    searches_are_traced(&stage, api).await;
    lines_have_ids(&platform, &id, &trace_id);
    metrics_are_those_of_the_guide(&platform, &id).await;
    metrics_came_over_otlp(&stage.collector.points(), &id);
    for (_, process) in platform.processes {
        process.end();
    }
}

async fn until_indexed(api: &Api, id: &str) {
    let deadline = Instant::now() + support::PATIENCE;
    loop {
        let status = api.get(&format!("/v1/conversations/{id}")).await;
        let stages = status["stages"].as_array().unwrap();
        if stages.iter().any(|s| s["fact"] == "conversation.indexed") {
            return;
        }
        assert!(Instant::now() < deadline, "not indexed: {status}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn until_dead_letter(api: &Api) -> u64 {
    let deadline = Instant::now() + support::PATIENCE;
    loop {
        let found = api.get("/v1/deadletters").await;
        let letters = found["deadletters"].as_array();
        if let Some(letter) = letters.and_then(|letters| letters.first()) {
            assert_eq!(letter["service"], "webhooks", "{letter}");
            return letter["sequence"].as_u64().unwrap();
        }
        assert!(Instant::now() < deadline, "no dead letter: {found}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[track_caller]
fn says(span: &Span, attributes: &[(&str, &str)]) {
    for (name, value) in attributes {
        assert_eq!(span.attribute(name), Some(*value), "{name} of {span:?}");
    }
}

/// Every hop is there once, with the right parent, kind, name and attributes. Returns the
/// request's span.
fn is_whole<'a>(trace: &'a Trace, id: &str, client_span: &str) -> &'a Span {
    let roots = trace.roots();
    assert_eq!(roots.len(), 1, "one root:\n{}", trace.tree());
    let request = roots[0];
    assert_eq!(request.parent_id, client_span, "the client's trace goes on");
    assert_eq!(request.name, "POST /v1/conversations");
    assert_eq!((request.kind, request.status), (SERVER, 0));
    assert_eq!(request.service, "colloquy-gateway");
    says(
        request,
        &[
            ("http.request.method", "POST"),
            ("http.route", "/v1/conversations"),
            ("http.response.status_code", "202"),
            ("url.path", "/v1/conversations"),
            ("url.scheme", "http"),
            ("network.protocol.version", "1.1"),
            ("colloquy.conversation.id", id),
        ],
    );
    for missing in ["url.query", "client.address", "user_agent.original"] {
        assert_eq!(request.attribute(missing), None, "{missing}");
    }
    let publish = |service: &str, fact: &str| {
        let name = format!("publish {}", template(fact));
        let span = trace.one(&format!("colloquy-{service}"), &name);
        assert_eq!((span.kind, span.status), (PRODUCER, 0));
        says(
            span,
            &[
                ("messaging.system", "nats"),
                ("messaging.operation.name", "publish"),
                ("messaging.operation.type", "send"),
                ("messaging.destination.template", &template(fact)),
                ("messaging.message.conversation_id", id),
            ],
        );
        let place = span.attribute("messaging.destination.name").unwrap();
        assert!(place.ends_with(&format!(".{id}.{fact}")), "{place}");
        let message = span.attribute("messaging.message.id").unwrap();
        assert!(uuid::Uuid::parse_str(message).is_ok(), "{message}");
        span
    };
    let received = publish("gateway", "received");
    assert_eq!(received.parent_id, request.span_id);
    let mut before = received;
    for (service, reacts, states) in WAY {
        let process = is_handled(trace, service, reacts, before, id);
        let stated = publish(service, states);
        assert_eq!(
            stated.parent_id, process.span_id,
            "what follows from {reacts}"
        );
        before = stated;
    }
    // Beside the way: progress reacts to every fact.
    for (_, fact, _) in WAY {
        let name = format!("publish {}", template(fact));
        let stated = trace.find(|span| span.name == name).unwrap();
        is_handled(trace, "progress", fact, stated, id);
    }
    // The receiver of webhooks first could not, then did not want it.
    let tried: Vec<_> = trace
        .spans
        .iter()
        .filter(|span| span.service == "colloquy-webhooks" && span.kind == CONSUMER)
        .filter(|span| span.name.ends_with(".indexed"))
        .collect();
    let kinds = ["retry", "permanent"];
    assert_eq!(tried.len(), kinds.len(), "{}", trace.tree());
    for ((span, kind), attempt) in tried.iter().zip(kinds).zip(["1", "2"]) {
        assert_eq!((&span.parent_id, span.status), (&before.span_id, 2));
        says(span, &[("error.type", kind), ("colloquy.attempt", attempt)]);
    }
    request
}

/// A fact was handled by this service: after whoever stated it, settled at the end.
fn is_handled<'a>(
    trace: &'a Trace,
    service: &str,
    fact: &str,
    stated: &Span,
    id: &str,
) -> &'a Span {
    let process = trace.one(
        &format!("colloquy-{service}"),
        &format!("process {}", template(fact)),
    );
    assert_eq!((process.kind, process.status), (CONSUMER, 0));
    assert_eq!(
        process.parent_id, stated.span_id,
        "{service} follows {fact}"
    );
    assert_eq!(process.links, [stated.span_id.as_str()]);
    assert_eq!(process.linked_traces, [stated.trace_id.as_str()]);
    assert!(process.start_unix_ns >= stated.start_unix_ns);
    says(
        process,
        &[
            ("messaging.system", "nats"),
            ("messaging.operation.name", "process"),
            ("messaging.operation.type", "process"),
            ("messaging.consumer.group.name", service),
            ("messaging.destination.template", &template(fact)),
            ("messaging.message.conversation_id", id),
            (
                "messaging.message.id",
                stated.attribute("messaging.message.id").unwrap(),
            ),
        ],
    );
    // The index follows the log itself: it settles nothing.
    if service != "index" {
        let name = format!("ack {}", template(fact));
        let settled = trace.one(&process.service, &name);
        assert_eq!((settled.kind, settled.status), (CLIENT, 0));
        assert_eq!(settled.parent_id, process.span_id);
        says(
            settled,
            &[
                ("messaging.operation.type", "settle"),
                ("messaging.consumer.group.name", service),
            ],
        );
    }
    process
}

/// Jaeger draws the services in the order in which they work.
fn draws_the_way(trace: &Trace) {
    let drawn: BTreeSet<_> = trace.dependencies().into_keys().collect();
    let mut expected = BTreeSet::from([("colloquy-gateway", "colloquy-decode")]);
    let names = [
        "colloquy-decode",
        "colloquy-transcribe",
        "colloquy-tag",
        "colloquy-anonymize",
        "colloquy-qualify",
        "colloquy-index",
    ];
    expected.extend(names.windows(2).map(|pair| (pair[0], pair[1])));
    expected.insert(("colloquy-index", "colloquy-webhooks"));
    let all = ["colloquy-gateway"].into_iter().chain(names);
    expected.extend(all.map(|name| (name, "colloquy-progress")));
    // That it failed is a fact of webhooks, which progress and webhooks react to.
    expected.insert(("colloquy-webhooks", "colloquy-progress"));
    assert_eq!(drawn, expected);
}

/// A redriven fact goes on in its conversation's trace, and both lead to each other.
async fn redriven_is_linked(stage: &Stage, trace: &Trace, letter: u64) {
    let number = letter.to_string();
    let args = ["deadletters", "redrive", &number];
    let mut command = stage.run_as(OPERATOR, "redrive", &args);
    assert!(command.ended().success());
    let indexed = format!("publish {}", template("indexed"));
    let publisher = trace.one("colloquy-index", &indexed);
    let again = |trace: &Trace| {
        let settled = format!("ack {}", template("indexed"));
        trace
            .find(|span| span.name == settled && span.service == "colloquy-webhooks")
            .is_some()
    };
    let trace = Trace::awaited(&stage.collector, &publisher.trace_id, again).await;
    let process = trace
        .find(|span| {
            span.service == "colloquy-webhooks" && span.kind == CONSUMER && span.links.len() == 2
        })
        .unwrap_or_else(|| panic!("no link to the redrive:\n{}", trace.tree()));
    assert_eq!(process.parent_id, publisher.span_id);
    assert_eq!(process.links[0], publisher.span_id);
    let name = format!("publish redrives.webhooks.{}", template("indexed"));
    let spans = stage.collector.spans();
    let redrive = spans
        .iter()
        .find(|span| span.name == name)
        .expect("the span of the redrive");
    assert_eq!(redrive.kind, PRODUCER);
    assert_eq!(process.links[1], redrive.span_id);
    assert_eq!(process.linked_traces[1], redrive.trace_id);
    assert_ne!(
        redrive.trace_id, publisher.trace_id,
        "the operator's own trace"
    );
    assert_eq!(redrive.links, [publisher.span_id.as_str()], "and back");
}

/// What is processed again is a trace of its own that leads to the first one.
async fn reprocessed_is_linked(stage: &Stage, first: &Trace, id: &str) {
    let args = ["reprocess", id, "--from", "qualify"];
    let mut command = stage.run_as(OPERATOR, "reprocess", &args);
    assert!(command.ended().success());
    let anonymized = format!("publish {}", template("anonymized"));
    let original = first.one("colloquy-anonymize", &anonymized);
    let deadline = Instant::now() + support::PATIENCE;
    let again = loop {
        let spans = stage.collector.spans();
        let found = spans.into_iter().find(|span| span.name == "reprocess");
        if let Some(found) = found {
            break found;
        }
        assert!(Instant::now() < deadline, "no span of the reprocess");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_ne!(again.trace_id, original.trace_id);
    assert_eq!(again.links, [original.span_id.as_str()]);
    assert_eq!(again.linked_traces, [original.trace_id.as_str()]);
    let indexed = format!("publish {}", template("indexed"));
    let trace = Trace::awaited(&stage.collector, &again.trace_id, |trace| {
        trace.find(|span| span.name == indexed).is_some()
    })
    .await;
    assert_eq!(trace.roots().len(), 1, "{}", trace.tree());
    assert_eq!(trace.one("colloquy", &anonymized).parent_id, again.span_id);
    trace.one(
        "colloquy-qualify",
        &format!("publish {}", template("qualified")),
    );
}

/// A search goes to every index node, and what was searched for is nowhere.
async fn searches_are_traced(stage: &Stage, api: &Api) {
    let (trace_id, _, header) = own_trace();
    let response = api
        .request(Method::GET, "/v1/search?q=unmistakableword")
        .header("traceparent", &header)
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let found: Value = response.json().await.unwrap();
    assert!(found.get("partitions_missing").is_none(), "{found}");
    let answers = |trace: &Trace| -> Vec<Span> {
        let answers = trace.spans.iter();
        answers
            .filter(|span| span.name == "process colloquy.search")
            .cloned()
            .collect()
    };
    let trace = Trace::awaited(&stage.collector, &trace_id, |trace| {
        answers(trace).len() == 2 && trace.find(|span| span.kind == SERVER).is_some()
    })
    .await;
    println!("{}", trace.tree());
    let server = trace.one("colloquy-gateway", "GET /v1/search");
    let asked = trace.one("colloquy-gateway", "request colloquy.search");
    assert_eq!((asked.kind, &asked.parent_id), (PRODUCER, &server.span_id));
    for answer in answers(&trace) {
        assert_eq!((answer.kind, &answer.parent_id), (CONSUMER, &asked.span_id));
        assert_eq!(answer.service, "colloquy-index");
        assert_eq!(answer.links, [asked.span_id.as_str()]);
    }
    assert!(!format!("{:?}", trace.spans).contains("unmistakableword"));
}

/// What a service says about a conversation says which, and where to find it in the traces.
fn lines_have_ids(platform: &Platform, id: &str, trace_id: &str) {
    let output = platform.processes["webhooks"].output.lock().unwrap();
    let line = output
        .lines()
        .find(|line| line.contains("giving up"))
        .unwrap_or_else(|| panic!("nothing about it in:\n{output}"));
    let line: Value = serde_json::from_str(line).unwrap();
    assert_eq!(line["conversation"], id, "{line}");
    assert_eq!(line["trace_id"], trace_id, "{line}");
    assert_eq!(line["service"], "webhooks", "{line}");
    assert_eq!(line["span_id"].as_str().unwrap().len(), 16, "{line}");
}

/// Metrics of the guide: OpenTelemetry's name and Prometheus'.
fn documented() -> BTreeMap<String, String> {
    let guide = std::fs::read_to_string("docs/observability.md").unwrap();
    let (_, metrics) = guide.split_once("\n## Metrics\n").unwrap();
    let (metrics, _) = metrics.split_once("\n## Alerts\n").unwrap();
    let rows = metrics.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let mut cells = row
            .split('|')
            .map(|cell| cell.trim().trim_matches('`').to_owned());
        let _ = cells.next();
        (cells.next().unwrap(), cells.next().unwrap())
    })
    .collect()
}

/// How long the slowest number may take to show: the warehouse commits twice a minute, and lags are
/// asked for four times.
const METRICS_PATIENCE: Duration = Duration::from_secs(90);

/// Names of the metrics that a text for Prometheus has.
fn families(text: &str) -> BTreeSet<String> {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types
        .map(|line| line.split(' ').next().unwrap().to_owned())
        .collect()
}

/// The guide's metrics are there and no others, and no label holds an id or an account.
async fn metrics_are_those_of_the_guide(platform: &Platform, id: &str) {
    let wanted: BTreeSet<String> = documented().into_values().collect();
    assert!(wanted.len() > 40, "{wanted:?}");
    let deadline = Instant::now() + METRICS_PATIENCE;
    let (text, found) = loop {
        let text = platform.metrics().await;
        let found = families(&text);
        let missing: Vec<_> = wanted
            .difference(&found)
            .filter(|name| !NOT_HERE.contains(&name.as_str()))
            .collect();
        if missing.is_empty() {
            break (text, found);
        }
        assert!(Instant::now() < deadline, "not there: {missing:?}");
        tokio::time::sleep(Duration::from_millis(500)).await;
    };
    let unknown: Vec<_> = found
        .iter()
        .filter(|name| !wanted.contains(*name) && *name != "target_info")
        .collect();
    assert!(unknown.is_empty(), "not in the guide: {unknown:?}");
    for line in text.lines() {
        holds_no_id(line, id);
    }
    // Some that alerts are made of.
    for (name, label) in [
        ("colloquy_handled_total", "\"transcribe\""),
        ("colloquy_stage_audio_seconds_total", "\"transcribe\""),
        ("colloquy_dead_letters_total", "\"webhooks\""),
        ("colloquy_redeliveries_total", "\"webhooks\""),
        ("colloquy_consumer_pending", "\"decode\""),
        ("colloquy_consumer_pending", "\"index\""),
        ("colloquy_index_serving", "\"63\""),
        ("colloquy_search_requests_total", "\"complete\""),
        ("messaging_process_duration_seconds_count", "\"permanent\""),
    ] {
        let line = text
            .lines()
            .find(|l| l.starts_with(name) && l.contains(label));
        assert!(line.is_some(), "no {name} with {label}");
    }
}

/// Ids of facts and conversations are UUIDs; accounts have names.
fn holds_no_id(text: &str, id: &str) {
    assert!(!text.contains(id), "{text}");
    assert!(!text.contains("\"default\""), "an account: {text}");
    let is_id = |word: &str| uuid::Uuid::parse_str(word).is_ok();
    let words = text.split(|c: char| !c.is_ascii_hexdigit() && c != '-');
    for word in words {
        assert!(word.len() < 32 || !is_id(word), "an id: {text}");
    }
}

/// The same numbers go out over OTLP, each service's under its own name.
fn metrics_came_over_otlp(points: &[Point], id: &str) {
    let wanted = documented();
    let of = |service: &str, name: &str| {
        let mut points = points.iter();
        points.any(|point| point.service == service && point.name == name)
    };
    for (service, name) in [
        ("colloquy-gateway", "http.server.request.duration"),
        ("colloquy-decode", "messaging.process.duration"),
        ("colloquy-decode", "colloquy.queue.wait"),
        ("colloquy-transcribe", "colloquy.stage.realtime_factor"),
        ("colloquy-index", "colloquy.index.commit.duration"),
        ("colloquy-warehouse", "process.cpu.time"),
    ] {
        assert!(of(service, name), "no {name} of {service}");
    }
    let mut instances = BTreeSet::new();
    for point in points {
        assert!(
            wanted.contains_key(&point.name),
            "not in the guide: {point:?}"
        );
        holds_no_id(&format!("{:?}", point.attributes), id);
        if point.service == "colloquy-index" {
            instances.insert(&point.instance);
        }
    }
    assert_eq!(instances.len(), 2, "index nodes are told apart");
}

/// The gateway decides by chance, and says in its answer what it decided.
#[tokio::test(flavor = "multi_thread")]
async fn sampling_is_as_the_variables_say() {
    let stage = Stage::set().await;
    let sampled = async |sampler: &str, argument: &str, header: Option<&str>| {
        let mut command =
            stage.command_as(OPERATOR, "gateway", &["gateway", "--listen", "127.0.0.1:0"]);
        command
            .env("OTEL_TRACES_SAMPLER", sampler)
            .env("OTEL_TRACES_SAMPLER_ARG", argument);
        let gateway = Process::start(command);
        let base = gateway.line_after("the gateway listens on ");
        let api = Api::new(&base, "none");
        let mut said = BTreeSet::new();
        for _ in 0..100 {
            let mut request = api.anonymous(Method::GET, "/openapi.json");
            if let Some(header) = header {
                request = request.header("traceparent", header);
            }
            let answer = request.send().await.unwrap();
            let parent = answer.headers()["traceparent"].to_str().unwrap();
            let mut parts = parent.split('-');
            let (trace, flags) = (parts.nth(1).unwrap(), parts.nth(1).unwrap());
            if flags == "01" {
                said.insert(trace.to_owned());
            }
        }
        // What it has is handed over before it ends.
        gateway.end();
        let came: BTreeSet<_> = stage
            .collector
            .spans()
            .into_iter()
            .filter(|span| span.name == "GET /openapi.json")
            .map(|span| span.trace_id)
            .filter(|trace| said.contains(trace))
            .collect();
        assert_eq!(came, said, "what was said to be sampled came");
        said.len()
    };
    assert_eq!(sampled("parentbased_always_on", "", None).await, 100);
    assert_eq!(sampled("always_off", "", None).await, 0);
    // The odds of fewer than 10, or more than 50, of 100 at a quarter are below one in ten thousand.
    let some = sampled("parentbased_traceidratio", "0.25", None).await;
    assert!((10..=50).contains(&some), "{some}");
    let (trace, _, header) = own_trace();
    let unsampled = header.replace("-01", "-00");
    let parent_decides = "parentbased_traceidratio";
    assert_eq!(sampled(parent_decides, "0", Some(&header)).await, 1);
    assert_eq!(sampled(parent_decides, "1", Some(&unsampled)).await, 0);
    let spans = stage.collector.trace(&trace);
    assert_eq!(spans.len(), 100, "all under the client's trace");
}

/// What cannot be followed is said at the start.
#[test]
fn a_protocol_that_is_not_spoken_is_an_error() {
    let mut command = support::colloquy();
    command
        .args(["worker", "decode"])
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317")
        .env("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
    let output = command.output().unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("OTEL_EXPORTER_OTLP_PROTOCOL is 'grpc'"),
        "{said}"
    );
}
