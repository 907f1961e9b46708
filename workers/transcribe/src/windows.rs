//! Windows: what Whisper is given at once, at most 15 s of one channel.
//!
//! A window is made of pieces of the recording, stretches of speech with a little of what is
//! around them, laid end to end; longer silences are left out. So a window is nearly full even
//! where two people take turns on two channels, and there are about half as many windows as the
//! recording has half minutes. A window knows where each of its samples is in the recording.

use std::ops::Range;

use crate::speech::{Span, quietest};
use crate::survey::{FRAME_SAMPLES, Frame, frames_in_ms};

/// The longest window. Whisper hears up to 30 s, but attention costs the square of the length, and
/// texts go astray less often in shorter windows; in much shorter ones they lack context.
const MAX_FRAMES: usize = frames_in_ms(15_000);
/// A stretch too long for a window is cut in the last part of it, from here on.
const CUT_FROM: usize = frames_in_ms(10_000);
/// What is kept of the sound before speech: the detector is late for soft onsets.
const LEAD: usize = frames_in_ms(240);
/// What is kept after speech.
const TRAIL: usize = frames_in_ms(240);

/// Speech without words counts as left out from this length on; shorter is often breath.
const LEFT_OUT: usize = frames_in_ms(800);
/// And only if there is this much of it without a word between: less than five digits take.
const LEFT_OUT_IN_A_ROW: usize = frames_in_ms(1_600);

/// A contiguous part of the recording in a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Where it is in the recording, in frames.
    pub(crate) frames: Span,
    /// Where it begins in the window, in frames.
    pub(crate) offset: usize,
}

/// Speech of one channel that is transcribed at once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) channel: usize,
    /// The pieces, in order, without overlap.
    pub(crate) pieces: Vec<Piece>,
    /// The stretches of speech in the pieces, in frames of the recording.
    pub(crate) speech: Vec<Span>,
}

impl Window {
    /// Length in frames.
    pub(crate) fn frames(&self) -> usize {
        self.pieces
            .last()
            .map_or(0, |piece| piece.offset + piece.frames.len())
    }

    /// Length in samples.
    pub(crate) fn samples(&self) -> usize {
        self.frames() * FRAME_SAMPLES
    }

    /// Where it ends in the recording, in samples.
    pub(crate) fn end_sample(&self) -> u64 {
        self.pieces
            .last()
            .map_or(0, |piece| (piece.frames.end * FRAME_SAMPLES) as u64)
    }

    /// The parts of the recording, in samples, that a range of the window's samples stands for.
    pub(crate) fn in_recording(&self, range: Range<usize>) -> impl Iterator<Item = Range<usize>> {
        self.pieces.iter().filter_map(move |piece| {
            let offset = piece.offset * FRAME_SAMPLES;
            let length = piece.frames.len() * FRAME_SAMPLES;
            let start = range.start.max(offset);
            let end = range.end.min(offset + length);
            let first = piece.frames.start * FRAME_SAMPLES;
            (start < end).then(|| start - offset + first..end - offset + first)
        })
    }

    /// The speech that none of `words`, which are samples of the recording in order, covers, where
    /// there is too much of it in a row for breath and noise.
    pub(crate) fn left_out(&self, words: &[Range<usize>]) -> Vec<Span> {
        let mut left = Vec::new();
        for speech in &self.speech {
            let mut heard = speech.start;
            for word in words {
                let (start, end) = (word.start / FRAME_SAMPLES, word.end.div_ceil(FRAME_SAMPLES));
                if start >= speech.end {
                    break;
                }
                left.push(heard..start.max(heard));
                heard = heard.max(end);
            }
            left.push(heard.min(speech.end)..speech.end);
        }
        left.retain(|span| span.len() >= LEFT_OUT);
        // Hesitations are scattered; what a model leaves out is in a row.
        let next_word = |span: &Span| words.partition_point(|w| w.start < span.end * FRAME_SAMPLES);
        left.chunk_by(|a, b| next_word(a) == next_word(b))
            .filter(|row| {
                row.iter().map(ExactSizeIterator::len).sum::<usize>() >= LEFT_OUT_IN_A_ROW
            })
            .flat_map(<[Span]>::to_vec)
            .collect()
    }

    /// A window of some of this one's speech, and the samples of it.
    pub(crate) fn part(&self, samples: &[i16], speech: Vec<Span>) -> (Self, Vec<i16>) {
        let mut part = Self {
            channel: self.channel,
            ..Self::default()
        };
        for span in speech {
            let Some(piece) = self
                .pieces
                .iter()
                .find(|piece| piece.frames.contains(&span.start))
            else {
                continue;
            };
            let before = part.pieces.last().map_or(0, |last| last.frames.end);
            let start = span.start.saturating_sub(LEAD).max(piece.frames.start);
            let end = (span.end + TRAIL).min(piece.frames.end);
            let frames = start.max(before.min(span.start))..end;
            part.push(Padded {
                frames,
                speech: span,
            });
        }
        let sound = part.pieces.iter().flat_map(|wanted| {
            self.pieces.iter().filter_map(|piece| {
                let start = wanted.frames.start.max(piece.frames.start);
                let end = wanted.frames.end.min(piece.frames.end);
                let first =
                    |frame: usize| (frame - piece.frames.start + piece.offset) * FRAME_SAMPLES;
                (start < end).then(|| first(start)..first(end))
            })
        });
        let sound: Vec<i16> = sound
            .filter_map(|range| samples.get(range))
            .flatten()
            .copied()
            .collect();
        (part, sound)
    }

