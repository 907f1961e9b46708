//! Measures an audit: how much memory it takes at most, and how long it runs.
//!
//! `COLLOQUY_AUDIT_CONVERSATIONS=20000 cargo test --workspace --test memory -- --ignored --nocapture`
//!
//! With `--release` the speed is the program's. With `RUST_LOG=colloquy_audit=debug` the audit says
//! how long its steps take. `COLLOQUY_AUDIT_WAY=rejected` makes conversations that decoding rejects:
//! two facts instead of seven and a third of the objects, so a million of them fit on a small disk.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a measurement"
)]

mod support;

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::URL_SAFE};
use colloquy_contract::{
    Bucket, ConversationId, Envelope, Fact, FactType, Scope, progress::Progress, streams,
};
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use tokio::task::JoinHandle;

use support::{Platform, assert_clean, golden, message, options};

/// What the conversations go through, and what one of them leaves.
struct Way {
    /// The facts, who states each, and its golden file.
    facts: &'static [(FactType, &'static str, &'static str)],
    /// Messages in the streams of its artifacts: two for each object.
    vault: u64,
    open: u64,
}

const ALL_THE_WAY: Way = Way {
    facts: &INDEXED,
    vault: 10,
    open: 4,
};

const SOON_OVER: Way = Way {
    facts: &[INDEXED[0], REJECTED],
    vault: 4,
    open: 0,
};

const REJECTED: (FactType, &str, &str) = (FactType::ConversationRejected, "decode", "rejected");

const INDEXED: [(FactType, &str, &str); 7] = [
    (FactType::ConversationReceived, "gateway", "received"),
    (FactType::ConversationDecoded, "decode", "decoded"),
    (
        FactType::ConversationTranscribed,
        "transcribe",
        "transcribed",
    ),
    (FactType::ConversationTagged, "tag", "tagged"),
    (FactType::ConversationAnonymized, "anonymize", "anonymized"),
    (FactType::ConversationQualified, "qualify", "qualified"),
    (FactType::ConversationIndexed, "index", "indexed"),
];

/// Most that an audit may add to the process, whatever the log holds.
const MOST_KIB: u64 = 400 * 1024;

/// Conversations that are sent before the broker must have stored them: what it has not stored yet
/// it keeps in queues that hold 10,000 messages.
const SENT_AT_ONCE: u64 = 500;

/// The program's allocator too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement of minutes; run it by name"]
async fn an_audit_needs_bounded_memory() {
    let count: u64 =
        std::env::var("COLLOQUY_AUDIT_CONVERSATIONS").map_or(20_000, |text| text.parse().unwrap());
    let way = match std::env::var("COLLOQUY_AUDIT_WAY").as_deref() {
        Ok("rejected") => &SOON_OVER,
        Ok(other) => panic!("no way is called {other}; \"rejected\" is one"),
        Err(_) => &ALL_THE_WAY,
    };
    let platform = Platform::hasty().await;
    let begun = Instant::now();
    state(&platform, way, count).await;
    println!("stated {count} conversations in {:?}", begun.elapsed());

    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let before = status("VmRSS");
    let begun = Instant::now();
    let report = platform.audit_with(&options()).await;
    let took = begun.elapsed();
    let peak = status("VmHWM");
    assert_clean(&report);
    let ended = report.conversations.completed + report.conversations.rejected;
    assert_eq!(ended, count);
    assert_eq!(report.looked_at_again, 0);
    println!(
        "audited {count} conversations, {} facts, {} objects in {took:?}: {:.0} conversations/s; \
         {} KiB before, {} KiB at most, {} KiB for the audit",
        report.conversations.facts,
        report.artifacts.values().map(|b| b.objects).sum::<u64>(),
        count as f64 / took.as_secs_f64(),
        before,
        peak,
        peak - before
    );
    assert!(peak - before < MOST_KIB);
}

/// Leaves conversations with the broker: while it stores some, the next are made.
async fn state(platform: &Platform, way: &'static Way, count: u64) {
    let templates = way.facts.iter().map(|(.., name)| golden(name));
    let templates: Arc<Vec<Value>> = Arc::new(templates.collect());
    let mut raw = platform.raw().await;
    let mut made = make(platform, way, &templates, count.min(SENT_AT_ONCE));
    let mut sent = 0;
    while sent < count {
        let messages = made.await.unwrap();
        let before = sent;
        sent = count.min(sent + SENT_AT_ONCE);
        made = make(platform, way, &templates, SENT_AT_ONCE.min(count - sent));
        stored(platform, way, before).await;
        raw.send(&messages).await;
        raw.flush().await;
    }
    stored(platform, way, count).await;
}

