//! The first reading of a recording: what is on each channel, frame by frame.
//!
//! Two bytes per channel and 16 ms are kept, 1.35 MB for an hour of two channels.

use colloquy_contract::transcript::Role;
use earshot::Detector;

use crate::error::EngineError;
use crate::recording::{Recording, SAMPLE_RATE};
use crate::tone::{STEADY_FRAMES, ToneDetector};

/// Samples in a frame: the 16 ms that the voice detector works on.
pub(crate) const FRAME_SAMPLES: usize = 256;

/// The most channels of a recording. Calls have one or two; conferences a few more.
const MAX_CHANNELS: usize = 16;

/// The longest recording. Bounds the survey at 10.8 MB per channel.
const MAX_HOURS: u64 = 24;

/// Samples of each channel that are judged at once: ten seconds are worth a thread's start.
const GATHERED: usize = 10 * SAMPLE_RATE as usize;

/// Frames in so many milliseconds, rounded down.
pub(crate) const fn frames_in_ms(ms: usize) -> usize {
    ms * SAMPLE_RATE as usize / 1_000 / FRAME_SAMPLES
}

/// What 16 ms of a channel are like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame {
    /// How sure the detector is that this is voice: 0 to 255.
    pub(crate) voice: u8,
    /// Root mean square in decibels below full scale, -100 to 0.
    pub(crate) level_db: i8,
}

/// What a recording is like.
#[derive(Debug)]
pub(crate) struct Survey {
    /// Samples per channel.
    pub(crate) samples: u64,
    /// The frames of each channel.
    pub(crate) frames: Vec<Vec<Frame>>,
    /// For each channel the earlier channel that carries the same sound, if any.
    pub(crate) copy_of: Vec<Option<usize>>,
}

impl Survey {
    /// Reads the whole recording once; several threads share out its channels.
    pub(crate) fn of(
        recording: &dyn Recording,
        threads: usize,
        cancel: &dyn Fn() -> bool,
    ) -> Result<Self, EngineError> {
        let channels = recording.channels();
        check_size(channels, 0)?;
        let mut listeners: Vec<Listener> = (0..channels).map(|_| Listener::new()).collect();
        let mut gathered = Vec::new();
        let mut likeness = Likeness::new(channels);
        let mut samples = 0;
        let mut block = Vec::new();
        let mut blocks = recording
            .open()
            .map_err(|source| EngineError::ReadRecording { source })?;
        while blocks
            .next_block(&mut block)
            .map_err(|source| EngineError::ReadRecording { source })?
        {
            if cancel() {
                return Err(EngineError::Cancelled);
            }
            gathered.extend_from_slice(&block);
            if gathered.len() >= GATHERED * channels {
                hear(&mut listeners, threads, &gathered);
                gathered.clear();
            }
            likeness.compare(&block);
            samples += (block.len() / channels) as u64;
            check_size(channels, samples)?;
        }
        hear(&mut listeners, threads, &gathered);
        let frames = listeners.into_iter().map(Listener::finish).collect();
        Ok(Self {
            samples,
            frames,
            copy_of: likeness.copies(),
        })
    }
}

/// The role of each channel; none where a channel and its copy carry both speakers.
pub(crate) fn channel_roles(copy_of: &[Option<usize>], wanted: &[Role]) -> Vec<Role> {
    let mut roles: Vec<Role> = (0..copy_of.len())
        .map(|channel| wanted.get(channel).copied().unwrap_or_default())
        .collect();
    for (channel, original) in copy_of.iter().enumerate() {
        if let Some(original) = original {
            roles[channel] = Role::Unknown;
            roles[*original] = Role::Unknown;
        }
    }
    roles
}

fn check_size(channels: usize, samples: u64) -> Result<(), EngineError> {
    let hours = samples / u64::from(SAMPLE_RATE) / 3_600;
    if (1..=MAX_CHANNELS).contains(&channels) && hours < MAX_HOURS {
        return Ok(());
    }
    let (max_channels, max_hours) = (MAX_CHANNELS, MAX_HOURS);
    Err(EngineError::TooLarge {
        channels,
        hours,
        max_channels,
        max_hours,
    })
}

/// Each listener hears its channel of interleaved samples.
fn hear(listeners: &mut [Listener], threads: usize, samples: &[i16]) {
    let channels = listeners.len();
    let each = channels.div_ceil(threads.max(1));
    std::thread::scope(|scope| {
        let mut shares = listeners.chunks_mut(each).enumerate().map(|(share, some)| {
            move || {
                for (channel, listener) in (share * each..).zip(some) {
                    listener.hear(samples.iter().skip(channel).step_by(channels).copied());
                }
            }
        });
        // The first share is this thread's.
        let ours = shares.next();
        for others in shares {
            scope.spawn(others);
        }
        ours.into_iter().for_each(|hear| hear());
    });
}

