//! A backup is taken while calls are in work, the broker with all that it holds is destroyed, another
//! one is made from the backup: every accepted call comes to its end, and the audit is clean.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use std::path::Path;

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
    // The three are on their way meanwhile.
    operate(&lost, &["backup", text(&backup)]);
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
    operate(&new, &["audit", "--deep", "--grace", "0s"]);

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
