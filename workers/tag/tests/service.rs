//! The service at a real broker, under its own user: what it reads, stores and states.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::sync::Arc;

use colloquy_contract::{
    Bucket, Fact, FactType, Scope,
    entities::Entities,
    facts::{CallInfo, ConversationTagged, ConversationTranscribed},
    transcript::{Role, Transcript, Turn, Word},
};
use colloquy_entities::Recognizers;
use colloquy_tag::TagService;
use colloquy_testkit::{Kit, conversation};
use serde_json::json;

/// What is said: a name and a telephone number.
const SAID: &str = "Hello, this is Susan Parker, my number is 303 555 0182.";

fn call() -> CallInfo {
    let said = json!({
        "received_at": "2026-05-19T11:06:00Z",
        "agent": "agent-31",
        "channel_roles": ["customer"],
        "labels": { "topic": "estimate" },
    });
    serde_json::from_value(said).unwrap()
}

fn transcript() -> Transcript {
    let words = SAID.split(' ').zip(0..).map(|(text, at)| Word {
        text: text.to_owned(),
        start_ms: at * 300,
        end_ms: at * 300 + 250,
        confidence: 1.0,
        digit_starts_ms: Vec::new(),
    });
    Transcript {
        version: Transcript::VERSION,
        language: "en".to_owned(),
        duration_ms: 4_000,
        model: "test".to_owned(),
        channels: vec![Role::Customer],
        turns: vec![Turn::new(0, Role::Customer, words.collect()).unwrap()],
    }
}

/// The service without a model: what is said needs none.
fn tagging() -> TagService {
    TagService::new(Arc::new(Recognizers::new(None)))
}

/// A transcript of this content, and the fact that tells of it.
async fn transcribed(kit: &Kit, scope: &Scope, content: &[u8]) -> ConversationTranscribed {
    let (vault, json) = (Bucket::Vault, Transcript::MEDIA_TYPE);
    ConversationTranscribed {
        call: call(),
        // Handed on, not opened.
        audio: kit.store(vault, scope, "audio/flac", b"audio").await,
        duration_ms: 4_000,
        transcript: kit.store(vault, scope, json, content).await,
        language: "en".to_owned(),
        model: "test".to_owned(),
        words: 11,
    }
}

fn document() -> Vec<u8> {
    serde_json::to_vec(&transcript()).unwrap()
}

#[tokio::test]
async fn a_transcript_is_tagged() {
    let kit = Kit::with_permissions(1).await;
    let tag = kit.run(Arc::new(tagging())).await;
    let scope = conversation();
    let cause = transcribed(&kit, &scope, &document()).await;
    kit.state(&scope, cause.clone()).await;
    let facts = kit.facts_until(&scope, FactType::ConversationTagged).await;
    assert_eq!(facts.len(), 2, "{facts:?}");
    tag.drain().await;

    let history = kit.history(&scope).await;
    let (first, second) = (&history[0].envelope, &history[1].envelope);
    assert_eq!(second.source, "tag");
    assert_eq!(second.cause.as_ref(), Some(&first.id));
    let Fact::ConversationTagged(tagged) = &history[1].fact else {
        panic!("{facts:?}")
    };
    let reference = tagged.entities.clone();
    let expected = ConversationTagged {
        call: call(),
        audio: cause.audio.clone(),
        duration_ms: 4_000,
        transcript: cause.transcript.clone(),
        language: "en".to_owned(),
        entities: reference.clone(),
        counts: [("PERSON".to_owned(), 1), ("PHONE_NUMBER".to_owned(), 1)].into(),
    };
    assert_eq!(*tagged, expected);

    assert_eq!(reference.bucket, Bucket::Vault);
    assert_eq!(reference.media_type, Entities::MEDIA_TYPE);
    let entities: Entities = serde_json::from_slice(&kit.content(&reference).await).unwrap();
    let found: Vec<_> = entities
        .mentions
        .iter()
        .map(|mention| (mention.entity_type.as_str(), mention.value.as_str()))
        .collect();
    let expected = [("PERSON", "susan parker"), ("PHONE_NUMBER", "+13035550182")];
    assert_eq!(found, expected);
    // Values of entities lie in the vault and nowhere else.
    assert_eq!(kit.stored(Bucket::Open).await, [""; 0]);
    assert!(kit.stored(Bucket::Vault).await.contains(&reference.name));
}

#[tokio::test]
async fn what_is_delivered_again_is_tagged_once() {
    let kit = Kit::with_permissions(2).await;
    let scope = conversation();
    let cause = transcribed(&kit, &scope, &document()).await;
    let before = kit.stored(Bucket::Vault).await.len();
    let service = tagging();
    let facts = kit.delivered_again(service, &scope, cause).await;
    let expected = [
        FactType::ConversationTranscribed,
        FactType::ConversationTagged,
    ];
    assert_eq!(facts, expected);
    assert_eq!(kit.stored(Bucket::Vault).await.len(), before + 1);
}

#[tokio::test]
async fn a_transcript_that_cannot_be_read_is_a_dead_letter() {
    let kit = Kit::with_permissions(3).await;
    let tag = kit.run(Arc::new(tagging())).await;
    let scope = conversation();
    // Cut off: in the middle of what somebody said.
    let document = document();
    let cut = &document[..document.len() / 2];
    let cause = transcribed(&kit, &scope, cut).await;
    kit.state(&scope, cause).await;
    let facts = kit.facts_until(&scope, FactType::ConversationFailed).await;
    assert_eq!(facts.len(), 2, "{facts:?}");
    tag.drain().await;

    let letter = kit.the_dead_letter("tag", &scope).await;
    assert!(letter.error.contains("cannot be read"), "{}", letter.error);
    assert!(!letter.error.contains("Susan"), "{}", letter.error);
}
