//! What a server answers, as words with times in the recording.
//!
//! Servers differ. OpenAI's tells words without punctuation beside segments with it; others put
//! words into segments, or tell segments only. A segment's words are taken with their own times if
//! they are all of its text, to the letter; where one is missing, as numbers are with some
//! aligners, nobody knows where it was said, and the segment stands as a whole.

use std::ops::Range;

use serde::Deserialize;

use super::{
    Trouble, language,
    pieces::{Upload, in_recording},
};
use crate::{recording::SAMPLE_RATE, words::TimedWord, words::is_spaced};

/// How sure a server is that does not say.
const UNTOLD: f64 = 0.5;

/// The response format `verbose_json`, as far as it is used.
#[derive(Debug, Deserialize)]
struct Answer {
    text: String,
    #[serde(default)]
    language: Option<String>,
    #[serde(default)]
    segments: Option<Vec<SegmentAnswer>>,
    #[serde(default)]
    words: Option<Vec<WordAnswer>>,
}

#[derive(Debug, Deserialize)]
struct SegmentAnswer {
    #[serde(default)]
    start: Option<f64>,
    #[serde(default)]
    end: Option<f64>,
    #[serde(default)]
    text: String,
    #[serde(default)]
    avg_logprob: Option<f64>,
    #[serde(default)]
    words: Option<Vec<WordAnswer>>,
}

#[derive(Debug, Clone, Deserialize)]
struct WordAnswer {
    #[serde(default)]
    word: String,
    #[serde(default)]
    start: Option<f64>,
    #[serde(default)]
    end: Option<f64>,
    #[serde(default)]
    probability: Option<f64>,
    #[serde(default)]
    score: Option<f64>,
}

/// What was said in an upload.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Heard {
    /// Words with times of their own.
    pub(super) words: Vec<TimedWord>,
    /// What has only times as a whole.
    pub(super) segments: Vec<Segment>,
}

impl Heard {
    pub(super) fn is_empty(&self) -> bool {
        self.words.is_empty() && self.segments.is_empty()
    }
}

/// A text whose words have no times of their own.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Segment {
    /// The text.
    pub(super) text: String,
    /// When it was said, in samples of the recording.
    pub(super) samples: Range<usize>,
    /// How sure the server is of it.
    pub(super) confidence: f32,
}

impl Segment {
    /// Its words, spread over its time by their lengths.
    pub(super) fn spread(&self) -> Vec<TimedWord> {
        let length = |word: &str| word.chars().count() + 1;
        let whole: usize = self.text.split_whitespace().map(length).sum();
        let at = |before: usize| self.samples.start + self.samples.len() * before / whole.max(1);
        let mut before = 0;
        let words = self.text.split_whitespace().map(|word| {
            let start = at(before);
            before += length(word);
            TimedWord {
                text: word.to_owned(),
                samples: start..at(before),
                confidence: self.confidence,
                digits: Vec::new(),
            }
        });
        words.collect()
    }
}

/// Reads an answer: the language, if it tells a known one, and what was said.
pub(super) fn read(
    body: &[u8],
    upload: &Upload,
    asked_language: Option<&str>,
) -> Result<(Option<String>, Heard), Trouble> {
    let answer: Answer = serde_json::from_slice(body).map_err(|_| Trouble::Nonsense)?;
    let told = answer.language.as_deref().and_then(language::code);
    let spaced = asked_language.or(told.as_deref()).is_none_or(is_spaced);
    let mut segments = answer.segments.unwrap_or_default();
    let words: Vec<WordAnswer> = match answer.words.filter(|words| !words.is_empty()) {
        Some(words) => words,
        None => segments
            .iter_mut()
            .flat_map(|segment| segment.words.take().unwrap_or_default())
            .collect(),
    };
    segments.retain(|segment| !segment.text.trim().is_empty());
    if segments.is_empty() {
        match whole(&answer.text, &words) {
            Some(segment) => segments.push(segment?),
            None => return Ok((told, Heard::default())),
        }
    }
    let heard = place(upload, &segments, &words, spaced)?;
    Ok((told, heard))
}