    fn push(&mut self, padded: Padded) {
        let offset = self.frames();
        match self.pieces.last_mut() {
            Some(last) if last.frames.end >= padded.frames.start => {
                last.frames.end = padded.frames.end;
            }
            _ => self.pieces.push(Piece {
                frames: padded.frames,
                offset,
            }),
        }
        self.speech.push(padded.speech);
    }
}

/// A stretch of speech with its surroundings.
#[derive(Debug, Clone)]
struct Padded {
    frames: Span,
    speech: Span,
}

/// Packs a channel's stretches of speech into windows.
pub(crate) fn pack(channel: usize, stretches: &[Span], frames: &[Frame]) -> Vec<Window> {
    let mut windows = Vec::new();
    let mut window = Window {
        channel,
        ..Window::default()
    };
    for padded in pad(&split_long(stretches, frames), frames.len()) {
        if window.frames() + padded.frames.len() > MAX_FRAMES {
            let full = std::mem::replace(
                &mut window,
                Window {
                    channel,
                    ..Window::default()
                },
            );
            windows.extend(Some(full).filter(|window| !window.pieces.is_empty()));
        }
        window.push(padded);
    }
    windows.extend(Some(window).filter(|window| !window.pieces.is_empty()));
    windows
}

/// Cuts stretches that no window can hold at their quietest places.
fn split_long(stretches: &[Span], frames: &[Frame]) -> Vec<Span> {
    const LONGEST: usize = MAX_FRAMES - LEAD - TRAIL;
    let mut parts = Vec::new();
    for stretch in stretches {
        let mut rest = stretch.clone();
        while rest.len() > LONGEST {
            let last = rest.start + LONGEST;
            let cut = quietest(frames, rest.start + CUT_FROM..last).unwrap_or(last);
            parts.push(rest.start..cut);
            rest.start = cut;
        }
        parts.push(rest);
    }
    parts
}

/// Adds the surroundings, up to half of the silence between two stretches for each.
fn pad(stretches: &[Span], end: usize) -> Vec<Padded> {
    let mut padded = Vec::with_capacity(stretches.len());
    for (at, speech) in stretches.iter().enumerate() {
        let before = at
            .checked_sub(1)
            .map_or(0, |previous| stretches[previous].end);
        let after = stretches.get(at + 1).map_or(end, |next| next.start);
        // Both neighbours round the half the same way, so nothing is heard twice.
        let earliest = if at == 0 {
            0
        } else {
            before.midpoint(speech.start)
        };
        let latest = if at + 1 == stretches.len() {
            end
        } else {
            speech.end.midpoint(after)
        };
        let start = earliest.max(speech.start.saturating_sub(LEAD));
        let stop = latest.min(speech.end + TRAIL);
        padded.push(Padded {
            frames: start..stop,
            speech: speech.clone(),
        });
    }
    padded
}

/// Collects the samples of windows while a recording is read.
///
/// Give it every block of a channel in order; it hands out windows whose last sample has passed.
#[derive(Debug)]
pub(crate) struct Collector {
    windows: std::vec::IntoIter<Window>,
    filling: Option<(Window, Vec<i16>)>,
    position: u64,
}

impl Collector {
    /// A collector of these windows of one channel.
    pub(crate) fn new(windows: Vec<Window>) -> Self {
        let mut collector = Self {
            windows: windows.into_iter(),
            filling: None,
            position: 0,
        };
        collector.start_next();
        collector
    }

    /// Takes the channel's next samples and gives the windows that they completed to `ready`.
    pub(crate) fn take(&mut self, samples: &[i16], ready: &mut Vec<(Window, Vec<i16>)>) {
        let end = self.position + samples.len() as u64;
        while let Some((window, collected)) = &mut self.filling {
            for piece in &window.pieces {
                let first = (piece.frames.start * FRAME_SAMPLES) as u64;
                let last = (piece.frames.end * FRAME_SAMPLES) as u64;
                let (from, to) = (first.max(self.position), last.min(end));
                if from < to {
                    let range = (from - self.position) as usize..(to - self.position) as usize;
                    collected.extend_from_slice(&samples[range]);
                }
            }
            if window.end_sample() > end {
                break;
            }
            ready.extend(self.filling.take());
            self.start_next();
        }
        self.position = end;
    }

    /// The window whose last frame the recording's end cut short, if there is one.
    pub(crate) fn finish(&mut self) -> Option<(Window, Vec<i16>)> {
        self.filling.take().map(|(window, mut samples)| {
            samples.resize(window.samples(), 0);
            (window, samples)
        })
    }

