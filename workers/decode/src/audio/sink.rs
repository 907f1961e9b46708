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
    resampler: Resampler,
    channels: usize,
    rate: u32,
    window: Window,
    /// Frames that arrived, before trimming.
    frames_in: u64,
    /// Decoded samples by channel; between calls it holds the last `window.tail` frames.
    planes: Vec<Vec<f32>>,
    resampled: Vec<Vec<f32>>,
    interleaved: Vec<i16>,
    meters: Vec<Meter>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Meter {
    peak: u16,
    energy: u64,
}

impl<W: Write + Seek> Sink<W> {
    pub(super) fn new(
        output: W,
        rate: u32,
        channels: usize,
        window: Window,
    ) -> Result<Self, DecodeError> {
        Ok(Self {
            writer: FlacWriter::new(output, SAMPLE_RATE_HZ, channels)?,
            resampler: Resampler::new(rate, SAMPLE_RATE_HZ, channels)?,
            channels,
            rate,
            window,
            frames_in: 0,
            planes: vec![Vec::new(); channels],
            resampled: vec![Vec::new(); channels],
            interleaved: Vec::new(),
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
            buffer.copy_to_vec_interleaved::<i16>(&mut self.interleaved);
            self.interleaved.truncate(to * self.channels);
            self.interleaved.drain(..from * self.channels);
            return self.write();
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
            plane.extend(samples.iter().skip(channel).step_by(self.channels));
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
        self.resampler.finish(&mut self.resampled)?;
        self.flush()?;
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

    /// Resamples the planes, all but the tail.
    fn convert(&mut self) -> Result<(), DecodeError> {
        let ready = self.planes[0].len().saturating_sub(self.window.tail);
        let (from, to) = self.trim(ready);
        let mut kept: [&[f32]; MAX_CHANNELS] = [&[]; MAX_CHANNELS];
        for (slot, plane) in kept.iter_mut().zip(&self.planes) {
            *slot = &plane[from..to];
        }
        self.resampler
            .push(&kept[..self.channels], &mut self.resampled)?;
        for plane in &mut self.planes {
            plane.drain(..ready);
        }
        self.flush()
    }

    /// Writes what the resampler has ready.
    fn flush(&mut self) -> Result<(), DecodeError> {
        self.interleaved.clear();
        match self.resampled.as_slice() {
            [mono] => self
                .interleaved
                .extend(mono.iter().map(|&sample| quantize(sample))),
            planes => {
                for frame in 0..planes[0].len() {
                    self.interleaved
                        .extend(planes.iter().map(|plane| quantize(plane[frame])));
                }
            }
        }
        for plane in &mut self.resampled {
            plane.clear();
        }
        self.write()
    }

    fn write(&mut self) -> Result<(), DecodeError> {
        for (channel, meter) in self.meters.iter_mut().enumerate() {
            for &sample in self.interleaved.iter().skip(channel).step_by(self.channels) {
                let loud = sample.unsigned_abs();
                meter.peak = meter.peak.max(loud);
                meter.energy += u64::from(loud) * u64::from(loud);
            }
        }
        Ok(self.writer.write_interleaved(&self.interleaved)?)
    }
}

impl Meter {
    fn level(&self, frames: u64) -> Level {
        let rms = (self.energy as f64 / frames.max(1) as f64).sqrt();
        let dbfs = |value: f64| {
            let db = 20.0 * (value / 32_768.0).log10();
            (db as f32).max(Level::SILENCE_DBFS)
        };
        Level {
            peak_dbfs: dbfs(f64::from(self.peak)),
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
                .all(|plane| plane.iter().all(|sample| sample & 0xFFFF == 0))
        }
        _ => false,
    }
}