/// Cuts one channel into frames and asks the detector about each.
struct Listener {
    detector: Box<Detector>,
    tones: ToneDetector,
    pending: Vec<i16>,
    frames: Vec<Frame>,
}

impl Listener {
    fn new() -> Self {
        let pending = Vec::with_capacity(FRAME_SAMPLES);
        let (detector, tones) = (Detector::default_boxed(), ToneDetector::new());
        Self {
            detector,
            tones,
            pending,
            frames: Vec::new(),
        }
    }

    fn hear(&mut self, samples: impl Iterator<Item = i16>) {
        for sample in samples {
            self.pending.push(sample);
            if self.pending.len() == FRAME_SAMPLES {
                self.judge();
            }
        }
    }

    fn judge(&mut self) {
        let voice = self.detector.predict_i16(&self.pending);
        let energy: i64 = self
            .pending
            .iter()
            .map(|&sample| i64::from(sample).pow(2))
            .sum();
        let mean = energy as f64 / FRAME_SAMPLES as f64 / 32_768_f64.powi(2);
        let level_db = (10.0 * mean.max(1e-10).log10()).round() as i8;
        self.frames.push(Frame {
            voice: (voice.clamp(0.0, 1.0) * 255.0) as u8,
            level_db,
        });
        // A tone is known as one only after a while: take back what was heard of it.
        let tone = self
            .tones
            .hear(&self.pending)
            .min(STEADY_FRAMES)
            .min(self.frames.len());
        let first = self.frames.len() - tone;
        self.frames[first..]
            .iter_mut()
            .for_each(|frame| frame.voice = 0);
        self.pending.clear();
    }

    fn finish(mut self) -> Vec<Frame> {
        if !self.pending.is_empty() {
            self.pending.resize(FRAME_SAMPLES, 0);
            self.judge();
        }
        self.frames
    }
}

/// Compares channels, to find mono recordings stored as stereo.
///
/// Two channels are copies when they correlate over the whole recording *and* in nearly every
/// second of it: a quiet caller who is on one channel only hardly moves the overall correlation,
/// but does move that of the seconds in which they speak. Correlation does not depend on level.
struct Likeness {
    channels: usize,
    second: Vec<Products>,
    second_samples: usize,
    pairs: Vec<Pair>,
}

/// Sums over samples of two channels.
#[derive(Debug, Clone, Copy, Default)]
struct Products {
    first: f64,
    second: f64,
    cross: f64,
}

