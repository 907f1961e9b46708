//! What of a fact's data a row may hold.
//!
//! Each field is named here; what is not named stays out, so that a field that is added to a fact
//! has to be let in on purpose. Texts that should be codes are let through only if they look like
//! codes: nobody can smuggle a name into the open store in the place of a language.

use std::collections::BTreeMap;

use colloquy_contract::{
    ArtifactRef, Fact,
    facts::{CallInfo, SourceAudio},
};
use serde_json::{Map, Value, json};

/// Longest text that is taken for a code, in bytes.
const MAX_CODE_BYTES: usize = 64;

/// What a text that should be a code and does not look like one becomes.
const NO_CODE: &str = "?";

/// The part of a fact's data that holds nothing personal, as JSON.
///
/// Left out are e-mail addresses, names and companies of sign-ups, and of calls the references of
/// agent and customer and all labels. Reasons of rejections and failures are let through whole:
/// the contract says that they hold nothing personal.
pub(crate) fn open_part(fact: &Fact) -> Value {
    match fact {
        Fact::ConversationReceived(data) => json!({
            "call": call(&data.call),
            "recording": artifact(&data.recording),
        }),
        Fact::ConversationDecoded(data) => json!({
            "call": call(&data.call),
            "audio": artifact(&data.audio),
            "duration_ms": data.duration_ms,
            "channels": data.channels,
            "source": source(&data.source),
        }),
        Fact::ConversationRejected(data) => json!({
            "stage": code(&data.stage),
            "code": code(&data.code),
            "reason": data.reason,
        }),
        Fact::ConversationTranscribed(data) => json!({
            "call": call(&data.call),
            "audio": artifact(&data.audio),
            "duration_ms": data.duration_ms,
            "transcript": artifact(&data.transcript),
            "language": code(&data.language),
            "model": code(&data.model),
            "words": data.words,
        }),
        Fact::ConversationTagged(data) => json!({
            "call": call(&data.call),
            "audio": artifact(&data.audio),
            "duration_ms": data.duration_ms,
            "transcript": artifact(&data.transcript),
            "language": code(&data.language),
            "entities": artifact(&data.entities),
            "counts": counts(&data.counts),
        }),
        Fact::ConversationAnonymized(data) => json!({
            "call": call(&data.call),
            "duration_ms": data.duration_ms,
            "language": code(&data.language),
            "transcript": artifact(&data.transcript),
            "audio": artifact(&data.audio),
            "redactions": counts(&data.redactions),
            "redacted_ms": data.redacted_ms,
            "policy": data.policy.as_ref().map(|policy| json!({
                "version": code(&policy.version),
                "name": policy.name.as_deref().map(code),
            })),
            "verified": data.verified.as_ref().map(|verified| json!({
                "mode": code(&verified.mode),
                "stretches": verified.stretches,
                "heard_ms": verified.heard_ms,
                "rounds": verified.rounds,
                "model": code(&verified.model),
            })),
        }),
        Fact::ConversationQualified(data) => json!({
            "call": call(&data.call),
            "duration_ms": data.duration_ms,
            "language": code(&data.language),
            "transcript": artifact(&data.transcript),
            "audio": artifact(&data.audio),
            // Numbers, codes and places only; that is its contract.
            "analysis": data.analysis,
        }),
        Fact::ConversationIndexed(data) => json!({ "turns": data.turns }),
        Fact::ConversationFailed(data) => json!({
            "stage": code(&data.stage),
            "error": data.error,
            "attempts": data.attempts,
            "dead_letter": data.dead_letter,
        }),
        Fact::ConversationErasureRequested(data) => json!({ "reason": code(&data.reason) }),
        Fact::ConversationErased(data) => json!({ "artifacts": data.artifacts }),
        Fact::AccountSignupRequested(_) | Fact::AccountCreated(_) => json!({}),
        Fact::AccountSignupRejected(data) => json!({
            "code": code(&data.code),
            "reason": data.reason,
        }),
        Fact::AccountWelcomed(data) => json!({ "transport": code(&data.transport) }),
    }
}

