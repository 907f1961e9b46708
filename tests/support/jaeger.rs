//! The same traces in a Jaeger, where one runs: `make traces` starts it and says where it is.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests; it is a module of theirs"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use axum::{Router, body::Bytes, extract::State, http::StatusCode, routing::post};
use jiff::Timestamp;
use reqwest::Client;
use serde_json::Value;

use crate::spans::Trace;

/// Where it takes traces, such as `http://127.0.0.1:4318`.
const OTLP: &str = "COLLOQUY_JAEGER_OTLP";

/// Where it answers, such as `http://127.0.0.1:16686`.
const API: &str = "COLLOQUY_JAEGER_API";

/// How long it may take until it shows what it took.
const PATIENCE: Duration = Duration::from_secs(30);

/// Passes traces on to our own receiver and to Jaeger; its address. `None` without a Jaeger.
pub(crate) async fn tee(own: &str) -> Option<String> {
    let jaeger = std::env::var(OTLP).ok()?;
    let targets = [own, jaeger.as_str()].map(|base| format!("{base}/v1/traces"));
    let pass = async |State(targets): State<[String; 2]>, body: Bytes| {
        for target in targets {
            let request = Client::new().post(target).body(body.clone());
            let request = request.header("content-type", "application/x-protobuf");
            match request.send().await {
                Ok(answer) if answer.status().is_success() => {}
                other => panic!("a trace was not taken: {other:?}"),
            }
        }
        StatusCode::OK
    };
    let router = Router::new()
        .route("/v1/traces", post(pass))
        .with_state(targets);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    Some(format!("http://{address}/v1/traces"))
}

/// Asks Jaeger for the trace: every span is there with its service, name and parent, and the
/// graph of dependencies has the way. Returns whether there is a Jaeger.
pub(crate) async fn shows(trace: &Trace) -> bool {
    let Ok(api) = std::env::var(API) else {
        return false;
    };
    let id = &trace.spans[0].trace_id;
    let wanted: BTreeMap<_, _> = trace
        .spans
        .iter()
        .map(|span| {
            let what = [&span.service, &span.name, &span.parent_id].map(String::clone);
            (span.span_id.clone(), what)
        })
        .collect();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found = get(&format!("{api}/api/traces/{id}")).await;
        let shown = spans(&found["data"][0]);
        if wanted.iter().all(|(id, what)| shown.get(id) == Some(what)) {
            break;
        }
        assert!(Instant::now() < deadline, "Jaeger shows {shown:#?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let now = Timestamp::now().as_millisecond();
    let drawn = get(&format!(
        "{api}/api/dependencies?endTs={now}&lookback=3600000"
    ))
    .await;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let edges: BTreeSet<_> = drawn["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|edge| (text(&edge["parent"]), text(&edge["child"])))
        .collect();
    for (from, to) in trace.dependencies().into_keys() {
        let edge = (from.to_owned(), to.to_owned());
        assert!(edges.contains(&edge), "{edge:?} is not in {edges:?}");
    }
    true
}

async fn get(url: &str) -> Value {
    let answer = reqwest::get(url).await;
    match answer {
        Ok(answer) => answer.json().await.unwrap_or_default(),
        Err(error) => panic!("Jaeger does not answer: {error}"),
    }
}

/// Service, name and parent of each span of a trace as Jaeger tells it.
fn spans(trace: &Value) -> BTreeMap<String, [String; 3]> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let none = Vec::new();
    let all = trace["spans"].as_array().unwrap_or(&none).iter();
    all.map(|span| {
        let process = &trace["processes"][span["processID"].as_str().unwrap_or_default()];
        let references = span["references"].as_array().unwrap_or(&none);
        let parent = references.iter().find(|r| r["refType"] == "CHILD_OF");
        let parent = parent.map_or_else(String::new, |parent| text(&parent["spanID"]));
        let what = [
            text(&process["serviceName"]),
            text(&span["operationName"]),
            parent,
        ];
        (text(&span["spanID"]), what)
    })
    .collect()
}
