//! A call is posted and comes back: as a search hit, a redacted recording, one trace; and nothing
//! that was said in confidence is found anywhere it should not be.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use std::{fs, path::Path};

use colloquy_audio::FlacReader;
use colloquy_contract::{
    AccountId, ArtifactRef, Bucket, ConversationId, Fact, Scope, transcript::Transcript,
};
use colloquy_decode::audio::{Limits, decode_file};
use colloquy_transcribe::engine::{Pcm, Request};
use reqwest::{Method, StatusCode, header};
use serde_json::{Value, json};

use support::{Api, Stage, engine, sample, truth};

/// The call of this journey: an MP3 with names, a phone number, an e-mail address and a card.
const CALL: &str = "hotel-booking";

#[tokio::test(flavor = "multi_thread")]
async fn a_posted_call_comes_back_searchable_redacted_and_traced() {
    let stage = Stage::set().await;
    let platform = stage.run(
        "all",
        &["all", "--listen", "127.0.0.1:0", "--model", "whisper-base"],
    );
    let api = Api::new(&platform.line_after("Colloquy is up: "), &stage.key().await);
    let truth = truth(CALL);

    let response = api
        .request(
            Method::POST,
            "/v1/conversations?channel_roles=agent,customer&agent=agent-17",
        )
        .header(header::CONTENT_TYPE, "audio/mpeg")
        .body(fs::read(sample(truth["file"].as_str().unwrap())).unwrap())
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::ACCEPTED);
    assert!(response.headers().contains_key("traceparent"));
    let location = response.headers()[header::LOCATION]
        .to_str()
        .unwrap()
        .to_owned();
    let id = response.json::<Value>().await.unwrap()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(location.ends_with(&id));
    let status = api.completed(&id).await;
    let duration_ms = status["duration_ms"].as_u64().unwrap();
    assert!(duration_ms.abs_diff(truth["duration_ms"].as_u64().unwrap()) <= 60);

    is_found_by_what_was_said(&api, &id, &truth).await;
    has_transcripts_in_every_format(&api, &id).await;
    let heard = redacted_recording_is_clean(&api, &id, duration_ms, stage.folder.path()).await;
    has_one_trace(&stage, &id);

    let open = open_transcript(&stage, &id).await;
    let log = platform.output.lock().unwrap().clone();
    let spans = format!("{:?}", stage.collector.spans());
    for secret in secrets(&truth) {
        for (place, text) in [
            ("open transcript", &open),
            ("log", &log),
            ("spans", &spans),
            ("audio", &heard),
        ] {
            assert!(
                !squeezed(text).contains(&secret),
                "{secret} stands in the {place}"
            );
        }
        no_file_holds(&stage.folder.path().join("all/index"), &secret);
    }
    platform.end();
}

/// Each phrase of the ground truth is found where and by whom it was spoken.
async fn is_found_by_what_was_said(api: &Api, id: &str, truth: &Value) {
    let mut found = 0;
    let phrases = truth["phrases"].as_array().unwrap();
    for phrase in phrases {
        let query = format!("\"{}\"", phrase["text"].as_str().unwrap());
        let response = api
            .request(Method::GET, "/v1/search")
            .query(&[("q", query.as_str())])
            .send()
            .await
            .unwrap();
        let hits: Value = response.json().await.unwrap();
        let Some(hit) = hits["hits"]
            .as_array()
            .unwrap()
            .iter()
            .find(|hit| hit["id"] == id)
        else {
            continue;
        };
        let spoken_ms = phrase["start_ms"].as_u64().unwrap();
        let matches = |turn: &&Value| {
            let (start, end) = (
                turn["start_ms"].as_u64().unwrap(),
                turn["end_ms"].as_u64().unwrap(),
            );
            turn["role"] == phrase["role"] && (start..=end + 1_000).contains(&(spoken_ms + 500))
        };
        let turn = hit["turns"].as_array().unwrap().iter().find(matches);
        let turn = turn.unwrap_or_else(|| panic!("{query} at {spoken_ms} ms is not in {hit}"));
        assert!(!turn["highlights"].as_array().unwrap().is_empty());
        found += 1;
    }
    // The recognizer may mishear a phrase; it does not mishear most.
    assert!(
        found > 0 && found * 2 >= phrases.len(),
        "{found} of {} phrases",
        phrases.len()
    );
}

