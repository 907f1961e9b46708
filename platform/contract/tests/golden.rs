//! Every version of every fact stays readable: golden files hold what was once written.
//!
//! `tests/golden/<type>.v<version>.json` is data as it went over the wire. A change that cannot
//! read one of them, or writes the newest differently, breaks consumers. With `UPDATE_GOLDEN=1`
//! files that are missing are written from the examples below; existing ones are never touched.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::{fs, path::PathBuf};

use colloquy_contract::{
    AccountId, ArtifactRef, Bucket, ConversationId, Envelope, Fact, FactType, Scope,
    analysis::Analysis, envelope::header, facts::*, subject::template, transcript::Role,
    vocabulary::Vocabulary,
};
use jiff::Timestamp;
use serde_json::{Value, json};

fn golden_path(fact: FactType, version: u16) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(format!("{fact}.v{version}.json"))
}

fn artifact(bucket: Bucket, media_type: &str) -> ArtifactRef {
    let sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".to_owned();
    ArtifactRef {
        bucket,
        name: format!("acme/0198c0de-7f7f-7b3a-9d55-3f8a6c1e2b4d/{sha256}"),
        size_bytes: 4,
        sha256,
        media_type: media_type.to_owned(),
    }
}

fn call() -> CallInfo {
    CallInfo {
        received_at: "2026-03-02T09:14:05Z".parse().unwrap(),
        agent: Some("agent-17".to_owned()),
        customer: Some("cust-1042".to_owned()),
        direction: Some(Direction::Inbound),
        started_at: Some("2026-03-02T09:10:00Z".parse().unwrap()),
        language: Some("en".to_owned()),
        channel_roles: vec![Role::Agent, Role::Customer],
        labels: [("topic".to_owned(), "billing".to_owned())].into(),
    }
}

/// An example of each fact with every field set.
fn example(fact: FactType) -> Fact {
    let vault = |media: &str| artifact(Bucket::Vault, media);
    let open = |media: &str| artifact(Bucket::Open, media);
    let counts = || [("PERSON".to_owned(), 2)].into();
    let (call, duration_ms, language) = (call(), 64_506, "en".to_owned());
    match fact {
        FactType::ConversationReceived => ConversationReceived {
            call,
            recording: vault("audio/mpeg"),
            vocabulary: Some(vault(Vocabulary::MEDIA_TYPE)),
        }
        .into(),
        FactType::ConversationDecoded => ConversationDecoded {
            call,
            audio: vault("audio/flac"),
            duration_ms,
            channels: 2,
            source: SourceAudio {
                container: "mp3".to_owned(),
                codec: "mp3".to_owned(),
                sample_rate_hz: 44_100,
            },
            vocabulary: Some(vault(Vocabulary::MEDIA_TYPE)),
        }
        .into(),
        FactType::ConversationRejected => ConversationRejected {
            stage: "decode".to_owned(),
            code: "truncated".to_owned(),
            reason: "the recording ends early".to_owned(),
        }
        .into(),
        FactType::ConversationTranscribed => ConversationTranscribed {
            call,
            audio: vault("audio/flac"),
            duration_ms,
            transcript: vault("application/vnd.colloquy.transcript+json"),
            language,
            model: "whisper-base".to_owned(),
            words: 210,
        }
        .into(),
        FactType::ConversationTagged => ConversationTagged {
            call,
            audio: vault("audio/flac"),
            duration_ms,
            transcript: vault("application/vnd.colloquy.transcript+json"),
            language,
            entities: vault("application/vnd.colloquy.entities+json"),
            counts: counts(),
        }
        .into(),
        FactType::ConversationAnonymized => ConversationAnonymized {
            call,
            duration_ms,
            language,
            transcript: open("application/vnd.colloquy.transcript+json"),
            audio: open("audio/ogg; codecs=opus"),
            redactions: counts(),
            redacted_ms: 12_300,
            policy: Some(PolicyVersion {
                version: "5f2a9c01d3e4".to_owned(),
                name: Some("2026-11".to_owned()),
            }),
            verified: Some(Verified {
                mode: "removed".to_owned(),
                stretches: 4,
                heard_ms: 21_000,
                rounds: 1,
                model: "whisper-base".to_owned(),
            }),
        }
        .into(),
        FactType::ConversationQualified => ConversationQualified {
            call,
            duration_ms,
            language,
            transcript: open("application/vnd.colloquy.transcript+json"),
            audio: open("audio/ogg; codecs=opus"),
            analysis: analysis(),
        }
        .into(),
        FactType::ConversationIndexed => ConversationIndexed { turns: 14 }.into(),
        FactType::ConversationFailed => ConversationFailed {
            stage: "transcribe".to_owned(),
            error: "it took longer than 300s".to_owned(),
            attempts: 6,
            dead_letter: 3,
        }
        .into(),
        FactType::ConversationErasureRequested => ConversationErasureRequested {
            reason: "subject_request".to_owned(),
        }
        .into(),
        FactType::ConversationErased => ConversationErased { artifacts: 5 }.into(),
        FactType::AccountSignupRequested => {
            let (email, name, company) = person();
            AccountSignupRequested {
                email,
                name,
                company,
            }
            .into()
        }
        FactType::AccountCreated => {
            let (email, name, company) = person();
            AccountCreated {
                email,
                name,
                company,
            }
            .into()
        }
        FactType::AccountSignupRejected => AccountSignupRejected {
            code: "email_taken".to_owned(),
            reason: "this e-mail address has an account already".to_owned(),
        }
        .into(),
        FactType::AccountWelcomed => AccountWelcomed {
            transport: "smtp".to_owned(),
            message_id: "<1@example.com>".to_owned(),
        }
        .into(),
    }
}