/// Messages of so many conversations.
fn make(
    platform: &Platform,
    way: &'static Way,
    templates: &Arc<Vec<Value>>,
    count: u64,
) -> JoinHandle<Vec<u8>> {
    let (templates, index) = (templates.clone(), platform.index.clone());
    tokio::task::spawn_blocking(move || {
        let mut messages = Vec::new();
        for _ in 0..count {
            let (conversation, turns) = conversation(&mut messages, way, &templates);
            if let Some(turns) = turns {
                index.lock().unwrap().insert(conversation, (1, turns));
            }
        }
        messages
    })
}

/// Waits until what so many conversations leave is stored.
async fn stored(platform: &Platform, way: &Way, count: u64) {
    let deadline = Instant::now() + Duration::from_secs(60);
    for (stream, each) in [
        (streams::CONVERSATIONS.name, way.facts.len() as u64),
        ("OBJ_vault", way.vault),
        ("OBJ_open", way.open),
        ("KV_progress", 1),
    ] {
        loop {
            let (_, last) = platform.bus.extent(stream).await.unwrap();
            if last == count * each {
                break;
            }
            assert!(last < count * each, "{stream} holds something else");
            assert!(Instant::now() < deadline, "{stream} holds only {last}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

fn status(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Everything that one conversation leaves with the broker; which it is and, if it is indexed, its
/// turns.
fn conversation(
    messages: &mut Vec<u8>,
    way: &Way,
    templates: &[Value],
) -> (ConversationId, Option<u32>) {
    let conversation = ConversationId::generate();
    let scope = Scope::Conversation {
        account: "acme".parse().unwrap(),
        conversation,
    };
    let mut progress = Progress::new(conversation);
    let mut cause: Option<Envelope> = None;
    let mut stored = BTreeMap::new();
    let (mut facts, mut turns) = (Vec::new(), None);
    for ((fact_type, service, _), template) in way.facts.iter().zip(templates) {
        let mut data = template.clone();
        let bucket = match fact_type {
            FactType::ConversationAnonymized | FactType::ConversationQualified => Bucket::Open,
            _ => Bucket::Vault,
        };
        for name in ["recording", "vocabulary", "audio", "transcript", "entities"] {
            if data.get(name).is_some() {
                data[name] = object(&scope, bucket, name, &mut stored);
            }
        }
        let fact = Fact::from_json(*fact_type, data.to_string().as_bytes()).unwrap();
        let envelope = match &cause {
            None => Envelope::first(service, scope.clone(), *fact_type, Timestamp::now()),
            Some(cause) => cause.derive(service, *fact_type, Timestamp::now()),
        };
        progress.apply(&envelope, &fact);
        if let Fact::ConversationIndexed(indexed) = &fact {
            turns = Some(indexed.turns);
        }
        facts.push((envelope.clone(), fact.to_json().unwrap()));
        cause = Some(envelope);
    }
    for (subject, payload) in stored.into_values().flatten() {
        messages.extend(message(&subject, "", &[], &payload));
    }
    for (envelope, payload) in facts {
        let subject = envelope.subject().unwrap().to_string();
        messages.extend(message(&subject, "", &envelope.headers(), &payload));
    }
    let key = format!(
        "$KV.progress.{}",
        Progress::key(scope.account(), conversation)
    );
    let value = serde_json::to_vec(&progress).unwrap();
    messages.extend(message(&key, "", &[], &value));
    (conversation, turns)
}

type Messages = [(String, Vec<u8>); 2];

/// An object of a few bytes, as the object store writes it; its reference.
fn object(
    scope: &Scope,
    bucket: Bucket,
    name: &str,
    stored: &mut BTreeMap<(&'static str, String), Messages>,
) -> Value {
    let content = format!("{name} of {}", scope.correlation());
    let digest = Sha256::digest(&content);
    let sha256 = hex::encode(digest);
    let conversation = scope.conversation().unwrap();
    let path = format!("{}/{conversation}/{sha256}", scope.account());
    let nuid = format!("{}.{}{bucket}", &sha256[..2], &sha256[2..22]);
    let info = json!({
        "name": path, "bucket": bucket.as_str(), "nuid": nuid, "size": content.len(), "chunks": 1,
        "mtime": "2026-01-01T00:00:00Z",
        "digest": format!("SHA-256={}", URL_SAFE.encode(digest)),
    });
    let messages = [
        (
            format!("$O.{bucket}.C.{nuid}"),
            content.clone().into_bytes(),
        ),
        (
            format!("$O.{bucket}.M.{}", URL_SAFE.encode(&path)),
            info.to_string().into_bytes(),
        ),
    ];
    stored.insert((bucket.as_str(), path.clone()), messages);
    json!({
        "bucket": bucket, "name": path, "size_bytes": content.len(), "sha256": sha256,
        "media_type": "text/plain",
    })
}
