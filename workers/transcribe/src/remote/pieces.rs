//! What is uploaded of a recording: speech with a little silence, one channel at a time.
//!
//! Servers cut an upload into windows themselves, so an upload is as long as the limits allow. A
//! pause keeps up to two seconds, by which sentences are told apart; the rest of it is left out,
//! which costs no time and leaves nothing to invent text for.

use std::time::Duration;

use bytes::Bytes;

use super::{RemoteError, answer::Segment};
use crate::{
    recording::Recording,
    speech::{Span, quietest},
    survey::{FRAME_SAMPLES, Frame, Survey, frames_in_ms},
    windows::{Collector, Piece, Window},
};

/// What is kept of a pause on each side of it.
const MARGIN: usize = frames_in_ms(1_000);

/// What is uploaded at once.
#[derive(Debug)]
pub(super) struct Upload {
    /// Which parts of the recording it is made of.
    pub(super) window: Window,
    /// The file.
    pub(super) sound: Bytes,
    /// How long it is.
    pub(super) duration: Duration,
}

/// The uploads of each channel.
pub(super) type Plan = Vec<Vec<Window>>;

/// The uploads of a recording, each at most so many frames long; none of a channel that is a copy.
pub(super) fn plan(survey: &Survey, speech: &[Vec<Span>], longest: usize) -> Plan {
    let channels = survey.frames.iter().zip(&survey.copy_of).zip(speech);
    channels
        .enumerate()
        .map(|(channel, ((frames, copy), speech))| {
            if copy.is_some() {
                Vec::new()
            } else {
                uploads(channel, speech, frames, longest)
            }
        })
        .collect()
}

fn uploads(channel: usize, speech: &[Span], frames: &[Frame], longest: usize) -> Vec<Window> {
    let mut done = Vec::new();
    let mut window = empty(channel);
    let parts = split_long(speech, frames, longest.saturating_sub(2 * MARGIN).max(1));
    for (at, part) in parts.iter().enumerate() {
        let before = at.checked_sub(1).map(|at| parts[at].end);
        let after = parts.get(at + 1).map(|next| next.start);
        let first = before.map_or(0, |end| end.midpoint(part.start));
        let last = after.map_or(frames.len(), |start| part.end.midpoint(start));
        let padded = first.max(part.start.saturating_sub(MARGIN))..last.min(part.end + MARGIN);
        if window.frames() + padded.len() > longest && !window.pieces.is_empty() {
            done.push(std::mem::replace(&mut window, empty(channel)));
        }
        let offset = window.frames();
        match window.pieces.last_mut() {
            Some(piece) if piece.frames.end == padded.start => piece.frames.end = padded.end,
            _ => window.pieces.push(Piece {
                frames: padded,
                offset,
            }),
        }
        window.speech.push(part.clone());
    }
    done.extend(Some(window).filter(|window| !window.pieces.is_empty()));
    done
}

fn empty(channel: usize) -> Window {
    Window {
        channel,
        ..Window::default()
    }
}

/// Cuts stretches that no upload can hold in the quietest place of their last third.
fn split_long(speech: &[Span], frames: &[Frame], longest: usize) -> Vec<Span> {
    let mut parts = Vec::with_capacity(speech.len());
    for stretch in speech {
        let mut rest = stretch.clone();
        while rest.len() > longest {
            let last = rest.start + longest;
            let from = rest.start + (longest * 2 / 3).max(1);
            let cut = quietest(frames, from..last).unwrap_or(last);
            parts.push(rest.start..cut);
            rest.start = cut;
        }
        parts.push(rest);
    }
    parts
}

/// Reads the recording and hands out the samples of each upload.
pub(super) fn read(
    recording: &dyn Recording,
    plan: Plan,
    mut give: impl FnMut(Window, Vec<i16>) -> Result<(), RemoteError>,
) -> Result<(), RemoteError> {
    let unreadable = |source| crate::engine::EngineError::ReadRecording { source };
    let mut collectors: Vec<Collector> = plan.into_iter().map(Collector::new).collect();
    let (mut ready, mut block, mut channel) = (Vec::new(), Vec::new(), Vec::new());
    let mut blocks = recording.open().map_err(unreadable)?;
    while blocks.next_block(&mut block).map_err(unreadable)? {
        let count = collectors.len();
        for (at, collector) in collectors.iter_mut().enumerate() {
            channel.clear();
            channel.extend(block.iter().skip(at).step_by(count));
            collector.take(&channel, &mut ready);
        }
        for (window, samples) in ready.drain(..) {
            give(window, samples)?;
        }
    }
    let last = collectors.iter_mut().filter_map(Collector::finish);
    last.into_iter()
        .try_for_each(|(window, samples)| give(window, samples))
}

/// Where a sample of an upload is in the recording. Between two pieces it is the end of the first
/// for what ends there, and the start of the second for what begins there.
pub(super) fn in_recording(window: &Window, sample: usize, ends: bool) -> usize {
    let end_of = |piece: &Piece| (piece.offset + piece.frames.len()) * FRAME_SAMPLES;
    let holds = |piece: &&Piece| sample < end_of(piece) || (ends && sample == end_of(piece));
    let piece = window.pieces.iter().find(holds);
    piece.or(window.pieces.last()).map_or(0, |piece| {
        let first = piece.frames.start * FRAME_SAMPLES;
        let within = sample.saturating_sub(piece.offset * FRAME_SAMPLES);
        first + within.min(piece.frames.len() * FRAME_SAMPLES)
    })
}

