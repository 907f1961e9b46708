//! Finds the tones of the telephone network: ringing, busy, and beeps.
//!
//! The voice detector takes some of them for voice, and Whisper then writes "Beep". Unlike a voice,
//! a tone has nearly all its power at one or two frequencies, and keeps them.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use realfft::{RealFftPlanner, RealToComplex};

use crate::recording::SAMPLE_RATE;
use crate::survey::{FRAME_SAMPLES, frames_in_ms};

/// Samples in a Fourier transform: four frames, bins of 15.6 Hz.
const FFT: usize = 4 * FRAME_SAMPLES;
/// Bins on each side of a frequency that its window and a neighbouring tone spread it over.
const SPREAD: usize = 3;
/// The share of the power that is at the two strongest frequencies of a tone.
const TONE_SHARE: f32 = 0.98;
/// The lowest tone. Network tones begin at 350 Hz; a hummed "mm" is below.
const LOWEST_BIN: usize = 300 * FFT / SAMPLE_RATE as usize;
/// A tone's frequency moves by no more than so many bins...
const STEADY_BINS: usize = 2;
/// ...for at least so many frames. Voices never keep so still.
pub(crate) const STEADY_FRAMES: usize = frames_in_ms(384);

/// Listens to one channel, frame by frame.
pub(crate) struct ToneDetector {
    transform: Arc<dyn RealToComplex<f32>>,
    hann: Vec<f32>,
    heard: VecDeque<i16>,
    frequency: Option<usize>,
    steady: usize,
}

impl ToneDetector {
    pub(crate) fn new() -> Self {
        let step = std::f32::consts::TAU / FFT as f32;
        Self {
            transform: RealFftPlanner::new().plan_fft_forward(FFT),
            hann: (0..FFT)
                .map(|at| 0.5 - 0.5 * (step * at as f32).cos())
                .collect(),
            heard: VecDeque::from(vec![0; FFT]),
            frequency: None,
            steady: 0,
        }
    }

    /// For how many frames up to this one the same tone has been heard, once it is long enough to
    /// be one; else 0.
    pub(crate) fn hear(&mut self, frame: &[i16]) -> usize {
        self.heard.drain(..frame.len().min(FFT));
        self.heard.extend(frame);
        let frequency = self.tone();
        let same = matches!((self.frequency, frequency), (Some(before), Some(now))
            if before.abs_diff(now) <= STEADY_BINS);
        self.steady = if same {
            self.steady + 1
        } else {
            usize::from(frequency.is_some())
        };
        if !same {
            self.frequency = frequency;
        }
        if self.steady >= STEADY_FRAMES {
            self.steady
        } else {
            0
        }
    }

    /// The strongest frequency, if it and the next strongest have nearly all the power.
    fn tone(&self) -> Option<usize> {
        let mut input: Vec<f32> = self
            .heard
            .iter()
            .zip(&self.hann)
            .map(|(&s, weight)| f32::from(s) * weight)
            .collect();
        let mut spectrum = self.transform.make_output_vec();
        self.transform.process(&mut input, &mut spectrum).ok()?;
        let mut powers: Vec<f32> = spectrum.iter().map(|bin| bin.norm_sqr()).collect();
        // What is below any voice is hum of the mains, and says nothing.
        powers[..4].fill(0.0);
        let total: f32 = powers.iter().sum();
        let (strongest, first) = take_peak(&mut powers);
        let (_, second) = take_peak(&mut powers);
        (strongest >= LOWEST_BIN && first + second > TONE_SHARE * total).then_some(strongest)
    }
}

/// The strongest bin and the power around it, which it removes.
fn take_peak(powers: &mut [f32]) -> (usize, f32) {
    let peak = (0..powers.len())
        .max_by(|&a, &b| powers[a].total_cmp(&powers[b]))
        .unwrap_or(0);
    let around: Range<usize> = peak.saturating_sub(SPREAD)..powers.len().min(peak + SPREAD + 1);
    let power = powers[around.clone()].iter().sum();
    powers[around].fill(0.0);
    (peak, power)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The share of a sound's frames that are tone.
    fn share(sound: impl Fn(f64) -> f64) -> f64 {
        let samples: Vec<i16> = (0..3 * SAMPLE_RATE)
            .map(|at| (8_000.0 * sound(f64::from(at) / f64::from(SAMPLE_RATE))) as i16)
            .collect();
        let mut detector = ToneDetector::new();
        let frames = samples.chunks_exact(FRAME_SAMPLES);
        let tones = frames
            .clone()
            .filter(|frame| detector.hear(frame) > 0)
            .count();
        tones as f64 / frames.len() as f64
    }

    fn wave(hertz: f64, seconds: f64) -> f64 {
        (std::f64::consts::TAU * hertz * seconds).sin()
    }

    #[test]
    fn network_tones_are_tones() {
        assert!(share(|t| 0.5 * wave(440.0, t) + 0.5 * wave(480.0, t)) > 0.8);
        assert!(share(|t| wave(425.0, t)) > 0.8);
        assert!(share(|t| 0.5 * wave(480.0, t) + 0.5 * wave(620.0, t)) > 0.8);
    }

    #[test]
    fn what_glides_or_has_overtones_is_none() {
        assert_eq!(share(|t| wave(300.0 + 100.0 * t, t)), 0.0);
        let overtones = |t| (1..8).map(|n| wave(150.0 * f64::from(n), t) / 8.0).sum();
        assert_eq!(share(overtones), 0.0);
        assert_eq!(share(|_| 0.0), 0.0);
    }
}
