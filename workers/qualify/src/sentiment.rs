//! The mood, by VADER: a lexicon of words with rated feeling and rules for negation and emphasis.
//!
//! VADER was made for single sentences; over long texts its score runs to an extreme whatever is
//! said. So sentences are scored, and everything longer is their mean, weighted by words. Text is
//! scored in lower case and without labels: capitals are the recognizer's, not the speaker's
//! emphasis. Backchannels ("okay", "yeah") are left out, being agreement to go on, not a mood.

use colloquy_contract::analysis::{Analysis, Sentiment, SpeakerSentiment, TurnSentiment};
use vader_parity::SentimentIntensityAnalyzer;

use crate::{
    conversation::{Conversation, Turn, label_type},
    count, rounded,
};

/// The name of what is measured: the reference implementation whose scores these are.
const METHOD: &str = "vader-3.3.2";

/// Scores from here on count as positive, and as negative from its opposite: VADER's own limit.
const MIN_FEELING: f64 = 0.05;

/// The longest sentence; speech recognized without punctuation is divided so.
const MAX_SENTENCE_WORDS: usize = 30;

/// The lexicon, ready to score.
pub(crate) struct Lexicon(SentimentIntensityAnalyzer);

/// A mean of scores, weighted by words.
#[derive(Debug, Clone, Copy, Default)]
struct Mean {
    sum: f64,
    words: f64,
}

impl Mean {
    fn add(&mut self, score: f64, words: f64) {
        self.sum += score * words;
        self.words += words;
    }

    fn get(self) -> Option<f64> {
        (self.words > 0.0).then(|| rounded(self.sum / self.words))
    }
}

/// What is gathered for a speaker, or for all.
#[derive(Debug, Clone, Copy, Default)]
struct Mood {
    all: Mean,
    quarters: [Mean; 4],
    positive_turns: u32,
    negative_turns: u32,
}

impl Mood {
    fn add(&mut self, score: f64, words: f64, quarter: usize) {
        self.all.add(score, words);
        self.quarters[quarter].add(score, words);
        self.positive_turns += u32::from(score >= MIN_FEELING);
        self.negative_turns += u32::from(score <= -MIN_FEELING);
    }
}

impl Lexicon {
    pub(crate) fn new() -> Self {
        Self(SentimentIntensityAnalyzer::new())
    }

    /// The mood of a conversation.
    pub(crate) fn measure(&self, conversation: &Conversation<'_>) -> Sentiment {
        let mut all = Mood::default();
        let mut speakers = vec![Mood::default(); conversation.speakers.len()];
        let mut turns = Vec::new();
        for turn in conversation
            .turns
            .iter()
            .filter(|turn| !turn.is_backchannel)
        {
            let Some(score) = self.turn(turn) else {
                continue;
            };
            let words = turn.words.len() as f64;
            let quarter = quarter(turn, conversation.duration_ms);
            all.add(score, words, quarter);
            speakers[turn.speaker].add(score, words, quarter);
            if score != 0.0 {
                turns.push(TurnSentiment {
                    turn: count(turn.index),
                    score,
                });
            }
        }
        Sentiment {
            method: METHOD.to_owned(),
            score: all.all.get().unwrap_or(0.0),
            quarters: all.quarters.map(Mean::get),
            speakers: speakers.iter().enumerate().map(of_speaker).collect(),
            turns: strongest(turns),
        }
    }

    /// The score of a turn; `None` if there are only labels.
    fn turn(&self, turn: &Turn<'_>) -> Option<f64> {
        let mut mean = Mean::default();
        let mut sentence: Vec<String> = Vec::new();
        for word in &turn.source.words {
            if label_type(&word.text).is_none() {
                sentence.push(word.text.to_lowercase());
            }
            if ends_sentence(&word.text) || sentence.len() == MAX_SENTENCE_WORDS {
                self.sentence(&mut sentence, &mut mean);
            }
        }
        self.sentence(&mut sentence, &mut mean);
        mean.get()
    }

    fn sentence(&self, words: &mut Vec<String>, mean: &mut Mean) {
        if !words.is_empty() {
            mean.add(
                self.0.polarity_scores(&words.join(" ")).compound,
                words.len() as f64,
            );
            words.clear();
        }
    }
}

fn ends_sentence(word: &str) -> bool {
    word.trim_end_matches(['"', '”', '\'', '’', ')'])
        .ends_with(['.', '?', '!', '…'])
}

/// In which quarter of the recording a turn begins.
fn quarter(turn: &Turn<'_>, duration_ms: u64) -> usize {
    let quarter = u128::from(turn.start_ms) * 4 / u128::from(duration_ms.max(1));
    quarter.min(3) as usize
}

fn of_speaker((speaker, mood): (usize, &Mood)) -> SpeakerSentiment {
    SpeakerSentiment {
        speaker: speaker as u16,
        score: mood.all.get().unwrap_or(0.0),
        quarters: mood.quarters.map(Mean::get),
        positive_turns: mood.positive_turns,
        negative_turns: mood.negative_turns,
    }
}

/// The turns with the strongest scores, by turn.
fn strongest(mut turns: Vec<TurnSentiment>) -> Vec<TurnSentiment> {
    turns.sort_by(|a, b| {
        b.score
            .abs()
            .total_cmp(&a.score.abs())
            .then(a.turn.cmp(&b.turn))
    });
    turns.truncate(Analysis::MAX_ENTRIES);
    turns.sort_by_key(|turn| turn.turn);
    turns
}
