//! The way of samples to the output: trim, resample, round, measure, write.

use std::io::{Seek, Write};

use colloquy_audio::{FlacWriter, MAX_CHANNELS, Resampler, SAMPLE_RATE_HZ, quantize};
use symphonia::core::audio::GenericAudioBufferRef;

use super::{DecodeError, Level};

/// Silence is written in blocks of this many frames.
const SILENCE_FRAMES: usize = 4_096;

/// What of the decoded frames is kept.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Window {
    /// Frames dropped from the start.
    pub(super) skip: u64,
    /// Frames kept after that.
    pub(super) keep: Option<u64>,
    /// Frames dropped from the end, whose place is known only there.
    pub(super) tail: usize,
}

pub(super) struct Sink<W: Write + Seek> {
    writer: FlacWriter<W>,
    /// `None` for a recording that has the platform's rate already.
    resampler: Option<Resampler>,
    channels: usize,
    rate: u32,
    window: Window,
    /// Frames that arrived, before trimming.
    frames_in: u64,
    /// Decoded samples by channel; between calls it holds the last `window.tail` frames.
    planes: Vec<Vec<f32>>,
    resampled: Vec<Vec<f32>>,
    /// What is written next.
    pcm: Vec<Vec<i16>>,
    meters: Vec<Meter>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Meter {
    lowest: i16,
    highest: i16,
    energy: u64,
}

impl<W: Write + Seek> Sink<W> {
    pub(super) fn new(
        output: W,
        rate: u32,
        channels: usize,
        window: Window,
    ) -> Result<Self, DecodeError> {
        let resampler = match rate {
            SAMPLE_RATE_HZ => None,
            _ => Some(Resampler::new(rate, SAMPLE_RATE_HZ, channels)?),
        };
        Ok(Self {
            writer: FlacWriter::new(output, SAMPLE_RATE_HZ, channels)?,
            resampler,
            channels,
            rate,
            window,
            frames_in: 0,
            planes: vec![Vec::new(); channels],
            resampled: vec![Vec::new(); channels],
            pcm: vec![Vec::new(); channels],
            meters: vec![Meter::default(); channels],
        })
    }

    pub(super) fn rate(&self) -> u32 {
        self.rate
    }

    pub(super) fn channels(&self) -> usize {
        self.channels
    }

    /// Frames that arrived, before trimming.
    pub(super) fn frames_in(&self) -> u64 {
        self.frames_in
    }

    /// Drops the next `frames` frames too (a chained stream has its own delay).
    pub(super) fn skip_more(&mut self, frames: u64) {
        self.window.skip += frames;
    }

    /// Takes one decoded packet.
    pub(super) fn push(&mut self, buffer: &GenericAudioBufferRef<'_>) -> Result<(), DecodeError> {
        self.frames_in += buffer.frames() as u64;
        if self.rate == SAMPLE_RATE_HZ && self.window.tail == 0 && has_16_bits(buffer) {
            let (from, to) = self.trim(buffer.frames());
            buffer.copy_to_vecs_planar::<i16>(&mut self.pcm);
            return self.write(from, to);
        }
        if self.window.tail > 0 {
            let mut planes = Vec::new();
            buffer.copy_to_vecs_planar::<f32>(&mut planes);
            for (held, plane) in self.planes.iter_mut().zip(&planes) {
                held.extend_from_slice(plane);
            }
        } else {
            buffer.copy_to_vecs_planar::<f32>(&mut self.planes);
        }
        self.convert()
    }

    /// Takes interleaved samples.
    pub(super) fn push_interleaved(&mut self, samples: &[f32]) -> Result<(), DecodeError> {
        for (channel, plane) in self.planes.iter_mut().enumerate() {
            let frames = samples.chunks_exact(self.channels);
            plane.extend(frames.map(|frame| frame[channel]));
        }
        self.frames_in += (samples.len() / self.channels) as u64;
        self.convert()
    }

    /// Takes `frames` frames of silence in place of something lost.
    pub(super) fn push_silence(&mut self, frames: u64) -> Result<(), DecodeError> {
        let mut left = frames;
        while left > 0 {
            let block = left.min(SILENCE_FRAMES as u64) as usize;
            for plane in &mut self.planes {
                plane.resize(plane.len() + block, 0.0);
            }
            self.frames_in += block as u64;
            self.convert()?;
            left -= block as u64;
        }
        Ok(())
    }

