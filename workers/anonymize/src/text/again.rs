//! Reads the result again as if nothing were known of it: what the recognizers find then goes, too.

use std::sync::Arc;

use colloquy_contract::{
    entities::Entities,
    transcript::{Transcript, Turn},
};

use super::{AnonymizeError, Anonymized, Finding, Treatment, anonymize_with};

/// Finds entities in a transcript.
pub type Recognize = Arc<dyn Fn(&Transcript) -> Entities + Send + Sync>;

/// How often the result is read again. Each time at least a word goes that was there before; in
/// practice the second reading finds nothing.
const MOST_ROUNDS: usize = 8;

/// What the recognizers read in the place of a label: nothing that could be part of a value.
const BLANK: &str = "…";

/// A finding that is less sure is left: what is around it may be gone, and with it what told the
/// first reading that it is nothing.
const SURE: f32 = 0.7;

/// Anonymizes, has the result read by the recognizers again and again until they find nothing
/// more, and replaces what they find.
///
/// # Errors
/// Those of [`anonymize`](super::anonymize), or if they always find more.
pub fn anonymize_thoroughly(
    transcript: &Transcript,
    entities: &Entities,
    treatment: &Treatment<'_>,
    recognize: &Recognize,
) -> Result<Anonymized, AnonymizeError> {
    thoroughly(transcript, entities, &mut Vec::new(), treatment, recognize)
}

/// The same with what was found since, to which it adds.
pub(crate) fn thoroughly(
    transcript: &Transcript,
    entities: &Entities,
    findings: &mut Vec<Finding>,
    treatment: &Treatment<'_>,
    recognize: &Recognize,
) -> Result<Anonymized, AnonymizeError> {
    for _ in 0..MOST_ROUNDS {
        let anonymized = anonymize_with(transcript, entities, findings, treatment)?;
        let more = read_again(&anonymized, treatment, recognize);
        if more.is_empty() {
            return Ok(anonymized);
        }
        findings.extend(more);
    }
    Err(AnonymizeError::Restless {
        rounds: MOST_ROUNDS,
    })
}

/// What the recognizers find in the result, as words of the transcript.
fn read_again(
    anonymized: &Anonymized,
    treatment: &Treatment<'_>,
    recognize: &Recognize,
) -> Vec<Finding> {
    let blanked = blanked(anonymized);
    let mut findings = Vec::new();
    for mention in recognize(&blanked).mentions {
        let policy = treatment.policy;
        let allowed = policy
            .allowed()
            .iter()
            .any(|pattern| pattern.is(&mention.text));
        let is_one = mention.score >= SURE && policy.redacts(&mention.entity_type, mention.score);
        let Some(turn) = blanked
            .turns
            .get(mention.turn)
            .filter(|_| is_one && !allowed)
        else {
            continue;
        };
        for (at, span) in turn.word_spans().enumerate() {
            let meets = span.start < mention.end && mention.start < span.end;
            let is_word = turn.words[at].text.chars().any(char::is_alphanumeric);
            if meets && is_word && !anonymized.replaced[mention.turn][at] {
                findings.push(Finding {
                    turn: mention.turn,
                    words: anonymized.origins[mention.turn][at].clone(),
                    entity_type: mention.entity_type.clone(),
                    value: mention.value.clone(),
                });
            }
        }
    }
    findings
}

/// The result with blanks in the place of labels.
fn blanked(anonymized: &Anonymized) -> Transcript {
    let turns = anonymized.transcript.turns.iter().zip(&anonymized.replaced);
    let blank = |(turn, replaced): (&Turn, &Vec<bool>)| {
        let mut words = turn.words.clone();
        for (word, replaced) in words.iter_mut().zip(replaced) {
            let text: Vec<char> = word.text.chars().collect();
            if *replaced || !super::labels::marks(&text).is_empty() {
                BLANK.clone_into(&mut word.text);
                word.digit_starts_ms.clear();
            }
        }
        let blanked = Turn::new(turn.channel, turn.role, words);
        blanked.unwrap_or_else(|| turn.clone())
    };
    Transcript {
        turns: turns.map(blank).collect(),
        ..anonymized.transcript.clone()
    }
}
