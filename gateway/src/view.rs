//! What the API shows: the shapes of its answers.
//!
//! They are the API's own, so that the read models can change without breaking clients. Documents
//! of the contract (analysis, fact data, transcript) are shown as they are.

use std::collections::BTreeMap;

use colloquy_bus::log::Logged;
use colloquy_contract::{
    ConversationId,
    analysis::Analysis,
    facts::{CallInfo, Direction},
    progress::{Progress, Stage, Status},
    search::{Hit, TurnHit},
    transcript::Role,
};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{openapi::schemas, problem::Problem};

/// Where else to look.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Links {
    /// The conversation: its status and what is known of it.
    #[serde(rename = "self")]
    own: String,
    /// Its history.
    events: String,
    /// Its history and what happens next, as server-sent events.
    stream: String,
    /// The anonymized transcript.
    transcript: String,
    /// The redacted recording.
    audio: String,
}

impl Links {
    pub(crate) fn of(conversation: ConversationId) -> Self {
        let own = path(conversation);
        Self {
            events: format!("{own}/events"),
            stream: format!("{own}/stream"),
            transcript: format!("{own}/transcript"),
            audio: format!("{own}/audio"),
            own,
        }
    }
}

/// The path of a conversation.
pub(crate) fn path(conversation: ConversationId) -> String {
    format!("/v1/conversations/{conversation}")
}

/// The recording was accepted: it is stored, and nothing of it will be lost.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "id": "0198c0de-7f7f-7b3a-9d55-3f8a6c1e2b4d",
    "status": "queued",
    "links": {
        "self": "/v1/conversations/0198c0de-7f7f-7b3a-9d55-3f8a6c1e2b4d",
        "events": "/v1/conversations/0198c0de-7f7f-7b3a-9d55-3f8a6c1e2b4d/events",
        "stream": "/v1/conversations/0198c0de-7f7f-7b3a-9d55-3f8a6c1e2b4d/stream",
        "transcript": "/v1/conversations/0198c0de-7f7f-7b3a-9d55-3f8a6c1e2b4d/transcript",
        "audio": "/v1/conversations/0198c0de-7f7f-7b3a-9d55-3f8a6c1e2b4d/audio"
    }
}))]
pub(crate) struct Accepted {
    /// The conversation's id.
    id: Uuid,
    /// Always `queued`; ask `links.self` for what it became.
    #[schema(schema_with = schemas::status)]
    status: Status,
    /// Where to look.
    links: Links,
}

impl Accepted {
    pub(crate) fn of(conversation: ConversationId) -> Self {
        Self {
            id: conversation.as_uuid(),
            status: Status::Queued,
            links: Links::of(conversation),
        }
    }
}

/// What the poster said about the call.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct Call {
    /// Reference of the agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<String>,
    /// Reference of the customer.
    #[serde(skip_serializing_if = "Option::is_none")]
    customer: Option<String>,
    /// Who called whom.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schemas::direction, required = false)]
    direction: Option<Direction>,
    /// When the call began.
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<Timestamp>,
    /// The role of each channel, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(schema_with = schemas::roles, required = false)]
    channel_roles: Vec<Role>,
    /// Free labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<String, String>,
}

impl From<CallInfo> for Call {
    fn from(call: CallInfo) -> Self {
        Self {
            agent: call.agent,
            customer: call.customer,
            direction: call.direction,
            started_at: call.started_at,
            channel_roles: call.channel_roles,
            labels: call.labels,
        }
    }
}

/// A step on the conversation's way.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StageView {
    /// What happened, such as `conversation.decoded`.
    fact: String,
    /// The service that did it.
    service: String,
    /// When.
    at: Timestamp,
    /// Seconds since the step before, waiting included; 0 for the first.
    seconds: f64,
}

/// Why a conversation did not get to its good end.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ErrorView {
    /// The service that stopped.
    stage: String,
    /// A stable code.
    code: String,
    /// What was wrong, for a person.
    reason: String,
}

