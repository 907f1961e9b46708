//! The facts of a conversation, from the posted recording to its end.
//!
//! Each carries what its consumers need, so that none of them has to look anything up.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{analysis::Analysis, artifact::ArtifactRef, transcript::Role};

/// Who called whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// The customer called.
    Inbound,
    /// The company called.
    Outbound,
}

/// What the poster said about the call.
///
/// `agent` and `customer` are references into the poster's own systems, and labels are free:
/// none of them is the place for a name or a number of a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CallInfo {
    /// When the gateway accepted it.
    pub received_at: Timestamp,
    /// Reference of the agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Reference of the customer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<String>,
    /// Who called whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// When the call began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// Language spoken, ISO 639-1; detected where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// The role of each channel, in order; empty where not given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub channel_roles: Vec<Role>,
    /// Free labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// A recording was accepted and lies, verified, in the vault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConversationReceived {
    /// What the poster said about it.
    pub call: CallInfo,
    /// The recording as posted.
    pub recording: ArtifactRef,
    /// The [`Vocabulary`](crate::vocabulary::Vocabulary) that the poster gave, in the vault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vocabulary: Option<ArtifactRef>,
}

/// The form the posted recording had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SourceAudio {
    /// Container, such as `wave`, `ogg`.
    pub container: String,
    /// Codec, such as `pcm_mulaw`, `opus`.
    pub codec: String,
    /// Sample rate in hertz.
    pub sample_rate_hz: u32,
}

/// The recording was decoded to 16 kHz FLAC with its channels kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConversationDecoded {
    /// What the poster said about the call.
    pub call: CallInfo,
    /// FLAC, 16 bit, 16 kHz, in the vault.
    pub audio: ArtifactRef,
    /// Length in milliseconds.
    pub duration_ms: u64,
    /// Number of channels, 1 to 8.
    pub channels: u16,
    /// What it was decoded from.
    pub source: SourceAudio,
    /// The [`Vocabulary`](crate::vocabulary::Vocabulary) that the poster gave, in the vault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vocabulary: Option<ArtifactRef>,
}

/// The recording cannot be used; an end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConversationRejected {
    /// The service that found out.
    pub stage: String,
    /// A stable code, such as `truncated`.
    pub code: String,
    /// What was wrong and what to do, for a person. No personal data.
    pub reason: String,
}

/// The speech was turned into words with times.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConversationTranscribed {
    /// What the poster said about the call.
    pub call: CallInfo,
    /// The decoded audio, in the vault.
    pub audio: ArtifactRef,
    /// Length in milliseconds.
    pub duration_ms: u64,
    /// The raw [`Transcript`](crate::transcript::Transcript), in the vault.
    pub transcript: ArtifactRef,
    /// Language of the speech, ISO 639-1.
    pub language: String,
    /// What transcribed it.
    pub model: String,
    /// Number of words.
    pub words: u32,
}

/// Names, numbers and places were found in the transcript.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConversationTagged {
    /// What the poster said about the call.
    pub call: CallInfo,
    /// The decoded audio, in the vault.
    pub audio: ArtifactRef,
    /// Length in milliseconds.
    pub duration_ms: u64,
    /// The raw transcript, in the vault.
    pub transcript: ArtifactRef,
    /// Language of the speech, ISO 639-1.
    pub language: String,
    /// The [`Entities`](crate::entities::Entities), in the vault.
    pub entities: ArtifactRef,
    /// Number of mentions by entity type.
    pub counts: BTreeMap<String, u32>,
}

/// Transcript and audio were freed of personal data and lie in the open bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConversationAnonymized {
    /// What the poster said about the call.
    pub call: CallInfo,
    /// Length in milliseconds.
    pub duration_ms: u64,
    /// Language of the speech, ISO 639-1.
    pub language: String,
    /// The anonymized transcript, in the open bucket.
    pub transcript: ArtifactRef,
    /// The redacted recording, in the open bucket.
    pub audio: ArtifactRef,
    /// Number of redacted mentions by entity type.
    pub redactions: BTreeMap<String, u32>,
    /// How much of the audio was replaced, summed over channels, in milliseconds.
    pub redacted_ms: u64,
    /// By which policy; absent in facts from before there were policies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyVersion>,
    /// How it was proved that nothing is left in the audio; absent where that is not asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified: Option<Verified>,
}

/// Which redaction policy was followed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PolicyVersion {
    /// The start of the SHA-256 of its text: equal versions are equal policies.
    pub version: String,
    /// The name that its file has for itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// What was done to prove that a redacted recording holds nothing of what was redacted: it was
/// transcribed again, and what was heard was searched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Verified {
    /// What was transcribed: `removed`, the stretches that were cut with what is around them, or
    /// `all`, the whole recording.
    pub mode: String,
    /// How many stretches.
    pub stretches: u32,
    /// How much of the recording, summed over channels, in milliseconds.
    pub heard_ms: u64,
    /// How many rounds of redaction and proof it took: 1 where the first left nothing.
    pub rounds: u32,
    /// What transcribed it.
    pub model: String,
}

/// The conversation was measured: talk statistics, categories, sentiment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConversationQualified {
    /// What the poster said about the call.
    pub call: CallInfo,
    /// Length in milliseconds.
    pub duration_ms: u64,
    /// Language of the speech, ISO 639-1.
    pub language: String,
    /// The anonymized transcript, in the open bucket.
    pub transcript: ArtifactRef,
    /// The redacted recording, in the open bucket.
    pub audio: ArtifactRef,
    /// The measurements; numbers and codes only.
    pub analysis: Analysis,
}

/// The conversation can be searched; the good end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConversationIndexed {
    /// Number of turns that can be found.
    pub turns: u32,
}

/// A service gave up on the conversation; an end until it is redriven.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConversationFailed {
    /// The service that gave up.
    pub stage: String,
    /// What went wrong, in chain order, outermost first. No personal data.
    pub error: String,
    /// How often it tried.
    pub attempts: u32,
    /// Sequence of the full copy in the stream DEADLETTERS.
    pub dead_letter: u64,
}

/// Somebody asked for the conversation to be forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConversationErasureRequested {
    /// Why, as a stable code such as `subject_request`, `retention`.
    pub reason: String,
}

/// Everything personal about the conversation is gone; an end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConversationErased {
    /// Number of artifacts removed.
    pub artifacts: u32,
}
