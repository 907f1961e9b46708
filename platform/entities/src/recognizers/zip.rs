//! Postal codes: five or nine digits behind a state, or whatever is called one.

use super::{Found, Scene};
use crate::context::{Distance, Topic};
use crate::entity::{score, types};
use crate::text::Strand;
use crate::words;

pub(super) fn find(scene: &Scene<'_>, found: &mut Found) {
    for reading in &scene.readings {
        let strand = &reading.strand;
        for run in reading.digits.iter().chain(&reading.codes) {
            let topic = scene.context.topic(strand, &run.at());
            let score = match (topic, run.len()) {
                (Some((Topic::Zip, _)), 5 | 9) => score::CONTEXT,
                (Some((Topic::Zip, Distance::Near)), 3..=9) => score::PARTIAL,
                (_, 5 | 9) if follows_state(strand, run.at().start) => score::CONTEXT,
                (_, 3..=6) if follows_town(strand, run.at().start) => score::LOOKS + 0.02,
                _ => continue,
            };
            if !run.is_count(strand) && !run.is_year(strand) {
                found.add(strand, run.at(), types::ZIP_CODE, run.chars(), score);
            }
        }
    }
}

/// `in Nieuwegein 3437`: right behind a place that is no word, where one is told.
fn follows_town(strand: &Strand<'_>, at: usize) -> bool {
    if strand.gap(at) != " " || !strand.number(at) || strand.gap(at + 1).starts_with([':', '%']) {
        return false;
    }
    let unknown = !words::is_english(&strand.lower_any(at - 1))
        && words::month(strand.lower(at - 1)).is_none()
        && strand.raw(at - 1).chars().count() >= 3;
    let name = |at: usize| strand.raw(at).starts_with(char::is_uppercase);
    let told = |at: usize| matches!(strand.lower(at), "in" | "near");
    let counted = words::is_unit(strand.lower(at + 1)) && strand.gap(at + 1) == " ";
    unknown
        && name(at - 1)
        && !counted
        && (1..=3).any(|words| {
            let Some(led) = (at - 1).checked_sub(words) else {
                return false;
            };
            told(led) && (led + 1..at).all(|at| name(at) && strand.gap(at) == " ")
        })
}

fn follows_state(strand: &Strand<'_>, at: usize) -> bool {
    !strand.starts_turn(at)
        && (words::state(strand.raw(at - 1), "") == 1
            || (at >= 2 && words::state(strand.raw(at - 2), strand.raw(at - 1)) == 2))
}
