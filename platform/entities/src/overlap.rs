//! Which of two overlapping candidates stays.
//!
//! The rule, in this order:
//! 1. the surer class: checked (0.9 and more), said or formed so (0.7 and more), looks like it;
//! 2. the longer one;
//! 3. the higher score;
//! 4. the more specific: the recognizer that comes first in the list of recognizers.
//!
//! A candidate of several parts that loses one part loses all, so that no half of a number is
//! called something else. Digits that are left over are caught by the sweep for long numbers.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::entity::{Candidate, Part};

/// Which stretches of a conversation are taken.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    /// By turn and start: the end.
    stretches: BTreeMap<(usize, usize), usize>,
}

impl Taken {
    /// Whether a stretch overlaps a taken one.
    pub(crate) fn overlaps(&self, part: &Part) -> bool {
        let before = self.stretches.range(..(part.turn, part.end)).next_back();
        before.is_some_and(|((turn, start), end)| {
            Part {
                turn: *turn,
                start: *start,
                end: *end,
            }
            .overlaps(part)
        })
    }

    /// Takes all stretches of a candidate, if all are free.
    pub(crate) fn take(&mut self, candidate: &Candidate) -> bool {
        let empty = candidate.parts.iter().all(|part| part.start >= part.end);
        if empty || candidate.parts.iter().any(|part| self.overlaps(part)) {
            return false;
        }
        for part in &candidate.parts {
            self.stretches.insert((part.turn, part.start), part.end);
        }
        true
    }
}

/// The candidates that stay. They come in the order of the recognizers.
pub(crate) fn resolve(mut candidates: Vec<Candidate>, taken: &mut Taken) -> Vec<Candidate> {
    candidates.sort_by_key(|c| (Reverse(class(c)), Reverse(c.len()), Reverse(thousandths(c))));
    candidates.retain(|candidate| taken.take(candidate));
    candidates
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
