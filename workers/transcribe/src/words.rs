//! From tokens to words with times in the recording.
//!
//! Cross-attention tells when each token of a window was said, roughly: it knows nothing of
//! silence, so a word's time may reach over a pause, and the first word may begin with the window.
//! The voice detector knows when somebody spoke, but not what. Here the two are put together: a
//! word lies in speech, and speech between two words belongs to one of them. A word with several
//! digits covers all of its speech, pauses included, so that cutting it from the audio leaves
//! nothing of a card number; so does each of a row of digits up to the next.

mod digits;
mod written;

use std::ops::Range;

use crate::model::Alignment;
use crate::recording::SAMPLE_RATE;
use crate::survey::FRAME_SAMPLES;
use crate::vocabulary::Vocabulary;
use crate::windows::Window;
use digits::digits;
use written::{Written, written};

/// A word and when it was said, in samples of the recording.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TimedWord {
    pub(crate) text: String,
    pub(crate) samples: Range<usize>,
    pub(crate) confidence: f32,
    /// Where each digit begins, if there are several.
    pub(crate) digits: Vec<usize>,
}

const fn samples_in_ms(ms: usize) -> usize {
    ms * SAMPLE_RATE as usize / 1_000
}

/// The voice detector may be this late for an onset, and this early at an end.
const MARGIN: usize = samples_in_ms(64);
/// The shortest word.
const SHORTEST: usize = samples_in_ms(20);
/// Speech up to this long after a word belongs to it, if no other word claims it.
const STRETCH_AFTER: usize = samples_in_ms(500);
/// The same before the first word of a stretch of speech.
const STRETCH_BEFORE: usize = samples_in_ms(300);
/// No word takes longer than the first of these, or than the second for each of its characters;
/// if it does, the model left something out.
const LONGEST: usize = samples_in_ms(1_200);
const LONGEST_PER_CHARACTER: usize = samples_in_ms(180);
/// A sentence begins in the last stretch of speech that its first word has so much of.
const FOLLOWING: usize = samples_in_ms(60);
/// This many digits make a number that must be covered whole.
const NUMBER_DIGITS: usize = 2;
/// So many words in a row, each given no more than [`SQUEEZED`], were not said.
const SQUEEZED_RUN: usize = 4;
/// Two frames of the encoder.
const SQUEEZED: usize = samples_in_ms(40);

/// The words of a window, in order, within its speech.
pub(crate) fn words(
    vocabulary: &Vocabulary,
    spaced: bool,
    window: &Window,
    tokens: &[usize],
    alignment: &Alignment,
) -> Vec<TimedWord> {
    let written = written(vocabulary, spaced, tokens);
    let said = drop_squeezed(written, alignment);
    let mut placed: Vec<Placed> = Vec::with_capacity(said.len());
    for word in said {
        let begins = placed
            .last()
            .is_none_or(|before| before.written.ends_sentence());
        placed.extend(place(window, word, alignment, begins));
    }
    for at in 1..placed.len() {
        let (before, rest) = placed.split_at_mut(at);
        rest[0].start_after(before[at - 1].samples.end);
    }
    shorten(&mut placed);
    stretch(&mut placed, window);
    placed
        .into_iter()
        .map(|placed| {
            let digits = digits(vocabulary, window, &placed, tokens, alignment);
            placed.word(alignment, digits)
        })
        .collect()
}

/// Whether words of a language are parted by spaces.
pub(crate) fn is_spaced(language: &str) -> bool {
    !matches!(language, "zh" | "ja" | "th" | "lo" | "my" | "yue")
}

/// Drops runs of words that were given no time: invented text at the end of speech, and loops.
fn drop_squeezed(words: Vec<Written>, alignment: &Alignment) -> Vec<Written> {
    let squeezed = |word: &Written| window_samples(word, alignment).len() <= SQUEEZED;
    let runs = words.chunk_by(|a, b| squeezed(a) == squeezed(b));
    runs.filter(|run| run.len() < SQUEEZED_RUN || !squeezed(&run[0]))
        .flat_map(<[Written]>::to_vec)
        .collect()
}

