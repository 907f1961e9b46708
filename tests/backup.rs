//! A backup is taken while calls are in work, the broker with all that it holds is destroyed, another
//! one is made from the backup: every accepted call comes to its end, and the audit is clean.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use std::path::Path;

use colloquy_bus::Bus;
use colloquy_contract::{Bucket, Scope, permissions::OPERATOR};
use jiff::Timestamp;
use tokio::io::AsyncWriteExt;

use support::{Api, Process, Stage};

const SAMPLE: &str = "pharmacy-refill.opus";

fn start(stage: &Stage) -> (Process, String) {
    let process = stage.run("all", &["all", "--listen", "127.0.0.1:0"]);
    let base = process.line_after("Colloquy is up: ");
    (process, base)
}

/// Runs a command of the operator to its end; returns what it said.
fn operate(stage: &Stage, args: &[&str]) -> String {
    let mut process = stage.run("operator", args);
    let status = process.ended();
    let said = process.output.lock().unwrap().clone();
    assert!(status.success(), "{args:?}: {said}");
    said
}

/// The same for a command that must fail.
fn is_refused(stage: &Stage, args: &[&str]) -> String {
    let mut process = stage.run("operator", args);
    let status = process.ended();
    let said = process.output.lock().unwrap().clone();
    assert!(!status.success(), "{args:?}: {said}");
    said
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Begins to store a recording and breaks off, as a worker that dies does: its chunks stay.
async fn break_off_an_upload(bus: &Bus) {
    let scope = Scope::Account {
        account: "default".parse().unwrap(),
    };
    let (mut source, sink) = tokio::io::duplex(64 * 1024);
    let limit = 8 * 1024 * 1024;
    let artifacts = bus.artifacts();
    let upload = artifacts.put_stream(Bucket::Vault, &scope, "audio/wav", sink, limit);
    let content = vec![7; 1024 * 1024];
    tokio::select! {
        ended = upload => panic!("{ended:?}"),
        written = source.write_all(&content) => written.unwrap(),
    }
}

/// Audits without any time of grace. Nothing is wrong but uploads of before `end`, caught half way.
fn audit(stage: &Stage, end: Timestamp) {
    let args = ["audit", "--deep", "--grace", "0s", "--json"];
    let said = stage
        .command_as(OPERATOR, "operator", &args)
        .output()
        .unwrap();
    let report: serde_json::Value = serde_json::from_slice(&said.stdout).unwrap();
    let findings = report["findings"].as_array().unwrap();
    assert!(!findings.is_empty(), "the upload that broke off is named");
    for finding in findings {
        assert_eq!(finding["kind"], "orphan_chunks", "{report:#}");
        let detail = finding["detail"].as_str().unwrap();
        let (_, newest) = detail.rsplit_once(' ').unwrap();
        assert!(newest.parse::<Timestamp>().unwrap() < end, "{report:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_accepted_before_a_backup_survives_the_loss_of_the_broker() {
    let folder = tempfile::tempdir().unwrap();
    let (backup, twice) = (folder.path().join("backup"), folder.path().join("twice"));
    let lost = Stage::of_users().await;
    let (platform, base) = start(&lost);
    let key = lost.key().await;
    let api = Api::new(&base, &key);
    let done = api.post_sample(SAMPLE).await;
    api.completed(&done).await;
    let mut ids = vec![done];
    for _ in 0..3 {
        ids.push(api.post_sample(SAMPLE).await);
    }
    // The three are on their way meanwhile, and one upload breaks off.
    break_off_an_upload(&lost.bus().await).await;
    operate(&lost, &["backup", text(&backup)]);
    let end = Timestamp::now();
    let said = is_refused(&lost, &["backup", text(&backup)]);
    assert!(said.contains("is there already"), "{said}");
    platform.end();
    drop(lost);

    let new = Stage::empty().await;
    operate(&new, &["restore", text(&backup)]);
    let (platform, base) = start(&new);
    operate(&new, &["rebuild", "progress"]);
    // The key of before still opens the door.
    let api = Api::new(&base, &key);
    for id in &ids {
        api.completed(id).await;
    }
    let found = api.get("/v1/search?q=&limit=100").await;
    assert_eq!(found["hits"].as_array().unwrap().len(), ids.len());
    let transcript = api
        .get(&format!("/v1/conversations/{}/transcript", ids[0]))
        .await;
    assert!(!transcript["turns"].is_null());
    // And it goes on.
    let later = api.post_sample(SAMPLE).await;
    api.completed(&later).await;
    audit(&new, end);

    // A second backup, of what was restored, is whole until one of its bytes is another.
    operate(&new, &["backup", text(&twice)]);
    operate(&new, &["backup", "--verify", text(&twice)]);
    let said = is_refused(&new, &["restore", text(&twice)]);
    assert!(said.contains("it is there already"), "{said}");
    platform.end();
    let archive = twice.join("CONVERSATIONS/stream.tar.s2");
    let mut content = std::fs::read(&archive).unwrap();
    let middle = content.len() / 2;
    content[middle] ^= 1;
    std::fs::write(&archive, content).unwrap();
    let empty = Stage::empty().await;
    let said = is_refused(&empty, &["restore", text(&twice)]);
    assert!(said.contains("is damaged"), "{said}");
}