    /// Writes what is left; returns frames written and the levels.
    pub(super) fn finish(mut self) -> Result<(u64, Vec<Level>), DecodeError> {
        if let Some(resampler) = &mut self.resampler {
            resampler.finish(&mut self.resampled)?;
            self.flush()?;
        }
        let frames = self.writer.finish()?;
        Ok((
            frames,
            self.meters
                .iter()
                .map(|meter| meter.level(frames))
                .collect(),
        ))
    }

    /// The part of the next `frames` frames that is kept.
    fn trim(&mut self, frames: usize) -> (usize, usize) {
        let from = self.window.skip.min(frames as u64) as usize;
        self.window.skip -= from as u64;
        let mut to = frames;
        if let Some(keep) = &mut self.window.keep {
            to = from + (*keep).min((frames - from) as u64) as usize;
            *keep -= (to - from) as u64;
        }
        (from, to)
    }

    /// Resamples and writes the planes, all but the tail.
    fn convert(&mut self) -> Result<(), DecodeError> {
        let ready = self.planes[0].len().saturating_sub(self.window.tail);
        let (from, to) = self.trim(ready);
        let mut kept: [&[f32]; MAX_CHANNELS] = [&[]; MAX_CHANNELS];
        for (slot, plane) in kept.iter_mut().zip(&self.planes) {
            *slot = &plane[from..to];
        }
        let kept = &kept[..self.channels];
        if let Some(resampler) = &mut self.resampler {
            resampler.push(kept, &mut self.resampled)?;
            self.flush()?;
        } else {
            round(kept, &mut self.pcm);
            self.write(0, to - from)?;
        }
        for plane in &mut self.planes {
            plane.drain(..ready);
        }
        Ok(())
    }

    /// Writes what the resampler has ready.
    fn flush(&mut self) -> Result<(), DecodeError> {
        round(&self.resampled, &mut self.pcm);
        for plane in &mut self.resampled {
            plane.clear();
        }
        let frames = self.pcm[0].len();
        self.write(0, frames)
    }

    /// Measures and writes a part of the rounded samples.
    fn write(&mut self, from: usize, to: usize) -> Result<(), DecodeError> {
        let mut kept: [&[i16]; MAX_CHANNELS] = [&[]; MAX_CHANNELS];
        for ((slot, plane), meter) in kept.iter_mut().zip(&self.pcm).zip(&mut self.meters) {
            *slot = &plane[from..to];
            meter.add(slot);
        }
        Ok(self.writer.write_planar(&kept[..self.channels])?)
    }
}

/// Rounds each plane to 16 bits.
fn round(planes: &[impl AsRef<[f32]>], pcm: &mut [Vec<i16>]) {
    for (plane, rounded) in planes.iter().zip(pcm) {
        rounded.clear();
        rounded.extend(plane.as_ref().iter().map(|&sample| quantize(sample)));
    }
}

impl Meter {
    fn add(&mut self, samples: &[i16]) {
        // Three loops that become vector code; one that does it all does not.
        let lowest = samples.iter().fold(0, |least, &sample| sample.min(least));
        let highest = samples.iter().fold(0, |most, &sample| sample.max(most));
        self.lowest = self.lowest.min(lowest);
        self.highest = self.highest.max(highest);
        let squares = samples.iter().map(|&sample| i32::from(sample).pow(2));
        self.energy += squares.map(|square| u64::from(square as u32)).sum::<u64>();
    }

    fn level(&self, frames: u64) -> Level {
        let rms = (self.energy as f64 / frames.max(1) as f64).sqrt();
        let dbfs = |value: f64| {
            let db = 20.0 * (value / 32_768.0).log10();
            (db as f32).max(Level::SILENCE_DBFS)
        };
        let peak = self.lowest.unsigned_abs().max(self.highest.unsigned_abs());
        Level {
            peak_dbfs: dbfs(f64::from(peak)),
            rms_dbfs: dbfs(rms),
        }
    }
}

/// Whether the samples fit 16 bits, so that they can be passed on exactly.
fn has_16_bits(buffer: &GenericAudioBufferRef<'_>) -> bool {
    use GenericAudioBufferRef::{S8, S16, S32, U8};
    match buffer {
        U8(_) | S8(_) | S16(_) => true,
        // FLAC and ALAC come left-aligned in 32 bits: 16-bit audio has the low half empty.
        S32(samples) => {
            use symphonia::core::audio::Audio;
            samples
                .iter_planes()
                .all(|plane| plane.iter().fold(0, |all, sample| all | sample) & 0xFFFF == 0)
        }
        _ => false,
    }
}
