//! Why something is an entity: what spoke for it, and what it won against.

use crate::entity::{Candidate, score};
use crate::overlap::Lost;
use crate::recognizers::Scene;

/// Why a finding is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// What its score stands for: a check, a form, a cue, the model…
    pub basis: &'static str,
    /// The words nearby that say what it is, if there are any.
    pub cue: Option<String>,
    /// What else was claimed there, and by which rule it was given up.
    pub over: Vec<Over>,
}

/// A claim that was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Over {
    /// What it was claimed to be.
    pub entity_type: &'static str,
    /// By which recognizer.
    pub recognizer: &'static str,
    /// The rule that decided.
    pub rule: &'static str,
}

/// Explains an entity.
pub(crate) fn explain(scene: &Scene<'_>, entity: &Candidate, lost: &[Lost]) -> Explanation {
    let overlapping = lost.iter().filter(|lost| {
        let parts = &lost.candidate.parts;
        parts
            .iter()
            .any(|part| entity.parts.iter().any(|own| own.overlaps(part)))
    });
    let over = overlapping.map(|lost| Over {
        entity_type: lost.candidate.entity_type,
        recognizer: lost.candidate.recognizer,
        rule: overlap_rule(entity, &lost.candidate),
    });
    Explanation {
        basis: basis(entity),
        cue: cue(scene, entity),
        over: over.collect(),
    }
}

fn overlap_rule(winner: &Candidate, loser: &Candidate) -> &'static str {
    crate::overlap::rule(winner, loser)
}

fn basis(entity: &Candidate) -> &'static str {
    let score = entity.score;
    match entity.recognizer {
        "propagation" => "found elsewhere in the conversation",
        "model" => "the model says so",
        _ if score >= 0.9 => "a check holds, or the form admits nothing else",
        _ if score >= score::FORM => "a form of its own",
        _ if score >= score::CONTEXT => "the words around it say so",
        _ if score >= score::PARTIAL => "the words around it say so, its form is not certain",
        _ if score >= score::LOOKS => "it looks like one",
        _ => "a number that nothing says more about",
    }
}

/// The words of the nearest cue.
fn cue(scene: &Scene<'_>, entity: &Candidate) -> Option<String> {
    let part = entity.parts.first()?;
    let conversation = scene.conversation;
    let tokens = &conversation.turns.get(part.turn)?.tokens;
    let first = tokens
        .clone()
        .find(|token| conversation.tokens[*token].end > part.start)?;
    let cue = scene.context.cue_near(conversation, first)?;
    let (start, end) = (
        conversation.tokens[cue.start],
        conversation.tokens[cue.end - 1],
    );
    let text = conversation.turns[start.turn].text;
    (start.turn == end.turn).then(|| text[start.start..end.end].to_lowercase())
}
