//! `kill -9` of the whole platform in the middle of its work: every accepted call ends, once.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use std::{collections::BTreeMap, path::Path, time::Duration};

use support::{Api, Process, colloquy};

const SAMPLES: [&str; 3] = [
    "pharmacy-refill.opus",
    "auto-repair.wav",
    "hotel-booking.mp3",
];

fn up(data: &Path) -> Process {
    let mut command = colloquy();
    command
        .args(["up", "--listen", "127.0.0.1:0", "--data"])
        .arg(data);
    Process::start(command)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_accepted_ends_once_after_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let mut platform = up(folder.path());
    let key = platform.line_after("API key, shown this once: ");
    let mut api = Api::new(&platform.line_after("Colloquy is up: "), &key);

    let mut accepted = Vec::new();
    for round in 0..3 {
        for name in SAMPLES {
            accepted.push(api.post_sample(name).await);
        }
        // At different moments of the work, not at the same one.
        tokio::time::sleep(Duration::from_millis(400 * (round + 1))).await;
        platform.signal("-9");
        drop(platform);
        platform = up(folder.path());
        api = Api::new(&platform.line_after("Colloquy is up: "), &key);
    }
    for id in &accepted {
        let status = api.completed(id).await;
        let mut facts = BTreeMap::new();
        for stage in status["stages"].as_array().unwrap() {
            *facts
                .entry(stage["fact"].as_str().unwrap().to_owned())
                .or_insert(0) += 1;
        }
        assert!(facts.values().all(|&count| count == 1), "{id}: {facts:?}");
        assert_eq!(facts.len(), 7, "{id}: {facts:?}");
    }
    // The index holds each once, too.
    let found = api.get("/v1/search?q=thank&limit=100").await;
    let mut hits: Vec<_> = found["hits"]
        .as_array()
        .unwrap()
        .iter()
        .map(|hit| hit["id"].as_str().unwrap().to_owned())
        .collect();
    let all = hits.len();
    hits.sort();
    hits.dedup();
    assert_eq!(hits.len(), all, "no conversation is found twice");
    assert!(!hits.is_empty());
    platform.end();
}
