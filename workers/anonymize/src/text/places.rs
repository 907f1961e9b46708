//! What in a turn stays whatever is found in it, and what goes whatever is found.

use std::ops::Range;

use colloquy_contract::transcript::Transcript;

use super::{
    Finding,
    labels::{self, Entity, Hit},
};
use crate::policy::Policy;

/// The places of a turn's text.
pub(super) struct Places {
    /// What was replaced already.
    marks: Vec<Range<usize>>,
    /// What an allow list has, and no deny list.
    allowed: Vec<Range<usize>>,
    /// What a deny list has.
    denied: Vec<Range<usize>>,
}

impl Places {
    /// The places of a text.
    pub(super) fn of(text: &[char], policy: &Policy) -> Self {
        let marks = labels::marks(text);
        let all = |patterns: &[crate::policy::Pattern]| {
            let found = patterns
                .iter()
                .flat_map(|pattern| pattern.find(text, &marks));
            join(&found.collect::<Vec<_>>(), &[])
        };
        let denied = all(policy.denied());
        let mut allowed = all(policy.allowed());
        allowed.retain(|range| !denied.iter().any(|denied| meet(range, denied)));
        Self {
            marks,
            allowed,
            denied,
        }
    }

    /// What was replaced already.
    pub(super) fn marks(&self) -> &[Range<usize>] {
        &self.marks
    }

    /// These stretches and all in which nothing is to be found, in order.
    pub(super) fn covered(&self, taken: &[Range<usize>]) -> Vec<Range<usize>> {
        let stay = join(&self.marks, &self.allowed);
        join(&stay, taken)
    }

    /// Takes from the hits what was replaced already or is allowed.
    pub(super) fn leave_out(&self, hits: &mut Vec<Hit>) {
        let stays = |hit: &Hit| {
            let within =
                |stay: &Range<usize>| stay.start <= hit.range.start && hit.range.end <= stay.end;
            self.allowed.iter().any(within) || self.marks.iter().any(|mark| meet(mark, &hit.range))
        };
        let (staying, rest): (Vec<Hit>, Vec<Hit>) = hits.drain(..).partition(stays);
        *hits = rest;
        // What is left of a hit on both sides of a label.
        for hit in staying {
            if self
                .allowed
                .iter()
                .any(|stay| stay.start <= hit.range.start && hit.range.end <= stay.end)
            {
                continue;
            }
            let mut from = hit.range.start;
            for mark in self.marks.iter().filter(|mark| meet(mark, &hit.range)) {
                push_rest(hits, &hit, from..mark.start);
                from = mark.end;
            }
            push_rest(hits, &hit, from..hit.range.end);
        }
        hits.sort_by_key(|hit| hit.range.start);
    }

    /// Adds what a deny list has.
    pub(super) fn add_denied(&self, text: &[char], hits: &mut Vec<Hit>) {
        for range in &self.denied {
            let entity = Entity::denied(&text[range.clone()]);
            let range = range.clone();
            add(
                hits,
                Hit {
                    range,
                    entity,
                    score: 1.0,
                },
            );
        }
    }
}

fn push_rest(hits: &mut Vec<Hit>, hit: &Hit, range: Range<usize>) {
    if range.start < range.end {
        hits.push(Hit {
            range,
            entity: hit.entity.clone(),
            score: hit.score,
        });
    }
}

/// Adds the words of what was found later, without the punctuation around them.
pub(super) fn add_finding(
    transcript: &Transcript,
    finding: &Finding,
    places: &[Places],
    hits: &mut [Vec<Hit>],
) {
    let (Some(turn), Some(hits)) = (
        transcript.turns.get(finding.turn),
        hits.get_mut(finding.turn),
    ) else {
        return;
    };
    let spans: Vec<Range<usize>> = turn.word_spans().collect();
    for at in finding.words.clone() {
        let (Some(span), Some(word)) = (spans.get(at), turn.words.get(at)) else {
            continue;
        };
        let letters: Vec<char> = word.text.chars().collect();
        let first = letters.iter().position(|c| c.is_alphanumeric());
        let last = letters.iter().rposition(|c| c.is_alphanumeric());
        let (Some(first), Some(last)) = (first, last) else {
            continue;
        };
        let range = span.start + first..span.start + last + 1;
        let is_mark = places[finding.turn]
            .marks
            .iter()
            .any(|mark| meet(mark, &range));
        if !is_mark {
            let entity = Entity::found(finding);
            add(
                hits,
                Hit {
                    range,
                    entity,
                    score: 1.0,
                },
            );
        }
    }
    unite(hits);
}

/// Makes neighbouring hits of one entity, with nothing but a space between them, one.
fn unite(hits: &mut Vec<Hit>) {
    hits.dedup_by(|next, hit| {
        let one = hit.entity == next.entity && next.range.start <= hit.range.end + 1;
        if one {
            hit.range.end = hit.range.end.max(next.range.end);
        }
        one
    });
}

/// Adds a hit to others, in order. Those that it meets and itself become one, of the entity that
/// was there first.
pub(super) fn add(hits: &mut Vec<Hit>, mut hit: Hit) {
    let (met, rest): (Vec<Hit>, Vec<Hit>) = hits
        .drain(..)
        .partition(|other| meet(&other.range, &hit.range));
    *hits = rest;
    for other in &met {
        hit.range.start = hit.range.start.min(other.range.start);
        hit.range.end = hit.range.end.max(other.range.end);
    }
    if let Some(first) = met.first() {
        hit.entity = first.entity.clone();
    }
    let at = hits.partition_point(|other| other.range.start < hit.range.start);
    hits.insert(at, hit);
}

fn meet(one: &Range<usize>, other: &Range<usize>) -> bool {
    one.start < other.end && other.start < one.end
}

/// Two lists of ranges as one, in order, without overlaps.
pub(super) fn join(one: &[Range<usize>], other: &[Range<usize>]) -> Vec<Range<usize>> {
    let mut all: Vec<Range<usize>> = one.iter().chain(other).cloned().collect();
    all.sort_by_key(|range| range.start);
    all.dedup_by(|next, range| {
        let meet = next.start < range.end;
        if meet {
            range.end = range.end.max(next.end);
        }
        meet
    });
    all
}
