//! Finds what in a conversation is a name, a number, a date or a place.
//!
//! [`Recognizers`] read a whole [`Transcript`](colloquy_contract::transcript::Transcript) and
//! return its [`Entities`](colloquy_contract::entities::Entities): which characters of which turn
//! name what, with a canonical value, so that equal values are the same entity. They also read a
//! text that is no conversation. [`types`] lists what they find.
//!
//! The input is what a speech recognizer writes, not what a person types. Numbers come as digits,
//! as words, or as both; they are cut by fillers, by the other side's "mm-hmm" and by the end of a
//! turn; a question says what its answer is. The recognizers therefore do not work on lines of
//! text but on a conversation: one speaker's words in order, the numbers read in them, and
//! the cues said before them by either side.
//!
//! Promises:
//! - Mentions never overlap, are sorted by turn and start, and their text is the turn's text there.
//! - Seven digits or more read out in a row never stay untagged, whatever they are.
//! - Every pass is linear in the length of the conversation, and no input makes it panic.
//! - All is done on the thread that it is called on, and on others only if that is wished
//!   ([`Recognizers::on_threads`]); what is found is the same.
//! - Nothing here logs: an entity's value leaves only in the result.
#![warn(missing_docs)]

mod companies;
mod context;
mod engine;
mod entity;
mod explain;
mod numbers;
mod overlap;
mod parallel;
mod people;
mod propagation;
mod recognizers;
mod runs;
mod speakers;
mod text;
mod words;

pub use engine::{Finding, Recognizers};
pub use entity::types;
pub use explain::{Explanation, Over};
pub use recognizers::recognizer_names;