/// When a word was said, in samples of the window.
fn window_samples(word: &Written, alignment: &Alignment) -> Range<usize> {
    let bound = |at: usize| alignment.bounds.get(at).copied().unwrap_or(0);
    bound(word.said.start)..bound(word.said.end)
}

/// A word in the recording.
#[derive(Debug, Clone)]
struct Placed {
    written: Written,
    samples: Range<usize>,
    /// The first and last stretch of the window's speech that it lies in.
    speech: (usize, usize),
}

impl Placed {
    fn is_number(&self) -> bool {
        self.written.digits() >= NUMBER_DIGITS
    }

    fn start_after(&mut self, earliest: usize) {
        self.samples.start = self.samples.start.max(earliest);
        self.samples.end = self.samples.end.max(self.samples.start + SHORTEST);
    }

    fn word(self, alignment: &Alignment, digits: Vec<usize>) -> TimedWord {
        let probabilities = alignment
            .probabilities
            .get(self.written.said)
            .unwrap_or_default();
        let sum: f32 = probabilities.iter().sum();
        let confidence = (sum / probabilities.len().max(1) as f32).clamp(0.0, 1.0);
        TimedWord {
            text: self.written.text,
            samples: self.samples,
            confidence,
            digits,
        }
    }
}

/// A stretch of the window's speech in samples of the recording, with the margins that its piece
/// has room for.
fn with_margins(window: &Window, at: usize) -> Range<usize> {
    let speech = &window.speech[at];
    let piece = window
        .pieces
        .iter()
        .map(|piece| &piece.frames)
        .find(|frames| frames.contains(&speech.start));
    let room = piece.unwrap_or(speech);
    let start = (speech.start * FRAME_SAMPLES).saturating_sub(MARGIN);
    let end = speech.end * FRAME_SAMPLES + MARGIN;
    start.max(room.start * FRAME_SAMPLES)..end.min(room.end * FRAME_SAMPLES)
}

/// Finds the speech that a word's time stands for.
///
/// A word that `begins` a sentence belongs with what follows: attention often settles on it while
/// there is still silence, or other noise.
fn place(window: &Window, written: Written, alignment: &Alignment, begins: bool) -> Option<Placed> {
    let mut samples = window_samples(&written, alignment);
    // A word at the very end of the window has its place in the last frame.
    let last = window.samples().saturating_sub(SHORTEST);
    samples.start = samples.start.min(last);
    samples.end = samples.end.max(samples.start + SHORTEST);
    let parts: Vec<(usize, Range<usize>)> = window
        .in_recording(samples.clone())
        .flat_map(|part| (0..window.speech.len()).map(move |at| (at, part.clone())))
        .filter_map(|(at, part)| {
            let speech = with_margins(window, at);
            let common = part.start.max(speech.start)..part.end.min(speech.end);
            (common.len() >= SHORTEST).then_some((at, common))
        })
        .collect();
    let longest = parts.iter().max_by_key(|(_, part)| part.len());
    let following = parts.iter().rfind(|(_, part)| part.len() >= FOLLOWING);
    let likeliest = following
        .filter(|_| begins && !written.ends_sentence())
        .or(longest);
    let Some((at, part)) = likeliest else {
        let part = window.in_recording(samples).next()?;
        let at = nearest(window, &part);
        return Some(Placed {
            written,
            samples: part,
            speech: (at, at),
        });
    };
    if written.digits() >= NUMBER_DIGITS {
        let (first, last) = (parts.first()?, parts.last()?);
        let samples = first.1.start..last.1.end;
        return Some(Placed {
            written,
            samples,
            speech: (first.0, last.0),
        });
    }
    Some(Placed {
        written,
        samples: part.clone(),
        speech: (*at, *at),
    })
}

/// The stretch of speech nearest to a part of the recording.
fn nearest(window: &Window, part: &Range<usize>) -> usize {
    let distance = |&at: &usize| {
        let speech = with_margins(window, at);
        speech
            .start
            .saturating_sub(part.end)
            .max(part.start.saturating_sub(speech.end))
    };
    (0..window.speech.len()).min_by_key(distance).unwrap_or(0)
}

