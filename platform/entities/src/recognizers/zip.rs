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
                _ => continue,
            };
            if !run.is_count(strand) && !run.is_year(strand) {
                found.add(strand, run.at(), types::ZIP_CODE, run.chars(), score);
            }
        }
    }
}

fn follows_state(strand: &Strand<'_>, at: usize) -> bool {
    !strand.starts_turn(at)
        && (words::state(strand.raw(at - 1), "") == 1
            || (at >= 2 && words::state(strand.raw(at - 2), strand.raw(at - 1)) == 2))
}