async fn has_transcripts_in_every_format(api: &Api, id: &str) {
    for (format, start) in [
        ("json", "{"),
        ("srt", "1\n00:00:"),
        ("vtt", "WEBVTT"),
        ("txt", ""),
    ] {
        let path = format!("/v1/conversations/{id}/transcript?format={format}");
        let response = api.request(Method::GET, &path).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let text = response.text().await.unwrap();
        assert!(
            text.starts_with(start) && text.contains("[PERSON_1]"),
            "{format}: {text}"
        );
    }
}

/// The redacted recording has the same length, plays in ranges, and is transcribed again.
async fn redacted_recording_is_clean(
    api: &Api,
    id: &str,
    duration_ms: u64,
    folder: &Path,
) -> String {
    let path = format!("/v1/conversations/{id}/audio");
    let part = api
        .request(Method::GET, &path)
        .header(header::RANGE, "bytes=0-3")
        .send()
        .await;
    let part = part.unwrap();
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(part.bytes().await.unwrap().as_ref(), b"OggS");

    let whole = api
        .request(Method::GET, &path)
        .send()
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap();
    let (opus, flac) = (folder.join("redacted.opus"), folder.join("redacted.flac"));
    fs::write(&opus, whole).unwrap();
    let decoded = decode_file(&opus, &flac, &Limits::default(), &|| false).unwrap();
    assert_eq!(decoded.duration_ms, duration_ms);
    assert_eq!(decoded.channels, 2);
    tokio::task::spawn_blocking(move || transcribe(&flac))
        .await
        .unwrap()
}

fn transcribe(flac: &Path) -> String {
    let mut reader = FlacReader::new(fs::File::open(flac).unwrap()).unwrap();
    let channels = reader.channels();
    let mut planes = vec![Vec::new(); channels];
    while let Some(block) = reader.next_block().unwrap() {
        for (index, sample) in block.iter().enumerate() {
            planes[index % channels].push(*sample);
        }
    }
    let transcription = engine("whisper-base")
        .transcribe(&Pcm::new(planes), &Request::default(), &|_| {}, &|| false)
        .unwrap();
    text_of(&transcription.transcript)
}

fn text_of(transcript: &Transcript) -> String {
    transcript
        .turns
        .iter()
        .map(|turn| turn.text.as_str())
        .collect::<Vec<_>>()
        .join(" ")
}

/// From the request to the last fact: one trace, every hop publish, process and settle.
fn has_one_trace(stage: &Stage, id: &str) {
    let spans = stage.collector.spans();
    let ours: Vec<_> = spans
        .iter()
        .filter(|span| span.attribute("messaging.message.conversation_id") == Some(id))
        .collect();
    let trace = &ours.first().expect("spans arrived").trace_id;
    assert!(
        ours.iter().all(|span| &span.trace_id == trace),
        "spans of one conversation"
    );
}

async fn open_transcript(stage: &Stage, id: &str) -> String {
    let scope = Scope::Conversation {
        account: "default".parse::<AccountId>().unwrap(),
        conversation: id.parse::<ConversationId>().unwrap(),
    };
    let bus = stage.bus().await;
    let reference: ArtifactRef = bus
        .history(&scope)
        .await
        .unwrap()
        .into_iter()
        .find_map(|logged| match logged.fact {
            Fact::ConversationAnonymized(data) => Some(data.transcript),
            _ => None,
        })
        .expect("it was anonymized");
    assert_eq!(reference.bucket, Bucket::Open);
    let content = bus.artifacts().get_bytes(&reference).await.unwrap();
    text_of(&serde_json::from_slice(&content).unwrap())
}

/// Values of the ground truth that must not survive, squeezed to letters and digits.
fn secrets(truth: &Value) -> Vec<String> {
    let mut secrets = Vec::new();
    for entity in truth["entities"].as_array().unwrap() {
        if entity["sensitive"] == json!(true) {
            secrets.push(squeezed(entity["value"].as_str().unwrap()));
        }
    }
    secrets.retain(|secret| secret.len() >= 5);
    assert!(secrets.len() >= 3, "the sample has secrets");
    secrets
}

fn squeezed(text: &str) -> String {
    text.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

fn no_file_holds(folder: &Path, secret: &str) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            no_file_holds(&path, secret);
        } else {
            let content = fs::read(&path).unwrap().to_ascii_lowercase();
            let found = content
                .windows(secret.len())
                .any(|part| part == secret.as_bytes());
            assert!(!found, "{secret} stands in {}", path.display());
        }
    }
}
