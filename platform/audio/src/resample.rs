//! Streaming sample-rate conversion without delay.
//!
//! The work is done by rubato's synchronous FFT resampler: overlap-add convolution with a
//! windowed sinc (squared Blackman-Harris) of [`FILTER_MS`] or more. What that gives, as measured
//! by `tests/resample.rs`:
//!
//! - pass band (flat within 0.001 dB): 0 to 94 % of the lower Nyquist frequency; 3 dB less at 97 %;
//! - a sine in the pass band comes out with distortion and noise (THD+N) 130 dB below it, so that
//!   in 16 bits the rounding is all the noise there is;
//! - what would alias (tones above the output's Nyquist frequency) is more than 130 dB down.

use rubato::audioadapter_buffers::direct::{SequentialSliceOfSlices, SequentialSliceOfVecs};
use rubato::{Fft, FixedSync, Resampler as _};

use crate::{AudioError, MAX_CHANNELS};

/// Shortest anti-aliasing filter. Longer brings the pass band nearer to Nyquist and rings longer.
const FILTER_MS: u32 = 32;
/// Highest rate accepted; bounds the buffers.
const MAX_RATE_HZ: u32 = 768_000;

/// Converts planar audio from one rate to another, block by block, in step with real time: frame
/// `n` of the input is at `n * to / from` of the output, and the total is exactly
/// `round(frames * to / from)`.
pub struct Resampler {
    from: u32,
    to: u32,
    channels: usize,
    /// `None` when the rates are equal: the input is passed on as it is.
    engine: Option<Engine>,
    frames_in: u64,
    frames_out: u64,
}

struct Engine {
    fft: Fft<f32>,
    chunk: usize,
    /// Input that does not yet fill a chunk.
    pending: Vec<Vec<f32>>,
    converted: Vec<Vec<f32>>,
    /// Output frames of the filter's delay that are still to be dropped.
    delay: usize,
}

impl Resampler {
    /// A resampler for `channels` channels.
    ///
    /// # Errors
    /// Rates of 0 or above 768 kHz, or channels other than 1 to 8.
    pub fn new(from: u32, to: u32, channels: usize) -> Result<Self, AudioError> {
        if !(1..=MAX_CHANNELS).contains(&channels) {
            return Err(AudioError::Channels { channels });
        }
        if !(1..=MAX_RATE_HZ).contains(&from) || !(1..=MAX_RATE_HZ).contains(&to) {
            return Err(AudioError::Rates { from, to });
        }
        let engine = if from == to {
            None
        } else {
            Some(Engine::new(from, to, channels)?)
        };
        Ok(Self {
            from,
            to,
            channels,
            engine,
            frames_in: 0,
            frames_out: 0,
        })
    }

    /// Converts `input`, one slice of equal length for each channel, and appends what is ready to
    /// `output`, which has one vector for each channel.
    ///
    /// # Errors
    /// [`AudioError::Refused`] if a slice is missing or shorter than the first.
    pub fn push(
        &mut self,
        input: &[impl AsRef<[f32]>],
        output: &mut [Vec<f32>],
    ) -> Result<(), AudioError> {
        let frames = input.first().map_or(0, |plane| plane.as_ref().len());
        let equal = input.iter().all(|plane| plane.as_ref().len() == frames);
        if !equal || input.len() != self.channels || output.len() != self.channels {
            return Err(refused("channels of different length or number"));
        }
        self.frames_in += frames as u64;
        let before = output[0].len();
        match &mut self.engine {
            None => {
                for (plane, out) in input.iter().zip(output.iter_mut()) {
                    out.extend_from_slice(plane.as_ref());
                }
            }
            Some(engine) => {
                for (plane, pending) in input.iter().zip(&mut engine.pending) {
                    pending.extend(plane.as_ref().iter().map(|&sample| bounded(sample)));
                }
                engine.drain(output)?;
            }
        }
        self.frames_out += (output[0].len() - before) as u64;
        Ok(())
    }

