//! From windows to tokens, with guards against what Whisper does on a bad day.
//!
//! A greedy search is right nearly always and cheapest. Where its text repeats itself or is
//! unlikely, OpenAI's program samples at rising temperatures. Sampling would give a recording that
//! is handled twice two transcripts, so here the later attempts are deterministic as well: a beam
//! over all that Whisper can hear, then a beam that may not repeat itself.

use std::collections::HashMap;
use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;

use crate::error::EngineError;
use crate::mel::HOP;
use crate::model::{Encoded, Hearing, Hypothesis, Model, Search, Task, length_class};
use crate::recording::SAMPLE_RATE;
use crate::windows::Window;

/// A window with its samples.
pub(crate) type Sound = (Window, Vec<i16>);

/// Text that compresses better than this repeats itself.
const MAX_COMPRESSION: f32 = 2.4;
/// So does text in which so many words in a row occur...
const LOOP_WORDS: usize = 4;
/// ...more often than this. People count, spell and insist, but not so.
const MAX_LOOPS: usize = 3;
/// Text whose tokens are less likely than this, on average, is doubtful.
const MIN_LOG_PROBABILITY: f32 = -1.0;
/// Doubtful text in a window that holds no speech with more than this probability is dropped.
const MAX_NO_SPEECH: f32 = 0.6;
/// Text less likely than this, on average, is a guess at what is no speech.
const HOPELESS_LOG_PROBABILITY: f32 = -2.0;
/// The fastest speech: tokens per second. Fast talkers say three words a second, digits in a row
/// make five tokens.
const MAX_TOKENS_PER_SECOND: usize = 9;
/// Tokens that even the shortest window may have.
const MIN_TOKENS: usize = 24;
/// The most tokens of a window: half of the decoder's positions.
const MAX_TOKENS: usize = 224;
/// The beam of the later attempts.
pub(crate) const RETRY_BEAM: usize = 5;
/// Sequences of so many tokens may not occur twice in the last attempt.
const UNIQUE_NGRAM: usize = 4;

/// What to do with doubtful text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doubts {
    /// Keep it, unless the window seems to hold no speech: somebody may have mumbled.
    Keep,
    /// Drop it: the model has heard this sound before and wrote nothing. Where nothing speaks for
    /// speech, don't even search harder.
    Drop,
}

/// What became of a window.
#[derive(Debug)]
pub(crate) struct Decoded {
    pub(crate) hypothesis: Hypothesis,
    pub(crate) effort: Effort,
}

/// How much was tried with a window.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effort {
    /// The first search was good enough.
    #[default]
    Once,
    /// Its text was doubtful, so other searches followed.
    Harder,
    /// It was given up at once: no search would find speech in it.
    GivenUp,
}

/// Writes down what is said in the windows of a batch.
pub(crate) fn decode(
    model: &Model,
    encoded: &Encoded,
    batch: &[Sound],
    task: &Task,
    beam: usize,
    doubts: Doubts,
) -> Result<Vec<Decoded>, EngineError> {
    let max_tokens = token_limit(batch);
    let first = Search {
        beam,
        unique_ngram: 0,
        max_tokens,
    };
    let found = model.generate(encoded, batch.len(), task, first)?;
    let each = found.into_iter().zip(batch);
    each.map(|(mut hypothesis, (_, samples))| {
        let effort = effort(model, &hypothesis, doubts);
        if effort == Effort::Harder {
            hypothesis = search_harder(model, samples, task, first, hypothesis)?;
        }
        let verdict = Verdict::on(model, &hypothesis);
        let dropped = match doubts {
            Doubts::Keep => verdict.is_nothing(hypothesis.no_speech),
            Doubts::Drop => !verdict.is_good() || hypothesis.no_speech > MAX_NO_SPEECH,
        };
        if dropped {
            hypothesis.tokens.clear();
        }
        Ok(Decoded { hypothesis, effort })
    })
    .collect()
}

/// What a window's first text is worth trying.
fn effort(model: &Model, hypothesis: &Hypothesis, doubts: Doubts) -> Effort {
    if doubts == Doubts::Drop && is_hopeless(hypothesis) {
        Effort::GivenUp
    } else if Verdict::on(model, hypothesis).is_good() {
        Effort::Once
    } else {
        Effort::Harder
    }
}