/// Takes from words what is too long to be theirs: at the start after a sentence, else at the end.
fn shorten(words: &mut [Placed]) {
    let mut after_sentence = true;
    for word in words {
        let longest = LONGEST.max(LONGEST_PER_CHARACTER * word.written.text.chars().count());
        let ends_sentence = word.written.ends_sentence();
        if word.samples.len() > longest && !word.is_number() {
            if after_sentence && !ends_sentence {
                word.samples.start = word.samples.end - longest;
            } else {
                word.samples.end = word.samples.start + longest;
            }
        }
        after_sentence = ends_sentence;
    }
}

/// Gives the speech around words to them.
fn stretch(words: &mut [Placed], window: &Window) {
    for at in 0..words.len() {
        let (first, last) = words[at].speech;
        let whole = words[at].written.is_digit();
        let before = at.checked_sub(1).map(|before| &words[before]);
        if before.is_none_or(|before| before.speech.1 != first) {
            let earliest = before.map_or(0, |before| before.samples.end);
            let start = with_margins(window, first).start.max(earliest);
            let gap = words[at].samples.start.saturating_sub(start);
            if whole || gap <= STRETCH_BEFORE {
                words[at].samples.start -= gap;
            }
        }
        let next = words.get(at + 1).filter(|next| next.speech.0 == last);
        let end = next.map_or(with_margins(window, last).end, |next| next.samples.start);
        let gap = end.saturating_sub(words[at].samples.end);
        if whole || gap <= STRETCH_AFTER {
            words[at].samples.end += gap;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vocabulary::tests::of;
    use crate::windows::Piece;

    fn alignment(bounds_ms: &[usize]) -> Alignment {
        Alignment {
            bounds: bounds_ms.iter().map(|&ms| samples_in_ms(ms)).collect(),
            probabilities: vec![0.5; bounds_ms.len() - 1],
        }
    }

    /// A window of one piece from the recording's start, in frames of 16 ms.
    fn window(frames: usize, speech: &[Range<usize>]) -> Window {
        let pieces = vec![Piece {
            frames: 0..frames,
            offset: 0,
        }];
        Window {
            channel: 0,
            pieces,
            speech: speech.to_vec(),
        }
    }

    fn all(tokens: &[&str], window: &Window, bounds_ms: &[usize]) -> Vec<TimedWord> {
        let ids: Vec<usize> = (0..tokens.len()).collect();
        words(&of(tokens), true, window, &ids, &alignment(bounds_ms))
    }

    fn texts(tokens: &[&str]) -> Vec<String> {
        let bounds: Vec<usize> = (0..=tokens.len()).map(|at| at * 100).collect();
        let words = all(tokens, &window(1_000, &[0..1_000]), &bounds);
        words.into_iter().map(|word| word.text).collect()
    }

    #[test]
    fn digits_share_their_tokens_time_and_pauses_have_none() {
        let window = window(1_000, &[0..50, 100..200]);
        let words = all(
            &["Ġ45", "32", "-", "1", "Ġis"],
            &window,
            &[0, 1_600, 2_000, 2_000, 2_400, 3_000],
        );
        assert_eq!(words[0].text, "4532-1");
        let ms: Vec<usize> = words[0].digits.iter().map(|&sample| sample / 16).collect();
        // The first group has 864 ms of speech, and from 64 ms before 1,600 ms to 2,000 ms.
        assert_eq!(ms, [0, 332, 664, 1_668, 2_000]);
        assert!(words[1].digits.is_empty());
    }

    #[test]
    fn words_are_what_spaces_part() {
        assert_eq!(
            texts(&["ĠOne", "Ġpay", "ment", ",", "Ġ$", "4", ".", "50", "."]),
            ["One", "payment,", "$4.50."]
        );
        assert_eq!(texts(&["ĠZ", "o", "Ã", "«", "'s"]), ["Zoë's"]);
        assert_eq!(
            texts(&["Ġ\"", "Hi", "\"", "Ġ-", "Ġyou", "Ġ..."]),
            ["\"Hi\"-", "you..."]
        );
        assert_eq!(texts(&["Ġ-", "Ġyes"]), ["-yes"]);
        assert_eq!(texts(&["Ġ...", "!"]), Vec::<String>::new());
    }

    #[test]
    fn unspaced_languages_are_parted_by_character() {
        let tokens = ["æ", "Ĺ", "¥", "æľ¬", "ãĢĤ"];
        let words = words(
            &of(&tokens),
            false,
            &window(1_000, &[0..1_000]),
            &[0, 1, 2, 3, 4],
            &alignment(&[0, 100, 200, 300, 400, 500]),
        );
        let texts: Vec<_> = words.iter().map(|word| word.text.as_str()).collect();
        assert_eq!(texts, ["日", "本。"]);
    }

    #[test]
    fn words_stay_in_speech() {
        // Speech from 1.6 to 3.2 s and from 4.8 to 6.4 s; attention spread over the silences.
        let window = window(500, &[100..200, 300..400]);
        let words = all(
            &["ĠHello", "Ġthere", "Ġyou"],
            &window,
            &[0, 2_000, 5_000, 8_000],
        );
        let ms = |samples: usize| samples / 16;
        assert_eq!(ms(words[0].samples.start), 1_536);
        assert_eq!(ms(words[0].samples.end), ms(words[1].samples.start));
        assert!(ms(words[1].samples.end) <= 3_264);
        assert!(ms(words[2].samples.start) >= 4_736 && ms(words[2].samples.end) <= 6_464);
        assert!(words.iter().all(|word| word.confidence == 0.5));
    }

    #[test]
    fn a_number_covers_all_its_speech_and_a_word_only_its_own() {
        let window = window(500, &[100..200, 300..400]);
        let bounds = [1_600, 2_000, 2_400, 6_000];
        let words = all(&["ĠIs", "Ġ41", "11-22"], &window, &bounds);
        assert_eq!(words[1].text, "4111-22");
        assert_eq!(words[1].samples, samples_in_ms(2_000)..samples_in_ms(6_464));
        let words = all(&["ĠIs", "Ġno", "body"], &window, &bounds);
        assert!(words[1].samples.start >= samples_in_ms(4_736));
    }

    #[test]
    fn a_sentence_begins_with_its_speech_and_ends_with_it() {
        // Noise from 1.6 to 3.2 s, then speech from 4.8 to 6.4 s.
        let window = window(500, &[100..200, 300..400]);
        let words = all(&["ĠThank", "Ġyou"], &window, &[1_600, 5_000, 5_400]);
        assert!(words[0].samples.start >= samples_in_ms(4_736));
        let words = all(
            &["ĠYes", ".", "ĠNo", "."],
            &window,
            &[2_500, 5_000, 5_300, 5_600, 5_700],
        );
        assert!(words[0].samples.end <= samples_in_ms(4_736 - 1_000));
    }

    #[test]
    fn speech_after_a_digit_is_the_digits() {
        let window = window(500, &[100..400]);
        let tokens = ["ĠIs", "Ġfive", ",", "Ġok"];
        let words = all(&tokens, &window, &[1_600, 2_000, 2_300, 4_000, 4_400]);
        assert_eq!(words[1].samples, samples_in_ms(2_000)..samples_in_ms(4_000));
    }

    #[test]
    fn squeezed_text_was_not_said() {
        let window = window(500, &[0..500]);
        let tokens = ["ĠYes", "Ġthank", "Ġyou", "Ġfor", "Ġwatching"];
        let words = all(&tokens, &window, &[100, 500, 520, 540, 560, 580]);
        assert_eq!(words.len(), 1);
    }

    #[test]
    fn times_rise_whatever_the_alignment_says() {
        let window = window(500, &[100..110]);
        let tokens = ["Ġa", "Ġb", "Ġc"];
        for bounds in [
            [0, 0, 0, 0],
            [7_999, 8_000, 8_000, 8_000],
            [1_600, 1_650, 1_650, 9_000],
        ] {
            let words = all(&tokens, &window, &bounds);
            assert_eq!(words.len(), 3);
            assert!(
                words
                    .iter()
                    .all(|word| word.samples.start < word.samples.end)
            );
            assert!(
                words
                    .windows(2)
                    .all(|w| w[0].samples.end <= w[1].samples.start)
            );
        }
    }
}