impl Products {
    fn correlation(&self) -> f64 {
        let power = (self.first * self.second).sqrt();
        if power > 0.0 { self.cross / power } else { 0.0 }
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Pair {
    total: Products,
    active_seconds: u32,
    alike_seconds: u32,
}

/// Correlation of the whole recording above which two channels may be copies.
const COPY_CORRELATION: f64 = 0.98;
/// Correlation of a second of it. Lower, for lossy codecs disturb quiet seconds more.
const ALIKE_CORRELATION: f64 = 0.9;
/// The share of seconds that must be alike.
const ALIKE_SHARE: f64 = 0.97;
/// A second quieter than this on both channels (about -55 dB) says nothing.
const ACTIVE_POWER: f64 = 58.0 * 58.0 * SAMPLE_RATE as f64;

impl Likeness {
    fn new(channels: usize) -> Self {
        let pairs = channels * channels.saturating_sub(1) / 2;
        Self {
            channels,
            second: vec![Products::default(); pairs],
            second_samples: 0,
            pairs: vec![Pair::default(); pairs],
        }
    }

    fn compare(&mut self, block: &[i16]) {
        if self.pairs.is_empty() {
            return;
        }
        for frame in block.chunks_exact(self.channels) {
            let mut products = self.second.iter_mut();
            for (at, &second) in frame.iter().enumerate() {
                for (&first, sums) in frame[..at].iter().zip(products.by_ref()) {
                    let (first, second) = (f64::from(first), f64::from(second));
                    sums.first += first * first;
                    sums.second += second * second;
                    sums.cross += first * second;
                }
            }
            self.second_samples += 1;
            if self.second_samples == SAMPLE_RATE as usize {
                self.end_second();
            }
        }
    }

    fn end_second(&mut self) {
        for (sums, pair) in self.second.iter_mut().zip(&mut self.pairs) {
            pair.total.first += sums.first;
            pair.total.second += sums.second;
            pair.total.cross += sums.cross;
            if sums.first.max(sums.second) > ACTIVE_POWER {
                pair.active_seconds += 1;
                pair.alike_seconds += u32::from(sums.correlation() > ALIKE_CORRELATION);
            }
            *sums = Products::default();
        }
        self.second_samples = 0;
    }

    fn copies(mut self) -> Vec<Option<usize>> {
        self.end_second();
        let mut pairs = self.pairs.iter();
        (0..self.channels)
            .map(|channel| {
                let of = pairs.by_ref().take(channel).position(Pair::is_copy);
                // `position` stops at its hit: the rest of this channel's pairs must go too.
                if let Some(of) = of {
                    pairs.by_ref().take(channel - of - 1).for_each(drop);
                }
                of
            })
            .collect()
    }
}

impl Pair {
    fn is_copy(&self) -> bool {
        self.active_seconds > 0
            && self.total.correlation() > COPY_CORRELATION
            && f64::from(self.alike_seconds) >= ALIKE_SHARE * f64::from(self.active_seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::Pcm;

    /// Noise that is the same in every run.
    fn noise(seed: u64, samples: usize, amplitude: f64) -> Vec<i16> {
        let mut state = seed;
        let mut next = move || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888);
            ((state >> 40) as f64 / f64::from(1 << 23) - 1.0) * amplitude
        };
        (0..samples).map(|_| next() as i16).collect()
    }

    fn copies(channels: Vec<Vec<i16>>) -> Vec<Option<usize>> {
        Survey::of(&Pcm::new(channels), 2, &|| false)
            .unwrap()
            .copy_of
    }

    #[test]
    fn a_copy_is_found_whatever_its_level() {
        let left = noise(1, 80_000, 8_000.0);
        let hiss = noise(2, 80_000, 100.0);
        let right = left.iter().zip(&hiss).map(|(&a, &b)| a / 4 + b).collect();
        assert_eq!(copies(vec![left, right]), [None, Some(0)]);
    }

    #[test]
    fn a_quiet_voice_on_one_channel_only_keeps_both() {
        let loud = noise(1, 160_000, 8_000.0);
        let mut left = loud.clone();
        left[..32_000].fill(0);
        let mut right = left.clone();
        right[..32_000].copy_from_slice(&noise(3, 32_000, 400.0));
        assert_eq!(copies(vec![left, right]), [None, None]);
    }

    #[test]
    fn copies_have_no_roles() {
        let wanted = [Role::Agent, Role::Customer, Role::Agent];
        assert_eq!(
            channel_roles(&[None, Some(0), None, None], &wanted),
            [Role::Unknown, Role::Unknown, Role::Agent, Role::Unknown]
        );
    }

    #[test]
    fn silence_is_no_copy() {
        assert_eq!(copies(vec![vec![0; 40_000], vec![0; 40_000]]), [None, None]);
    }

    #[test]
    fn of_many_channels_each_copy_names_the_first() {
        let (a, b) = (noise(1, 40_000, 5_000.0), noise(2, 40_000, 5_000.0));
        let found = copies(vec![a.clone(), b.clone(), a.clone(), b, a]);
        assert_eq!(found, [None, None, Some(0), Some(1), Some(0)]);
    }

    #[test]
    fn threads_change_nothing() {
        let channels: Vec<_> = (1..4).map(|seed| noise(seed, 400_123, 5_000.0)).collect();
        let of = |threads| {
            Survey::of(&Pcm::new(channels.clone()), threads, &|| false)
                .unwrap()
                .frames
        };
        let alone = of(1);
        assert_eq!(alone.len(), 3);
        assert_eq!(of(2), alone);
        assert_eq!(of(8), alone);
    }

    #[test]
    fn the_last_frame_is_filled_up() {
        let survey = Survey::of(&Pcm::new(vec![vec![0; 257]]), 1, &|| false).unwrap();
        assert_eq!(survey.samples, 257);
        assert_eq!(survey.frames[0].len(), 2);
        assert_eq!(survey.frames[0][0].level_db, -100);
    }

    #[test]
    fn no_channel_is_refused_and_cancelling_is_heeded() {
        let none = Survey::of(&Pcm::new(Vec::new()), 1, &|| false);
        assert!(matches!(
            none,
            Err(EngineError::TooLarge { channels: 0, .. })
        ));
        let stopped = Survey::of(&Pcm::new(vec![vec![0; 257]]), 1, &|| true);
        assert!(matches!(stopped, Err(EngineError::Cancelled)));
    }
}
