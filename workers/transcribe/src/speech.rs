//! Stretches of speech, from the voice detector's frames.

use std::ops::Range;

use crate::survey::{Frame, frames_in_ms};

/// A stretch of frames, half-open.
pub(crate) type Span = Range<usize>;

/// Speech begins with a frame this sure (0.5).
const START_VOICE: u8 = 128;
/// Speech goes on while frames are at least this sure (0.3).
const STAY_VOICE: u8 = 77;
/// A pause at least this long ends a stretch.
const MIN_PAUSE: usize = frames_in_ms(240);
/// A stretch with fewer frames above [`START_VOICE`] is a click or a cough. A short "yes" has
/// twice as many.
const MIN_VOICED: usize = frames_in_ms(80);
/// Quieter than this nothing is understood; decoders make such noise of digital silence.
const MIN_LEVEL_DB: i8 = -65;

/// The stretches of speech among the frames, in order, apart by at least the shortest pause.
pub(crate) fn stretches(frames: &[Frame]) -> Vec<Span> {
    let mut found = Vec::new();
    let mut current: Option<Span> = None;
    for (at, frame) in frames.iter().enumerate() {
        let audible = frame.level_db >= MIN_LEVEL_DB;
        current = match current {
            None if audible && frame.voice >= START_VOICE => Some(at..at + 1),
            Some(span) if audible && frame.voice >= STAY_VOICE => Some(span.start..at + 1),
            Some(span) if at + 1 - span.end >= MIN_PAUSE => {
                found.push(span);
                None
            }
            unchanged => unchanged,
        };
    }
    found.extend(current);
    found.retain(|span| is_speech(&frames[span.clone()]));
    found
}

fn is_speech(frames: &[Frame]) -> bool {
    frames
        .iter()
        .filter(|frame| frame.voice >= START_VOICE)
        .count()
        >= MIN_VOICED
}

/// The best place to cut within `range`: the middle of the quietest 80 ms, where a pause that the
/// detector bridged is likeliest. `None` for an empty range.
pub(crate) fn quietest(frames: &[Frame], range: Span) -> Option<usize> {
    const HALF: usize = frames_in_ms(80) / 2;
    let loudness = |at: usize| -> i32 {
        let around = at.saturating_sub(HALF)..frames.len().min(at + HALF + 1);
        let sum: i32 = frames[around.clone()]
            .iter()
            .map(|frame| i32::from(frame.level_db) * 4 + i32::from(frame.voice) / 4)
            .sum();
        sum / around.len().max(1) as i32
    };
    range
        .filter(|&at| at < frames.len())
        .min_by_key(|&at| loudness(at))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Frames from a drawing: `#` voice, `-` unsure, `.` silence; each stands for `times` frames.
    pub(crate) fn draw(drawing: &str, times: usize) -> Vec<Frame> {
        drawing
            .chars()
            .flat_map(|sign| {
                let (voice, level_db) = match sign {
                    '#' => (250, -20),
                    '-' => (100, -30),
                    _ => (0, -70),
                };
                std::iter::repeat_n(Frame { voice, level_db }, times)
            })
            .collect()
    }

    #[test]
    fn pauses_part_speech_and_short_gaps_do_not() {
        let frames = draw("...###.##--....####", 8);
        assert_eq!(stretches(&frames), [24..88, 120..152]);
    }

    #[test]
    fn clicks_and_unsure_frames_are_no_speech() {
        let mut frames = draw("......-----.....", 10);
        assert!(stretches(&frames).is_empty());
        for frame in &mut frames[70..73] {
            frame.voice = 255;
        }
        assert!(stretches(&frames).is_empty());
    }

    #[test]
    fn voice_like_noise_in_silence_is_none() {
        let frames = vec![
            Frame {
                voice: 255,
                level_db: -80
            };
            200
        ];
        assert!(stretches(&frames).is_empty());
    }

    #[test]
    fn the_cut_is_in_the_quietest_place() {
        let frames = draw("####-####", 10);
        let cut = quietest(&frames, 0..90).unwrap();
        assert!((40..50).contains(&cut), "{cut}");
        assert_eq!(quietest(&frames, 5..5), None);
    }
}
