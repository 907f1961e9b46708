//! Which of two overlapping candidates stays.
//!
//! The rule, in this order:
//! 1. the surer class: checked (0.9 and more), said or formed so (0.7 and more), looks like it;
//! 2. the longer one;
//! 3. the higher score;
//! 4. the more specific: the recognizer that comes first in the list of recognizers.
//!
//! A candidate of several parts that loses one part loses all, so that no half of a number is
//! called something else. Digits that are left over are caught by the sweep for long numbers. What
//! the model found is cut instead: of "Acme, 12 Main Street", "Acme" remains.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::entity::{Candidate, Part};
use crate::text::Conversation;

/// What remains of a cut candidate is at least this many bytes.
const SHORTEST_REST: usize = 3;

/// A candidate that was given up.
#[derive(Debug)]
pub(crate) struct Lost {
    /// What it was.
    pub(crate) candidate: Candidate,
}

/// Which stretches of a conversation are taken.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    /// Of each turn, by start: the end.
    turns: Vec<BTreeMap<usize, usize>>,
}

impl Taken {
    /// Whether a stretch overlaps a taken one.
    pub(crate) fn overlaps(&self, part: &Part) -> bool {
        self.over(part).is_some()
    }

    /// The last taken stretch that overlaps this one.
    fn over(&self, part: &Part) -> Option<Part> {
        let turn = self.turns.get(part.turn)?;
        let (start, end) = turn.range(..part.end).next_back()?;
        let taken = Part {
            turn: part.turn,
            start: *start,
            end: *end,
        };
        taken.overlaps(part).then_some(taken)
    }

    /// Takes all stretches of a candidate, if all are free.
    pub(crate) fn take(&mut self, candidate: &Candidate) -> bool {
        let empty = candidate.parts.iter().all(|part| part.start >= part.end);
        if empty || candidate.parts.iter().any(|part| self.overlaps(part)) {
            return false;
        }
        for part in &candidate.parts {
            if self.turns.len() <= part.turn {
                self.turns.resize_with(part.turn + 1, BTreeMap::new);
            }
            self.turns[part.turn].insert(part.start, part.end);
        }
        true
    }

    /// What of a stretch is free: before or behind the one stretch that overlaps it.
    fn rest(&self, conversation: &Conversation<'_>, part: &Part) -> Option<Part> {
        let taken = self.over(part)?;
        let rest = if taken.start > part.start {
            Part {
                end: taken.start,
                ..*part
            }
        } else {
            Part {
                start: taken.end,
                ..*part
            }
        };
        let text = conversation.turns[rest.turn]
            .text
            .get(rest.start..rest.end)?;
        let light = |c: char| !c.is_alphanumeric() && c != '.';
        let start =
            rest.start + text.len() - text.trim_start_matches(|c| light(c) || c == '.').len();
        let mut whole = text.trim_end_matches(light);
        for word in [" at", " to", " on", " and", " of"] {
            whole = whole.strip_suffix(word).unwrap_or(whole);
        }
        let end = rest.start + whole.len();
        let named = text
            .trim_start_matches(light)
            .starts_with(char::is_uppercase);
        let rest = Part {
            turn: rest.turn,
            start,
            end,
        };
        // "Delivery" behind the "Acme Ltd." of the sentence before.
        let left = text.trim_matches(light).to_lowercase();
        let word = !left.contains(' ') && crate::words::is_english(&left);
        (named && !word && start + SHORTEST_REST <= end && !self.overlaps(&rest)).then_some(rest)
    }
}

/// The candidates that stay, and those that don't. They come in the order of the recognizers.
pub(crate) fn resolve(
    conversation: &Conversation<'_>,
    mut candidates: Vec<Candidate>,
    taken: &mut Taken,
) -> (Vec<Candidate>, Vec<Lost>) {
    candidates.sort_by_cached_key(order);
    let mut lost = Vec::new();
    // Those that stay remain in their memory: there may be hundreds of thousands.
    let kept = candidates.into_iter().filter_map(|mut candidate| {
        if taken.take(&candidate) {
            return Some(candidate);
        }
        let rest = match candidate.parts.as_slice() {
            [part] if candidate.recognizer == "model" => taken.rest(conversation, part),
            _ => None,
        };
        if let Some(rest) = rest {
            candidate.parts = vec![rest];
            let text = &conversation.turns[rest.turn].text[rest.start..rest.end];
            candidate.value = text.to_lowercase();
            return taken.take(&candidate).then_some(candidate);
        }
        lost.push(Lost { candidate });
        None
    });
    (kept.collect(), lost)
}

/// Winners first.
fn order(candidate: &Candidate) -> Reverse<(u8, usize, u32)> {
    Reverse((class(candidate), candidate.len(), thousandths(candidate)))
}

/// Which part of the rule decided.
pub(crate) fn rule(winner: &Candidate, loser: &Candidate) -> &'static str {
    if class(winner) != class(loser) {
        "surer"
    } else if winner.len() != loser.len() {
        "longer"
    } else if thousandths(winner) != thousandths(loser) {
        "higher score"
    } else {
        "more specific"
    }
}

fn class(candidate: &Candidate) -> u8 {
    match thousandths(candidate) {
        900.. => 2,
        700.. => 1,
        _ => 0,
    }
}

/// A cast from float saturates.
fn thousandths(candidate: &Candidate) -> u32 {
    (candidate.score * 1000.0).round() as u32
}