fn person() -> (String, String, Option<String>) {
    (
        "ann@example.com".to_owned(),
        "Ann Example".to_owned(),
        Some("Example Ltd".to_owned()),
    )
}

fn analysis() -> Analysis {
    serde_json::from_value(json!({
        "version": 1,
        "duration_ms": 64_506,
        "turns": 14,
        "words": 210,
        "speakers": [{
            "channel": 0,
            "role": "agent",
            "talk_ms": 30_000,
            "talk_share": 0.6,
            "turns": 7,
            "words": 120,
            "words_per_minute": 240.0,
            "longest_monologue_ms": 9_000,
            "questions": 3,
            "interruptions": 1,
            "response_latency_ms": 420,
        }],
        "talk": {
            "talk_ms": 50_000,
            "overlap_ms": 400,
            "silence_ms": 14_906,
            "long_silences": 1,
            "silences": [{ "start_ms": 20_000, "end_ms": 24_000 }],
            "interruption_count": 1,
            "interruptions": [{
                "speaker": 0, "interrupted": 1, "turn": 3, "start_ms": 12_000, "overlap_ms": 400,
            }],
            "response_latency_ms": 400,
        },
        "categories": [{
            "name": "billing",
            "hits": 1,
            "places": [{ "speaker": 1, "turn": 2, "start_ms": 9_000, "end_ms": 9_600 }],
        }],
        "sentiment": {
            "method": "vader",
            "score": 0.25,
            "quarters": [0.1, null, -0.2, 0.5],
            "speakers": [{
                "speaker": 1,
                "score": 0.1,
                "quarters": [0.1, null, -0.2, 0.5],
                "positive_turns": 3,
                "negative_turns": 1,
            }],
            "turns": [{ "turn": 2, "score": -0.4 }],
        },
    }))
    .expect("the analysis is readable")
}

#[test]
fn every_fact_reads_and_writes_its_golden_file() {
    for &fact in FactType::ALL {
        let path = golden_path(fact, fact.version());
        let example = example(fact);
        let written: Value = serde_json::from_slice(&example.to_json().unwrap()).unwrap();
        if !path.exists() && std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(
                &path,
                serde_json::to_string_pretty(&written).unwrap() + "\n",
            )
            .unwrap();
        }
        let text = fs::read_to_string(&path)
            .unwrap_or_else(|_| panic!("{} is missing; see UPDATE_GOLDEN", path.display()));
        let golden: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(written, golden, "{fact} is written differently now");
        assert_eq!(
            Fact::from_json(fact, text.as_bytes()).unwrap(),
            example,
            "{fact}"
        );
    }
}

