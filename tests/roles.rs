//! The gateway and each worker as a process of its own, against one broker: the same result, one
//! trace across all of them; any of them may be away for a while; two of one share the load.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use colloquy_runtime::collector::Span;

use support::{Api, Process, Stage};

const WORKERS: [&str; 7] = [
    "decode",
    "transcribe",
    "tag",
    "anonymize",
    "qualify",
    "index",
    "progress",
];

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
    let process = stage.run("gateway", &["gateway", "--listen", "127.0.0.1:0"]);
    let base = process.line_after("the gateway listens on ");
    (process, Api::new(&base, &stage.key().await))
}

#[tokio::test(flavor = "multi_thread")]
async fn separate_processes_do_the_same_in_one_trace() {
    let stage = Stage::set().await;
    let (gateway, api) = gateway(&stage).await;
    let mut workers: BTreeMap<_, _> = WORKERS
        .map(|name| (name, stage.run(name, &["worker", name])))
        .into();
    // A second one of a worker shares the load.
    let second_decode = stage.run("decode-2", &["worker", "decode"]);

    // One of them is away while calls come in; when it is back they go on.
    workers.remove("tag").unwrap().end();
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(api.post_sample(SAMPLE).await);
    }
    until_stage(&api, &ids[0], "conversation.transcribed").await;
    workers.insert("tag", stage.run("tag", &["worker", "tag"]));
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
    second_decode.end();
    for (_, worker) in workers {
        worker.end();
    }
    gateway.end();
    let spans = stage.collector.spans();
    for id in &ids {
        is_one_trace(&spans, id);
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
