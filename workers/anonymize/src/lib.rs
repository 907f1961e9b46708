//! Frees a conversation of personal data: the transcript ([`text`]) and the recording ([`audio`]).
//!
//! Both fail closed. Where the entities do not fit the transcript, or the cuts the recording,
//! nothing is produced; where a word's time cannot be trusted, its whole turn is cut; and a text
//! that still holds a known value is an error, not a result.
//!
//! [`text::anonymize`] gives the anonymized transcript and the [`Cut`]s that [`audio::redact`]
//! makes in the recording.

#![warn(missing_docs)]

pub mod audio;
mod cut;
mod service;
pub mod text;

pub use cut::Cut;

pub use service::AnonymizeService;
