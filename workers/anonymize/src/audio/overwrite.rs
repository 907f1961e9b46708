//! Overwrites windows in a stream of samples.

use std::{f64::consts::PI, ops::Range};

use colloquy_audio::SAMPLE_RATE_HZ;

use super::{AudioPolicy, FRAMES_PER_MS, Style, window::Windows};

/// A tenth of full scale: -20 dBFS, about as loud as a voice.
const TONE_LEVEL: f64 = 3_276.7;

const TONE_HZ: u32 = 1_000;

/// Samples in one period of the tone.
const TONE_PERIOD: usize = (SAMPLE_RATE_HZ / TONE_HZ) as usize;

/// Overwrites the windows in blocks that follow each other.
pub(super) struct Overwriter {
    windows: Windows,
    /// For each channel the first window that is not yet over.
    next: Vec<usize>,
    tone: [f64; TONE_PERIOD],
    fade: u64,
    position: u64,
}

impl Overwriter {
    pub(super) fn new(windows: Windows, policy: &AudioPolicy) -> Self {
        let level = match policy.style {
            Style::Tone => TONE_LEVEL,
            Style::Silence => 0.0,
        };
        let step = 2.0 * PI / TONE_PERIOD as f64;
        Self {
            next: vec![0; windows.channels().len()],
            windows,
            tone: std::array::from_fn(|n| level * (step * n as f64).sin()),
            fade: u64::from(policy.fade_ms) * FRAMES_PER_MS,
            position: 0,
        }
    }

    /// Frames seen so far.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Overwrites what lies in a window of the next interleaved block.
    pub(super) fn overwrite(&mut self, block: &mut [i16]) {
        let channels = self.next.len();
        let here = self.position..self.position + (block.len() / channels) as u64;
        for channel in 0..channels {
            let windows = &self.windows.channels()[channel];
            while windows
                .get(self.next[channel])
                .is_some_and(|w| w.end + self.fade <= here.start)
            {
                self.next[channel] += 1;
            }
            for window in &windows[self.next[channel]..] {
                let start = window.start.saturating_sub(self.fade).max(here.start);
                let end = (window.end + self.fade).min(here.end);
                if window.start.saturating_sub(self.fade) >= here.end {
                    break;
                }
                for frame in start..end {
                    let at = (frame - here.start) as usize * channels + channel;
                    block[at] = self.sample(window, frame, block[at]);
                }
            }
        }
        self.position = here.end;
    }

    /// The new sample of a frame in or near a window.
    fn sample(&self, window: &Range<u64>, frame: u64, voice: i16) -> i16 {
        let outside = if frame < window.start {
            window.start - frame
        } else if frame >= window.end {
            frame - window.end + 1
        } else {
            let inside = (frame - window.start).min(window.end - 1 - frame);
            let tone = self.tone[(frame % TONE_PERIOD as u64) as usize];
            return (tone * self.gain(inside)).round() as i16;
        };
        (f64::from(voice) * self.gain(outside)).round() as i16
    }

    /// Raised cosine: 0 at the edge of a window, 1 a fade away from it.
    fn gain(&self, distance: u64) -> f64 {
        if distance >= self.fade {
            return 1.0;
        }
        0.5 - 0.5 * (PI * distance as f64 / self.fade as f64).cos()
    }
}
