//! `colloquy doctor` on a real installation: all is well; then several things are broken on purpose,
//! and each is found and told with what to do.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use std::time::{Duration, Instant};

use colloquy_bus::provision;
use colloquy_contract::{facts::Family, permissions::OPERATOR, streams};
use serde_json::Value;

use support::{Api, Stage, StageBroker};

/// How long something may take to show in what the doctor sees.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the doctor says.
struct Said {
    code: Option<i32>,
    report: Value,
}

impl Said {
    /// State and texts of the looks at an area.
    fn about(&self, area: &str) -> Vec<(String, String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let checks = self.report["checks"].as_array().unwrap().iter();
        checks
            .filter(|check| check["area"] == area)
            .map(|c| (text(&c["state"]), text(&c["found"]), text(&c["advice"])))
            .collect()
    }

    /// The look at an area came out like this, found that and says what to do.
    #[track_caller]
    fn is(&self, area: &str, state: &str, found: &str, advice: &str) {
        let about = self.about(area);
        let fits = about
            .iter()
            .any(|(is, what, todo)| is == state && what.contains(found) && todo.contains(advice));
        assert!(
            fits,
            "no {state} {area} '{found}' -> '{advice}' in {about:?}"
        );
    }
}

/// Asks the doctor as a user of the broker, with these variables besides.
fn ask(stage: &Stage, user: &str, args: &[&str], variables: &[(&str, &str)]) -> Said {
    let mut all = vec!["doctor", "--format", "json"];
    all.extend(args);
    let mut command = stage.command_as(user, "doctor", &all);
    command.envs(variables.iter().copied());
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let report = serde_json::from_str(&said)
        .unwrap_or_else(|_| panic!("{said}\n{}", String::from_utf8_lossy(&output.stderr)));
    Said {
        code: output.status.code(),
        report,
    }
}

/// Asks until it is as it must be.
async fn until(stage: &Stage, args: &[&str], is: impl Fn(&Said) -> bool) -> Said {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let said = ask(stage, OPERATOR, args, &[]);
        if is(&said) {
            return said;
        }
        assert!(Instant::now() < deadline, "{:#}", said.report);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_installation_is_well_and_what_breaks_is_told() {
    let stage = Stage::of_users().await;
    let all = ["all", "--listen", "127.0.0.1:0"];
    let platform = stage.run("all", &all);
    let base = platform.line_after("Colloquy is up: ");
    let whole = ["--gateway", &base, "--max-storage", "20GiB", "--strict"];
    let said = until(&stage, &whole, |said| said.code == Some(0)).await;
    assert_eq!(said.report["state"], "ok", "{:#}", said.report);
    for (area, found) in [
        ("broker", "NATS 2."),
        ("permissions", "may do what the operator does"),
        ("streams", "agree with the contract"),
        ("services", "10 services are at work"),
        ("dead letters", "none"),
        ("storage", "the server is at"),
        ("shards", "all 64 partitions, 1 nodes"),
        ("clocks", "the broker's clock"),
        ("clocks", "the gateway's clock"),
        ("models", "whisper-tiny.en is here"),
        ("telemetry", "/v1/traces takes traces"),
        ("telemetry", "/v1/metrics takes metrics"),
        ("gateway", "is ready"),
    ] {
        said.is(area, "ok", found, "");
    }

    is_told_by_service(&stage);
    the_host_is_looked_at(&stage);
    platform.end();
    what_is_away_is_told(&stage).await;
    what_is_missing_is_told(&stage).await;
}

/// A service's own user sees less, and nothing that it is denied counts as broken.
fn is_told_by_service(stage: &Stage) {
    let said = ask(stage, "decode", &["--service", "decode"], &[]);
    said.is("permissions", "warning", "may not ask", "");
    said.is("services", "ok", "1 services are at work", "");
    said.is("shards", "warning", "not looked at", "as the operator");
    // Somebody gave the operator's work to a service's user.
    let said = ask(stage, "qualify", &[], &[]);
    assert_eq!(said.about("services")[0].0, "warning");
}

/// Models, receivers of telemetry and the gateway are broken by what the doctor is told.
fn the_host_is_looked_at(stage: &Stage) {
    let nobody = "http://127.0.0.1:1";
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", nobody),
        ("COLLOQUY_MODEL", "whisper-of-nobody"),
    ];
    let said = ask(stage, OPERATOR, &["--gateway", nobody], &variables);
    assert_eq!(said.code, Some(1));
    assert_eq!(said.report["state"], "failed");
    said.is(
        "telemetry",
        "failed",
        "takes no traces",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
    );
    said.is("models", "failed", "whisper-of-nobody", "assets fetch");
    said.is("gateway", "failed", "does not answer", "colloquy gateway");

    // A cache without the models, and a folder that is none.
    let cache = tempfile::tempdir().unwrap();
    let path = cache.path().to_str().unwrap();
    let variables = [("COLLOQUY_CACHE", path), ("COLLOQUY_ENTITY_MODEL", path)];
    let said = ask(stage, OPERATOR, &[], &variables);
    said.is(
        "models",
        "failed",
        "is missing",
        "assets fetch whisper-tiny.en",
    );
    said.is("models", "failed", "is a folder without a model", "");
    let said = ask(stage, OPERATOR, &["--without-models"], &variables);
    assert!(said.about("models").is_empty());

    // A certificate that is none.
    let file = cache.path().join("ca.pem");
    std::fs::write(&file, "nothing").unwrap();
    let said = ask(stage, OPERATOR, &["--nats-ca", file.to_str().unwrap()], &[]);
    said.is("certificates", "failed", "no certificate", "Renew");
    said.is("broker", "failed", "nothing else at the broker", "--nats");
    // Another broker's address, in text and for people.
    let mut command = stage.command_as(
        OPERATOR,
        "doctor",
        &["doctor", "--nats", "nats://127.0.0.1:1"],
    );
    command.env_remove("COLLOQUY_NATS_URL");
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("failed   broker"), "{text}");
    assert!(text.contains("-> Start nats-server"), "{text}");
}