    /// Appends the last frames. Nothing may be pushed afterwards.
    ///
    /// # Errors
    /// [`AudioError::Refused`] if `output` does not have one vector for each channel.
    pub fn finish(&mut self, output: &mut [Vec<f32>]) -> Result<(), AudioError> {
        let Some(engine) = &mut self.engine else {
            return Ok(());
        };
        if output.len() != self.channels {
            return Err(refused("channels of different number"));
        }
        let total = scale(self.frames_in, self.from, self.to);
        // A chunk of silence pushes at least one chunk out, so this ends.
        while self.frames_out < total {
            let before = output[0].len();
            for pending in &mut engine.pending {
                pending.resize(engine.chunk, 0.0);
            }
            engine.drain(output)?;
            self.frames_out += (output[0].len() - before) as u64;
        }
        let excess = (self.frames_out - total) as usize;
        for plane in output.iter_mut() {
            plane.truncate(plane.len().saturating_sub(excess));
        }
        self.frames_out = total;
        Ok(())
    }
}

impl Engine {
    fn new(from: u32, to: u32, channels: usize) -> Result<Self, AudioError> {
        let fft = Fft::<f32>::new_custom(
            from as usize,
            to as usize,
            filter_frames(from, to),
            1,
            channels,
            rubato::WindowFunction::BlackmanHarris2,
            FixedSync::Both,
        )
        .map_err(|e| refused(&e.to_string()))?;
        let chunk = fft.input_frames_next();
        let converted = vec![vec![0.0; fft.output_frames_max()]; channels];
        let delay = fft.output_delay();
        Ok(Self {
            chunk,
            pending: vec![Vec::new(); channels],
            converted,
            delay,
            fft,
        })
    }

    /// Converts every whole chunk of the pending input.
    fn drain(&mut self, output: &mut [Vec<f32>]) -> Result<(), AudioError> {
        let channels = self.pending.len();
        let mut at = 0;
        while self.pending[0].len() - at >= self.chunk {
            let mut planes: [&[f32]; MAX_CHANNELS] = [&[]; MAX_CHANNELS];
            for (slot, plane) in planes.iter_mut().zip(&self.pending) {
                *slot = &plane[at..at + self.chunk];
            }
            let frames = self.converted[0].len();
            let input = SequentialSliceOfSlices::new(&planes[..channels], channels, self.chunk)
                .map_err(|e| refused(&e.to_string()))?;
            let mut converted =
                SequentialSliceOfVecs::new_mut(&mut self.converted, channels, frames)
                    .map_err(|e| refused(&e.to_string()))?;
            let (_, made) = self
                .fft
                .process_into_buffer(&input, &mut converted, None)
                .map_err(|e| refused(&e.to_string()))?;
            let skip = self.delay.min(made);
            self.delay -= skip;
            for (plane, out) in self.converted.iter().zip(output.iter_mut()) {
                out.extend_from_slice(&plane[skip..made]);
            }
            at += self.chunk;
        }
        for plane in &mut self.pending {
            plane.drain(..at);
        }
        Ok(())
    }
}

/// The sample, as loud as a transform can take: what is no number, or overflows to none, would spoil
/// the whole block (and the transform panics). Files of floats can hold anything.
fn bounded(sample: f32) -> f32 {
    // 24 dB above full scale, which is clipped anyway.
    const LOUDEST: f32 = 16.0;
    if sample.is_nan() {
        0.0
    } else {
        sample.clamp(-LOUDEST, LOUDEST)
    }
}

/// Length of the filter in input frames: even, so that its delay is a whole number of frames.
fn filter_frames(from: u32, to: u32) -> usize {
    let gcd = gcd(from, to);
    // Smallest step in which both sides are whole and even.
    let step = 2 * (from / gcd) as usize;
    // At least FILTER_MS, and at least 512 frames of the slower side.
    let slower = from.min(to);
    let wanted = (u64::from(from) * u64::from(FILTER_MS) / 1_000)
        .max(u64::from(from) * 512 / u64::from(slower)) as usize;
    wanted.div_ceil(step) * step
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// `round(frames * to / from)`.
fn scale(frames: u64, from: u32, to: u32) -> u64 {
    let (from, to) = (u128::from(from), u128::from(to));
    ((u128::from(frames) * to + from / 2) / from) as u64
}

fn refused(reason: &str) -> AudioError {
    AudioError::Refused {
        component: "resampler",
        reason: reason.to_owned(),
    }
}
