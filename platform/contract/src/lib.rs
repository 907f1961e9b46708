//! The messages of Colloquy, which are its API.
//!
//! Services know the facts they react to and the facts they state, and nothing of each other.
//! This crate is what they share: typed [`ids`], [`facts`] and their versions, the [`envelope`]
//! they travel in, the [`subject`]s they travel on, the specifications of the [`streams`] that
//! keep them, the [`services`] that there are, and the documents
//! ([`transcript`], [`entities`], [`vocabulary`]) they refer to.
//!
//! It depends neither on an async runtime nor on a broker client.

#![warn(missing_docs)]

pub mod analysis;
pub mod artifact;
pub mod asyncapi;
pub mod compat;
pub mod control;
pub mod entities;
pub mod envelope;
pub mod facts;
pub mod ids;
pub mod period;
pub mod permissions;
pub mod progress;
pub mod schema;
pub mod search;
pub mod services;
pub mod streams;
pub mod subject;
pub mod transcript;
pub mod vocabulary;

pub use artifact::{ArtifactRef, Bucket};
pub use envelope::Envelope;
pub use facts::{Fact, FactType};
pub use ids::{AccountId, ConversationId, FactId};
pub use subject::{Scope, Subject};
