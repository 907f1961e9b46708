//! The transcript document: who said what, when, word by word.
//!
//! The same document serves twice: raw in the vault, and anonymized in the open bucket, where the
//! words of an entity are replaced by one word, its label (`[PERSON_1]`).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whose voice a channel or a turn carries.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Works for the company.
    Agent,
    /// Calls the company, or is called by it.
    Customer,
    /// Not known.
    #[default]
    Unknown,
}

impl Role {
    /// The role in lower case, as in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Customer => "customer",
            Self::Unknown => "unknown",
        }
    }
}

/// A conversation in words. Stored as JSON, `application/vnd.colloquy.transcript+json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Transcript {
    /// Version of this document's format: 1.
    pub version: u16,
    /// Language of the speech, ISO 639-1, such as `en`.
    pub language: String,
    /// Length of the recording in milliseconds.
    pub duration_ms: u64,
    /// What transcribed it, such as `whisper-base`.
    pub model: String,
    /// The role of each channel of the recording, in order.
    pub channels: Vec<Role>,
    /// The turns, by start time.
    pub turns: Vec<Turn>,
}

impl Transcript {
    /// Media type of the document.
    pub const MEDIA_TYPE: &'static str = "application/vnd.colloquy.transcript+json";
    /// Version of the format that this type reads and writes.
    pub const VERSION: u16 = 1;

    /// The role of a channel; unknown where the recording's maker did not say.
    pub fn role(&self, channel: u16) -> Role {
        self.channels
            .get(usize::from(channel))
            .copied()
            .unwrap_or_default()
    }

    /// How many words there are in all turns.
    pub fn word_count(&self) -> usize {
        self.turns.iter().map(|turn| turn.words.len()).sum()
    }
}

/// Where the times of a turn's words come from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum WordTimes {
    /// The recognizer told each word's.
    #[default]
    Exact,
    /// The recognizer told the turn's only; the words' are spread over it by length. Whoever
    /// has to find a word in the recording takes the whole turn.
    Estimated,
}

impl WordTimes {
    /// Whether each word's times are its own.
    pub fn are_exact(&self) -> bool {
        *self == Self::Exact
    }
}

/// A stretch of speech of one speaker without a long pause.
///
/// Invariant, kept by [`Turn::new`]: `text` is the words joined by single spaces, so a word's place
/// in the text follows from the words before it ([`Turn::word_spans`]).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Turn {
    /// Channel of the recording, from 0.
    pub channel: u16,
    /// Who speaks on it.
    pub role: Role,
    /// Start of the first word, milliseconds from the start of the recording.
    pub start_ms: u64,
    /// End of the last word, milliseconds from the start of the recording.
    pub end_ms: u64,
    /// The words joined by single spaces.
    pub text: String,
    /// The words, by start time.
    pub words: Vec<Word>,
    /// Where the words' times come from; `exact` where absent.
    #[serde(default, skip_serializing_if = "WordTimes::are_exact")]
    pub word_times: WordTimes,
}

/// One word with its punctuation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Word {
    /// The word as written, punctuation included, without white space.
    pub text: String,
    /// Start in milliseconds from the start of the recording.
    pub start_ms: u64,
    /// End in milliseconds from the start of the recording.
    pub end_ms: u64,
    /// How sure the recognizer was, 0 to 1.
    pub confidence: f32,
    /// When each digit of the word begins, in milliseconds from the start of the recording; empty
    /// where there are fewer than two digits, or their times are not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub digit_starts_ms: Vec<u64>,
}

impl Turn {
    /// A turn of these words, whose times are exact; `None` if there are none.
    pub fn new(channel: u16, role: Role, words: Vec<Word>) -> Option<Self> {
        let start_ms = words.first()?.start_ms;
        let end_ms = words.iter().map(|word| word.end_ms).max()?;
        let mut text = String::new();
        for word in &words {
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(&word.text);
        }
        Some(Self {
            channel,
            role,
            start_ms,
            end_ms,
            text,
            words,
            word_times: WordTimes::Exact,
        })
    }

    /// For each word its half-open range in `text`, in Unicode characters.
    pub fn word_spans(&self) -> impl Iterator<Item = std::ops::Range<usize>> + '_ {
        let mut next = 0;
        self.words.iter().map(move |word| {
            let start = next;
            let end = start + word.text.chars().count();
            next = end + 1;
            start..end
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(text: &str, start_ms: u64, end_ms: u64) -> Word {
        Word {
            text: text.to_owned(),
            start_ms,
            end_ms,
            confidence: 1.0,
            digit_starts_ms: Vec::new(),
        }
    }

    #[test]
    fn a_turn_is_its_words() {
        let words = vec![
            word("Zoë", 100, 300),
            word("Müller,", 320, 700),
            word("hi.", 710, 900),
        ];
        let turn = Turn::new(1, Role::Customer, words).unwrap();
        assert_eq!((turn.start_ms, turn.end_ms), (100, 900));
        assert_eq!(turn.text, "Zoë Müller, hi.");
        let spans: Vec<_> = turn.word_spans().collect();
        assert_eq!(spans, [0..3, 4..11, 12..15]);
        assert_eq!(Turn::new(0, Role::Agent, Vec::new()), None);
    }

    #[test]
    fn that_times_are_estimated_is_said_and_that_they_are_exact_is_not() {
        let mut turn = Turn::new(0, Role::Agent, vec![word("hi", 0, 1)]).unwrap();
        let exact = serde_json::to_value(&turn).unwrap();
        assert!(exact.get("word_times").is_none());
        assert_eq!(serde_json::from_value::<Turn>(exact).unwrap(), turn);
        turn.word_times = WordTimes::Estimated;
        let estimated = serde_json::to_value(&turn).unwrap();
        assert_eq!(estimated["word_times"], "estimated");
        assert_eq!(serde_json::from_value::<Turn>(estimated).unwrap(), turn);
    }
}