/// The text of an answer without segments as one, if there is any.
fn whole(text: &str, words: &[WordAnswer]) -> Option<Result<SegmentAnswer, Trouble>> {
    if text.trim().is_empty() {
        return None;
    }
    let start = words.iter().find_map(|word| word.start);
    let end = words.iter().rev().find_map(|word| word.end);
    if start.is_none() || end.is_none() {
        return Some(Err(Trouble::NoTimes));
    }
    Some(Ok(SegmentAnswer {
        start,
        end,
        text: text.to_owned(),
        avg_logprob: None,
        words: None,
    }))
}

fn place(
    upload: &Upload,
    segments: &[SegmentAnswer],
    words: &[WordAnswer],
    spaced: bool,
) -> Result<Heard, Trouble> {
    let mut heard = Heard::default();
    let (mut rest, mut free_from) = (words, 0);
    for segment in segments {
        let (Some(start), Some(end)) = (segment.start, segment.end) else {
            return Err(Trouble::NoTimes);
        };
        let confidence = certainty(segment.avg_logprob.map(f64::exp));
        let own = all_of(&segment.text, rest).map(|count| rest.split_at(count));
        if let Some((own, later)) = own {
            rest = later;
            for word in written(&segment.text, own, spaced) {
                let samples = in_order(upload, word.start, word.end, free_from);
                free_from = samples.end;
                heard.words.push(TimedWord {
                    text: word.text,
                    samples,
                    confidence: word.probability.map_or(confidence, |p| certainty(Some(p))),
                    digits: Vec::new(),
                });
            }
        } else {
            // The next segment's words are those that begin after this one.
            let later = rest.iter().position(|word| word.start >= Some(end));
            rest = later.map_or(&[], |later| &rest[later..]);
            let samples = in_order(upload, start, end, free_from);
            free_from = samples.end;
            heard.segments.push(Segment {
                text: segment.text.trim().to_owned(),
                samples,
                confidence,
            });
        }
    }
    Ok(heard)
}

/// How many words are all of a text, to the letter, each with its times.
fn all_of(text: &str, words: &[WordAnswer]) -> Option<usize> {
    let wanted = letters(text);
    let mut found = String::with_capacity(wanted.len());
    let mut count = 0;
    while found.len() < wanted.len() {
        let word = words.get(count)?;
        word.start.zip(word.end)?;
        found.push_str(&letters(&word.word));
        count += 1;
        if !wanted.starts_with(&found) {
            return None;
        }
    }
    // Music notes and the like are no words.
    (count > 0).then_some(count)
}

/// What of a text is said: neither punctuation nor white space.
fn letters(text: &str) -> String {
    let said = text.chars().filter(|sign| sign.is_alphanumeric());
    said.flat_map(char::to_lowercase).collect()
}

/// A word as it is written in the text, with its times in the upload.
struct WrittenWord {
    text: String,
    start: f64,
    end: f64,
    probability: Option<f64>,
}

/// The words as the text writes them, punctuation included, if it parts them at the same places;
/// else as they were told.
fn written(text: &str, words: &[WordAnswer], spaced: bool) -> Vec<WrittenWord> {
    let as_told = || {
        let told = words.iter().filter(|word| !word.word.trim().is_empty());
        told.map(|word| joined(std::slice::from_ref(word), word.word.clone()))
            .collect()
    };
    if spaced {
        by_text(text, words).unwrap_or_else(as_told)
    } else {
        as_told()
    }
}

fn by_text(text: &str, words: &[WordAnswer]) -> Option<Vec<WrittenWord>> {
    let mut found = Vec::new();
    let mut rest = words;
    for token in text.split_whitespace() {
        if letters(token).is_empty() {
            continue;
        }
        let (own, later) = rest.split_at(all_of(token, rest)?);
        found.push(joined(own, token.to_owned()));
        rest = later;
    }
    Some(found)
}

fn joined(words: &[WordAnswer], text: String) -> WrittenWord {
    let sure = words
        .iter()
        .filter_map(|word| word.probability.or(word.score));
    WrittenWord {
        text: text.split_whitespace().collect(),
        start: words.first().and_then(|word| word.start).unwrap_or(0.0),
        end: words.last().and_then(|word| word.end).unwrap_or(0.0),
        probability: sure.reduce(f64::min),
    }
}

