//! The measurements of one conversation: who spoke how much, how they took turns, what it was
//! about and in what mood.
//!
//! It travels inside the fact `conversation.qualified`, so it is small and closed: numbers, codes
//! and places in the transcript, never words of the conversation. Lists hold at most
//! [`Analysis::MAX_ENTRIES`] entries (the counts beside them count everything), and fractions are
//! rounded to three decimals so that the same transcript always gives the same fact.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::transcript::Role;

/// What was measured in one conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Analysis {
    /// Version of this format: 1.
    pub version: u16,
    /// Length of the recording in milliseconds.
    pub duration_ms: u64,
    /// Number of turns.
    pub turns: u32,
    /// Number of words; a redacted entity is one word.
    pub words: u32,
    /// The speakers, by channel; other parts of the analysis refer to them by index.
    pub speakers: Vec<Speaker>,
    /// How the speakers shared the time.
    pub talk: Talk,
    /// The categories that apply, by name.
    pub categories: Vec<Category>,
    /// The mood; absent where the language has no lexicon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sentiment: Option<Sentiment>,
}

impl Analysis {
    /// Version of the format that this type reads and writes.
    pub const VERSION: u16 = 1;
    /// The most entries that any list of it holds.
    pub const MAX_ENTRIES: usize = 100;
}

/// What one speaker did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Speaker {
    /// Channel of the recording, from 0.
    pub channel: u16,
    /// Who speaks on it.
    pub role: Role,
    /// Time spoken, in milliseconds.
    pub talk_ms: u64,
    /// Share of all speakers' talk time, 0 to 1.
    pub talk_share: f64,
    /// Number of turns.
    pub turns: u32,
    /// Number of words.
    pub words: u32,
    /// Words per minute of talk time; 0 without talk time.
    pub words_per_minute: f64,
    /// Longest stretch in milliseconds that nobody else broke into with more than a backchannel
    /// ("mm-hmm", "okay") and that no long silence broke up.
    pub longest_monologue_ms: u64,
    /// Number of questions.
    pub questions: u32,
    /// How often this speaker broke into another's turn.
    pub interruptions: u32,
    /// Median pause in milliseconds before this speaker answers another; absent without answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_latency_ms: Option<u64>,
}

/// How the speakers shared the time.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Talk {
    /// Time in which at least one speaks, in milliseconds.
    pub talk_ms: u64,
    /// Time in which more than one speaks, in milliseconds.
    pub overlap_ms: u64,
    /// Time in which nobody speaks, in milliseconds.
    pub silence_ms: u64,
    /// Number of silences longer than 3 s.
    pub long_silences: u32,
    /// The longest of them, by start time.
    pub silences: Vec<Span>,
    /// Number of interruptions.
    pub interruption_count: u32,
    /// The first of them, by start time.
    pub interruptions: Vec<Interruption>,
    /// Median pause in milliseconds between turns of different speakers; absent without any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_latency_ms: Option<u64>,
}

/// A stretch of the recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Span {
    /// Start in milliseconds from the start of the recording.
    pub start_ms: u64,
    /// End in milliseconds from the start of the recording.
    pub end_ms: u64,
}

/// A turn that began at least 300 ms before another speaker had finished, and was more than a
/// backchannel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Interruption {
    /// Who broke in: index in [`Analysis::speakers`].
    pub speaker: u16,
    /// Who was speaking: index in [`Analysis::speakers`].
    pub interrupted: u16,
    /// Index of the turn that broke in.
    pub turn: u32,
    /// When it began, in milliseconds from the start of the recording.
    pub start_ms: u64,
    /// How long both spoke, in milliseconds.
    pub overlap_ms: u64,
}

/// A category that applies, and where it shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Category {
    /// Its name, such as `cancellation`.
    pub name: String,
    /// How many places show it.
    pub hits: u32,
    /// The first of these places; all categories together list at most
    /// [`Analysis::MAX_ENTRIES`].
    pub places: Vec<Place>,
}

/// A place in the transcript.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Place {
    /// Who speaks: index in [`Analysis::speakers`].
    pub speaker: u16,
    /// Index of the turn.
    pub turn: u32,
    /// Start in milliseconds from the start of the recording.
    pub start_ms: u64,
    /// End in milliseconds from the start of the recording.
    pub end_ms: u64,
}

/// The mood. Scores run from -1, most negative, to 1, most positive.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Sentiment {
    /// How it was measured, such as `vader-3.3.2`.
    pub method: String,
    /// Mean over all turns, weighted by words.
    pub score: f64,
    /// Mean per quarter of the recording's length; absent where nobody spoke.
    pub quarters: [Option<f64>; 4],
    /// The same per speaker, in the order of [`Analysis::speakers`].
    pub speakers: Vec<SpeakerSentiment>,
    /// The most positive and most negative turns, by turn.
    pub turns: Vec<TurnSentiment>,
}

/// The mood of one speaker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SpeakerSentiment {
    /// Index in [`Analysis::speakers`].
    pub speaker: u16,
    /// Mean over the speaker's turns, weighted by words.
    pub score: f64,
    /// Mean per quarter of the recording's length; absent where the speaker was silent.
    pub quarters: [Option<f64>; 4],
    /// Number of turns with a score of at least 0.05.
    pub positive_turns: u32,
    /// Number of turns with a score of at most -0.05.
    pub negative_turns: u32,
}

/// The mood of one turn.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TurnSentiment {
    /// Index of the turn.
    pub turn: u32,
    /// Mean over its sentences, weighted by words.
    pub score: f64,
}
