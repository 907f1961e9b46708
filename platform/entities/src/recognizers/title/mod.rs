//! Titles before names: `Mr.`, `Dr.`, `Frau`; and occupations where they stand as a title does: in
//! a line of their own below a name, or between commas behind it.

mod occupation;

pub(super) use occupation::is_occupation;

use super::{Found, Scene};
use crate::entity::{score, types};
use crate::words;

pub(super) fn find(scene: &Scene<'_>, found: &mut Found) {
    occupation::find(scene, found);
    for reading in &scene.readings {
        let strand = &reading.strand;
        for at in 0..strand.len() {
            let lower = strand.lower_any(at);
            if !words::is_title(&lower) {
                continue;
            }
            let next = strand.raw(at + 1);
            let capital = strand.raw(at).starts_with(char::is_uppercase);
            let dotted = matches!(strand.gap(at + 1), ". " | ".");
            let another = words::is_title(strand.lower(at + 1));
            let named = (next.starts_with(char::is_uppercase) && next != "I")
                || another
                || (!strand.is_cased(at)
                    && !words::is_common(strand.lower(at + 1))
                    && !next.is_empty());
            // "doctor venkataraman", where nothing has capitals.
            let next_lower = strand.lower_any(at + 1);
            let said = !strand.is_cased(at)
                && strand.gap(at + 1) == " "
                && next_lower.chars().count() > 3
                && (words::is_surname(&next_lower) || !words::is_english(&next_lower))
                && matches!(
                    &*lower,
                    "doctor" | "professor" | "miss" | "captain" | "judge"
                );
            // "Father Brown" is one, "my father" and "Miss the train" are none.
            let alone = !is_abbreviation(&lower) && !capital;
            let bound = strand.gap(at + 1) == " " || dotted;
            let after_street = at > 0 && strand.number(at - 1) && dotted;
            if !named
                || !bound
                || after_street
                || (alone && strand.is_cased(at))
                || (alone && is_word(&lower) && !said)
            {
                continue;
            }
            let mut parts = strand.parts(at..at + 1);
            if dotted && let Some(part) = parts.first_mut() {
                part.end += 1;
            }
            found.add_parts(parts, types::TITLE, lower.into_owned(), score::FORM);
        }
    }
}

fn is_abbreviation(lower: &str) -> bool {
    matches!(
        lower,
        "mr" | "mrs"
            | "ms"
            | "mx"
            | "dr"
            | "prof"
            | "mister"
            | "missus"
            | "mme"
            | "mlle"
            | "herr"
            | "frau"
    )
}

/// Titles that are words of another meaning, too.
fn is_word(lower: &str) -> bool {
    matches!(
        lower,
        "miss"
            | "father"
            | "judge"
            | "general"
            | "gen"
            | "col"
            | "lt"
            | "hon"
            | "sig"
            | "pan"
            | "lady"
            | "lord"
            | "dame"
            | "captain"
            | "doctor"
            | "professor"
            | "imam"
            | "rabbi"
    )
}
