//! The service at a real broker, under its own user: what it reads, stores and states, and what it
//! says of recordings that cannot be used.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use std::sync::Arc;

use colloquy_contract::{
    Bucket, Fact, FactType, Scope,
    facts::{CallInfo, ConversationDecoded, ConversationReceived, SourceAudio},
};
use colloquy_decode::DecodeService;
use colloquy_testkit::{Kit, PATIENCE, conversation};
use common::{read, run, snr, tones, wav16};
use serde_json::json;

/// Length of the recordings in seconds.
const SECONDS: usize = 2;

fn call() -> CallInfo {
    let said = json!({
        "received_at": "2026-05-19T11:06:00Z",
        "agent": "agent-31",
        "channel_roles": ["agent", "customer"],
        "labels": { "topic": "estimate" },
    });
    serde_json::from_value(said).unwrap()
}

/// A stereo call as a telephone system keeps it.
fn wav() -> Vec<u8> {
    wav16(8_000, 2, &tones(8_000, 2, SECONDS * 8_000))
}

/// A posted file, and the fact that tells of it.
async fn received(kit: &Kit, scope: &Scope, file: &[u8]) -> ConversationReceived {
    ConversationReceived {
        call: call(),
        recording: kit.store(Bucket::Vault, scope, "audio/wav", file).await,
        vocabulary: None,
    }
}

/// Every other sample: those of one channel of two.
fn channel(samples: &[i16], number: usize) -> Vec<i16> {
    samples.iter().skip(number).step_by(2).copied().collect()
}

#[tokio::test]
async fn a_recording_is_decoded() {
    let kit = Kit::with_permissions(1).await;
    let decode = kit.run(Arc::new(DecodeService::default())).await;
    let scope = conversation();
    let cause = received(&kit, &scope, &wav()).await;
    kit.state(&scope, cause.clone()).await;
    let facts = kit.facts_until(&scope, FactType::ConversationDecoded).await;
    assert_eq!(facts.len(), 2, "{facts:?}");
    decode.drain().await;

    let history = kit.history(&scope).await;
    let (first, second) = (&history[0].envelope, &history[1].envelope);
    assert_eq!(second.source, "decode");
    assert_eq!(second.cause.as_ref(), Some(&first.id));
    let Fact::ConversationDecoded(decoded) = &history[1].fact else {
        panic!("{facts:?}")
    };
    let audio = decoded.audio.clone();
    let expected = ConversationDecoded {
        call: call(),
        audio: audio.clone(),
        duration_ms: 1_000 * SECONDS as u64,
        channels: 2,
        source: SourceAudio {
            container: "wav".to_owned(),
            codec: "pcm_s16le".to_owned(),
            sample_rate_hz: 8_000,
        },
        vocabulary: None,
    };
    assert_eq!(*decoded, expected);

    assert_eq!(audio.bucket, Bucket::Vault);
    assert_eq!(audio.media_type, "audio/flac");
    let file = kit.content(&audio).await;
    let (heard, meant) = (read(&file), tones(16_000, 2, SECONDS * 16_000));
    for number in 0..2 {
        let decibels = snr(&channel(&heard, number), &channel(&meant, number));
        assert!(decibels > 60.0, "channel {number}: {decibels} dB");
    }
    // Both the posted and the decoded recording lie in the vault, and nothing where it can be seen.
    let mut names = vec![cause.recording.name, audio.name];
    names.sort();
    assert_eq!(kit.stored(Bucket::Vault).await, names);
    assert_eq!(kit.stored(Bucket::Open).await, [""; 0]);
}

#[tokio::test]
async fn a_recording_that_cannot_be_used_is_rejected_with_a_reason() {
    let kit = Kit::with_permissions(2).await;
    let decode = kit.run(Arc::new(DecodeService::default())).await;
    let whole = wav();
    let page = b"<!DOCTYPE html><title>502 Bad Gateway</title>".to_vec();
    for (file, code) in [
        (whole[..whole.len() / 2].to_vec(), "truncated"),
        (page, "not_audio"),
    ] {
        let scope = conversation();
        let cause = received(&kit, &scope, &file).await;
        kit.state(&scope, cause).await;
        let fact = FactType::ConversationRejected;
        let facts = kit.facts_until(&scope, fact).await;
        assert_eq!(facts, [FactType::ConversationReceived, fact]);
        let history = kit.history(&scope).await;
        let Fact::ConversationRejected(rejected) = &history[1].fact else {
            panic!("{facts:?}")
        };
        assert_eq!(
            (rejected.stage.as_str(), rejected.code.as_str()),
            ("decode", code)
        );
        assert_eq!(rejected.reason, run(&file).unwrap_err().to_string());
        assert!(rejected.reason.contains("send the"), "{}", rejected.reason);
    }
    // What is rejected is done with: it is no dead letter, and nothing was made of it.
    kit.settled(PATIENCE).await;
    decode.drain().await;
    assert_eq!(kit.dead_letters().await, 0);
    assert_eq!(kit.stored(Bucket::Vault).await.len(), 2);
}

#[tokio::test]
async fn what_is_delivered_again_is_decoded_or_rejected_once() {
    let empty = b"RIFF\x04\0\0\0WAVE".to_vec();
    for (file, follows, stored) in [
        (wav(), FactType::ConversationDecoded, 2),
        (empty, FactType::ConversationRejected, 1),
    ] {
        let kit = Kit::with_permissions(3).await;
        let scope = conversation();
        let cause = received(&kit, &scope, &file).await;
        let service = DecodeService::default();
        let facts = kit.delivered_again(service, &scope, cause).await;
        assert_eq!(facts, [FactType::ConversationReceived, follows]);
        assert_eq!(kit.stored(Bucket::Vault).await.len(), stored);
    }
}
