//! Decodes a recording of any supported format to 16-bit, 16 kHz FLAC, channels kept.
//!
//! [`decode`] promises:
//!
//! - **Bounded memory.** Input is read, and output written, packet by packet.
//! - **The content decides** what a recording is, never a name or a declared media type.
//! - **Right times.** Encoder delay and padding are cut where the container states them, lost
//!   packets become silence, and the output has exactly `round(frames * 16000 / rate)` frames.
//! - **Nothing partial passes as whole.** A recording that holds less than it announces is
//!   [`DecodeError::Truncated`].
//! - **No surprise.** Bad input is a [`DecodeError`] with a stable [code](DecodeError::code) and
//!   a sentence a person can act on; a decoder that panics is a [`DecodeError::Corrupt`].
//! - **No personal data** in errors: no names, no tags, no content.
//!
//! How it flows: `probe` sniffs the kind from the first bytes; `container` reads only structure
//! (what is announced, where it ends, what to trim); `session` demuxes and decodes; `sink`
//! trims, resamples, measures and writes.

mod container;
mod error;
mod opus;
mod packets;
mod probe;
mod session;
mod sink;
mod source;

use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Duration;

pub use error::DecodeError;

/// What a recording may be at most; more is refused, not cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Longest recording.
    pub max_duration: Duration,
    /// Largest input file.
    pub max_input_bytes: u64,
    /// Most channels, 1 to 8.
    pub max_channels: usize,
    /// Lowest sample rate.
    pub min_sample_rate_hz: u32,
    /// Highest sample rate.
    pub max_sample_rate_hz: u32,
}

impl Default for Limits {
    /// 6 hours, 512 MiB, 8 channels, 8 to 192 kHz.
    fn default() -> Self {
        Self {
            max_duration: Duration::from_secs(6 * 3_600),
            max_input_bytes: 512 << 20,
            max_channels: colloquy_audio::MAX_CHANNELS,
            min_sample_rate_hz: 8_000,
            max_sample_rate_hz: 192_000,
        }
    }
}

/// What came out of a recording.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoded {
    /// Length of the output, rounded to the millisecond.
    pub duration_ms: u64,
    /// Frames in the output, 16 000 a second.
    pub frames: u64,
    /// Channels, in the order of the recording.
    pub channels: usize,
    /// What the recording was.
    pub source: SourceInfo,
    /// Packets that could not be decoded and became silence: at most 1 % (and one is always
    /// allowed).
    pub corrupt_packets: u64,
    /// Size of the FLAC file.
    pub output_bytes: u64,
    /// Loudness of each channel.
    pub levels: Vec<Level>,
}

/// What a recording was before it was decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceInfo {
    /// `wav`, `aiff`, `flac`, `ogg`, `mp3`, `mp4`, `webm` or `adts`.
    pub container: &'static str,
    /// Short name of the codec, such as `pcm_s16le`, `mp3` or `opus`.
    pub codec: &'static str,
    /// Frames a second.
    pub sample_rate_hz: u32,
    /// Bits a sample, where the codec has such a number.
    pub bits_per_sample: Option<u32>,
    /// Average over the whole input file.
    pub bits_per_second: u64,
    /// Size of the input file.
    pub input_bytes: u64,
}

/// How loud one channel is; silence is [`Level::SILENCE_DBFS`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level {
    /// Loudest sample, 0 dB being full scale.
    pub peak_dbfs: f32,
    /// Root mean square over the whole channel.
    pub rms_dbfs: f32,
}

impl Level {
    /// What a channel of zeros measures: below the quietest 16-bit sample (-90.3 dB).
    pub const SILENCE_DBFS: f32 = -120.0;

    /// Whether the channel holds nothing a listener could hear (below -70 dB throughout).
    pub fn is_silent(&self) -> bool {
        self.peak_dbfs < -70.0
    }
}

/// Decodes `input` from its start and writes a FLAC file to `output` at its current position.
///
/// Asks `cancel` several times for each second of audio. After an error the output is garbage.
/// A panic inside a decoder is caught and reported as [`DecodeError::Corrupt`] (the process's
/// panic hook still runs).
///
/// # Errors
/// Everything in [`DecodeError`]; [`DecodeError::is_bad_input`] tells the recording's faults
/// from the machine's.
pub fn decode<R, W>(
    mut input: R,
    mut output: W,
    limits: &Limits,
    cancel: &dyn Fn() -> bool,
) -> Result<Decoded, DecodeError>
where
    R: Read + Seek + Send + Sync,
    W: Write + Seek,
{
    let input_bytes = input.seek(SeekFrom::End(0)).map_err(DecodeError::Read)?;
    if input_bytes == 0 {
        return Err(DecodeError::Empty);
    }
    if input_bytes > limits.max_input_bytes {
        let max_bytes = limits.max_input_bytes;
        return Err(DecodeError::TooLarge {
            bytes: input_bytes,
            max_bytes,
        });
    }
    let start = output.stream_position().map_err(DecodeError::Write)?;
    // Nothing that a panic leaves half done is used afterwards.
    let run =
        AssertUnwindSafe(|| session::run(&mut input, input_bytes, &mut output, limits, cancel));
    let mut decoded = catch_unwind(run).unwrap_or(Err(DecodeError::Corrupt {
        detail: "the decoder could not make sense of it",
    }))?;
    let end = output.seek(SeekFrom::End(0)).map_err(DecodeError::Write)?;
    decoded.output_bytes = end.saturating_sub(start);
    Ok(decoded)
}

/// [`decode`] from one file to another, which is replaced.
///
/// # Errors
/// Those of [`decode`].
pub fn decode_file(
    input: &Path,
    output: &Path,
    limits: &Limits,
    cancel: &dyn Fn() -> bool,
) -> Result<Decoded, DecodeError> {
    let input = File::open(input).map_err(DecodeError::Read)?;
    let output = File::create(output).map_err(DecodeError::Write)?;
    let mut output = BufWriter::with_capacity(1 << 18, output);
    let decoded = decode(input, &mut output, limits, cancel)?;
    output.flush().map_err(DecodeError::Write)?;
    Ok(decoded)
}
