//! The transcript as OpenAI's transcription API writes it (`verbose_json`), and what that lacks.
//!
//! The fields of OpenAI's that stand here mean what they mean there. Those that a transcript does
//! not know are left out rather than made up: of a segment `seek`, `tokens`, `temperature`,
//! `avg_logprob`, `compression_ratio` and `no_speech_prob`. A segment is a turn.

use colloquy_contract::transcript::{Role, Transcript, Turn, Word, WordTimes};
use serde::Serialize;

use crate::{join, language, one_line};

/// A transcript for programs. Times are in seconds from the start of the recording.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Document {
    /// Always `transcribe`.
    pub task: &'static str,
    /// The language's name in English, such as `english`.
    pub language: String,
    /// Its code, such as `en`; ours.
    pub language_code: String,
    /// Length of the recording.
    pub duration: f64,
    /// What transcribed it, such as `whisper-base`; ours.
    pub model: String,
    /// The channels of the recording; ours.
    pub channels: Vec<Channel>,
    /// All that was said.
    pub text: String,
    /// The turns, by start time.
    pub segments: Vec<Segment>,
    /// The words of all turns, by turn.
    pub words: Vec<TimedWord>,
}

/// A channel of the recording.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Channel {
    /// Its number, from 0.
    pub channel: usize,
    /// Who speaks on it.
    pub role: Role,
    /// Seconds of speech on it, where that was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speech: Option<f64>,
    /// The earlier channel that carries the same sound, whose words stand for both.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copy_of: Option<usize>,
}

/// A turn.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Segment {
    /// Its number, from 0.
    pub id: usize,
    /// Start of its first word.
    pub start: f64,
    /// End of its last word.
    pub end: f64,
    /// What is said in it.
    pub text: String,
    /// The channel it is on; ours.
    pub channel: u16,
    /// Who speaks; ours.
    pub role: Role,
    /// Where the times of its words come from, if they are not the recognizer's; ours.
    #[serde(skip_serializing_if = "WordTimes::are_exact")]
    pub word_times: WordTimes,
}

/// A word.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TimedWord {
    /// The word with its punctuation.
    pub word: String,
    /// Its start.
    pub start: f64,
    /// Its end.
    pub end: f64,
    /// How sure the recognizer was, 0 to 1; ours.
    pub confidence: f64,
    /// The channel it is on; ours.
    pub channel: u16,
    /// The segment it belongs to; ours.
    pub segment: usize,
}

impl Document {
    /// The document of a transcript.
    pub fn new(transcript: &Transcript) -> Self {
        let spaced = language::is_spaced(&transcript.language);
        let turns = || transcript.turns.iter().enumerate();
        let segments: Vec<Segment> = turns()
            .map(|(id, turn)| segment(id, turn, spaced))
            .collect();
        let texts: Vec<String> = segments.iter().map(|part| part.text.clone()).collect();
        let channel = |(channel, &role): (usize, &Role)| Channel {
            channel,
            role,
            speech: None,
            copy_of: None,
        };
        Self {
            task: "transcribe",
            language: language::name(&transcript.language).to_owned(),
            language_code: transcript.language.clone(),
            duration: seconds(transcript.duration_ms),
            model: transcript.model.clone(),
            channels: transcript
                .channels
                .iter()
                .enumerate()
                .map(channel)
                .collect(),
            text: join(&texts, spaced),
            segments,
            words: turns()
                .flat_map(|(id, turn)| turn.words.iter().map(move |said| word(id, turn, said)))
                .collect(),
        }
    }
}

fn segment(id: usize, turn: &Turn, spaced: bool) -> Segment {
    let words: Vec<String> = turn.words.iter().map(|word| one_line(&word.text)).collect();
    Segment {
        id,
        start: seconds(turn.start_ms),
        end: seconds(turn.end_ms),
        text: join(&words, spaced),
        channel: turn.channel,
        role: turn.role,
        word_times: turn.word_times,
    }
}

fn word(segment: usize, turn: &Turn, word: &Word) -> TimedWord {
    TimedWord {
        word: one_line(&word.text),
        start: seconds(word.start_ms),
        end: seconds(word.end_ms),
        // Four digits: what is behind them is noise, and makes the document half as long again.
        confidence: (f64::from(word.confidence) * 10_000.0).round() / 10_000.0,
        channel: turn.channel,
        segment,
    }
}

/// Seconds, exact to the millisecond.
pub fn seconds(ms: u64) -> f64 {
    ms as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subtitles::tests::{transcript, turn};

    #[test]
    fn the_document_is_like_openais_with_channels_and_roles() {
        let call = transcript(vec![
            turn(0, Role::Agent, 1_500, 400, "Hello."),
            turn(1, Role::Customer, 2_042, 400, "Hi there."),
        ]);
        let expected = serde_json::json!({
            "task": "transcribe",
            "language": "english",
            "language_code": "en",
            "duration": 4000.0,
            "model": "test",
            "channels": [
                { "channel": 0, "role": "agent" },
                { "channel": 1, "role": "customer" },
            ],
            "text": "Hello. Hi there.",
            "segments": [
                { "id": 0, "start": 1.5, "end": 1.7, "text": "Hello.",
                  "channel": 0, "role": "agent" },
                { "id": 1, "start": 2.042, "end": 2.642, "text": "Hi there.",
                  "channel": 1, "role": "customer" },
            ],
            "words": [
                { "word": "Hello.", "start": 1.5, "end": 1.7, "confidence": 0.9,
                  "channel": 0, "segment": 0 },
                { "word": "Hi", "start": 2.042, "end": 2.242, "confidence": 0.9,
                  "channel": 1, "segment": 1 },
                { "word": "there.", "start": 2.442, "end": 2.642, "confidence": 0.9,
                  "channel": 1, "segment": 1 },
            ],
        });
        assert_eq!(
            serde_json::to_value(Document::new(&call)).unwrap(),
            expected
        );
    }

    #[test]
    fn silence_has_no_words_and_says_so() {
        let mut silence = transcript(Vec::new());
        silence.language = "und".to_owned();
        let document = Document::new(&silence);
        assert_eq!((document.text.as_str(), document.words.len()), ("", 0));
        assert_eq!(document.language, "undetermined");
    }
}