/// Everything was stopped but a gateway, which took a call.
async fn what_is_away_is_told(stage: &Stage) {
    let gateway = stage.run("gateway", &["gateway", "--listen", "127.0.0.1:0"]);
    let base = gateway.line_after("the gateway listens on ");
    let api = Api::new(&base, &stage.key().await);
    api.post_sample("pharmacy-refill.opus").await;
    // Requests for facts of those that were stopped are open for a while.
    let said = until(stage, &[], |said| {
        let about = said.about("services");
        about
            .iter()
            .any(|(state, found, _)| state == "failed" && found.contains("decode"))
    })
    .await;
    assert_eq!(said.code, Some(1));
    said.is(
        "services",
        "failed",
        "decode is not running, and 1 facts wait",
        "colloquy worker decode",
    );
    said.is(
        "services",
        "warning",
        "tag is not running",
        "colloquy worker tag",
    );
    said.is(
        "shards",
        "failed",
        "the partitions 0-63; 0 nodes",
        "--index-partitions",
    );
    said.is("storage", "warning", "no limit", "--max-storage");

    // Half of the shards come back, and decode meets a call that it cannot read and gives nothing up.
    let index = stage.run("index", &["worker", "index", "--index-partitions", "0-30"]);
    let said = until(stage, &[], |said| {
        said.about("shards")
            .iter()
            .any(|(_, found, _)| found.contains("31-63"))
    })
    .await;
    said.is("shards", "failed", "the partitions 31-63; 1 nodes", "");
    index.end();
    gateway.end();
}

/// Streams, buckets and consumers were removed, and there is a dead letter.
async fn what_is_missing_is_told(stage: &Stage) {
    let bus = stage.bus().await;
    let family = Family::Conversation;
    bus.bury_fact("decode", family, 1, 1, "it cannot be read")
        .await
        .unwrap();
    let said = ask(stage, OPERATOR, &[], &[]);
    said.is("dead letters", "warning", "1 facts", "deadletters list");
    let StageBroker::OfUsers(broker) = &stage.broker else {
        panic!("this stage has a broker of users");
    };
    broker
        .remove_consumer(streams::CONVERSATIONS.name, "tag")
        .await;
    broker.remove_stream("KV_progress").await;
    let said = ask(stage, OPERATOR, &[], &[]);
    assert_eq!(said.code, Some(1));
    said.is(
        "streams",
        "failed",
        "consumer tag of CONVERSATIONS",
        "colloquy streams apply",
    );
    said.is(
        "streams",
        "failed",
        "stream KV_progress",
        "colloquy streams apply",
    );
    broker.remove_stream(streams::CONVERSATIONS.name).await;
    let said = ask(stage, OPERATOR, &[], &[]);
    said.is(
        "streams",
        "failed",
        "stream CONVERSATIONS: it is not there",
        "",
    );
    // It is as good as its advice.
    provision::apply(&bus, provision::Storage::default())
        .await
        .unwrap();
    bus.close().await;
    let said = ask(stage, OPERATOR, &[], &[]);
    said.is("streams", "ok", "agree with the contract", "");
}