/// A conversation and where it stands.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Conversation {
    /// Its id.
    id: Uuid,
    /// Where it stands.
    #[schema(schema_with = schemas::status)]
    status: Status,
    /// When it was accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    received_at: Option<Timestamp>,
    /// When something happened to it last.
    #[serde(skip_serializing_if = "Option::is_none")]
    updated_at: Option<Timestamp>,
    /// What the poster said about it.
    call: Call,
    /// Its steps so far, by time.
    stages: Vec<StageView>,
    /// Length of the recording in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<u64>,
    /// Number of channels.
    #[serde(skip_serializing_if = "Option::is_none")]
    channels: Option<u16>,
    /// Language of the speech, ISO 639-1.
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<String>,
    /// Number of words.
    #[serde(skip_serializing_if = "Option::is_none")]
    words: Option<u32>,
    /// Number of mentions found by entity type.
    entities: BTreeMap<String, u32>,
    /// Number of redacted mentions by entity type.
    redactions: BTreeMap<String, u32>,
    /// The measurements: talk statistics, categories, sentiment.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schemas::analysis, required = false)]
    analysis: Option<Analysis>,
    /// Why it stopped, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorView>,
    /// Where to look.
    links: Links,
}

impl From<Progress> for Conversation {
    fn from(progress: Progress) -> Self {
        let error = shown_error(&progress);
        Self {
            id: progress.conversation.as_uuid(),
            status: progress.status(),
            received_at: progress.received_at(),
            updated_at: progress.updated_at(),
            stages: stages(&progress.stages),
            call: progress.call.map(Call::from).unwrap_or_default(),
            duration_ms: progress.duration_ms,
            channels: progress.channels,
            language: progress.language,
            words: progress.words,
            entities: progress.entities,
            redactions: progress.redactions,
            analysis: progress.analysis,
            error,
            links: Links::of(progress.conversation),
        }
    }
}

/// A conversation that was redriven to its good end keeps its old error in the read model.
fn shown_error(progress: &Progress) -> Option<ErrorView> {
    let error = progress
        .error
        .as_ref()
        .filter(|_| progress.status() == Status::Error)?;
    Some(ErrorView {
        stage: error.stage.clone(),
        code: error.code.clone(),
        reason: error.reason.clone(),
    })
}

fn stages(stages: &[Stage]) -> Vec<StageView> {
    let mut before = None;
    let view = |stage: &Stage| {
        let since = stage.at.duration_since(before.unwrap_or(stage.at));
        before = Some(stage.at);
        StageView {
            fact: stage.fact.clone(),
            service: stage.service.clone(),
            at: stage.at,
            // Milliseconds are enough, and clocks of two machines may disagree.
            seconds: (since.as_secs_f64().max(0.0) * 1_000.0).round() / 1_000.0,
        }
    };
    stages.iter().map(view).collect()
}

/// A conversation in a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Summary {
    /// Its id.
    id: Uuid,
    /// Where it stands.
    #[schema(schema_with = schemas::status)]
    status: Status,
    /// When it was accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    received_at: Option<Timestamp>,
    /// When something happened to it last.
    #[serde(skip_serializing_if = "Option::is_none")]
    updated_at: Option<Timestamp>,
    /// What the poster said about it.
    call: Call,
    /// Length of the recording in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<u64>,
    /// Language of the speech, ISO 639-1.
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<String>,
    /// The categories that apply.
    categories: Vec<String>,
    /// The mood, -1 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    sentiment: Option<f64>,
    /// Why it stopped, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorView>,
    /// Where to look.
    links: Links,
}

impl From<Progress> for Summary {
    fn from(progress: Progress) -> Self {
        let analysis = progress.analysis.as_ref();
        let categories = analysis
            .map(|analysis| &analysis.categories)
            .into_iter()
            .flatten();
        Self {
            id: progress.conversation.as_uuid(),
            status: progress.status(),
            received_at: progress.received_at(),
            updated_at: progress.updated_at(),
            categories: categories.map(|category| category.name.clone()).collect(),
            sentiment: analysis
                .and_then(|analysis| analysis.sentiment.as_ref())
                .map(|sentiment| sentiment.score),
            error: shown_error(&progress),
            call: progress.call.map(Call::from).unwrap_or_default(),
            duration_ms: progress.duration_ms,
            language: progress.language,
            links: Links::of(progress.conversation),
        }
    }
}

/// A page of conversations, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Page {
    /// The conversations.
    pub(crate) conversations: Vec<Summary>,
    /// Send it as `cursor` for the next page; absent on the last. A page may be short, or even
    /// empty, and not be the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_cursor: Option<String>,
}

/// A fact, as it stands in the log.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Event {
    /// Its id.
    id: Uuid,
    /// What happened, such as `conversation.decoded`.
    #[serde(rename = "type")]
    kind: String,
    /// When.
    time: Timestamp,
    /// The service that stated it.
    source: String,
    /// The fact that caused it; absent for a first fact.
    #[serde(rename = "causationid", skip_serializing_if = "Option::is_none")]
    cause: Option<Uuid>,
    /// Its place in the log; `Last-Event-ID` of event streams.
    sequence: u64,
    /// What it says; the schema goes by type and version.
    #[schema(value_type = Object)]
    data: Value,
}

