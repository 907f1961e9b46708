//! Finds the same voice on another channel: crosstalk, echo, one call on both channels.
//!
//! Over each window the channels are compared by normalized cross-correlation, in pieces of about
//! a second so that an echo shows that somebody talks over for a while. The signals are taken at
//! 4 kHz, which holds a voice's strongest part, and differentiated, so that neither hum nor a
//! constant offset on both channels counts as a voice.

use std::ops::Range;

use colloquy_audio::{AudioError, FlacReader, SAMPLE_RATE_HZ};

use super::window::Windows;

/// Two channels that correlate more than this carry the same voice.
const SAME_VOICE: f64 = 0.5;

/// Frames averaged into one sample for the comparison.
const DECIMATION: usize = 4;

const COMPARED_HZ: usize = SAMPLE_RATE_HZ as usize / DECIMATION;

/// Echoes later or earlier than this, 50 ms, are not looked for.
const MAX_LAG: usize = COMPARED_HZ / 20;

/// Frames of one comparison.
const PIECE_FRAMES: u64 = SAMPLE_RATE_HZ as u64;

/// The windows to cut on further channels because the voice is there too.
pub(super) fn find(
    reader: &mut FlacReader<'_>,
    windows: &Windows,
) -> Result<Vec<(usize, Range<u64>)>, AudioError> {
    let mut found = Vec::new();
    for (channel, own) in windows.channels().iter().enumerate() {
        for window in own {
            let others: Vec<usize> = (0..windows.channels().len())
                .filter(|&other| other != channel && !windows.covers(other, window))
                .collect();
            let carrying = carrying_same_voice(reader, window, channel, others)?;
            found.extend(carrying.into_iter().map(|other| (other, window.clone())));
        }
    }
    Ok(found)
}

/// Which of the other channels carry the voice of `channel` in this window.
fn carrying_same_voice(
    reader: &mut FlacReader<'_>,
    window: &Range<u64>,
    channel: usize,
    mut others: Vec<usize>,
) -> Result<Vec<usize>, AudioError> {
    let mut carrying = Vec::new();
    if others.is_empty() {
        return Ok(carrying);
    }
    let channels = reader.channels();
    let mut piece = Piece::new(channels);
    let piece_frames = even_piece(window);
    reader.seek(window.start)?;
    let mut left = window.end - window.start;
    while left > 0 && !others.is_empty() {
        let Some(block) = reader.next_block()? else {
            break;
        };
        for frame in block
            .chunks_exact(channels)
            .take(usize::try_from(left).unwrap_or(usize::MAX))
        {
            left -= 1;
            piece.push(frame);
            if left == 0 || piece.frames == piece_frames {
                let (same, rest) = others
                    .into_iter()
                    .partition(|&o| piece.same_voice(channel, o));
                carrying.extend::<Vec<usize>>(same);
                others = rest;
                piece.clear();
            }
        }
    }
    Ok(carrying)
}

/// Frames of each piece if the window is divided evenly.
fn even_piece(window: &Range<u64>) -> u64 {
    let frames = window.end - window.start;
    let pieces = ((frames + PIECE_FRAMES / 2) / PIECE_FRAMES).max(1);
    frames.div_ceil(pieces)
}

/// A piece of all channels, prepared for comparison.
struct Piece {
    frames: u64,
    /// Per channel: sum of the frames being averaged, the last average, the signal.
    channels: Vec<(f32, Option<f32>, Vec<f32>)>,
}

impl Piece {
    fn new(channels: usize) -> Self {
        Self {
            frames: 0,
            channels: vec![(0.0, None, Vec::new()); channels],
        }
    }

    fn clear(&mut self) {
        self.frames = 0;
        for (sum, _, signal) in &mut self.channels {
            *sum = 0.0;
            signal.clear();
        }
    }

    fn push(&mut self, frame: &[i16]) {
        self.frames += 1;
        let complete = self.frames.is_multiple_of(DECIMATION as u64);
        for ((sum, last, signal), &sample) in self.channels.iter_mut().zip(frame) {
            *sum += f32::from(sample);
            if complete {
                let average = std::mem::take(sum) / DECIMATION as f32;
                signal.push(average - last.replace(average).unwrap_or(average));
            }
        }
    }

    fn same_voice(&self, one: usize, other: usize) -> bool {
        let (one, other) = (&self.channels[one].2, &self.channels[other].2);
        (0..=MAX_LAG).any(|lag| {
            correlation(one, &other[lag.min(other.len())..]) > SAME_VOICE
                || correlation(&one[lag.min(one.len())..], other) > SAME_VOICE
        })
    }
}

/// How alike two signals are over their common length, whatever their levels and polarity: 0 to 1.
fn correlation(one: &[f32], other: &[f32]) -> f64 {
    // Shorter than the largest lag, the result is chance.
    if one.len().min(other.len()) < MAX_LAG {
        return 0.0;
    }
    let (mut product, mut one_energy, mut other_energy) = (0.0_f64, 0.0_f64, 0.0_f64);
    for (&a, &b) in one.iter().zip(other) {
        let (a, b) = (f64::from(a), f64::from(b));
        product += a * b;
        one_energy += a * a;
        other_energy += b * b;
    }
    let energy = (one_energy * other_energy).sqrt();
    if energy > 0.0 {
        product.abs() / energy
    } else {
        0.0
    }
}
