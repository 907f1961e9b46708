//! TLS of a gateway and its broker: a certificate that is renewed is shown without a restart, one that
//! cannot be used is told and changes nothing, and when each of them ends is in the metrics and in
//! what the doctor says.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use std::{
    fs,
    path::Path,
    time::{Duration, Instant, SystemTime},
};

use colloquy_testkit::Certificates;
use reqwest::{Certificate, Client};
use serde_json::Value;

use support::{Process, Stage, StageBroker, colloquy};

const DAY: Duration = Duration::from_secs(86_400);

/// Beside whole days, so that it does not matter when a second ends.
const SOME: Duration = Duration::from_secs(7_200);

/// How long something may take to show.
const PATIENCE: Duration = Duration::from_secs(60);

/// Days that a certificate still holds, by the metric with this label.
async fn days_left(http: &Client, base: &str, file: &str) -> Option<i64> {
    let asked = http.get(format!("{base}/metrics")).send().await.unwrap();
    let text = asked.text().await.unwrap();
    let label = format!("colloquy_tls_file=\"{file}\"");
    let line = text
        .lines()
        .find(|line| line.starts_with("colloquy_tls_not_after_seconds") && line.contains(&label))?;
    let end: f64 = line.split_whitespace().next_back()?.parse().unwrap();
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
    #[allow(clippy::cast_possible_truncation, reason = "a number of days")]
    Some(((end - now) / 86_400.0).floor() as i64)
}

/// Waits until the metric says so many days.
async fn until_days(http: &Client, base: &str, file: &str, days: i64) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let left = days_left(http, base, file).await;
        if left == Some(days) {
            return;
        }
        assert!(Instant::now() < deadline, "{file}: {left:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn until_said(process: &Process, text: &str) {
    let deadline = Instant::now() + PATIENCE;
    while !process.output.lock().unwrap().contains(text) {
        let said = process.output.lock().unwrap().clone();
        assert!(Instant::now() < deadline, "no '{text}' in {said}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// What the doctor finds in an area: states and texts.
fn doctor(stage: &Stage, args: &[&str], area: &str) -> Vec<(String, String)> {
    let mut all = vec!["doctor", "--format", "json", "--without-models"];
    all.extend(args);
    let output = stage
        .command_as("operator", "doctor", &all)
        .output()
        .unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let checks = report["checks"].as_array().unwrap().iter();
    let about = checks.filter(|check| check["area"] == area);
    about
        .map(|check| (text(&check["state"]), text(&check["found"])))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_renewed_while_a_gateway_runs() {
    let stage = Stage::of_one_over_tls().await;
    let StageBroker::OfUsers(broker) = &stage.broker else {
        panic!("a broker of users")
    };
    let folder = tempfile::tempdir().unwrap();
    let made = Certificates::make(folder.path());
    let args = [
        "gateway",
        "--listen",
        "127.0.0.1:0",
        "--tls-cert",
        path(&made.certificate),
        "--tls-key",
        path(&made.key),
    ];
    let gateway = stage.run_as("gateway", "gateway", &args);
    let base = gateway.line_after("the gateway listens on ");
    assert!(base.starts_with("https://"), "{base}");
    let authority = Certificate::from_pem(&fs::read(&made.authority).unwrap()).unwrap();
    // A new connection for each request: who comes anew is shown what is new.
    let client = || Client::builder().pool_max_idle_per_host(0);
    let http = client().tls_certs_only([authority]).build().unwrap();
    let ready = async || http.get(format!("{base}/readyz")).send().await;
    assert_eq!(ready().await.unwrap().status(), 200);
    let asked = http.get(format!("{base}/metrics")).send().await.unwrap();
    let text = asked.text().await.unwrap();
    assert!(text.contains("url_scheme=\"https\""), "{text}");
    // All certificates: hours, or a year for the broker's authority.
    for (file, days) in [("gateway", 0), ("nats-server", 0), ("nats-ca", 365)] {
        until_days(&http, &base, file, days).await;
    }
    // Who does not know the authority does not speak to it, and there is no other way in.
    let stranger = client().build().unwrap();
    assert!(stranger.get(format!("{base}/livez")).send().await.is_err());
    let plain = base.replace("https://", "http://");
    assert!(http.get(format!("{plain}/livez")).send().await.is_err());

    // A key that is another's changes nothing; the one that belongs to it does.
    let others = tempfile::tempdir().unwrap();
    let others = Certificates::make(others.path());
    fs::copy(&others.key, &made.key).unwrap();
    until_said(&gateway, "does not belong to the first certificate").await;
    assert_eq!(ready().await.unwrap().status(), 200);
    made.renew(30 * DAY + SOME);
    until_days(&http, &base, "gateway", 30).await;
    assert_eq!(ready().await.unwrap().status(), 200);

    the_doctor_looks(&stage, &base, &made);
    broker.renew_certificate(90 * DAY + SOME);
    let held = doctor(&stage, &[], "certificates");
    let found = |state: &str, text: &str| {
        held.iter()
            .any(|(is, what)| is == state && what.contains(text))
    };
    assert!(found("ok", "holds for 90 days"), "{held:?}");
    gateway.end();

    // What cannot be used is an error at the start.
    fs::copy(&others.key, &made.key).unwrap();
    let mut refused = stage.run_as("gateway", "gateway", &args);
    assert!(!refused.ended().success());
    let said = refused.output.lock().unwrap().clone();
    assert!(
        said.contains("error: the gateway cannot serve HTTPS: the key in"),
        "{said}"
    );
}

#[test]
fn a_platform_whose_certificate_cannot_be_used_starts_no_broker() {
    let folder = tempfile::tempdir().unwrap();
    let made = Certificates::make(folder.path());
    let data = folder.path().join("data");
    let mut up = colloquy();
    up.args(["up", "--listen", "127.0.0.1:0", "--data", path(&data)])
        .args(["--tls-cert", path(&made.certificate)])
        .args(["--tls-key", path(&made.authority)]);
    let mut up = Process::start(up);
    assert!(!up.ended().success());
    let said = up.output.lock().unwrap().clone();
    assert!(
        said.contains("error: the gateway cannot serve HTTPS: "),
        "{said}"
    );
    assert!(!data.exists(), "{said}");
}

/// The broker's certificate holds for an hour only, and the gateway's authority must be known.
fn the_doctor_looks(stage: &Stage, base: &str, made: &Certificates) {
    let known = ["--gateway", base, "--gateway-ca", path(&made.authority)];
    let gateway = doctor(stage, &known, "gateway");
    assert_eq!(gateway[0].0, "ok", "{gateway:?}");
    let gateway = doctor(stage, &known[..2], "gateway");
    assert_eq!(gateway[0].0, "failed", "{gateway:?}");
    let held = doctor(stage, &[], "certificates");
    let short = |(state, found): &(String, String)| {
        state == "warning"
            && found.contains("the certificate of 127.0.0.1:")
            && found.contains(" 0 days")
    };
    assert!(held.iter().any(short), "{held:?}");
}