impl Event {
    pub(crate) fn of(logged: &Logged) -> Result<Self, Problem> {
        let unreadable = |what: &dyn std::fmt::Display| {
            tracing::error!(error = %what, "a fact cannot be shown");
            Problem::internal()
        };
        let json = logged.fact.to_json().map_err(|error| unreadable(&error))?;
        let data = serde_json::from_slice(&json).map_err(|error| unreadable(&error))?;
        let envelope = &logged.envelope;
        Ok(Self {
            id: envelope.id.as_uuid(),
            kind: envelope.fact_type.as_str().to_owned(),
            time: envelope.time,
            source: envelope.source.clone(),
            cause: envelope.cause.map(|cause| cause.as_uuid()),
            sequence: logged.sequence,
            data,
        })
    }
}

/// The history of a conversation, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Events {
    /// The facts.
    pub(crate) events: Vec<Event>,
}

/// What a search found.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Found {
    /// How many conversations match, as far as heard.
    pub(crate) total: u64,
    /// Those asked for, best first.
    pub(crate) hits: Vec<FoundHit>,
    /// Send it as `cursor` for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_cursor: Option<String>,
    /// Parts of the index (of 64) that did not answer in time; their hits are missing here.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) partitions_missing: Vec<u8>,
}

/// A conversation that matches.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FoundHit {
    /// The conversation.
    id: Uuid,
    /// How well it matches.
    score: f32,
    /// When it was accepted.
    received_at: Timestamp,
    /// When the call began, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<Timestamp>,
    /// Reference of the agent, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<String>,
    /// Length of the recording in milliseconds.
    duration_ms: u64,
    /// The best matching turns, by position.
    turns: Vec<FoundTurn>,
    /// Where to look.
    links: Links,
}

/// A turn that matches.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FoundTurn {
    /// Index of the turn in the transcript.
    turn: u32,
    /// Channel of the recording, from 0.
    channel: u16,
    /// Who speaks.
    #[schema(schema_with = schemas::role)]
    role: Role,
    /// Start in milliseconds from the start of the recording.
    start_ms: u64,
    /// End in milliseconds from the start of the recording.
    end_ms: u64,
    /// The part of the turn that matches, plain text.
    snippet: String,
    /// What matches: ranges `[start, end)` in Unicode characters of the snippet.
    #[schema(value_type = Vec<Vec<u32>>)]
    highlights: Vec<[u32; 2]>,
}

impl From<Hit> for FoundHit {
    fn from(hit: Hit) -> Self {
        Self {
            id: hit.conversation.as_uuid(),
            score: hit.score,
            received_at: hit.received_at,
            started_at: hit.started_at,
            agent: hit.agent,
            duration_ms: hit.duration_ms,
            turns: hit.turns.into_iter().map(FoundTurn::from).collect(),
            links: Links::of(hit.conversation),
        }
    }
}

impl From<TurnHit> for FoundTurn {
    fn from(turn: TurnHit) -> Self {
        Self {
            turn: turn.turn,
            channel: turn.channel,
            role: turn.role,
            start_ms: turn.start_ms,
            end_ms: turn.end_ms,
            snippet: turn.snippet,
            highlights: turn.highlights,
        }
    }
}

/// Where a sign-up stands. It never shows the e-mail address or the name.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "id": "0198c0de-7f7f-7b3a-9d55-3f8a6c1e2b4d",
    "status": "pending"
}))]
pub(crate) struct Signup {
    /// The id of the account to be.
    pub(crate) id: String,
    /// Where it stands.
    pub(crate) status: SignupStatus,
    /// A stable code such as `email_taken`, if it was rejected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<String>,
    /// What was wrong and what to do, if it was rejected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

/// Where a sign-up stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SignupStatus {
    /// Accepted, not decided yet.
    Pending,
    /// The account exists.
    Created,
    /// There will be no account.
    Rejected,
    /// The account exists and its owner was written to.
    Welcomed,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_have_times() {
        let stage = |second| Stage {
            fact: "conversation.decoded".to_owned(),
            service: "decode".to_owned(),
            at: Timestamp::from_millisecond(second).unwrap(),
            revision: 1,
        };
        let seconds: Vec<f64> = stages(&[stage(1_000), stage(2_500), stage(2_500), stage(2_000)])
            .iter()
            .map(|stage| stage.seconds)
            .collect();
        assert_eq!(seconds, [0.0, 1.5, 0.0, 0.0]);
    }
}
