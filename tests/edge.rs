//! The edge: bad input gets a clear answer, large input little memory, sign-ups their welcome.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use std::{fs, time::Duration};

use reqwest::{Method, Response, StatusCode, header};
use serde_json::{Value, json};

use support::{Api, Process, Stage, sample};

async fn platform(stage: &Stage) -> (Process, Api) {
    let process = stage.run(
        "all",
        &["all", "--listen", "127.0.0.1:0", "--max-upload-mib", "128"],
    );
    let base = process.line_after("Colloquy is up: ");
    (process, Api::new(&base, &stage.key().await))
}

/// A problem has a type, a title, its status and a sentence that helps.
async fn problem(response: Response, status: u16) -> Value {
    assert_eq!(response.status().as_u16(), status);
    assert_eq!(
        response.headers()[header::CONTENT_TYPE],
        "application/problem+json"
    );
    let problem: Value = response.json().await.unwrap();
    assert_eq!(problem["status"], status, "{problem}");
    for field in ["type", "title", "detail"] {
        assert!(
            problem[field].as_str().is_some_and(|text| !text.is_empty()),
            "{field}: {problem}"
        );
    }
    problem
}

/// A WAV header of 16-bit PCM without its data.
fn wav_header(channels: u16, data_bytes: u32) -> Vec<u8> {
    let (rate, block) = (16_000_u32, channels * 2);
    let mut header = Vec::new();
    header.extend(b"RIFF");
    header.extend((36 + data_bytes).to_le_bytes());
    header.extend(b"WAVEfmt ");
    header.extend(16_u32.to_le_bytes());
    header.extend(1_u16.to_le_bytes());
    header.extend(channels.to_le_bytes());
    header.extend(rate.to_le_bytes());
    header.extend((rate * u32::from(block)).to_le_bytes());
    header.extend(block.to_le_bytes());
    header.extend(16_u16.to_le_bytes());
    header.extend(b"data");
    header.extend(data_bytes.to_le_bytes());
    header
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_requests_get_readable_problems() {
    let stage = Stage::set().await;
    let (process, api) = platform(&stage).await;
    let get = |path: &'static str| api.request(Method::GET, path).send();

    problem(api.post_call("", Vec::new()).await, 422).await;
    problem(
        api.anonymous(Method::GET, "/v1/conversations")
            .send()
            .await
            .unwrap(),
        401,
    )
    .await;
    let wrong = api
        .anonymous(Method::GET, "/v1/conversations")
        .bearer_auth("cq_wrong")
        .send();
    problem(wrong.await.unwrap(), 401).await;
    let unknown = "/v1/conversations/0198c0de-7f7f-7b3a-9d55-3f8a6c1e2b4d";
    problem(get(unknown).await.unwrap(), 404).await;
    problem(get("/v1/conversations/not-an-id").await.unwrap(), 404).await;
    problem(get("/v1/nothing").await.unwrap(), 404).await;
    problem(get("/v1/search?q=%22unbalanced").await.unwrap(), 400).await;
    problem(
        get("/v1/search?query=unknown-parameter").await.unwrap(),
        400,
    )
    .await;
    problem(
        api.request(Method::DELETE, "/v1/search")
            .send()
            .await
            .unwrap(),
        405,
    )
    .await;
    let bad_metadata = api.post_call("?direction=sideways", b"RIFF".to_vec()).await;
    assert!(bad_metadata.status().is_client_error());
    let too_large = api.post_call("", vec![0; 129 * 1024 * 1024]);
    // The server may answer and close before all of it was sent.
    if let Ok(response) = tokio::time::timeout(Duration::from_secs(60), too_large).await {
        problem(response, 413).await;
    }
    process.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn unusable_recordings_are_rejected_with_a_reason() {
    let stage = Stage::set().await;
    let (process, api) = platform(&stage).await;
    let mp3 = fs::read(sample("hotel-booking.mp3")).unwrap();
    let mut nine_channels = wav_header(9, 18_000);
    nine_channels.resize(nine_channels.len() + 18_000, 0);
    let mut truncated_wav = wav_header(1, 1_000_000);
    truncated_wav.resize(2_000, 1);
    for (content, code) in [
        (
            b"This is no recording, it is a letter.".repeat(40),
            "not_audio",
        ),
        (mp3[..mp3.len() / 2 + 100].to_vec(), "truncated"),
        (nine_channels, "too_many_channels"),
        (truncated_wav, "truncated"),
    ] {
        let response = api.post_call("", content).await;
        assert_eq!(response.status(), StatusCode::ACCEPTED);
        let id = response.json::<Value>().await.unwrap()["id"]
            .as_str()
            .unwrap()
            .to_owned();
        let status = api.end_of(&id).await;
        assert_eq!(status["status"], "error", "{status}");
        assert_eq!(status["error"]["code"], code, "{status}");
        assert!(
            status["error"]["reason"]
                .as_str()
                .is_some_and(|reason| reason.len() > 10)
        );
        let path = format!("/v1/conversations/{id}/audio");
        let audio = api.request(Method::GET, &path).send().await.unwrap();
        assert!(audio.status().is_client_error());
    }
    process.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_megabytes_take_little_memory() {
    let stage = Stage::set().await;
    let gateway = stage.run("gateway", &["gateway", "--listen", "127.0.0.1:0"]);
    let base = gateway.line_after("the gateway listens on ");
    let api = Api::new(&base, &stage.key().await);
    assert_eq!(
        api.post_call("", wav_header(1, 0)).await.status(),
        StatusCode::ACCEPTED
    );

    let before = gateway.memory_kib("VmHWM");
    let size = 100_000_000_u32;
    let mut content = wav_header(2, size);
    content.resize(content.len() + size as usize, 7);
    let response = api.post_call("", content).await;
    assert_eq!(response.status(), StatusCode::ACCEPTED);
    let grown = gateway.memory_kib("VmHWM").saturating_sub(before);
    println!("100 MB upload: peak memory of the gateway grew by {grown} KiB from {before} KiB");
    assert!(grown < 32 * 1024, "grown by {grown} KiB");
    gateway.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_idempotency_key_is_the_same_call() {
    let stage = Stage::set().await;
    let gateway = stage.run("gateway", &["gateway", "--listen", "127.0.0.1:0"]);
    let base = gateway.line_after("the gateway listens on ");
    let api = Api::new(&base, &stage.key().await);
    let post = |content: &'static [u8]| {
        let request = api.request(Method::POST, "/v1/conversations");
        request
            .header("Idempotency-Key", "once")
            .body(content)
            .send()
    };
    let first: Value = post(b"the same").await.unwrap().json().await.unwrap();
    let again = post(b"the same").await.unwrap();
    assert_eq!(again.status(), StatusCode::ACCEPTED);
    assert_eq!(again.headers()["idempotent-replayed"], "true");
    assert_eq!(again.json::<Value>().await.unwrap()["id"], first["id"]);
    problem(post(b"another").await.unwrap(), 422).await;
    gateway.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_up_becomes_an_account_and_a_welcome() {
    let stage = Stage::set().await;
    let gateway = stage.run("gateway", &["gateway", "--listen", "127.0.0.1:0"]);
    let workers = stage.run("workers", &["worker", "accounts", "notify"]);
    let base = gateway.line_after("the gateway listens on ");
    let api = Api::new(&base, "none");
    let first = api.sign_up("Ann Example", "ann@example.com").await;
    assert_eq!(api.decided(&first, "welcomed").await["status"], "welcomed");
    let mails: Vec<_> = fs::read_dir(stage.folder.path().join("workers/mail"))
        .unwrap()
        .flatten()
        .collect();
    assert_eq!(mails.len(), 1);
    let mail = fs::read_to_string(mails[0].path()).unwrap();
    assert!(
        mail.contains("To: \"Ann Example\" <ann@example.com>"),
        "{mail}"
    );

    // The address is taken now.
    let second = api.sign_up("Somebody Else", "ann@example.com").await;
    let rejected = api.decided(&second, "rejected").await;
    assert_eq!(rejected["code"], "email_taken", "{rejected}");

    let weak = json!({ "email": "bob@example.com", "name": "Bob", "password": "short" });
    let weak = api
        .anonymous(Method::POST, "/v1/signups")
        .json(&weak)
        .send()
        .await
        .unwrap();
    problem(weak, 422).await;
    for process in [&gateway, &workers] {
        let log = process.output.lock().unwrap();
        assert!(
            !log.contains("ann@example.com") && !log.contains("battery"),
            "{log}"
        );
    }
    gateway.end();
    workers.end();
}
