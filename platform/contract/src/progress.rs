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
    envelope::{Envelope, FIRST_REVISION},
    facts::{CallInfo, Fact, FactType},
    ids::{AccountId, ConversationId},
    services,
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
    /// Which statement of the fact it is; above 1 after the conversation was processed again.
    #[serde(default = "first", skip_serializing_if = "is_first")]
    pub revision: u32,
}

const fn first() -> u32 {
    FIRST_REVISION
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature that serde asks for"
)]
const fn is_first(revision: &u32) -> bool {
    *revision == FIRST_REVISION
}

impl Stage {
    fn is(&self, fact: FactType) -> bool {
        self.fact == fact.as_str()
    }

    /// Where it stands among others.
    fn place(&self) -> (Timestamp, &str, u32, &str) {
        (self.at, &self.fact, self.revision, &self.service)
    }

    /// Newer statements of the same fact stand behind older ones. What was stated at the same time,
    /// as a coarse clock tells it, has an order too, so that it is the same whatever comes first.
    fn age(&self) -> (u32, Timestamp, &str, &str) {
        (self.revision, self.at, &self.fact, &self.service)
    }
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
    /// Which statement of the fact says so.
    #[serde(default = "first", skip_serializing_if = "is_first")]
    pub revision: u32,
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

    /// Where it stands. What was found before it was last processed again does not count.
    pub fn status(&self) -> Status {
        if self
            .stages
            .iter()
            .any(|s| s.is(FactType::ConversationErased))
        {
            return Status::Erased;
        }
        let current = |fact| self.current().any(move |stage: &Stage| stage.is(fact));
        if current(FactType::ConversationIndexed) {
            Status::Completed
        } else if current(FactType::ConversationRejected) || self.has_stopped() {
            Status::Error
        } else if self.stages.len() > 1 {
            Status::Processing
        } else {
            Status::Queued
        }
    }

    /// The stages of the newest revision.
    fn current(&self) -> impl Iterator<Item = &Stage> {
        let newest = self.stages.iter().map(|stage| stage.revision).max();
        self.stages
            .iter()
            .filter(move |stage| Some(stage.revision) == newest)
    }

    /// Whether a service gave up and has not got further since, by a redrive.
    fn has_stopped(&self) -> bool {
        let failed = |stage: &&Stage| stage.is(FactType::ConversationFailed);
        self.current().filter(failed).any(|failure| {
            let states = services::find(&failure.service).map_or(&[][..], |known| known.states);
            !self
                .current()
                .any(|stage| states.iter().any(|&fact| stage.is(fact)))
        })
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
        let stage = Stage {
            fact: fact.fact_type().as_str().to_owned(),
            service: envelope.source.clone(),
            at: envelope.time,
            revision: envelope.revision,
        };
        if self.stages.contains(&stage) {
            return false;
        }
        let mut same_kind = self.stages.iter().filter(|known| {
            known.fact == stage.fact || (is_stop(&known.fact) && is_stop(&stage.fact))
        });
        let newest = same_kind.all(|known| known.age() < stage.age());
        let place = self
            .stages
            .partition_point(|known| known.place() <= stage.place());
        self.stages.insert(place, stage);
        if newest {
            self.take(fact, envelope.revision);
        }
        true
    }

    fn take(&mut self, fact: &Fact, revision: u32) {
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
                    revision,
                });
            }
            Fact::ConversationFailed(data) => {
                self.error = Some(ErrorInfo {
                    stage: data.stage.clone(),
                    code: "failed".to_owned(),
                    reason: data.error.clone(),
                    revision,
                });
            }
            _ => {}
        }
    }
}

/// Whether a fact tells of a stop, which all share the field [`Progress::error`].
fn is_stop(fact: &str) -> bool {
    [FactType::ConversationRejected, FactType::ConversationFailed]
        .iter()
        .any(|stop| stop.as_str() == fact)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Scope,
        facts::{ConversationFailed, ConversationIndexed, ConversationRejected},
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

    fn failed(service: &str, revision: u32, second: i64) -> (Envelope, Fact) {
        let mut envelope = envelope(FactType::ConversationFailed, second);
        envelope.source = service.to_owned();
        envelope.revision = revision;
        let fact = ConversationFailed {
            stage: service.to_owned(),
            error: format!("at {second}"),
            attempts: 6,
            dead_letter: 1,
        };
        (envelope, fact.into())
    }

    fn indexed(revision: u32, second: i64) -> (Envelope, Fact) {
        let mut envelope = envelope(FactType::ConversationIndexed, second);
        envelope.revision = revision;
        let turns = revision;
        (envelope, ConversationIndexed { turns }.into())
    }

    fn fold(facts: &[(Envelope, Fact)]) -> Progress {
        let mut progress = Progress::new("0198c0de-7f7f-7b3a-9d55-3f8a6c1e2b4d".parse().unwrap());
        for (envelope, fact) in facts {
            progress.apply(envelope, fact);
        }
        progress
    }

    #[test]
    fn a_stop_counts_until_its_service_gets_further() {
        let stopped = [failed("index", 1, 1)];
        assert_eq!(fold(&stopped).status(), Status::Error);
        assert_eq!(
            fold(&[failed("index", 1, 1), indexed(1, 2)]).status(),
            Status::Completed
        );
        // Processed again: what was before does not count any more.
        let mut progress = fold(&[indexed(1, 2), failed("tag", 2, 4)]);
        assert_eq!(progress.status(), Status::Error);
        assert_eq!(progress.error.as_ref().unwrap().revision, 2);
        let (envelope, fact) = indexed(1, 2);
        assert!(!progress.apply(&envelope, &fact), "it was known");
        let (envelope, fact) = indexed(2, 5);
        assert!(progress.apply(&envelope, &fact));
        assert_eq!(progress.status(), Status::Completed);
    }

    #[test]
    fn the_newest_statement_counts_in_any_order() {
        let facts = [
            failed("tag", 2, 4),
            failed("tag", 1, 9),
            failed("tag", 2, 3),
        ];
        let expected = fold(&facts);
        assert_eq!(expected.error.as_ref().unwrap().reason, "at 4");
        for order in [[0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let facts = order.map(|index| facts[index].clone());
            assert_eq!(fold(&facts), expected);
        }
    }

    #[test]
    fn what_a_coarse_clock_puts_at_one_time_has_an_order() {
        let facts = [
            failed("index", 1, 4),
            failed("tag", 1, 4),
            indexed(1, 4),
            indexed(2, 4),
        ];
        let expected = fold(&facts);
        for order in [[1, 0, 2, 3], [3, 2, 1, 0], [2, 1, 3, 0]] {
            assert_eq!(fold(&order.map(|index| facts[index].clone())), expected);
        }
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
