//! Anonymizes a transcript: every word that names an entity gives way to a label.
//!
//! Promises, each checked before a result is handed out:
//!
//! * The entities fit the transcript: each mention lies in its turn, says what the turn says and
//!   overlaps no other. Otherwise nothing is anonymized.
//! * Equal canonical values get equal labels (`[PERSON_1]`), numbered by first appearance per type.
//! * A value that was recognized once is replaced everywhere in the conversation, and the result
//!   is searched again for all of them.
//! * For every replaced word there is a [`Cut`] that covers its sound.
//!
//! Errors name turns and mentions by index only, so they are free of personal data.

mod check;
mod labels;
mod rewrite;
mod sweep;
mod tokens;

use std::collections::BTreeMap;

use colloquy_contract::{entities::Entities, transcript::Transcript};

use crate::Cut;
use labels::Labels;
use sweep::Needles;

/// An anonymized conversation.
#[derive(Debug, Clone, PartialEq)]
pub struct Anonymized {
    /// The transcript with labels in place of entities.
    pub transcript: Transcript,
    /// Number of replaced places by entity type, those of `swept` included.
    pub counts: BTreeMap<String, u32>,
    /// How many places were not mentions but repeated the value of one.
    pub swept: u32,
    /// What has to go from the recording, by channel and start.
    pub cuts: Vec<Cut>,
}

/// Why a transcript cannot be anonymized.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnonymizeError {
    /// The transcript breaks its own invariant.
    #[error("check transcript: the text of turn {turn} is not its words joined by spaces")]
    Text {
        /// Index of the turn.
        turn: usize,
    },
    /// A mention is of a turn that does not exist.
    #[error("check mention {mention}: there is no turn {turn}")]
    NoTurn {
        /// Index of the mention.
        mention: usize,
        /// Index of the turn it names.
        turn: usize,
    },
    /// A mention does not lie in its turn, or is empty.
    #[error("check mention {mention}: {start}..{end} is not a place in turn {turn}")]
    Bounds {
        /// Index of the mention.
        mention: usize,
        /// Index of the turn.
        turn: usize,
        /// Start as given, in characters.
        start: usize,
        /// End as given, in characters.
        end: usize,
    },
    /// A mention says something else than the transcript.
    #[error("check mention {mention}: turn {turn} does not say this there")]
    Stale {
        /// Index of the mention.
        mention: usize,
        /// Index of the turn.
        turn: usize,
    },
    /// Two mentions share characters.
    #[error("check mention {mention}: it overlaps another in turn {turn}")]
    Overlap {
        /// Index of the later mention.
        mention: usize,
        /// Index of the turn.
        turn: usize,
    },
    /// A type that would not make a label.
    #[error("check mention {mention}: its type is not of letters, digits and underscores")]
    EntityType {
        /// Index of the mention.
        mention: usize,
    },
    /// Neither word, turn nor recording has a length, so nothing can be cut.
    #[error("time cut: neither turn {turn} nor the recording has a length")]
    NoTime {
        /// Index of the turn.
        turn: usize,
    },
    /// The anonymized text still holds a value; a defect of this module.
    #[error("verify anonymized text: turn {turn} still holds a recognized value")]
    Leak {
        /// Index of the turn.
        turn: usize,
    },
}

/// Replaces every mention, and every repetition of its value, by its label.
///
/// # Errors
/// When the entities do not fit the transcript, or when the result is not free of them.
pub fn anonymize(
    transcript: &Transcript,
    entities: &Entities,
) -> Result<Anonymized, AnonymizeError> {
    let texts = check::texts(transcript)?;
    let mut hits = check::hits(&texts, entities)?;
    let needles = Needles::new(entities);
    let swept = sweep::add_repetitions(&needles, &texts, &mut hits);
    let labels = Labels::number(hits.iter().flatten());

    let mut anonymized = Anonymized {
        transcript: Transcript {
            turns: Vec::new(),
            ..transcript.clone()
        },
        counts: labels.counts(),
        swept,
        cuts: Vec::new(),
    };
    for (index, ((turn, text), hits)) in transcript.turns.iter().zip(&texts).zip(&hits).enumerate()
    {
        let rewritten = rewrite::turn(turn, text, hits, &labels);
        for words in rewritten.replaced {
            let cut = Cut::of_words(turn, &turn.words[words], transcript.duration_ms)
                .ok_or(AnonymizeError::NoTime { turn: index })?;
            anonymized.cuts.push(cut);
        }
        anonymized.transcript.turns.push(rewritten.turn);
    }
    anonymized.cuts.sort_unstable();
    anonymized.cuts.dedup();
    verify(&needles, &anonymized.transcript)?;
    Ok(anonymized)
}

/// Searches the result for everything that should be gone.
fn verify(needles: &Needles, anonymized: &Transcript) -> Result<(), AnonymizeError> {
    let texts = check::texts(anonymized)?;
    for (turn, text) in texts.iter().enumerate() {
        let labels = labels::find(text);
        if needles.find(text, &labels).next().is_some() {
            return Err(AnonymizeError::Leak { turn });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
