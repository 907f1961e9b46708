//! Redacts a recording: cut stretches are overwritten by a tone or by silence.
//!
//! The result is Ogg Opus, FLAC or WAV ([`Format`]); [`read_back`] decodes it again.
//!
//! Promises:
//!
//! * No sample of a cut stretch reaches the output: it is overwritten, never mixed. The fades to
//!   and from it lie outside on the side of the voice.
//! * Where another channel carries the same voice at the same time (crosstalk, echo, a mono call
//!   in a stereo file), it is cut there too.
//! * The output has the channels and exactly the length of the input.
//! * A cut that does not lie in the recording is an error, and then the output is worthless.
//! * Memory does not grow with the length of the recording.
//!
//! ```text
//! voice   ~~~~~~~\.                               ./~~~~~~
//! tone            |./=========================\.|
//!            fade |<-padding->| cut |<-padding->| fade
//! ```

mod crosstalk;
mod form;
mod overwrite;
mod window;

use std::io::{Read, Seek, Write};

use colloquy_audio::{AudioError, FlacReader, SAMPLE_RATE_HZ};

use crate::Cut;
use form::Writer;
pub use form::{Format, read_back};
use overwrite::Overwriter;
use window::Windows;

/// What stands in the place of a voice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Style {
    /// A tone of 1 kHz at a tenth of full scale, so that a listener knows that something is gone.
    #[default]
    Tone,
    /// Digital silence.
    Silence,
}

/// How cuts are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AudioPolicy {
    /// What stands in the place of a voice.
    pub style: Style,
    /// Cut this much before a word too, in milliseconds, at most [`AudioPolicy::MAX_PADDING_MS`]:
    /// recognizers place words with that uncertainty.
    pub padding_before_ms: u32,
    /// Cut this much after a word too, in milliseconds, at most [`AudioPolicy::MAX_PADDING_MS`]:
    /// endings are placed worse than beginnings.
    pub padding_after_ms: u32,
    /// How long a voice takes to fade out and in, in milliseconds, at most
    /// [`AudioPolicy::MAX_FADE_MS`].
    pub fade_ms: u32,
    /// In what form the recording is written.
    pub format: Format,
}

impl AudioPolicy {
    /// More padding would cut sentences instead of words.
    pub const MAX_PADDING_MS: u32 = 2_000;
    /// Longer fades of neighbouring cuts would meet.
    pub const MAX_FADE_MS: u32 = 50;
}

impl Default for AudioPolicy {
    fn default() -> Self {
        Self {
            style: Style::Tone,
            padding_before_ms: 120,
            padding_after_ms: 180,
            fade_ms: 10,
            format: Format::Opus,
        }
    }
}

/// What was made of a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redacted {
    /// Length in milliseconds, that of the input.
    pub duration_ms: u64,
    /// How much was replaced, summed over channels, in milliseconds.
    pub redacted_ms: u64,
    /// How much of that because the same voice was on another channel, in milliseconds.
    pub crosstalk_ms: u64,
    /// The stretches that were replaced, with their padding, by channel and start.
    pub stretches: Vec<Cut>,
}

