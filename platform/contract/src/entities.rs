//! The entities document: what in a transcript is a name, a number, a place.
//!
//! It holds personal data and lives in the vault only.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The entities of one conversation, `application/vnd.colloquy.entities+json`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Entities {
    /// Version of this document's format: 1.
    pub version: u16,
    /// The mentions, by turn and start, none overlapping another.
    pub mentions: Vec<Mention>,
}

impl Entities {
    /// Media type of the document.
    pub const MEDIA_TYPE: &'static str = "application/vnd.colloquy.entities+json";
    /// Version of the format that this type reads and writes.
    pub const VERSION: u16 = 1;
}

/// One place in the transcript where an entity is named.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Mention {
    /// What it is, in Presidio's and OntoNotes' words: `PERSON`, `CREDIT_CARD`, `US_SSN`…
    pub entity_type: String,
    /// Index of the turn in the transcript.
    pub turn: usize,
    /// Start in the turn's text, in Unicode characters.
    pub start: usize,
    /// End (exclusive) in the turn's text, in Unicode characters.
    pub end: usize,
    /// The text as transcribed.
    pub text: String,
    /// The canonical value: equal values are the same entity (`4111111111111111`, `jane smith`).
    pub value: String,
    /// How sure the recognizer is, 0 to 1.
    pub score: f32,
    /// Which recognizer found it.
    pub recognizer: String,
}
