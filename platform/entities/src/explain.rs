//! Why something is an entity: what spoke for it, and what it won against.

use crate::entity::{Candidate, Part, score};
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

/// Claims that were given up, by their place.
pub(crate) struct Losses<'l> {
    lost: &'l [Lost],
    /// Every part, in order; which of the claims it is of; the furthest end of a part of the turn so
    /// far.
    parts: Vec<(Part, usize, usize)>,
}

impl<'l> Losses<'l> {
    /// Puts claims in order.
    pub(crate) fn new(lost: &'l [Lost]) -> Self {
        let claims = lost.iter().enumerate();
        let parts = claims.flat_map(|(index, lost)| {
            let parts = lost.candidate.parts.iter();
            parts.map(move |part| (*part, index, part.end))
        });
        let mut parts: Vec<_> = parts.collect();
        parts.sort_unstable();
        let mut before = (0, 0);
        for (part, _, furthest) in &mut parts {
            if before.0 == part.turn {
                *furthest = part.end.max(before.1);
            }
            before = (part.turn, *furthest);
        }
        Self { lost, parts }
    }

    /// The claims that overlap an entity, in the order in which they were given up.
    fn over(&self, entity: &Candidate) -> impl Iterator<Item = &'l Candidate> {
        let mut found = Vec::new();
        for own in &entity.parts {
            let after = self
                .parts
                .partition_point(|(part, ..)| (part.turn, part.start) < (own.turn, own.end));
            let before = self.parts[..after].iter().rev();
            let near = before
                .take_while(|(part, _, furthest)| part.turn == own.turn && *furthest > own.start);
            let overlapping = near.filter(|(part, ..)| part.overlaps(own));
            found.extend(overlapping.map(|(_, index, _)| *index));
        }
        found.sort_unstable();
        found.dedup();
        let lost = self.lost;
        found.into_iter().map(move |index| &lost[index].candidate)
    }
}

/// Explains an entity.
pub(crate) fn explain(scene: &Scene<'_>, entity: &Candidate, losses: &Losses<'_>) -> Explanation {
    let over = losses.over(entity).map(|lost| Over {
        entity_type: lost.entity_type,
        recognizer: lost.recognizer,
        rule: overlap_rule(entity, lost),
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
    let tokens = conversation.turns.get(part.turn)?.tokens.clone();
    let words = &conversation.tokens[tokens.clone()];
    let before = words.partition_point(|word| word.end <= part.start);
    let first = Some(tokens.start + before).filter(|first| tokens.contains(first))?;
    let cue = scene.context.cue_near(conversation, first)?;
    let (start, end) = (
        conversation.tokens[cue.start],
        conversation.tokens[cue.end - 1],
    );
    let text = conversation.turns[start.turn].text;
    (start.turn == end.turn).then(|| text[start.start..end.end].to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_overlaps_is_found_whatever_its_length() {
        let part = |turn, start, end| Part { turn, start, end };
        let candidate = |parts: Vec<Part>| Candidate {
            entity_type: "X",
            value: String::new(),
            score: 1.0,
            recognizer: "x",
            parts,
        };
        // Some numbers, always the same.
        let number = |seed: usize, below: usize| seed.wrapping_mul(0x9e37_79b9) / 7 % below;
        let stretch = |seed| {
            let start = number(seed, 90);
            part(number(seed + 7, 3), start, start + 1 + number(seed + 3, 30))
        };
        let lost: Vec<Lost> = (0..200)
            .map(|seed| Lost {
                candidate: candidate(vec![stretch(seed), stretch(seed + 1_000)]),
            })
            .collect();
        let losses = Losses::new(&lost);
        for seed in 5_000..5_200 {
            let entity = candidate(vec![stretch(seed)]);
            let own = &entity.parts[0];
            let overlaps =
                |lost: &&Lost| lost.candidate.parts.iter().any(|part| part.overlaps(own));
            let expected = lost
                .iter()
                .filter(overlaps)
                .map(|lost| &lost.candidate.parts);
            let found = losses.over(&entity).map(|lost| &lost.parts);
            assert!(found.eq(expected), "{own:?}");
        }
    }
}
