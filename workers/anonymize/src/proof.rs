//! The proof: a redacted recording is read back, what was cut is transcribed again, and what is
//! heard is searched for all that was redacted.
//!
//! Promises:
//!
//! * What is heard is the file that will be seen, decoded, not the samples it was made of.
//! * Whatever is heard of a redacted value is a leak: the value, a single name, four digits in a
//!   row of a long number. So is whatever the recognizers are sure of and the policy redacts, unless
//!   the transcript has the same words there: those were judged with all that was around them.
//! * A leak tells where it is, on the recording's own clock, so that it can be cut.
//!
//! Who listens is not our matter: [`Listener`] is given to us.

mod clips;
mod leaks;

use std::{fmt, future::Future, path::Path, pin::Pin};

use colloquy_contract::transcript::Transcript;
use tokio_util::sync::CancellationToken;

pub(crate) use clips::{Clips, Listened, prepare};
pub(crate) use leaks::{Leak, leaks, mend};

/// The most that a policy may ask for: each round cuts more, and what is still heard after so
/// many is not a matter of padding.
pub const MAX_RETRIES: u32 = 6;

/// What comes of listening.
pub type Hearing<'a> = Pin<Box<dyn Future<Output = Result<Transcript, HearError>> + Send + 'a>>;

/// Turns speech into text.
pub trait Listener: fmt::Debug + Send + Sync {
    /// What transcribes, as facts say it.
    fn model(&self) -> String;

    /// Transcribes a recording of the platform (FLAC, 16 kHz) in this language, or in the one
    /// that it hears.
    fn hear<'a>(
        &'a self,
        recording: &'a Path,
        language: Option<&'a str>,
        cancel: &'a CancellationToken,
    ) -> Hearing<'a>;
}

/// Why nothing was heard. The texts must hold no personal data.
#[derive(Debug, thiserror::Error)]
pub enum HearError {
    /// The listener was told to stop.
    #[error("stopped before it was done")]
    Cancelled,
    /// It may work later.
    #[error("transcribe the redacted recording")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It will never work.
    #[error("transcribe the redacted recording")]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
}
