//! Full-text search over anonymized transcripts.
//!
//! An [`IndexNode`] owns partitions of the conversations. It reads their facts from the log, keeps
//! a Tantivy index of what was said, and answers searches (see [`colloquy_contract::search`]).
//!
//! Promises:
//!
//! - **Indexing is exactly once.** The place in the log up to which facts are indexed is part of
//!   each Tantivy commit: documents and place become durable together or not at all. The broker
//!   keeps no state of ours, so there is nothing that could disagree with the index.
//! - **`conversation.indexed` stands once for each.** It is stated after the commit that makes the
//!   conversation findable. A second place in the commit says up to where that was done; facts
//!   between the two places are stated again after a crash, which changes nothing because a
//!   derived fact has a derived id.
//! - **The index is a read model.** A lost disk, another set of partitions or a new format of the
//!   index is mended by reading the log from its beginning. On request that is done beside the
//!   serving index, which is replaced when the new one has caught up.
//! - **The newest revision counts.** A conversation that was processed again is replaced, and never
//!   by an earlier revision of itself.
//! - **Nothing stops it, nothing is skipped.** A fact whose transcript is missing, damaged or
//!   unreadable is tried again a few times and then becomes a dead letter; the log goes on.
//! - **What is forgotten stays forgotten.** A request for erasure removes the conversation and
//!   leaves a tombstone, so that a fact of it that is still under way does not bring it back.
//! - **A tenant finds only its own.** The account is part of every query.
//!
//! Queries match conversations, not turns: `refund AND cancel` finds a call in which one speaker
//! says "cancel" and, minutes later, the other says "refund". Where the words stand close together
//! the score is higher, and each hit lists the turns that match best, with highlights.

#![warn(missing_docs)]

mod control;
mod error;
mod feed;
mod folder;
mod ingest;
mod matches;
mod metrics;
mod model;
mod node;
mod options;
mod query;
mod reading;
mod rebuild;
mod schema;
mod searcher;
mod snippet;
mod store;
mod tokenizer;

pub use error::{IndexError, Result};
pub use node::IndexNode;
pub use options::IndexOptions;

/// The service's name: source of its facts, its stage in a conversation.
pub(crate) const SERVICE: &str = "index";