/// A range of the upload, in seconds, in samples of the recording; not before `free_from`.
fn in_order(upload: &Upload, start: f64, end: f64, free_from: usize) -> Range<usize> {
    let window = &upload.window;
    // `as` saturates: what is no time becomes one at the edge, and the word one without length.
    let sample = |seconds: f64| ((seconds * f64::from(SAMPLE_RATE)) as usize).min(window.samples());
    let (first, last) = (sample(start), sample(end));
    let start = in_recording(window, first, false).max(free_from);
    let end = in_recording(window, last, last > first);
    start..end.max(start)
}

fn certainty(probability: Option<f64>) -> f32 {
    let told = probability.filter(|probability| probability.is_finite());
    told.unwrap_or(UNTOLD).clamp(0.0, 1.0) as f32
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use serde_json::{Value, json};

    use super::*;
    use crate::windows::{Piece, Window};

    /// Ten seconds of the recording from its fourth second on, then ten from its fiftieth on.
    fn upload() -> Upload {
        let pieces = vec![
            Piece {
                frames: 250..875,
                offset: 0,
            },
            Piece {
                frames: 3_125..3_750,
                offset: 625,
            },
        ];
        Upload {
            window: Window {
                pieces,
                ..Window::default()
            },
            sound: Bytes::new(),
            duration: Duration::from_secs(20),
        }
    }

    fn heard(answer: &Value) -> Heard {
        read(answer.to_string().as_bytes(), &upload(), None)
            .unwrap()
            .1
    }

    fn said(words: &[TimedWord]) -> Vec<(&str, usize, usize)> {
        let ms = |sample: usize| sample / 16;
        let of = |word: &TimedWord| (ms(word.samples.start), ms(word.samples.end));
        words
            .iter()
            .map(|word| (word.text.as_str(), of(word).0, of(word).1))
            .collect()
    }

    fn word(word: &str, start: f64, end: f64) -> Value {
        json!({ "word": word, "start": start, "end": end })
    }

    #[test]
    fn words_get_the_punctuation_of_their_segment_and_times_in_the_recording() {
        let heard = heard(&json!({
            "text": "Hello, it's $1,000. - Bye!",
            "language": "english",
            "segments": [{ "start": 0.0, "end": 12.0, "avg_logprob": -0.5,
                           "text": " Hello, it's $1,000. - Bye!" }],
            "words": [word("Hello", 0.5, 1.0), word("it's", 1.0, 1.5), word("1", 1.5, 2.0),
                      word("000", 2.0, 3.0), word("Bye", 11.0, 12.0)],
        }));
        assert!(heard.segments.is_empty());
        assert_eq!(
            said(&heard.words),
            [
                ("Hello,", 4_500, 5_000),
                ("it's", 5_000, 5_500),
                ("$1,000.", 5_500, 7_000),
                ("Bye!", 51_000, 52_000),
            ]
        );
        assert!((heard.words[0].confidence - 0.606).abs() < 0.001);
    }

    #[test]
    fn words_within_segments_and_probabilities_are_taken() {
        let heard = heard(&json!({
            "text": "One two", "segments": [
                { "start": 0, "end": 1, "text": "One", "words": [
                    { "word": " One", "start": 0.0, "end": 0.4, "probability": 0.9 }] },
                { "start": 1, "end": 2, "text": "two", "words": [
                    { "word": " two", "start": 1.0, "end": 1.4, "score": 0.8 }] },
            ],
        }));
        let sure: Vec<f32> = heard.words.iter().map(|word| word.confidence).collect();
        assert_eq!(sure, [0.9, 0.8]);
    }

    #[test]
    fn a_segment_with_a_word_untold_stands_as_a_whole() {
        let heard = heard(
            &json!({
                "text": "My number is 4111. Thanks. Bye.",
                "segments": [
                    { "start": 0.0, "end": 4.0, "text": "My number is 4111." },
                    { "start": 4.0, "end": 5.0, "text": "Thanks." },
                    { "start": 5.0, "end": 6.0, "text": "Bye." },
                ],
                "words": [word("My", 0.0, 0.5), word("number", 0.5, 1.0), word("is", 1.0, 1.5),
                          word("Thanks", 4.0, 4.5), { "word": "Bye", "start": null, "end": null }
                ],
            })
            .to_string()
            .parse()
            .unwrap(),
        );
        assert_eq!(said(&heard.words), [("Thanks.", 8_000, 8_500)]);
        let whole: Vec<&str> = heard.segments.iter().map(|one| one.text.as_str()).collect();
        assert_eq!(whole, ["My number is 4111.", "Bye."]);
        assert_eq!(heard.segments[0].samples, 64_000..128_000);
    }

    #[test]
    fn segments_are_spread_over_their_time() {
        let heard = heard(&json!({
            "text": "a bcd", "segments": [{ "start": 1.0, "end": 4.0, "text": " a bcd " }],
        }));
        assert!(heard.words.is_empty());
        let words = heard.segments[0].spread();
        assert_eq!(said(&words), [("a", 5_000, 6_000), ("bcd", 6_000, 8_000)]);
        assert!((words[0].confidence - 0.5).abs() < f32::EPSILON);
    }

    #[test]
    fn text_without_spaces_keeps_its_words() {
        let answer = json!({
            "text": "你好。再见", "language": "chinese",
            "segments": [{ "start": 0, "end": 2, "text": "你好。再见" }],
            "words": [word("你", 0.0, 0.5), word("好", 0.5, 1.0), word("再见", 1.0, 2.0)],
        });
        let (language, heard) = read(answer.to_string().as_bytes(), &upload(), None).unwrap();
        assert_eq!(language.as_deref(), Some("zh"));
        let texts: Vec<&str> = heard.words.iter().map(|word| word.text.as_str()).collect();
        assert_eq!(texts, ["你", "好", "再见"]);
    }

    #[test]
    fn times_out_of_order_or_out_of_the_upload_give_words_without_length() {
        let heard = heard(&json!({
            "text": "a b c d", "segments": [{ "start": 0, "end": 2, "text": "a b c d" }],
            "words": [word("a", 1.0, 2.0), word("b", 0.5, 1.5), word("c", -3.0, -1.0),
                      word("d", 900.0, 901.0)],
        }));
        let of = said(&heard.words);
        assert_eq!(of[0], ("a", 5_000, 6_000));
        assert_eq!(of[1], ("b", 6_000, 6_000));
        assert_eq!(of[2], ("c", 6_000, 6_000));
        assert_eq!(of[3], ("d", 60_000, 60_000));
    }

    #[test]
    fn silence_is_no_text_and_text_without_times_is_refused() {
        for silence in [
            json!({ "text": "" }),
            json!({ "text": " ", "segments": [], "words": [] }),
            json!({ "text": "", "segments": null, "words": null, "language": null }),
        ] {
            assert!(heard(&silence).is_empty());
        }
        let refused =
            |answer: &Value| read(answer.to_string().as_bytes(), &upload(), None).unwrap_err();
        assert_eq!(refused(&json!({ "text": "Hi" })), Trouble::NoTimes);
        let untimed = json!({ "text": "Hi", "segments": [{ "text": "Hi" }] });
        assert_eq!(refused(&untimed), Trouble::NoTimes);
        for nonsense in [json!({ "error": "x" }), json!([]), json!("x")] {
            assert_eq!(refused(&nonsense), Trouble::Nonsense);
        }
        assert_eq!(
            read(b"<html>", &upload(), None).unwrap_err(),
            Trouble::Nonsense
        );
    }

    #[test]
    fn words_alone_are_enough_if_they_are_all_of_the_text() {
        let heard = heard(&json!({
            "text": "Well, hi.", "words": [word("Well", 0.0, 0.5), word("hi", 0.5, 1.0)],
        }));
        assert_eq!(
            said(&heard.words),
            [("Well,", 4_000, 4_500), ("hi.", 4_500, 5_000)]
        );
    }
}
