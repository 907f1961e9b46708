//! What the index holds: one document for each conversation, and tombstones.
//!
//! One document per conversation, not per turn, because a query is about a conversation: "and"
//! means "said in the same call", "not" means "never said in it", counts and pages are exact, and
//! replacing or removing a conversation is one term. The words of each role have fields of their
//! own, so that a search for what the customer said is as fast as any; a turn is one value of its
//! field, and phrases do not reach from one value into the next. Each word is indexed twice, as a
//! stem (what matches) and as it was said (prefixes, and more score for the exact form).
//!
//! The turns themselves are stored once, as JSON; times, channels and snippets come from there.

use colloquy_contract::{
    ConversationId,
    facts::CallInfo,
    ids::AccountId,
    transcript::{Role, Transcript},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tantivy::{
    Index, TantivyDocument, Term,
    schema::{
        FAST, Field, INDEXED, IndexRecordOption, STORED, STRING, Schema, TextFieldIndexing,
        TextOptions, Value,
    },
};

use crate::{IndexError, Result, tokenizer};

/// Version of everything in this module and of the tokenizer. An index of another version is
/// rebuilt.
pub(crate) const VERSION: u32 = 2;

const STEM: &str = "colloquy_stem";
const EXACT: &str = "colloquy_exact";

/// Name of the field that matches without words are ordered by.
pub(crate) const BEGAN_MS: &str = "began_ms";

/// Name of the field with the revision of the fact that a document was made from. Tombstones have
/// none.
pub(crate) const REVISION: &str = "revision";

/// Name of the field with the number of turns.
pub(crate) const TURNS: &str = "turns";

/// The fields of the words of one role.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spoken {
    pub(crate) role: Role,
    pub(crate) stem: Field,
    pub(crate) exact: Field,
}

/// The fields.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields {
    pub(crate) conversation: Field,
    pub(crate) tombstone: Field,
    pub(crate) account: Field,
    pub(crate) agent: Field,
    pub(crate) began_ms: Field,
    pub(crate) revision: Field,
    pub(crate) turns: Field,
    pub(crate) stored: Field,
    pub(crate) spoken: [Spoken; 3],
}

/// The schema and its fields.
pub(crate) fn schema() -> (Schema, Fields) {
    let mut builder = Schema::builder();
    let words = |tokenizer| {
        TextOptions::default().set_indexing_options(
            TextFieldIndexing::default()
                .set_tokenizer(tokenizer)
                .set_index_option(IndexRecordOption::WithFreqsAndPositions),
        )
    };
    let spoken = [Role::Agent, Role::Customer, Role::Unknown].map(|role| Spoken {
        role,
        stem: builder.add_text_field(&format!("{}_stem", role.as_str()), words(STEM)),
        exact: builder.add_text_field(&format!("{}_exact", role.as_str()), words(EXACT)),
    });
    let fields = Fields {
        conversation: builder.add_text_field("conversation", STRING),
        tombstone: builder.add_text_field("tombstone", STRING),
        account: builder.add_text_field("account", STRING),
        agent: builder.add_text_field("agent", STRING),
        began_ms: builder.add_i64_field(BEGAN_MS, FAST | INDEXED),
        revision: builder.add_u64_field(REVISION, FAST),
        turns: builder.add_u64_field(TURNS, FAST),
        stored: builder.add_bytes_field("stored", STORED),
        spoken,
    };
    (builder.build(), fields)
}

/// Makes the tokenizers known that the schema names.
pub(crate) fn register_tokenizers(index: &Index) {
    index.tokenizers().register(STEM, tokenizer::stem());
    index.tokenizers().register(EXACT, tokenizer::exact());
}

/// What is stored of a conversation, to show it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Stored {
    pub(crate) conversation: ConversationId,
    /// Which statement of `conversation.qualified` it was made from.
    pub(crate) revision: u32,
    pub(crate) received_at: Timestamp,
    pub(crate) started_at: Option<Timestamp>,
    pub(crate) agent: Option<String>,
    pub(crate) duration_ms: u64,
    pub(crate) turns: Vec<StoredTurn>,
}

/// What is stored of a turn; its index is its place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct StoredTurn {
    pub(crate) channel: u16,
    pub(crate) role: Role,
    pub(crate) start_ms: u64,
    pub(crate) end_ms: u64,
    pub(crate) text: String,
}

impl Stored {
    pub(crate) fn new(
        conversation: ConversationId,
        revision: u32,
        call: &CallInfo,
        duration_ms: u64,
        transcript: Transcript,
    ) -> Self {
        let turns = transcript.turns.into_iter().map(|turn| StoredTurn {
            channel: turn.channel,
            role: turn.role,
            start_ms: turn.start_ms,
            end_ms: turn.end_ms,
            text: turn.text,
        });
        Self {
            conversation,
            revision,
            received_at: call.received_at,
            started_at: call.started_at,
            agent: call.agent.clone(),
            duration_ms,
            turns: turns.collect(),
        }
    }

    /// How many turns can be found.
    pub(crate) fn turn_count(&self) -> u32 {
        u32::try_from(self.turns.len()).unwrap_or(u32::MAX)
    }

    /// The document.
    pub(crate) fn document(&self, fields: &Fields, account: &AccountId) -> Result<TantivyDocument> {
        let mut document = TantivyDocument::default();
        document.add_text(fields.conversation, self.conversation.to_string());
        document.add_text(fields.account, account.as_str());
        if let Some(agent) = &self.agent {
            document.add_text(fields.agent, agent);
        }
        let began = self.started_at.unwrap_or(self.received_at);
        document.add_i64(fields.began_ms, began.as_millisecond());
        document.add_u64(fields.revision, u64::from(self.revision));
        document.add_u64(fields.turns, u64::from(self.turn_count()));
        for turn in &self.turns {
            for spoken in fields
                .spoken
                .iter()
                .filter(|spoken| spoken.role == turn.role)
            {
                document.add_text(spoken.stem, &turn.text);
                document.add_text(spoken.exact, &turn.text);
            }
        }
        let stored = serde_json::to_vec(self).map_err(IndexError::Document)?;
        document.add_bytes(fields.stored, &stored);
        Ok(document)
    }

    /// What a document shows; `None` for a tombstone.
    pub(crate) fn read(fields: &Fields, document: &TantivyDocument) -> Result<Option<Self>> {
        let Some(stored) = document.get_first(fields.stored) else {
            return Ok(None);
        };
        let Some(json) = stored.as_bytes() else {
            return Ok(None);
        };
        serde_json::from_slice(json)
            .map(Some)
            .map_err(IndexError::Document)
    }
}

/// The term of a conversation's document.
pub(crate) fn conversation_term(fields: &Fields, id: ConversationId) -> Term {
    Term::from_field_text(fields.conversation, &id.to_string())
}

/// The term of a conversation's tombstone.
pub(crate) fn tombstone_term(fields: &Fields, id: ConversationId) -> Term {
    Term::from_field_text(fields.tombstone, &id.to_string())
}

/// The document that says that a conversation is to stay forgotten.
pub(crate) fn tombstone(fields: &Fields, id: ConversationId) -> TantivyDocument {
    let mut document = TantivyDocument::default();
    document.add_text(fields.tombstone, id.to_string());
    document
}
