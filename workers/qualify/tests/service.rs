//! The service at a real broker, under its own user: what it reads and states.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::sync::Arc;

use colloquy_contract::{
    Bucket, Fact, FactType, Scope,
    facts::{CallInfo, ConversationAnonymized, ConversationQualified},
    transcript::{Role, Transcript, Turn, Word},
};
use colloquy_qualify::{Qualifier, QualifyService};
use colloquy_testkit::{Kit, conversation};
use serde_json::json;

fn service() -> QualifyService {
    QualifyService::new(Qualifier::new().unwrap())
}

fn call() -> CallInfo {
    let said = json!({
        "received_at": "2026-05-19T11:06:00Z",
        "agent": "agent-31",
        "channel_roles": ["agent", "customer"],
        "labels": { "topic": "estimate" },
    });
    serde_json::from_value(said).unwrap()
}

fn turn(channel: u16, role: Role, start_ms: u64, said: &str) -> Turn {
    let words = said.split(' ').zip(0..).map(|(text, at)| Word {
        text: text.to_owned(),
        start_ms: start_ms + at * 250,
        end_ms: start_ms + (at + 1) * 250,
        confidence: 1.0,
        digit_starts_ms: Vec::new(),
    });
    Turn::new(channel, role, words.collect()).unwrap()
}

/// 2 s of the agent, half a second of nobody, 1.5 s of the customer.
fn transcript() -> Transcript {
    let turns = vec![
        turn(0, Role::Agent, 0, "Thank you for calling. How can I help?"),
        turn(
            1,
            Role::Customer,
            2_500,
            "This is [PERSON_1]. I'm very happy.",
        ),
    ];
    Transcript {
        version: Transcript::VERSION,
        language: "en".to_owned(),
        duration_ms: 4_000,
        model: "test".to_owned(),
        channels: vec![Role::Agent, Role::Customer],
        turns,
    }
}

/// A transcript of this content, and the fact that tells of it.
async fn anonymized(kit: &Kit, scope: &Scope, content: &[u8]) -> ConversationAnonymized {
    let (open, json) = (Bucket::Open, Transcript::MEDIA_TYPE);
    ConversationAnonymized {
        call: call(),
        duration_ms: 4_000,
        language: "en".to_owned(),
        transcript: kit.store(open, scope, json, content).await,
        // Handed on, not opened.
        audio: kit
            .store(open, scope, "audio/ogg; codecs=opus", b"audio")
            .await,
        redactions: [("PERSON".to_owned(), 1)].into(),
        redacted_ms: 550,
        policy: None,
        verified: None,
    }
}

fn document() -> Vec<u8> {
    serde_json::to_vec(&transcript()).unwrap()
}

#[tokio::test]
async fn a_conversation_is_qualified() {
    let kit = Kit::with_permissions(1).await;
    let qualify = kit.run(Arc::new(service())).await;
    let scope = conversation();
    let cause = anonymized(&kit, &scope, &document()).await;
    kit.state(&scope, cause.clone()).await;
    let fact = FactType::ConversationQualified;
    let facts = kit.facts_until(&scope, fact).await;
    assert_eq!(facts, [FactType::ConversationAnonymized, fact]);
    qualify.drain().await;

    let history = kit.history(&scope).await;
    let (first, second) = (&history[0].envelope, &history[1].envelope);
    assert_eq!(second.source, "qualify");
    assert_eq!(second.cause.as_ref(), Some(&first.id));
    let Fact::ConversationQualified(qualified) = &history[1].fact else {
        panic!("{facts:?}")
    };
    let expected = ConversationQualified {
        call: call(),
        duration_ms: 4_000,
        language: "en".to_owned(),
        transcript: cause.transcript,
        audio: cause.audio,
        analysis: Qualifier::new().unwrap().qualify(&transcript()),
    };
    assert_eq!(*qualified, expected);
    // What it refers to is what was measured.
    let referred = kit.content(&qualified.transcript).await;
    assert_eq!(referred, document());

    let analysis = &qualified.analysis;
    assert_eq!((analysis.turns, analysis.words), (2, 14));
    let talk = &analysis.talk;
    assert_eq!((talk.talk_ms, talk.silence_ms), (3_500, 500));
    assert!(analysis.categories.iter().any(|it| it.name == "greeting"));
    assert!(analysis.sentiment.as_ref().unwrap().score > 0.1);
}

#[tokio::test]
async fn what_is_delivered_again_is_qualified_once() {
    let kit = Kit::with_permissions(2).await;
    let scope = conversation();
    let cause = anonymized(&kit, &scope, &document()).await;
    let service = service();
    let facts = kit.delivered_again(service, &scope, cause).await;
    let expected = [
        FactType::ConversationAnonymized,
        FactType::ConversationQualified,
    ];
    assert_eq!(facts, expected);
}

#[tokio::test]
async fn a_transcript_that_cannot_be_read_is_a_dead_letter() {
    let kit = Kit::with_permissions(3).await;
    let qualify = kit.run(Arc::new(service())).await;
    let scope = conversation();
    let document = br#"{ "version": 1, "turns": "[PERSON_1] says hello" }"#;
    let cause = anonymized(&kit, &scope, document).await;
    kit.state(&scope, cause).await;
    let facts = kit.facts_until(&scope, FactType::ConversationFailed).await;
    assert_eq!(facts.len(), 2, "{facts:?}");
    qualify.drain().await;

    let letter = kit.the_dead_letter("qualify", &scope).await;
    assert!(letter.error.contains("cannot be read"), "{}", letter.error);
    assert!(!letter.error.contains("hello"), "{}", letter.error);
}
