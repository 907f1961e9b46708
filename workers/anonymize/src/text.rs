//! Anonymizes a transcript: every word that names an entity gives way to what the policy says.
//!
//! Promises, each checked before a result is handed out:
//!
//! * The entities fit the transcript: each mention lies in its turn, says what the turn says and
//!   overlaps no other. Otherwise nothing is anonymized.
//! * Equal canonical values get equal labels (`[PERSON_1]`), numbered by first appearance per type.
//! * A value that was recognized once is replaced everywhere in the conversation, whatever a deny
//!   list has is replaced wherever it stands, and the result is searched again for all of them.
//! * For every replaced word there is a [`Cut`] that covers its sound.
//! * What was replaced already stays as it is: anonymizing again changes nothing.
//!
//! Errors name turns and mentions by index only, so they are free of personal data.

mod again;
mod check;
mod labels;
mod places;
mod plain;
mod rewrite;
mod secrets;
mod sound;
mod sweep;
pub(crate) mod tokens;

use std::{collections::BTreeMap, ops::Range};

use colloquy_contract::{entities::Entities, transcript::Transcript};

use crate::{Cut, policy::Policy};
use labels::{Hit, Labels};
use places::Places;
use sound::Sounds;
use sweep::Needles;

pub(crate) use again::thoroughly;
pub use again::{Recognize, anonymize_thoroughly};
pub use plain::{Plain, redact_plain};
pub(crate) use secrets::{Heard, Secrets};

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
    /// For each turn, which words of the transcript each word stands for.
    pub(crate) origins: Vec<Vec<Range<usize>>>,
    /// For each turn, which of its words stand for others.
    pub(crate) replaced: Vec<Vec<bool>>,
}

/// By which policy, and whose conversation it is.
#[derive(Debug, Clone, Copy)]
pub struct Treatment<'a> {
    /// The policy.
    pub policy: &'a Policy,
    /// The account: hashes of one are not those of another.
    pub account: &'a str,
}

/// Words that were found to name something after the entities were: by what reads the result.
/// It holds personal data, so it has no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// Index of the turn.
    pub(crate) turn: usize,
    /// Which of its words.
    pub(crate) words: Range<usize>,
    /// What they name.
    pub(crate) entity_type: String,
    /// Its canonical value.
    pub(crate) value: String,
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
    /// Recognizers found more in each result.
    #[error("verify anonymized text: the recognizers found something more {rounds} times")]
    Restless {
        /// How often.
        rounds: usize,
    },
}

/// Replaces every mention that the policy redacts, and every repetition of its value.
///
/// # Errors
/// When the entities do not fit the transcript, or when the result is not free of them.
pub fn anonymize(
    transcript: &Transcript,
    entities: &Entities,
    treatment: &Treatment<'_>,
) -> Result<Anonymized, AnonymizeError> {
    anonymize_with(transcript, entities, &[], treatment)
}

/// The same with what was found since.
pub(crate) fn anonymize_with(
    transcript: &Transcript,
    entities: &Entities,
    findings: &[Finding],
    treatment: &Treatment<'_>,
) -> Result<Anonymized, AnonymizeError> {
    let policy = treatment.policy;
    let texts = check::texts(transcript)?;
    let mut hits = check::hits(&texts, entities)?;
    let places: Vec<Places> = texts.iter().map(|text| Places::of(text, policy)).collect();
    for (hits, places) in hits.iter_mut().zip(&places) {
        hits.retain(|hit| policy.redacts(hit.entity.kind(), hit.score));
        places.leave_out(hits);
    }
    for finding in findings {
        places::add_finding(transcript, finding, &places, &mut hits);
    }
    for ((text, hits), places) in texts.iter().zip(&mut hits).zip(&places) {
        places.add_denied(text, hits);
    }
    let needles = Needles::new(entities, findings, policy);
    let sounds = Sounds::new(entities, policy);
    let swept = sweep::add_repetitions((&needles, &sounds), &texts, &places, &mut hits);
    let labels = Labels::number(hits.iter().flatten(), treatment);
    let anonymized = replace(transcript, &texts, &hits, &labels, swept)?;
    verify(&needles, &anonymized, policy)?;
    Ok(anonymized.0)
}

/// Where each turn has labels, in characters.
type Labelled = Vec<Vec<Range<usize>>>;

/// The transcript with labels, and where they stand.
fn replace(
    transcript: &Transcript,
    texts: &[Vec<char>],
    hits: &[Vec<Hit>],
    labels: &Labels,
    swept: u32,
) -> Result<(Anonymized, Labelled), AnonymizeError> {
    let mut anonymized = Anonymized {
        transcript: Transcript {
            turns: Vec::new(),
            ..transcript.clone()
        },
        counts: labels.counts(),
        swept,
        cuts: Vec::new(),
        origins: Vec::new(),
        replaced: Vec::new(),
    };
    let mut labelled = Vec::new();
    for (index, ((turn, text), hits)) in transcript.turns.iter().zip(texts).zip(hits).enumerate() {
        let rewritten = rewrite::turn(turn, text, hits, labels);
        for (words, is_replaced) in rewritten.origins.iter().zip(&rewritten.replaced) {
            if *is_replaced {
                let cut = Cut::of_words(turn, &turn.words[words.clone()], transcript.duration_ms)
                    .ok_or(AnonymizeError::NoTime { turn: index })?;
                anonymized.cuts.push(cut);
            }
        }
        anonymized.transcript.turns.push(rewritten.turn);
        anonymized.origins.push(rewritten.origins);
        anonymized.replaced.push(rewritten.replaced);
        labelled.push(rewritten.labelled);
    }
    anonymized.cuts.sort_unstable();
    anonymized.cuts.dedup();
    Ok((anonymized, labelled))
}

/// Searches the result for everything that should be gone.
fn verify(
    needles: &Needles,
    (anonymized, labelled): &(Anonymized, Labelled),
    policy: &Policy,
) -> Result<(), AnonymizeError> {
    let texts = check::texts(&anonymized.transcript)?;
    for (turn, (text, labelled)) in texts.iter().zip(labelled).enumerate() {
        let places = Places::of(text, policy);
        let denied = policy.denied().iter().any(|pattern| {
            !pattern
                .find(text, &places::join(labelled, places.marks()))
                .is_empty()
        });
        let covered = places.covered(labelled);
        if denied || needles.find(text, &covered).next().is_some() {
            return Err(AnonymizeError::Leak { turn });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
