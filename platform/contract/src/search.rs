//! Asking and answering searches: a request to every index node, a reply from each.
//!
//! The messages travel by request/reply on [`SUBJECT`]. Every index node answers for the partitions
//! it owns; who asks merges: it takes each conversation once, because replicas of a node answer
//! too, orders hits by score, and knows from [`SearchReply::partitions`] whether every partition
//! has been heard.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    ids::{AccountId, ConversationId},
    transcript::Role,
};

/// The subject that index nodes answer on.
pub const SUBJECT: &str = "colloquy.search";

/// Most hits that one request may ask for.
pub const MAX_LIMIT: u32 = 100;

/// Most hits that one request may skip.
pub const MAX_OFFSET: u32 = 10_000;

/// Most turns that come with one hit.
pub const MAX_TURNS: usize = 5;

/// Longest query text, in Unicode characters.
pub const MAX_QUERY_CHARS: usize = 1_000;

/// A question to the index.
///
/// To merge shards right, ask each for the first `offset + limit` hits (offset 0) if that is within
/// [`MAX_LIMIT`]; a node can only skip what it has itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SearchRequest {
    /// Whose conversations are searched; nobody else's are ever found.
    pub account: AccountId,
    /// The query text: words (all must occur), `"phrases"`, `AND`, `OR`, `NOT`, `-word`,
    /// parentheses, `prefix*`. Empty finds every conversation, newest first.
    pub query: String,
    /// Most hits to return, at most [`MAX_LIMIT`].
    pub limit: u32,
    /// Hits to skip, at most [`MAX_OFFSET`].
    #[serde(default)]
    pub offset: u32,
    /// Only conversations of this agent (the poster's reference, compared exactly).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Only words that this role said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// Only conversations that began (or, where that is not known, were received) at or after
    /// this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// Only conversations that began (or, where that is not known, were received) before this
    /// time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
}

/// What one index node found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SearchReply {
    /// Name of the node, for people.
    pub node: String,
    /// The partitions that it answers for completely: none while it rebuilds its index, or when the
    /// search took too long.
    pub partitions: Vec<u8>,
    /// Why the request cannot be answered, for a person: its query text cannot be read or it is out
    /// of bounds. Every node says the same. Never repeats the query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// How many conversations match on this node.
    pub total: u64,
    /// Those asked for, best first.
    pub hits: Vec<Hit>,
}

/// A conversation that matches.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Hit {
    /// The conversation.
    pub conversation: ConversationId,
    /// How well it matches; comparable between nodes of one deployment. 0 where nothing but times
    /// and references was asked for; those come newest first.
    pub score: f32,
    /// When the gateway accepted it.
    pub received_at: Timestamp,
    /// When the call began, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// Reference of the agent, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Length of the recording in milliseconds.
    pub duration_ms: u64,
    /// The best matching turns, at most [`MAX_TURNS`], by position.
    pub turns: Vec<TurnHit>,
}

/// A turn that matches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TurnHit {
    /// Index of the turn in the anonymized transcript.
    pub turn: u32,
    /// Channel of the recording, from 0.
    pub channel: u16,
    /// Who speaks.
    pub role: Role,
    /// Start in milliseconds from the start of the recording.
    pub start_ms: u64,
    /// End in milliseconds from the start of the recording.
    pub end_ms: u64,
    /// The part of the turn that matches, plain text, about 200 characters at most.
    pub snippet: String,
    /// What matches: half-open ranges `[start, end]` in Unicode characters of the snippet, in
    /// order, not overlapping.
    pub highlights: Vec<[u32; 2]>,
}