/// `agent`, `customer` and `labels` stay out.
fn call(call: &CallInfo) -> Value {
    let mut open = Map::new();
    open.insert("received_at".to_owned(), json!(call.received_at));
    if let Some(direction) = call.direction {
        open.insert("direction".to_owned(), json!(direction));
    }
    if let Some(started_at) = call.started_at {
        open.insert("started_at".to_owned(), json!(started_at));
    }
    if let Some(language) = &call.language {
        open.insert("language".to_owned(), json!(code(language)));
    }
    if !call.channel_roles.is_empty() {
        open.insert("channel_roles".to_owned(), json!(call.channel_roles));
    }
    Value::Object(open)
}

/// The name stays out: it is account, conversation and digest, which the row has.
fn artifact(artifact: &ArtifactRef) -> Value {
    json!({
        "bucket": artifact.bucket,
        "sha256": code(&artifact.sha256),
        "size_bytes": artifact.size_bytes,
        "media_type": code(&artifact.media_type),
    })
}

fn source(source: &SourceAudio) -> Value {
    json!({
        "container": code(&source.container),
        "codec": code(&source.codec),
        "sample_rate_hz": source.sample_rate_hz,
    })
}

fn counts(counts: &BTreeMap<String, u32>) -> Value {
    let mut open = Map::new();
    for (kind, &count) in counts {
        open.insert(code(kind).to_owned(), json!(count));
    }
    Value::Object(open)
}

/// The text, if it is short and of the characters that codes, digests and media types have.
fn code(text: &str) -> &str {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/+".contains(&byte);
    if !text.is_empty() && text.len() <= MAX_CODE_BYTES && text.bytes().all(legal) {
        text
    } else {
        NO_CODE
    }
}

#[cfg(test)]
mod tests {
    use colloquy_contract::{
        Bucket,
        facts::{AccountCreated, AccountWelcomed, ConversationReceived, Direction},
        transcript::Role,
    };
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn codes_look_like_codes() {
        let digest = "a".repeat(64);
        for good in [
            "en",
            "email_taken",
            "audio/x-wav",
            "PERSON",
            "whisper-base.en",
            &digest,
        ] {
            assert_eq!(code(good), good);
        }
        for bad in [
            "",
            "ann@example.com",
            "Ann Smith",
            "audio/wav; name=Ann",
            &"a".repeat(65),
        ] {
            assert_eq!(code(bad), NO_CODE, "{bad}");
        }
    }

    #[test]
    fn what_a_poster_says_of_people_stays_out() {
        let call = CallInfo {
            received_at: Timestamp::UNIX_EPOCH,
            agent: Some("Agent Secret".to_owned()),
            customer: Some("secret-customer".to_owned()),
            direction: Some(Direction::Inbound),
            started_at: None,
            language: Some("Mr Secret".to_owned()),
            channel_roles: vec![Role::Agent],
            labels: BTreeMap::from([("secret".to_owned(), "secret".to_owned())]),
        };
        let recording = ArtifactRef {
            bucket: Bucket::Vault,
            name: "secret".to_owned(),
            size_bytes: 7,
            sha256: "0".repeat(64),
            media_type: "audio/wav; name=secret".to_owned(),
        };
        let fact = ConversationReceived {
            call,
            vocabulary: Some(recording.clone()),
            recording,
        };
        let json = open_part(&fact.into());
        assert!(
            !json.to_string().to_lowercase().contains("secret"),
            "{json}"
        );
        assert_eq!(json["call"]["direction"], "inbound");
        assert_eq!(json["call"]["language"], "?");
        assert_eq!(json["recording"]["size_bytes"], 7);
        let created = AccountCreated {
            email: "ann@example.com".to_owned(),
            name: "Ann".to_owned(),
            company: None,
        };
        assert_eq!(open_part(&created.into()), json!({}));
        let welcomed = AccountWelcomed {
            transport: "smtp".to_owned(),
            message_id: "<ann@example.com>".to_owned(),
        };
        assert_eq!(open_part(&welcomed.into()), json!({ "transport": "smtp" }));
    }
}