#[test]
fn every_version_of_every_fact_stays_readable() {
    for &fact in FactType::ALL {
        for version in 1..=fact.version() {
            let text = fs::read(golden_path(fact, version)).unwrap();
            assert!(
                Fact::from_json(fact, &text).is_ok(),
                "{fact} version {version}"
            );
        }
    }
}

#[test]
fn what_was_written_before_a_field_was_added_is_read() {
    for (fact, fields) in [
        (FactType::ConversationReceived, &["vocabulary"][..]),
        (FactType::ConversationDecoded, &["vocabulary"]),
        (FactType::ConversationAnonymized, &["policy", "verified"]),
    ] {
        let text = fs::read_to_string(golden_path(fact, 1)).unwrap();
        let mut old: Value = serde_json::from_str(&text).unwrap();
        for field in fields {
            assert!(old.as_object_mut().unwrap().remove(*field).is_some());
        }
        let read = Fact::from_json(fact, old.to_string().as_bytes()).unwrap();
        let again: Value = serde_json::from_slice(&read.to_json().unwrap()).unwrap();
        assert_eq!(again, old, "{fact} without {fields:?} says nothing of them");
    }
}

#[test]
fn what_cannot_be_read_is_refused_with_a_reason() {
    let fact = FactType::ConversationIndexed;
    for (data, reason) in [
        (r#"{"turns":1}"#, "has no version number"),
        (r#"{"version":0,"turns":1}"#, "has version 0"),
        (
            r#"{"version":2,"turns":1}"#,
            "reads up to 1; update it first",
        ),
        (r#"{"version":1}"#, "does not fit its version"),
        ("[", "does not fit its version"),
    ] {
        let error = Fact::from_json(fact, data.as_bytes())
            .unwrap_err()
            .to_string();
        assert!(error.contains(reason), "{error}");
    }
    // What is added later does not disturb this reader.
    assert!(Fact::from_json(fact, br#"{"version":1,"turns":1,"shiny":true}"#).is_ok());
}

#[test]
fn the_envelope_is_a_cloud_event_and_round_trips() {
    let scope = Scope::Conversation {
        account: "acme".parse::<AccountId>().unwrap(),
        conversation: "0198c0de-7f7f-7b3a-9d55-3f8a6c1e2b4d"
            .parse::<ConversationId>()
            .unwrap(),
    };
    let time: Timestamp = "2026-03-02T09:14:05Z".parse().unwrap();
    let first = Envelope::first("gateway", scope, FactType::ConversationReceived, time);
    let derived = first.derive("decode", FactType::ConversationIndexed, time);
    let fact = example(FactType::ConversationIndexed);
    let headers = derived.headers();
    let get = |name: &'static str| {
        headers
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value.as_str())
    };
    assert_eq!(get(header::SPEC_VERSION), Some("1.0"));
    assert_eq!(get(header::CAUSATION), Some(first.id.to_string().as_str()));
    assert_eq!(get(header::SUBJECT), get(header::CORRELATION));

    let subject = derived.subject().unwrap().to_string();
    let data = fact.to_json().unwrap();
    let (read, read_fact) = Envelope::read(&subject, get, &data).unwrap();
    assert_eq!((read, read_fact), (derived, fact));

    let other = subject.replace("indexed", "decoded");
    assert!(
        Envelope::read(&other, get, &data).is_err(),
        "subject and type disagree"
    );
    assert!(
        Envelope::read(&subject, |_| None, &data).is_err(),
        "headers are missing"
    );
}

#[test]
fn every_example_fits_its_schema() {
    for &fact in FactType::ALL {
        let schema = colloquy_contract::schema::fact(fact);
        let data: Value = serde_json::from_slice(&example(fact).to_json().unwrap()).unwrap();
        for required in schema["required"].as_array().unwrap() {
            assert!(
                data.get(required.as_str().unwrap()).is_some(),
                "{fact}: {required}"
            );
        }
        let known = schema["properties"].as_object().unwrap();
        for field in data.as_object().unwrap().keys() {
            assert!(
                known.contains_key(field),
                "{fact} has no '{field}' in its schema"
            );
        }
        assert!(template(fact).ends_with(fact.token()));
    }
}
