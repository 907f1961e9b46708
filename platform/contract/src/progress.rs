//! The read model behind status and lists: where each conversation stands.
//!
//! It is folded from the conversation's facts by [`Progress::apply`], which is commutative and
//! idempotent: facts may come in any order and more than once. It can be dropped and rebuilt.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    analysis::Analysis,
    artifact::ArtifactRef,
    envelope::Envelope,
    facts::{CallInfo, Fact, FactType},
    ids::{AccountId, ConversationId},
};

/// Where a conversation stands, in the words of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Accepted; no service has finished with it yet.
    Queued,
    /// On its way through the services.
    Processing,
    /// Can be read, heard and searched.
    Completed,
    /// Rejected, or given up on; see [`Progress::error`].
    Error,
    /// Everything personal about it is gone.
    Erased,
}

/// One fact in the conversation's life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Stage {
    /// The fact, such as `conversation.decoded`.
    pub fact: String,
    /// The service that stated it.
    pub service: String,
    /// When.
    pub at: Timestamp,
}

/// Why a conversation did not get to its good end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ErrorInfo {
    /// The service that stopped.
    pub stage: String,
    /// A stable code; `failed` where a service gave up.
    pub code: String,
    /// What was wrong, for a person.
    pub reason: String,
}

/// Where a conversation stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Progress {
    /// The conversation.
    pub conversation: ConversationId,
    /// What the poster said about the call; absent until `received` was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<CallInfo>,
    /// The facts so far, by time.
    pub stages: Vec<Stage>,
    /// Length in milliseconds, once decoded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// Number of channels, once decoded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channels: Option<u16>,
    /// Language, once transcribed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Number of words, once transcribed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<u32>,
    /// Number of mentions by entity type, once tagged.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub entities: BTreeMap<String, u32>,
    /// Number of redacted mentions by entity type, once anonymized.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub redactions: BTreeMap<String, u32>,
    /// The anonymized transcript, once there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transcript: Option<ArtifactRef>,
    /// The redacted recording, once there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio: Option<ArtifactRef>,
    /// The measurements, once qualified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub analysis: Option<Analysis>,
    /// Why it stopped, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorInfo>,
}

impl Progress {
    /// The progress of a conversation of which nothing is known yet.
    pub fn new(conversation: ConversationId) -> Self {
        Self {
            conversation,
            call: None,
            stages: Vec::new(),
            duration_ms: None,
            channels: None,
            language: None,
            words: None,
            entities: BTreeMap::new(),
            redactions: BTreeMap::new(),
            transcript: None,
            audio: None,
            analysis: None,
            error: None,
        }
    }

    /// Its key in the bucket: `<account>.<YYYYMMDD>.<conversation>`.
    pub fn key(account: &AccountId, conversation: ConversationId) -> String {
        let day = conversation.day().strftime("%Y%m%d");
        format!("{account}.{day}.{conversation}")
    }

    /// Where it stands.
    pub fn status(&self) -> Status {
        let has = |fact: FactType| self.stages.iter().any(|stage| stage.fact == fact.as_str());
        if has(FactType::ConversationErased) {
            Status::Erased
        } else if has(FactType::ConversationIndexed) {
            Status::Completed
        } else if self.error.is_some() {
            Status::Error
        } else if self.stages.len() > 1 {
            Status::Processing
        } else {
            Status::Queued
        }
    }

    /// When it was accepted, as far as known.
    pub fn received_at(&self) -> Option<Timestamp> {
        self.call.as_ref().map(|call| call.received_at)
    }

    /// When the last fact was stated.
    pub fn updated_at(&self) -> Option<Timestamp> {
        self.stages.iter().map(|stage| stage.at).max()
    }

    /// Takes a fact in; `false` if it was known.
    pub fn apply(&mut self, envelope: &Envelope, fact: &Fact) -> bool {
        let kind = fact.fact_type().as_str();
        if self
            .stages
            .iter()
            .any(|known| known.fact == kind && known.at == envelope.time)
        {
            return false;
        }
        let stage = Stage {
            fact: kind.to_owned(),
            service: envelope.source.clone(),
            at: envelope.time,
        };
        let place = self.stages.partition_point(|known| known.at <= stage.at);
        self.stages.insert(place, stage);
        self.take(fact);
        true
    }

    fn take(&mut self, fact: &Fact) {
        match fact {
            Fact::ConversationReceived(data) => self.call = Some(data.call.clone()),
            Fact::ConversationDecoded(data) => {
                self.duration_ms = Some(data.duration_ms);
                self.channels = Some(data.channels);
            }
            Fact::ConversationTranscribed(data) => {
                self.language = Some(data.language.clone());
                self.words = Some(data.words);
            }
            Fact::ConversationTagged(data) => self.entities.clone_from(&data.counts),
            Fact::ConversationAnonymized(data) => {
                self.redactions.clone_from(&data.redactions);
                self.transcript = Some(data.transcript.clone());
                self.audio = Some(data.audio.clone());
            }
            Fact::ConversationQualified(data) => self.analysis = Some(data.analysis.clone()),
            Fact::ConversationRejected(data) => {
                self.error = Some(ErrorInfo {
                    stage: data.stage.clone(),
                    code: data.code.clone(),
                    reason: data.reason.clone(),
                });
            }
            Fact::ConversationFailed(data) => {
                self.error = Some(ErrorInfo {
                    stage: data.stage.clone(),
                    code: "failed".to_owned(),
                    reason: data.error.clone(),
                });
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Scope,
        facts::{ConversationIndexed, ConversationRejected},
    };

    fn envelope(fact: FactType, second: i64) -> Envelope {
        let scope = Scope::Conversation {
            account: "acme".parse().unwrap(),
            conversation: "0198c0de-7f7f-7b3a-9d55-3f8a6c1e2b4d".parse().unwrap(),
        };
        Envelope::first("test", scope, fact, Timestamp::from_second(second).unwrap())
    }

    fn folded(order: &[usize]) -> Progress {
        let facts: [(Envelope, Fact); 2] = [
            (
                envelope(FactType::ConversationRejected, 1),
                ConversationRejected {
                    stage: "decode".to_owned(),
                    code: "truncated".to_owned(),
                    reason: "cut".to_owned(),
                }
                .into(),
            ),
            (
                envelope(FactType::ConversationIndexed, 2),
                ConversationIndexed { turns: 3 }.into(),
            ),
        ];
        let mut progress = Progress::new("0198c0de-7f7f-7b3a-9d55-3f8a6c1e2b4d".parse().unwrap());
        for &index in order {
            let (envelope, fact) = &facts[index];
            progress.apply(envelope, fact);
        }
        progress
    }

    #[test]
    fn order_and_repetition_change_nothing() {
        let expected = folded(&[0, 1]);
        for order in [&[1, 0][..], &[0, 0, 1, 1, 0], &[1, 0, 1]] {
            assert_eq!(folded(order), expected);
        }
        assert_eq!(expected.status(), Status::Completed);
        assert_eq!(folded(&[0]).status(), Status::Error);
        assert_eq!(folded(&[]).status(), Status::Queued);
    }
}
