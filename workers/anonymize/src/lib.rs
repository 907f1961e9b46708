//! Frees a conversation of personal data: the transcript ([`text`]) and the recording ([`audio`]),
//! as its account's [`policy`] says, and proves it ([`proof`]).
//!
//! All of it fails closed. Where the entities do not fit the transcript, or the cuts the recording,
//! nothing is produced; where a word's time cannot be trusted, its whole turn is cut; and a text or
//! a recording that still holds a known value is an error, not a result.
//!
//! [`Redactor`] runs it all: [`text::anonymize`] gives the anonymized transcript and the [`Cut`]s
//! that [`audio::redact`] makes in the recording; a [`Listener`](proof::Listener) hears what came of
//! it.

#![warn(missing_docs)]

pub mod audio;
mod cut;
pub mod policy;
pub mod proof;
mod redactor;
mod service;
pub mod text;

pub use cut::Cut;
pub use redactor::{Job, Outcome, RedactionError, Redactor};
pub use service::AnonymizeService;