/// The best text of a window whose first one is doubtful.
///
/// The encoder's output of a batch cannot be taken apart, so the window is encoded anew: by itself,
/// for the whole 30 s take much memory.
fn search_harder(
    model: &Model,
    samples: &[i16],
    task: &Task,
    first: Search,
    mut best: Hypothesis,
) -> Result<Hypothesis, EngineError> {
    let wider = Search {
        beam: RETRY_BEAM.max(first.beam),
        ..first
    };
    let unlike = Search {
        unique_ngram: UNIQUE_NGRAM,
        ..wider
    };
    let encoded = model.encode(&[samples], Hearing::Whole)?;
    for search in [wider, unlike]
        .into_iter()
        .filter(|&search| search != first)
    {
        for candidate in model.generate(&encoded, 1, task, search)? {
            let verdict = Verdict::on(model, &candidate);
            if verdict.is_better_than(Verdict::on(model, &best)) {
                best = candidate;
            }
        }
        if Verdict::on(model, &best).is_good() {
            break;
        }
    }
    Ok(best)
}

/// The most tokens that a window of the batch's length class can hold: a loop ends there.
fn token_limit(batch: &[Sound]) -> usize {
    let longest = batch.iter().map(|(window, _)| window.samples()).max();
    let seconds = length_class(longest.unwrap_or(0)) * HOP / SAMPLE_RATE as usize;
    (MIN_TOKENS + MAX_TOKENS_PER_SECOND * seconds).min(MAX_TOKENS)
}

/// Whether a harder search would only invent more: of music, mostly.
fn is_hopeless(hypothesis: &Hypothesis) -> bool {
    hypothesis.no_speech > MAX_NO_SPEECH || hypothesis.log_probability < HOPELESS_LOG_PROBABILITY
}

/// How good a hypothesis is.
#[derive(Debug, Clone, Copy)]
struct Verdict {
    repeats: bool,
    log_probability: f32,
}

impl Verdict {
    fn on(model: &Model, hypothesis: &Hypothesis) -> Self {
        Self {
            repeats: repeats(&model.vocabulary.text(&hypothesis.tokens)),
            log_probability: hypothesis.log_probability,
        }
    }

    fn is_good(self) -> bool {
        !self.repeats && self.log_probability >= MIN_LOG_PROBABILITY
    }

    fn is_better_than(self, other: Self) -> bool {
        match (self.repeats, other.repeats) {
            (false, true) => true,
            (true, false) => false,
            _ => self.log_probability > other.log_probability,
        }
    }

    fn is_nothing(self, no_speech: f32) -> bool {
        no_speech > MAX_NO_SPEECH && self.log_probability < MIN_LOG_PROBABILITY
    }
}

/// Whether a text goes in circles.
fn repeats(text: &str) -> bool {
    compression_ratio(text) > MAX_COMPRESSION || loops(text) > MAX_LOOPS
}

/// How often the words in a row that occur most often do.
fn loops(text: &str) -> usize {
    let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
    let mut counts = HashMap::new();
    for row in words.windows(LOOP_WORDS) {
        *counts.entry(row).or_insert(0) += 1;
    }
    counts.into_values().max().unwrap_or(0)
}

/// How many times shorter zlib makes a text.
fn compression_ratio(text: &str) -> f32 {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    // Writing to memory does not fail.
    let compressed = encoder
        .write_all(text.as_bytes())
        .and_then(|()| encoder.finish());
    compressed.map_or(0.0, |compressed| {
        text.len() as f32 / compressed.len().max(1) as f32
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loops_compress_and_speech_does_not() {
        assert!(compression_ratio(&"S-I-T-T-".repeat(40)) > MAX_COMPRESSION);
        let speech = "Okay, so I see in our system that you bought the car two weeks ago. Could I \
                      check with you which was the make and model of this one?";
        assert!(compression_ratio(speech) < MAX_COMPRESSION);
        assert!(compression_ratio("") < 1.0);
        assert!(repeats(
            "I see. Thank you very much. Thank you very much. Thank you very much. Thank you very much. Bye."
        ));
        assert!(!repeats("No, no, no, no, no. Yes, yes, yes."));
        assert_eq!(loops("three words only"), 0);
    }

    #[test]
    fn text_without_loops_wins_then_the_likelier() {
        let verdict = |repeats, log_probability| Verdict {
            repeats,
            log_probability,
        };
        assert!(verdict(false, -2.0).is_better_than(verdict(true, -0.1)));
        assert!(!verdict(true, -0.1).is_better_than(verdict(false, -2.0)));
        assert!(verdict(false, -0.5).is_better_than(verdict(false, -0.7)));
        assert!(verdict(false, -1.5).is_nothing(0.9));
        assert!(!verdict(false, -0.5).is_nothing(0.9));
    }
}
