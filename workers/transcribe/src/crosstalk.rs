//! Crosstalk: what one leg of a call carries of the other, by echo or by a headset that is open.
//!
//! The faint copy is transcribed like any voice, and would have a speaker say what the other said.
//! So a phrase is dropped where another channel says mostly the same words at the same time and much
//! louder. Two people who say the same thing at once are about equally loud on their own channels.

use std::ops::Range;

use crate::recording::SAMPLE_RATE;
use crate::survey::{FRAME_SAMPLES, Frame};
use crate::words::TimedWord;

/// How much fainter a copy is, in decibels. Telephone hybrids and headsets keep the other side 20 dB
/// down and more; two speakers rarely differ by so much.
const FAINTER_DB: f64 = 10.0;
/// The share of a phrase's words that the other channel has, too: a faint copy is misheard in parts.
const SHARED: f64 = 0.6;
/// Times of the same word on two channels differ by no more than this: the echo's way and what
/// alignment makes of it.
const APART: usize = SAMPLE_RATE as usize * 3 / 10;
/// A pause that ends a phrase.
const PAUSE: usize = SAMPLE_RATE as usize / 2;

/// Drops the phrases that are another channel's, heard through. `frames` are those of each channel.
pub(crate) fn drop_echoes(channels: &mut [Vec<TimedWord>], frames: &[Vec<Frame>]) {
    let echoes: Vec<Vec<Range<usize>>> = (0..channels.len())
        .map(|channel| {
            phrases(&channels[channel])
                .into_iter()
                .filter(|phrase| {
                    is_echo(
                        channel,
                        &channels[channel][phrase.clone()],
                        channels,
                        frames,
                    )
                })
                .collect()
        })
        .collect();
    for (words, echoes) in channels.iter_mut().zip(echoes) {
        for echo in echoes.into_iter().rev() {
            words.drain(echo);
        }
    }
}

/// The words between pauses.
fn phrases(words: &[TimedWord]) -> Vec<Range<usize>> {
    let mut first = 0;
    words
        .chunk_by(|a, b| b.samples.start.saturating_sub(a.samples.end) < PAUSE)
        .map(|phrase| {
            let range = first..first + phrase.len();
            first = range.end;
            range
        })
        .collect()
}

fn is_echo(
    channel: usize,
    phrase: &[TimedWord],
    channels: &[Vec<TimedWord>],
    frames: &[Vec<Frame>],
) -> bool {
    let (Some(first), Some(last)) = (phrase.first(), phrase.last()) else {
        return false;
    };
    let span = first.samples.start / FRAME_SAMPLES..last.samples.end.div_ceil(FRAME_SAMPLES);
    let own = level_db(&frames[channel], &span);
    (0..channels.len())
        .filter(|&other| other != channel)
        .any(|other| {
            level_db(&frames[other], &span) - own >= FAINTER_DB
                && shared(phrase, &channels[other]) >= SHARED
        })
}

/// The share of a phrase's words that are said elsewhere at the same time.
fn shared(phrase: &[TimedWord], other: &[TimedWord]) -> f64 {
    let said = phrase.iter().filter(|word| {
        let from = other.partition_point(|one| one.samples.end + APART < word.samples.start);
        other[from..]
            .iter()
            .take_while(|one| one.samples.start <= word.samples.end + APART)
            .any(|one| plain(&one.text) == plain(&word.text))
    });
    said.count() as f64 / phrase.len() as f64
}

fn plain(text: &str) -> String {
    text.chars()
        .filter(|sign| sign.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

/// The mean power of some frames in decibels below full scale.
fn level_db(frames: &[Frame], span: &Range<usize>) -> f64 {
    let end = span.end.min(frames.len());
    let heard = &frames[span.start.min(end)..end];
    let power: f64 = heard
        .iter()
        .map(|frame| 10_f64.powf(f64::from(frame.level_db) / 10.0))
        .sum();
    10.0 * (power / heard.len().max(1) as f64).max(1e-10).log10()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(words: &[(&str, usize)]) -> Vec<TimedWord> {
        let word = |&(text, ms): &(&str, usize)| TimedWord {
            text: text.to_owned(),
            samples: ms * 16..(ms + 250) * 16,
            confidence: 0.9,
            digits: Vec::new(),
        };
        words.iter().map(word).collect()
    }

    fn loud(level_db: i8) -> Vec<Frame> {
        let voice = 255;
        vec![Frame { voice, level_db }; 1_000]
    }

    fn left(channels: &[&[(&str, usize)]; 2], levels_db: [i8; 2]) -> [usize; 2] {
        let mut words = channels.map(said);
        drop_echoes(&mut words, &levels_db.map(loud));
        words.map(|words| words.len())
    }

    const LOUD: &[(&str, usize)] = &[("Your", 0), ("card", 300), ("is", 600), ("blocked.", 900)];

    #[test]
    fn a_faint_copy_is_dropped_though_a_word_of_it_was_misheard() {
        let faint = &[("your", 40), ("cart", 330), ("is", 650), ("blocked", 930)];
        assert_eq!(left(&[LOUD, faint], [-20, -40]), [4, 0]);
        assert_eq!(left(&[faint, LOUD], [-40, -20]), [0, 4]);
    }

    #[test]
    fn what_is_as_loud_or_differs_or_comes_later_stays() {
        let faint = &[("your", 40), ("card", 330), ("is", 650), ("blocked", 930)];
        assert_eq!(left(&[LOUD, faint], [-20, -25]), [4, 4]);
        let other = &[("Oh", 40), ("no", 330), ("not", 650), ("again", 930)];
        assert_eq!(left(&[LOUD, other], [-20, -40]), [4, 4]);
        let repeated = &[
            ("Your", 5_000),
            ("card", 5_300),
            ("is", 5_600),
            ("blocked", 5_900),
        ];
        assert_eq!(left(&[LOUD, repeated], [-20, -40]), [4, 4]);
    }

    #[test]
    fn only_the_phrase_is_dropped() {
        let mixed = &[("Your", 40), ("card", 330), ("is", 650), ("What?", 3_000)];
        assert_eq!(left(&[LOUD, mixed], [-20, -40]), [4, 1]);
    }
}
