//! The log-mel spectrogram that Whisper was trained on.
//!
//! The same numbers as OpenAI's `log_mel_spectrogram(pad_or_trim(audio))`: a centred short-time
//! Fourier transform with a periodic Hann window of 25 ms every 10 ms, power, Slaney's mel filters,
//! decimal logarithm, and clamping to 8 below the largest value. A test holds them to reference
//! numbers.

use std::ops::Range;
use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{RealFftPlanner, RealToComplex};

use crate::recording::SAMPLE_RATE;

/// Samples in a Fourier transform.
const FFT: usize = 400;
/// Samples from one column to the next.
pub(crate) const HOP: usize = 160;
/// Columns in a window of 30 s.
pub(crate) const COLUMNS: usize = 3_000;
/// Power below which the logarithm is not taken.
const FLOOR: f32 = 1e-10;

/// Computes spectrograms with a given number of mel bands.
pub(crate) struct Mel {
    transform: Arc<dyn RealToComplex<f32>>,
    hann: Vec<f32>,
    bands: Vec<Band>,
}

/// A triangular filter: its weights from `first` on; the rest are zero.
struct Band {
    first: usize,
    weights: Vec<f32>,
}

impl Mel {
    /// A computer of spectrograms with `bands` mel bands.
    pub(crate) fn new(bands: usize) -> Self {
        let step = std::f64::consts::TAU / FFT as f64;
        Self {
            transform: RealFftPlanner::new().plan_fft_forward(FFT),
            hann: (0..FFT)
                .map(|at| (0.5 - 0.5 * (step * at as f64).cos()) as f32)
                .collect(),
            bands: slaney(bands),
        }
    }

    /// The spectrogram of up to 30 s of samples, silence after them.
    ///
    /// Appends `bands` rows of `columns` values to `out`.
    pub(crate) fn append(&self, samples: &[i16], columns: usize, out: &mut Vec<f32>) {
        let first = out.len();
        let floor = FLOOR.log10();
        out.resize(first + self.bands.len() * columns, floor);
        let mut input = self.transform.make_input_vec();
        let mut output = self.transform.make_output_vec();
        let mut scratch = self.transform.make_scratch_vec();
        let mut largest = floor;
        for column in sounding(samples.len(), columns) {
            self.window(samples, column, &mut input);
            // The buffers were made by the transform itself, so their lengths are right.
            let _ = self
                .transform
                .process_with_scratch(&mut input, &mut output, &mut scratch);
            for (row, band) in self.bands.iter().enumerate() {
                let value = band.power(&output).max(FLOOR).log10();
                largest = largest.max(value);
                out[first + row * columns + column] = value;
            }
        }
        for value in &mut out[first..] {
            *value = (value.max(largest - 8.0) + 4.0) / 4.0;
        }
    }

    /// The windowed samples around a column's centre, mirrored at the start.
    fn window(&self, samples: &[i16], column: usize, input: &mut [f32]) {
        let centre = column * HOP;
        for (at, (value, weight)) in input.iter_mut().zip(&self.hann).enumerate() {
            // The end needs no mirror: a window of 30 s ends in silence, and the last column's
            // mirrored samples are the silence before the end.
            let index = (centre + at).abs_diff(FFT / 2);
            let sample = samples.get(index).copied().unwrap_or(0);
            *value = f32::from(sample) / 32_768.0 * weight;
        }
    }
}

/// The columns that hear any of so many samples; the others are silence.
fn sounding(samples: usize, columns: usize) -> Range<usize> {
    0..(samples + FFT / 2).div_ceil(HOP).min(columns)
}

impl Band {
    fn power(&self, spectrum: &[Complex<f32>]) -> f32 {
        let bins = spectrum[self.first..].iter();
        bins.zip(&self.weights)
            .map(|(bin, weight)| bin.norm_sqr() * weight)
            .sum()
    }
}