/// Lets segments reach over the speech around them that no other claims: theirs are the only times
/// that are known, and all that is said in them must lie within.
pub(super) fn widen(mut segments: Vec<Segment>, speech: &[Span]) -> Vec<Segment> {
    let samples = |span: &Span| span.start * FRAME_SAMPLES..span.end * FRAME_SAMPLES;
    let mut free_from = 0;
    for at in 0..segments.len() {
        let free_to = segments.get(at + 1).map(|next| next.samples.start);
        let own = &mut segments[at].samples;
        for stretch in speech.iter().map(samples) {
            if stretch.contains(&own.start) {
                own.start = own.start.min(stretch.start.max(free_from));
            }
            if stretch.contains(&own.end) {
                let limit = free_to.unwrap_or(usize::MAX).max(own.end);
                own.end = stretch.end.min(limit);
            }
        }
        free_from = own.end;
    }
    segments
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{recording::Pcm, speech::tests::draw};

    const SECOND: usize = frames_in_ms(1_000);

    #[test]
    fn long_silence_is_shortened_and_short_is_kept() {
        let frames = draw(".", 100 * SECOND);
        let s = |n: usize| n * SECOND;
        let speech = [s(10)..s(12), s(13)..s(15), s(40)..s(41)];
        let uploads = uploads(1, &speech, &frames, s(60));
        let [upload] = &uploads[..] else {
            panic!("{uploads:?}")
        };
        assert_eq!(upload.channel, 1);
        assert_eq!(upload.pieces[0].frames, s(9)..s(16));
        assert_eq!(upload.pieces[1].frames, s(39)..s(42));
        assert_eq!(upload.pieces[1].offset, s(7));
        assert_eq!(upload.speech, speech);
    }

    #[test]
    fn uploads_are_cut_at_pauses_within_the_limit_and_nothing_is_lost() {
        let speech: Vec<Span> = (0..20).map(|n| n * 700 + 50..n * 700 + 600).collect();
        let frames = draw(".", 14_000);
        let uploads = uploads(0, &speech, &frames, 2_000);
        assert!(uploads.iter().all(|upload| upload.frames() <= 2_000));
        let said: Vec<Span> = uploads.into_iter().flat_map(|one| one.speech).collect();
        assert_eq!(said, speech);
    }

    #[test]
    fn endless_speech_is_cut_where_it_is_quietest() {
        let mut frames = draw("#", 6_000);
        for frame in &mut frames[800..806] {
            frame.level_db = -50;
        }
        let uploads = uploads(0, &[0..6_000], &frames, 1_000);
        assert!(
            (800..806).contains(&uploads[0].speech[0].end),
            "{uploads:?}"
        );
        assert!(uploads.iter().all(|upload| upload.frames() <= 1_000));
        let mut heard = 0;
        for piece in uploads.iter().flat_map(|upload| &upload.pieces) {
            assert_eq!(piece.frames.start, heard);
            heard = piece.frames.end;
        }
        assert_eq!(heard, 6_000);
    }

    #[test]
    fn times_map_back() {
        let frames = draw(".", 100 * SECOND);
        let speech = [10 * SECOND..12 * SECOND, 40 * SECOND..41 * SECOND];
        let upload = uploads(0, &speech, &frames, 60 * SECOND).remove(0);
        let second = SECOND * FRAME_SAMPLES;
        assert_eq!(in_recording(&upload, second, false), 10 * second);
        // The joint of the two pieces.
        assert_eq!(in_recording(&upload, 4 * second, true), 13 * second);
        assert_eq!(in_recording(&upload, 4 * second, false), 39 * second);
        assert_eq!(in_recording(&upload, 99 * second, true), 42 * second);
    }

    #[test]
    fn each_upload_has_its_own_samples() {
        let samples: Vec<i16> = (0..600 * FRAME_SAMPLES)
            .map(|at| (at / FRAME_SAMPLES) as i16)
            .collect();
        let recording = Pcm::new(vec![vec![7; samples.len()], samples]);
        let frames = draw(".", 600);
        let plan = vec![Vec::new(), uploads(1, &[100..200, 400..500], &frames, 300)];
        let mut given = Vec::new();
        read(&recording, plan, |window, samples| {
            given.push((window, samples));
            Ok(())
        })
        .unwrap();
        assert_eq!(given.len(), 2);
        for (window, samples) in given {
            assert_eq!(samples.len(), window.samples());
            let first = window.pieces[0].frames.start as i16;
            assert_eq!((samples[0], samples[FRAME_SAMPLES]), (first, first + 1));
        }
    }

    #[test]
    fn segments_reach_over_unclaimed_speech() {
        let segment = |start: usize, end: usize| Segment {
            text: "x".to_owned(),
            samples: start * FRAME_SAMPLES..end * FRAME_SAMPLES,
            confidence: 1.0,
        };
        let widened = widen(
            vec![segment(20, 30), segment(40, 60), segment(90, 95)],
            &[10..50, 80..100],
        );
        let frames: Vec<Span> = widened
            .iter()
            .map(|one| one.samples.start / FRAME_SAMPLES..one.samples.end / FRAME_SAMPLES)
            .collect();
        assert_eq!(frames, [10..40, 40..60, 80..100]);
    }
}