/// Why a recording cannot be redacted.
#[derive(Debug, thiserror::Error)]
pub enum RedactError {
    /// The policy is out of its bounds.
    #[error(
        "check policy: padding is at most {} ms and a fade at most {} ms",
        AudioPolicy::MAX_PADDING_MS,
        AudioPolicy::MAX_FADE_MS
    )]
    Policy,
    /// A cut of a channel that the recording does not have.
    #[error("plan cuts: the recording has {channels} channels, none has the number {channel}")]
    NoChannel {
        /// The channel asked for, from 0.
        channel: u16,
        /// How many there are.
        channels: usize,
    },
    /// A cut that would remove nothing.
    #[error(
        "plan cuts: {start_ms} to {end_ms} ms is no stretch of a recording of {duration_ms} ms"
    )]
    Outside {
        /// Start of the cut.
        start_ms: u64,
        /// End of the cut.
        end_ms: u64,
        /// Length of the recording.
        duration_ms: u64,
    },
    /// The recording is not the platform's.
    #[error("read recording: {sample_rate_hz} Hz instead of {SAMPLE_RATE_HZ}")]
    SampleRate {
        /// What it has.
        sample_rate_hz: u32,
    },
    /// The recording does not have the length that it announces.
    #[error("read recording: {frames} frames instead of the announced {announced}")]
    Length {
        /// Frames found.
        frames: u64,
        /// Frames announced.
        announced: u64,
    },
    /// The recording cannot be read.
    #[error("read recording")]
    Read(#[source] AudioError),
    /// The redacted recording cannot be written.
    #[error("write redacted recording")]
    Write(#[source] AudioError),
}

/// Redacts a recording of the platform (FLAC, 16 kHz) into the form of the policy.
///
/// # Errors
/// When a cut does not lie in the recording, or reading or writing fails. What was written by
/// then is no usable file.
pub fn redact<R, W>(
    input: R,
    output: W,
    cuts: &[Cut],
    policy: &AudioPolicy,
) -> Result<Redacted, RedactError>
where
    R: Read + Seek + Send + Sync,
    W: Write + Seek,
{
    let mut reader = FlacReader::new(input).map_err(RedactError::Read)?;
    let (channels, announced) = (reader.channels(), reader.frames());
    let mut writer =
        Writer::new(policy.format, output, channels, announced).map_err(RedactError::Write)?;
    let redacted = redact_samples(&mut reader, cuts, policy, |block| writer.write(block))?;
    let frames = writer.finish().map_err(RedactError::Write)?;
    if frames != announced {
        return Err(RedactError::Length { frames, announced });
    }
    Ok(redacted)
}

/// Redacts a recording into whatever takes its interleaved 16-bit samples, block by block.
///
/// # Errors
/// When a cut does not lie in the recording, or reading or writing fails.
pub fn redact_samples(
    reader: &mut FlacReader<'_>,
    cuts: &[Cut],
    policy: &AudioPolicy,
    mut write: impl FnMut(&[i16]) -> Result<(), AudioError>,
) -> Result<Redacted, RedactError> {
    check(reader, policy)?;
    let (channels, frames) = (reader.channels(), reader.frames());
    let mut windows = Windows::plan(cuts, policy, channels, frames)?;
    let own_frames = windows.total_frames();
    for (channel, window) in crosstalk::find(reader, &windows).map_err(RedactError::Read)? {
        windows.add(channel, window);
    }
    let all_frames = windows.total_frames();
    let stretches = windows.stretches();

    reader.seek(0).map_err(RedactError::Read)?;
    let mut overwriter = Overwriter::new(windows, policy);
    let mut block = Vec::new();
    while let Some(samples) = reader.next_block().map_err(RedactError::Read)? {
        block.clear();
        block.extend_from_slice(samples);
        overwriter.overwrite(&mut block);
        write(&block).map_err(RedactError::Write)?;
    }
    if overwriter.position() != frames {
        return Err(RedactError::Length {
            frames: overwriter.position(),
            announced: frames,
        });
    }
    Ok(Redacted {
        duration_ms: to_ms(frames),
        redacted_ms: to_ms(all_frames),
        crosstalk_ms: to_ms(all_frames - own_frames),
        stretches,
    })
}

fn check(reader: &FlacReader<'_>, policy: &AudioPolicy) -> Result<(), RedactError> {
    let padding_ms = policy.padding_before_ms.max(policy.padding_after_ms);
    if padding_ms > AudioPolicy::MAX_PADDING_MS || policy.fade_ms > AudioPolicy::MAX_FADE_MS {
        return Err(RedactError::Policy);
    }
    let sample_rate_hz = reader.sample_rate_hz();
    if sample_rate_hz != SAMPLE_RATE_HZ {
        return Err(RedactError::SampleRate { sample_rate_hz });
    }
    Ok(())
}

/// Frames in a millisecond.
const FRAMES_PER_MS: u64 = SAMPLE_RATE_HZ as u64 / 1_000;

fn to_ms(frames: u64) -> u64 {
    frames.div_ceil(FRAMES_PER_MS)
}

#[cfg(test)]
mod tests;
