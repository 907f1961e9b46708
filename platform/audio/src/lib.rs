//! The platform's own audio files, and the resampler that makes them.
//!
//! Between services a recording travels as **16-bit, 16 kHz FLAC with its channels kept**
//! ([`FlacWriter`], [`FlacReader`]); what people listen to is **Ogg Opus** ([`OpusWriter`]).
//! Everything here streams: memory is a few blocks, whatever the length of the call.
//!
//! Promises:
//! - A [`FlacReader`] returns exactly the samples a [`FlacWriter`] was given.
//! - A [`Resampler`] adds no delay and returns exactly `round(frames * to / from)` frames.
//! - An [`OpusWriter`] file decodes to exactly as many frames as were written.

#![warn(missing_docs)]

mod error;
mod opus;
mod reader;
mod resample;
mod writer;

pub use error::AudioError;
pub use opus::OpusWriter;
pub use reader::FlacReader;
pub use resample::Resampler;
pub use writer::FlacWriter;

/// Sample rate of every recording inside the platform.
pub const SAMPLE_RATE_HZ: u32 = 16_000;

/// Most channels a recording may have: the limit of FLAC itself.
pub const MAX_CHANNELS: usize = 8;

/// Rounds a sample in -1.0..1.0 to 16 bits; anything louder is clipped.
#[inline]
pub fn quantize(sample: f32) -> i16 {
    // `as` saturates, and turns a NaN into silence.
    (sample * 32_768.0).round_ties_even() as i16
}
