//! The platform's own audio files, and the resampler that makes them.
//!
//! Between services a recording travels as **16-bit, 16 kHz FLAC with its channels kept**
//! ([`FlacWriter`], [`FlacReader`]); what people listen to is **Ogg Opus** ([`OpusWriter`]), or
//! FLAC or WAV ([`WavWriter`]) where they want that. [`OpusReader`] and [`WavReader`] read back what
//! the platform wrote, to check it.
//! Everything here streams: memory is a few blocks, whatever the length of the call.
//!
//! Promises:
//! - A [`FlacReader`] returns exactly the samples a [`FlacWriter`] was given.
//! - A [`Resampler`] adds no delay and returns exactly `round(frames * to / from)` frames.
//! - An [`OpusWriter`] file decodes to exactly as many frames as were written.

#![warn(missing_docs)]

mod error;
mod flac;
mod opus;
mod opus_reader;
mod reader;
mod resample;
mod wav;

pub use error::AudioError;
pub use flac::FlacWriter;
pub use opus::OpusWriter;
pub use opus_reader::OpusReader;
pub use reader::FlacReader;
pub use resample::Resampler;
pub use wav::{WavReader, WavWriter};

/// Sample rate of every recording inside the platform.
pub const SAMPLE_RATE_HZ: u32 = 16_000;

/// Most channels a recording may have: the limit of FLAC itself.
pub const MAX_CHANNELS: usize = 8;

/// Rounds a sample in -1.0..1.0 to 16 bits, to even; anything louder is clipped, NaN is silence.
#[inline]
pub fn quantize(sample: f32) -> i16 {
    // So large a number has no room for a fraction: what is added to it is rounded. Unlike
    // `round_ties_even` that is one instruction on any processor, and vector code in a loop.
    const ROUNDER: f32 = (3 << 22) as f32;
    let clipped = (sample * 32_768.0).clamp(-32_768.0, 32_767.0);
    let number = if clipped.is_nan() { 0.0 } else { clipped };
    ((number + ROUNDER).to_bits() as i32 - ROUNDER.to_bits() as i32) as i16
}

#[cfg(test)]
mod tests {
    use super::quantize;

    #[test]
    fn quantizing_rounds_to_even_and_clips() {
        for n in -400_000..400_000_i32 {
            let sample = n as f32 * 0.25 / 32_768.0;
            let want = (sample * 32_768.0).round_ties_even() as i16;
            assert_eq!(quantize(sample), want, "{n}");
        }
        for (loud, want) in [
            (f32::INFINITY, i16::MAX),
            (f32::NEG_INFINITY, i16::MIN),
            (f32::MAX, i16::MAX),
            (f32::NAN, 0),
            (1.0, i16::MAX),
            (-1.0, i16::MIN),
        ] {
            assert_eq!(quantize(loud), want, "{loud}");
        }
    }
}