    fn start_next(&mut self) {
        self.filling = self.windows.next().map(|window| {
            let samples = Vec::with_capacity(window.samples());
            (window, samples)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::speech::tests::draw;

    #[test]
    fn speech_close_together_shares_a_piece_and_silence_is_left_out() {
        let frames = draw(&".".repeat(20), 100);
        let windows = pack(1, &[100..200, 220..300, 1_000..1_100], &frames);
        assert_eq!(windows.len(), 1);
        let window = &windows[0];
        assert_eq!(window.channel, 1);
        assert_eq!(
            window.pieces,
            [
                Piece {
                    frames: 85..315,
                    offset: 0
                },
                Piece {
                    frames: 985..1_115,
                    offset: 230
                }
            ]
        );
        assert_eq!(window.speech, [100..200, 220..300, 1_000..1_100]);
        assert_eq!(window.frames(), 360);
    }

    #[test]
    fn windows_are_cut_at_pauses() {
        let stretches: Vec<Span> = (0..10).map(|at| at * 350..at * 350 + 300).collect();
        let frames = draw("######.", 1_000);
        let windows = pack(0, &stretches, &frames);
        assert_eq!(windows.len(), 5);
        assert!(windows.iter().all(|window| window.frames() <= MAX_FRAMES));
        let packed: Vec<Span> = windows
            .into_iter()
            .flat_map(|window| window.speech)
            .collect();
        assert_eq!(packed, stretches);
    }

    #[test]
    fn endless_speech_is_cut_where_it_is_quietest_and_nothing_is_lost() {
        let mut frames = draw("#", 6_000);
        for frame in &mut frames[700..710] {
            frame.level_db = -50;
        }
        let windows = pack(0, &[0..6_000], &frames);
        assert!((700..710).contains(&windows[0].speech[0].end));
        assert!(windows.iter().all(|window| window.frames() <= MAX_FRAMES));
        let mut heard = 0;
        for piece in windows.iter().flat_map(|window| &window.pieces) {
            assert_eq!(piece.frames.start, heard);
            heard = piece.frames.end;
        }
        assert_eq!(heard, 6_000);
    }

    #[test]
    fn window_times_map_back_to_the_recording() {
        let frames = draw(".", 2_000);
        let window = pack(0, &[100..200, 1_000..1_100], &frames).remove(0);
        let second = 130 * FRAME_SAMPLES;
        let across: Vec<_> = window.in_recording(second - 100..second + 100).collect();
        let (end, start) = (215 * FRAME_SAMPLES, 985 * FRAME_SAMPLES);
        assert_eq!(across, [end - 100..end, start..start + 100]);
    }

    #[test]
    fn speech_without_words_is_found_and_cut_out() {
        let frames = draw(".", 2_000);
        let window = pack(0, &[100..400, 1_000..1_100], &frames).remove(0);
        let word = |first: usize, end: usize| first * FRAME_SAMPLES..end * FRAME_SAMPLES;
        let all = [word(100, 390), word(1_000, 1_090)];
        assert!(window.left_out(&all).is_empty());
        let scattered = [
            word(100, 200),
            word(260, 330),
            word(390, 395),
            word(1_060, 1_090),
        ];
        assert!(window.left_out(&scattered).is_empty());
        let end = window.left_out(&[word(100, 250), word(252, 260), word(330, 340)]);
        assert_eq!(end, [340..400, 1_000..1_100]);
        let start = window.left_out(&[word(1_040, 1_090)]);
        assert_eq!(start, [100..400]);
    }

    #[test]
    fn a_part_has_its_own_samples() {
        let frames = draw(".", 2_000);
        let window = pack(0, &[100..400, 1_000..1_100], &frames).remove(0);
        let samples: Vec<i16> = (0..window.samples())
            .map(|at| (at / FRAME_SAMPLES) as i16)
            .collect();
        let (part, sound) = window.part(&samples, vec![250..330, 1_000..1_100]);
        assert_eq!(part.speech, [250..330, 1_000..1_100]);
        assert_eq!(part.pieces[0].frames, 235..345);
        assert_eq!(part.pieces[1].frames, 985..1_115);
        assert_eq!(part.pieces[1].offset, 110);
        assert_eq!(sound.len(), part.samples());
        assert_eq!(sound[0], 235 - 85);
        assert_eq!(sound[110 * FRAME_SAMPLES], 330);
    }

    #[test]
    fn the_collector_gathers_the_pieces_whatever_the_block_size() {
        let samples: Vec<i16> = (0..2_000 * FRAME_SAMPLES)
            .map(|at| (at % 30_011) as i16)
            .collect();
        let frames = draw(".", 2_000);
        let windows = pack(0, &[100..200, 1_000..1_100, 1_300..1_990], &frames);
        for size in [100, 4_000, samples.len()] {
            let mut collector = Collector::new(windows.clone());
            let mut ready = Vec::new();
            samples
                .chunks(size)
                .for_each(|block| collector.take(block, &mut ready));
            ready.extend(collector.finish());
            assert_eq!(ready.len(), windows.len());
            for (window, collected) in &ready {
                let expected: Vec<i16> = window
                    .in_recording(0..window.samples())
                    .flat_map(|range| samples[range].to_vec())
                    .collect();
                assert_eq!(*collected, expected);
            }
        }
    }
}
