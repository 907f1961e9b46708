//! The embedded broker is supervised: restarted when it dies, gone when we are gone.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use colloquy_bus::{
    Bus,
    embedded::{EmbeddedBroker, EmbeddedOptions},
    provision::{self, Storage},
};
use colloquy_contract::facts::ConversationIndexed;
use colloquy_testkit::conversation;

/// Tells this test binary to run a broker and wait to be killed.
const CHILD: &str = "COLLOQUY_TEST_BROKER_FOLDER";

/// An embedded broker with every stream and bucket, and a connection to it.
struct Embedded {
    bus: Bus,
    broker: EmbeddedBroker,
    folder: tempfile::TempDir,
}

fn options(folder: &Path) -> EmbeddedOptions {
    EmbeddedOptions {
        program: colloquy_assets::nats_server().unwrap(),
        data: folder.to_owned(),
    }
}

async fn start() -> Embedded {
    let folder = tempfile::tempdir().unwrap();
    let broker = EmbeddedBroker::start(options(folder.path())).await.unwrap();
    let bus = Bus::connect(broker.connect_options("test")).await.unwrap();
    provision::apply(&bus, Storage::default()).await.unwrap();
    Embedded {
        bus,
        broker,
        folder,
    }
}

/// Processes of `nats-server` that use the folder.
fn brokers_of(folder: &Path) -> Vec<i32> {
    let config = folder.join("nats-server.conf");
    let runs = |pid: &i32| {
        let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&command).contains(config.to_str().unwrap())
    };
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(runs)
        .collect()
}

fn kill(pid: i32) {
    let status = Command::new("kill")
        .args(["-9", &pid.to_string()])
        .status()
        .unwrap();
    assert!(status.success());
}

fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < deadline, "not within 20 s: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[tokio::test]
async fn closing_hands_over_what_is_buffered_and_is_quick() {
    let folder = tempfile::tempdir().unwrap();
    let broker = EmbeddedBroker::start(options(folder.path())).await.unwrap();
    let bus = Bus::connect(broker.connect_options("test")).await.unwrap();
    assert!(bus.ping().await);
    let started = Instant::now();
    bus.close().await;
    let took = started.elapsed();
    // Far below the time after which it gives up waiting.
    assert!(took < Duration::from_secs(3), "{took:?}");
    assert!(!bus.ping().await);
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_dies_is_back_with_its_data() {
    let test = start().await;
    let scope = conversation();
    test.bus
        .state_first("a", scope.clone(), ConversationIndexed { turns: 1 })
        .await
        .unwrap();
    let before = brokers_of(test.folder.path());
    assert_eq!(before.len(), 1);
    kill(before[0]);
    wait_until("a new broker", || {
        let now = brokers_of(test.folder.path());
        now.len() == 1 && now != before
    });
    // The same connection finds it again; what was acknowledged is there.
    let deadline = Instant::now() + Duration::from_secs(20);
    while !test.bus.ping().await {
        assert!(Instant::now() < deadline, "the connection mends itself");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(test.bus.history(&scope).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_has_one_owner_and_stopping_ends_the_broker() {
    let test = start().await;
    let second = EmbeddedBroker::start(options(test.folder.path())).await;
    let error = second.unwrap_err().to_string();
    assert!(
        error.contains("another process uses the data folder"),
        "{error}"
    );
    test.broker.stop().await;
    assert!(brokers_of(test.folder.path()).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_is_missing_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path());
    options.program = folder.path().join("nothing-here");
    let error = EmbeddedBroker::start(options)
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("colloquy assets fetch"), "{error}");
}

/// Not a test of its own: what the next one runs in another process.
#[tokio::test(flavor = "multi_thread")]
async fn child_that_runs_a_broker() {
    let Some(folder) = std::env::var_os(CHILD) else {
        return;
    };
    let _broker = EmbeddedBroker::start(options(Path::new(&folder)))
        .await
        .unwrap();
    println!("ready");
    std::future::pending::<()>().await;
}

#[test]
fn killing_the_parent_ends_the_broker() {
    let folder = tempfile::tempdir().unwrap();
    let mut parent = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_that_runs_a_broker", "--nocapture"])
        .env(CHILD, folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(parent.stdout.take().unwrap().take(64 * 1024));
    let ready = output.lines().any(|line| line.unwrap().contains("ready"));
    assert!(ready, "the child starts a broker");
    assert_eq!(brokers_of(folder.path()).len(), 1);
    parent.kill().unwrap();
    parent.wait().unwrap();
    wait_until("the broker is gone", || {
        brokers_of(folder.path()).is_empty()
    });
}
