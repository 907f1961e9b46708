//! US social security numbers: nine digits, often 3-2-4, or the last four where they are asked for.

use super::{Found, Scene};
use crate::context::{Distance, Topic};
use crate::entity::{score, types};
use crate::runs::Run;
use crate::text::Strand;

pub(super) fn find(scene: &Scene<'_>, found: &mut Found) {
    for reading in &scene.readings {
        for run in &reading.digits {
            let at = run.at();
            let topic = scene.context.topic(&reading.strand, &at);
            let near = matches!(topic, Some((_, Distance::Near)));
            let told = matches!(topic, Some((Topic::Ssn, _)));
            let score = match run.len() {
                9 if told => score::FORM + 0.01,
                9 if is_written_so(&reading.strand, run) => score::FORM,
                4 if told && near => score::CONTEXT,
                // More than nine: a part was said again.
                4..=15 if told && near => score::PARTIAL,
                _ => continue,
            };
            if !run.is_count(&reading.strand) {
                found.add(&reading.strand, at, types::US_SSN, run.chars(), score);
            }
        }
    }
}

/// `219-09-9999`.
fn is_written_so(strand: &Strand<'_>, run: &Run) -> bool {
    let lengths: Vec<usize> = run.items.iter().map(|item| item.chars.len()).collect();
    lengths == [3, 2, 4]
        && run.items[1..]
            .iter()
            .all(|item| matches!(strand.gap(item.at.start), "-" | "\u{2013}"))
}
