//! What operators ask of services that keep a read model: how it stands, what it holds, and to
//! build it anew from the log.
//!
//! The messages travel by request/reply; every instance answers for itself.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::ConversationId;

/// Subject of [`RebuildRequest`]s to index nodes, answered with a [`ModelState`].
pub const INDEX_REBUILD: &str = "colloquy.control.index.rebuild";

/// Subject of [`StateRequest`]s to index nodes, answered with a [`ModelState`].
pub const INDEX_STATE: &str = "colloquy.control.index.state";

/// Subject of [`HoldingsRequest`]s to index nodes, answered with [`Holdings`].
pub const INDEX_HOLDINGS: &str = "colloquy.control.index.holdings";

/// Subject of [`RebuildRequest`]s to the warehouse, answered with a [`ModelState`].
pub const WAREHOUSE_REBUILD: &str = "colloquy.control.warehouse.rebuild";

/// Subject of [`StateRequest`]s to the warehouse, answered with a [`ModelState`].
pub const WAREHOUSE_STATE: &str = "colloquy.control.warehouse.state";

/// Where a rebuild begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RebuildFrom {
    /// At the log's beginning: a new model is made beside the old one, which serves until the new
    /// one has caught up.
    Start,
    /// At this sequence of the log: what came before stays as it is.
    Sequence(u64),
    /// At the first fact stored at or after this time: what came before stays as it is.
    Time(Timestamp),
}

/// Asks for a read model to be built anew while it goes on serving.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RebuildRequest {
    /// Where to begin.
    pub from: RebuildFrom,
}

/// Asks how a read model stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StateRequest {}

/// A rebuild under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Rebuild {
    /// Facts read so far.
    pub read: u64,
    /// Facts that are still to be read.
    pub pending: u64,
    /// When it began.
    pub started_at: Timestamp,
}

/// How one instance's read model stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ModelState {
    /// Name of the instance, for people.
    pub node: String,
    /// Sequence of the log up to which the model that serves holds everything.
    pub through: u64,
    /// Entries that it holds: conversations or rows.
    pub entries: u64,
    /// How often it was rebuilt since the instance started.
    pub rebuilds: u64,
    /// The rebuild under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rebuild: Option<Rebuild>,
    /// Why the request could not be followed, or the last rebuild failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Most conversations that one request may ask for.
pub const MAX_HOLDINGS: usize = 1_000;

/// Asks which of these conversations an index node holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HoldingsRequest {
    /// The conversations, at most [`MAX_HOLDINGS`].
    pub conversations: Vec<ConversationId>,
}

/// What an index node holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Holdings {
    /// Name of the node.
    pub node: String,
    /// The partitions that it owns.
    pub partitions: Vec<u8>,
    /// Sequence of the log up to which it holds everything of them.
    pub through: u64,
    /// Conversations that it holds in all.
    pub entries: u64,
    /// Those asked for that it holds.
    pub held: Vec<Holding>,
}

/// A conversation in an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Holding {
    /// The conversation.
    pub conversation: ConversationId,
    /// How many documents hold it: 1, unless something is wrong.
    pub documents: u32,
    /// Number of turns that can be found.
    pub turns: u32,
}
