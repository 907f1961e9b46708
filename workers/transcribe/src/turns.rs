//! From words to turns.

use colloquy_contract::transcript::{Role, Turn, Word};

use crate::recording::SAMPLE_RATE;
use crate::words::TimedWord;

/// A pause this long ends a turn.
const PAUSE_MS: u64 = 800;
/// So does this one where another speaker says something in it.
const YIELD_MS: u64 = 400;
/// So does this one after a sentence.
const SENTENCE_PAUSE_MS: u64 = 400;
/// A turn this long ends with its sentence, so that a reader finds a place again.
const LONG_MS: u64 = 30_000;
/// A turn this long ends with its word.
const LONGEST_MS: u64 = 60_000;

/// The turns of a conversation by start time, from the words of each channel.
pub(crate) fn turns(channels: Vec<Vec<TimedWord>>, roles: &[Role]) -> Vec<Turn> {
    let channels: Vec<Vec<Word>> = channels
        .into_iter()
        .map(|words| words.into_iter().map(word).collect())
        .collect();
    let mut turns: Vec<Turn> = Vec::new();
    for (channel, words) in channels.iter().enumerate() {
        let role = roles.get(channel).copied().unwrap_or_default();
        let mut said: Vec<Word> = Vec::new();
        for word in words {
            if ends_turn(&said, word, &channels, channel) {
                turns.extend(Turn::new(channel as u16, role, std::mem::take(&mut said)));
            }
            said.push(word.clone());
        }
        turns.extend(Turn::new(channel as u16, role, said));
    }
    turns.sort_by_key(|turn| (turn.start_ms, turn.channel));
    turns
}

/// A word as it stands in a transcript.
pub(crate) fn word(timed: TimedWord) -> Word {
    let ms = |sample: usize| (sample as u64 * 1_000).div_ceil(u64::from(SAMPLE_RATE));
    Word {
        text: timed.text,
        start_ms: ms(timed.samples.start),
        end_ms: ms(timed.samples.end),
        confidence: timed.confidence,
        digit_starts_ms: timed.digits.into_iter().map(ms).collect(),
    }
}

/// Whether a turn of the words `said` ends before the word `next`.
fn ends_turn(said: &[Word], next: &Word, channels: &[Vec<Word>], channel: usize) -> bool {
    let (Some(first), Some(last)) = (said.first(), said.last()) else {
        return false;
    };
    let pause = next.start_ms.saturating_sub(last.end_ms);
    let length = last.end_ms - first.start_ms;
    let sentence = last
        .text
        .trim_end_matches(['"', '\'', ')', '”'])
        .ends_with(['.', '?', '!', '。']);
    pause >= PAUSE_MS
        || (sentence && (pause >= SENTENCE_PAUSE_MS || length >= LONG_MS))
        || length >= LONGEST_MS
        || (pause >= YIELD_MS && others_speak(last.end_ms, next.start_ms, channels, channel))
}

/// Whether a word begins on another channel between two times.
fn others_speak(start_ms: u64, end_ms: u64, channels: &[Vec<Word>], channel: usize) -> bool {
    channels
        .iter()
        .enumerate()
        .filter(|&(other, _)| other != channel)
        .any(|(_, words)| {
            let next = words.partition_point(|word| word.start_ms < start_ms);
            words.get(next).is_some_and(|word| word.start_ms < end_ms)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timed(words: &[(&str, usize, usize)]) -> Vec<TimedWord> {
        let word = |&(text, start, end): &(&str, usize, usize)| TimedWord {
            text: text.to_owned(),
            samples: start * 16..end * 16,
            confidence: 0.9,
            digits: Vec::new(),
        };
        words.iter().map(word).collect()
    }

    fn texts(channels: &[&[(&str, usize, usize)]]) -> Vec<(u16, String)> {
        let channels = channels.iter().map(|words| timed(words)).collect();
        turns(channels, &[])
            .into_iter()
            .map(|turn| (turn.channel, turn.text))
            .collect()
    }

    #[test]
    fn long_pauses_and_sentences_end_turns() {
        let found = texts(&[&[
            ("Hello", 0, 300),
            ("there.", 600, 900),
            ("How", 1_400, 1_500),
            ("are", 2_000, 2_100),
            ("you", 2_900, 3_000),
        ]]);
        let texts: Vec<&str> = found.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(texts, ["Hello there.", "How are", "you"]);
    }

    #[test]
    fn a_turn_ends_where_the_other_takes_over() {
        let one: &[_] = &[("So", 0, 300), ("then", 900, 1_200)];
        assert_eq!(texts(&[one]), [(0, "So then".to_owned())]);
        let found = texts(&[one, &[("Yes?", 400, 700)]]);
        assert_eq!(
            found,
            [(0, "So".into()), (1, "Yes?".into()), (0, "then".into())]
        );
    }

    #[test]
    fn endless_talk_is_cut() {
        let words: Vec<TimedWord> = (0..400)
            .map(|at| TimedWord {
                text: "on".to_owned(),
                samples: at * 8_000..at * 8_000 + 8_000,
                confidence: 1.0,
                digits: Vec::new(),
            })
            .collect();
        let turns = turns(vec![words], &[Role::Agent]);
        assert_eq!(turns.len(), 4);
        assert!(turns.iter().all(|turn| turn.role == Role::Agent));
    }
}