/// Slaney's mel filters from 0 Hz to half the sample rate, each of unit area.
fn slaney(bands: usize) -> Vec<Band> {
    let top = hertz_to_mel(f64::from(SAMPLE_RATE) / 2.0);
    let edge = |at: usize| mel_to_hertz(top * at as f64 / (bands + 1) as f64);
    (0..bands)
        .map(|at| {
            let (low, centre, high) = (edge(at), edge(at + 1), edge(at + 2));
            let weight = |bin: usize| {
                let hertz = bin as f64 * f64::from(SAMPLE_RATE) / FFT as f64;
                let slope = ((hertz - low) / (centre - low)).min((high - hertz) / (high - centre));
                slope.max(0.0) * 2.0 / (high - low)
            };
            let mut bins = (0..=FFT / 2)
                .skip_while(|&bin| weight(bin) == 0.0)
                .peekable();
            let first = bins.peek().copied().unwrap_or(0);
            let weights = bins.map(weight).take_while(|&weight| weight > 0.0);
            Band {
                first,
                weights: weights.map(|weight| weight as f32).collect(),
            }
        })
        .collect()
}

/// Slaney's scale is linear up to 1 kHz, which is 15 mel, and logarithmic above.
const LINEAR_HERTZ_PER_MEL: f64 = 200.0 / 3.0;
const BREAK_HERTZ: f64 = 1_000.0;
const BREAK_MEL: f64 = BREAK_HERTZ / LINEAR_HERTZ_PER_MEL;

/// Logarithm of the frequency ratio of one mel above the break.
fn log_step() -> f64 {
    6.4_f64.ln() / 27.0
}

fn hertz_to_mel(hertz: f64) -> f64 {
    if hertz < BREAK_HERTZ {
        hertz / LINEAR_HERTZ_PER_MEL
    } else {
        BREAK_MEL + (hertz / BREAK_HERTZ).ln() / log_step()
    }
}

fn mel_to_hertz(mel: f64) -> f64 {
    if mel < BREAK_MEL {
        mel * LINEAR_HERTZ_PER_MEL
    } else {
        BREAK_HERTZ * (log_step() * (mel - BREAK_MEL)).exp()
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    /// Values that faster-whisper 1.2.1 computes for [`signal`].
    #[derive(Deserialize)]
    struct Reference {
        bands: usize,
        columns: Vec<Column>,
    }

    #[derive(Deserialize)]
    struct Column {
        column: usize,
        values: Vec<f32>,
    }

    /// Three seconds: a gliding tone and noise, from integers only, so that it is the same anywhere.
    fn signal() -> Vec<i16> {
        let mut state: u32 = 1;
        let mut phase: u32 = 0;
        (0..48_000_u32)
            .map(|at| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                phase = (phase + 500 + at / 4) % 65_536;
                let saw = phase as i32 / 4 - 8_192;
                let noise = (state >> 20) as i32 - 2_048;
                (saw + noise * (at / 16_000) as i32) as i16
            })
            .collect()
    }

    #[test]
    fn the_spectrogram_is_whispers() {
        let references: Vec<Reference> =
            serde_json::from_str(include_str!("../tests/mel.json")).unwrap();
        for reference in references {
            let mut out = Vec::new();
            Mel::new(reference.bands).append(&signal(), COLUMNS, &mut out);
            assert_eq!(out.len(), reference.bands * COLUMNS);
            for Column { column, values } in reference.columns {
                for (row, expected) in values.into_iter().enumerate() {
                    let value = out[row * COLUMNS + column];
                    assert!(
                        (value - expected).abs() < 1e-3,
                        "{row},{column}: {value} {expected}"
                    );
                }
            }
        }
    }

    #[test]
    fn silence_is_flat() {
        let mut out = Vec::new();
        Mel::new(80).append(&[0; 16_000], COLUMNS, &mut out);
        assert!(out.iter().all(|&value| value == -1.5));
    }
}
