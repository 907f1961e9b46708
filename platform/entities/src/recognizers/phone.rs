//! Telephone numbers: US numbers of 7, 10 and 11 digits, and international ones behind a plus.
//!
//! Numbers in fiction and in tests begin with 555, which no directory holds as valid. So a US
//! number is told by its length and form, and `phonenumber` is asked about international ones.

mod plan;
mod written;

use super::{Found, Reading, Scene};
use crate::context::{Distance, Topic};
use crate::entity::{Part, score, types};
use crate::runs::{Item, Run};
use crate::text::Strand;

pub(super) fn find(scene: &Scene<'_>, found: &mut Found) {
    written::find(scene, found);
    for reading in &scene.readings {
        for run in &reading.digits {
            find_written(reading, run, found);
            let at = run.at();
            let topic = scene.context.topic(&reading.strand, &at);
            let score = if has_plus(&reading.strand, at.start) {
                international(run)
            } else if is_extension(&reading.strand, at.start) && run.len() <= 6
                || is_area_code(&reading.strand, at.start) && run.len() == 3
            {
                Some(score::CONTEXT)
            } else {
                by_length(&reading.strand, run, topic)
            };
            if let Some(score) = score {
                let plus = has_plus(&reading.strand, at.start);
                let parts = widened(&reading.strand, at);
                let value = canonical(&run.chars(), plus);
                found.add_parts(parts, types::PHONE_NUMBER, value, score);
            }
        }
    }
}

/// Groups that are a number by their form, anywhere in a run: `555-0134`, `(212) 555-0147`.
fn find_written(reading: &Reading<'_>, run: &Run, found: &mut Found) {
    let strand = &reading.strand;
    for start in 0..run.items.len() {
        for (lengths, formed) in [(&[1, 3, 3, 4][..], 2), (&[3, 3, 4], 2), (&[3, 4], 1)] {
            let Some(items) = run.items.get(start..start + lengths.len()) else {
                continue;
            };
            let dashes = items[1..]
                .iter()
                .filter(|item| is_dash(strand, item))
                .count();
            let fits = items
                .iter()
                .zip(lengths)
                .all(|(item, len)| item.chars.len() == *len);
            let bounded = run
                .items
                .get(start + lengths.len())
                .is_none_or(|i| !is_dash(strand, i))
                && (start == 0 || !is_dash(strand, &run.items[start]));
            if fits && bounded && dashes >= formed {
                let digits: String = items.iter().map(|item| item.chars.as_str()).collect();
                let at = run.at_items(start..start + lengths.len());
                let value = canonical(&digits, false);
                let parts = widened(strand, at);
                found.add_parts(parts, types::PHONE_NUMBER, value, score::FORM);
            }
        }
    }
}

/// The stretches of the words of a number, with the plus and the bracket before it.
fn widened(strand: &Strand<'_>, at: std::ops::Range<usize>) -> Vec<Part> {
    let mut parts = strand.parts(at);
    if let Some(first) = parts.first_mut() {
        let text = strand.conversation.turns[first.turn].text;
        let kept = text[..first.start].trim_end_matches(['+', '(']).len();
        let signs = &text[kept..first.start];
        // A bracket that is closed behind the number is none of its own.
        let closed = text[first.start..first.end].contains(')');
        if signs.len() <= 2 && (!signs.contains('(') || closed) {
            first.start = kept;
        }
    }
    parts
}

/// Whether a dash, a dot or a bracket ties an item to the one before.
fn is_dash(strand: &Strand<'_>, item: &Item) -> bool {
    matches!(
        strand.gap(item.at.start),
        "-" | "." | ") " | ")" | "\u{2013}" | "\u{2011}" | " - "
    )
}

/// Whether there is a plus, written or spoken, before a position.
fn has_plus(strand: &Strand<'_>, at: usize) -> bool {
    let token = strand.token(at);
    let before = &strand.conversation.turns[token.turn].text[..token.start];
    before.ends_with('+') || (!strand.starts_turn(at) && strand.lower_before(at) == "plus")
}

fn is_extension(strand: &Strand<'_>, at: usize) -> bool {
    !strand.starts_turn(at) && matches!(strand.lower_before(at), "extension" | "ext")
}

/// `area code 303`, `the area code is 303`.
fn is_area_code(strand: &Strand<'_>, at: usize) -> bool {
    (at.saturating_sub(4)..at.saturating_sub(1)).any(|at| strand.says(at, &["area", "code"]))
}

/// A number with its country's code, checked against the numbering plans.
fn international(run: &Run) -> Option<f32> {
    if !(8..=15).contains(&run.len()) {
        return None;
    }
    let valid = plan::holds(&run.chars());
    Some(if valid { score::CHECKED } else { score::FORM })
}

fn by_length(strand: &Strand<'_>, run: &Run, topic: Option<(Topic, Distance)>) -> Option<f32> {
    let digits = run.chars();
    if let Some((Topic::Phone, distance)) = topic
        && !run.is_count(strand)
    {
        match digits.len() {
            7 | 10 | 11 => return Some(score::CONTEXT),
            8..=15 => return Some(score::PARTIAL),
            4..=6 if distance == Distance::Near && run.is_dictated(strand) => {
                return Some(score::PARTIAL);
            }
            _ => {}
        }
    }
    let us = match digits.len() {
        10 => is_us(&digits),
        11 => digits.starts_with('1') && is_us(&digits[1..]),
        7 => digits.starts_with("555"),
        _ => false,
    };
    us.then_some(score::LOOKS)
}

/// Area code and exchange begin with 2 to 9.
fn is_us(digits: &str) -> bool {
    [0, 3]
        .iter()
        .all(|place| digits.as_bytes().get(*place).is_some_and(|b| *b >= b'2'))
}

/// E.164 where the country is known, else the digits.
fn canonical(digits: &str, plus: bool) -> String {
    match digits.len() {
        _ if plus => format!("+{digits}"),
        10 if is_us(digits) => format!("+1{digits}"),
        11 if digits.starts_with('1') => format!("+{digits}"),
        _ => digits.to_owned(),
    }
}
