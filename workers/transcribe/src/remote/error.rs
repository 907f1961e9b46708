//! What can go wrong with a speech server. Nothing that it answers is quoted.

use std::time::Duration;

use colloquy_audio::AudioError;

use crate::engine::EngineError;

/// Why a recording was not transcribed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RemoteError {
    /// The recording could not be read, or is beyond what the engine is made for.
    #[error(transparent)]
    Recording(EngineError),
    /// The recording could not be packed for the upload.
    #[error("cannot encode a piece of the recording for the speech server: decode it again")]
    Encode(#[source] AudioError),
    /// The server works for others, and failed with this recording each time. It may pass.
    #[error("the speech server {host} failed {attempts} times with the same sound: {trouble}")]
    Failed {
        /// Its host.
        host: String,
        /// How often.
        attempts: u32,
        /// What happened last.
        trouble: Trouble,
    },
    /// The server works, and does not take this recording. It will not pass by itself.
    #[error(
        "the speech server {host} refused the sound with status {status}{}: mend its cause and \
         redrive the message",
        hint(*status, *code)
    )]
    Refused {
        /// Its host.
        host: String,
        /// The status of its answer.
        status: u16,
        /// Its code for the reason, if that is a known one.
        code: Option<&'static str>,
    },
    /// The server could not be used all the time that a recording waits. It may pass.
    #[error("the speech server {host} could not be used for {waited:?}; at last: {trouble}")]
    Unavailable {
        /// Its host.
        host: String,
        /// How long.
        waited: Duration,
        /// What happened last.
        trouble: Trouble,
    },
    /// A part of the engine panicked.
    #[error("reading the recording for the speech server panicked")]
    Broken,
    /// The caller asked to stop.
    #[error("transcription was cancelled: hand the recording back to be transcribed again")]
    Cancelled,
}

/// What an attempt met with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Trouble {
    /// It was left alone, for others had failed.
    #[error("it failed before and was left alone")]
    LeftAlone,
    /// A status that may pass.
    #[error("it answered with status {0}")]
    Status(u16),
    /// No connection.
    #[error("it cannot be connected to; is it running and reachable?")]
    Connect,
    /// No answer in time.
    #[error("it did not answer within {0:?}")]
    Late(Duration),
    /// The connection was cut.
    #[error("the connection broke")]
    Cut,
    /// An answer beyond the limit.
    #[error("its answer is larger than {0} bytes")]
    Large(usize),
    /// An answer that is no transcription.
    #[error("its answer is no transcription as JSON; is the address right?")]
    Nonsense,
    /// A transcription without times.
    #[error(
        "it tells no times, neither of words nor of segments: use a model that knows the response \
         format verbose_json"
    )]
    NoTimes,
    /// A status that says that key, address or model are wrong.
    #[error("it answered with status {status}{}: check its address, key and model", hint(*status, *code))]
    Settings {
        /// The status.
        status: u16,
        /// Its code for the reason, if that is a known one.
        code: Option<&'static str>,
    },
}

/// What a status or a code means, for whoever has to mend it.
fn hint(status: u16, code: Option<&'static str>) -> String {
    let status = match status {
        300..=399 => " (redirects are not followed)",
        401 => " (it does not know the key)",
        403 => " (the key may not do this)",
        404 | 405 => " (nothing is there, or no such model)",
        413 => " (the file is too large: set smaller uploads)",
        _ => "",
    };
    code.map_or_else(
        || status.to_owned(),
        |code| format!("{status}, code {code}"),
    )
}
