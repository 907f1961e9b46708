//! Speech to text: recordings of conversations in, transcripts with word times out.
//!
//! [`engine`] is the way in, [`remote`] the way to a server that does the same. The stages below
//! [`engine`], in the order a recording passes them:
//!
//! 1. [`recording`]: where samples come from; read block by block, twice, never held whole.
//! 2. `survey`: the first reading. Voice activity and level per frame, with the `tone`s of the
//!    network taken out, and which channels are copies of one another.
//! 3. `speech` and `windows`: stretches of speech, packed into windows of at most 30 s that are
//!    cut at pauses only.
//! 4. `mel`: a window's samples as the log-mel spectrogram that Whisper was trained on.
//! 5. `crew`, `batches`, `listen`, `model` and `decode`: batches of windows, of one recording or several,
//!    through Whisper, with guards against loops and invented text.
//! 6. `words`, `crosstalk` and `turns`: tokens become words with times, words that are the other
//!    speaker's are dropped, words become turns.

#![allow(
    clippy::single_range_in_vec_init,
    reason = "a list of one stretch of speech is meant, not the list of its samples"
)]

pub mod engine;
pub mod error;
pub mod recording;
pub mod remote;
mod service;

mod batches;
mod crew;
mod crosstalk;
mod decode;
mod listen;
mod mel;
mod model;
mod speech;
mod survey;
mod terms;
mod tone;
mod turns;
mod vocabulary;
mod windows;
mod words;

pub use service::{FlacRecording, TranscribeService};
pub use terms::{Vocabularies, VocabulariesError};
