//! What a name in capitals looks like by itself, before anything is known of what is said around it.

use std::ops::Range;

use super::{is_stop, starts_sentence};
use crate::text::Strand;
use crate::words;

/// Shorter words of one name are abbreviations or nothing.
const SHORTEST: usize = 3;

/// What a name may be, from the likeliest company to the least likely one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// One word that is no word, place or name of people: `Qorvia`.
    Unknown,
    /// Several words that are no person's name, nor all places.
    Several,
    /// Surnames in a row: `Fox, Hall and Mason`.
    Partners,
    /// One surname, or two behind a hyphen.
    Surname,
    /// One word that is a place.
    Place,
    /// One word of English with a capital within a sentence.
    Word,
}

/// How words in capitals look; `None` if they are surely no company.
pub(super) fn look(strand: &Strand<'_>, at: Range<usize>) -> Option<Look> {
    let first = strand.lower_any(at.start);
    let date = words::month(&first).is_some() || words::is_weekday(&first);
    let last = at.end.checked_sub(1).filter(|last| *last >= at.start)?;
    if date || words::is_title(&first) || is_stop(&first) {
        return None;
    }
    if at.len() == 1 {
        return single(strand, at.start, &first);
    }
    if at.len() == 2 && strand.gap(last) == "-" {
        let second = strand.lower_any(last);
        let given = words::is_given_name(&first) && words::is_given_name(&second);
        let word = words::is_english(&first) || words::is_english(&second);
        let short = first.len().min(second.len()) < SHORTEST;
        return match (given || short, word) {
            (true, _) => None,
            (_, true) => Some(Look::Several),
            _ => Some(Look::Surname),
        };
    }
    let person = words::is_given_name(&first) && at.len() <= 3 && !is_thing(strand, last);
    let place = at.clone().all(|at| words::is_place(&strand.lower_any(at)));
    (!person && !place).then_some(Look::Several)
}

fn single(strand: &Strand<'_>, at: usize, lower: &str) -> Option<Look> {
    let raw = strand.raw(at);
    let letters = raw.chars().all(char::is_alphanumeric) && raw.chars().any(char::is_alphabetic);
    if !letters
        || raw.chars().count() < SHORTEST
        || words::is_given_name(lower)
        || words::is_acronym(lower)
        || words::is_no_name(lower)
        || words::is_common(lower)
        || crate::recognizers::group::is_group(lower)
    {
        return None;
    }
    if words::is_english(lower) {
        let inside = !starts_sentence(strand, at) && strand.is_cased(at);
        return (inside && words::is_capital(raw) && !words::is_given_word(lower))
            .then_some(Look::Word);
    }
    Some(if words::is_place(lower) {
        Look::Place
    } else if words::is_surname(lower) {
        Look::Surname
    } else {
        Look::Unknown
    })
}

/// Whether a word is one that names a thing, and so ends no person's name: `Halvorsen Marine`.
pub(super) fn is_thing(strand: &Strand<'_>, at: usize) -> bool {
    let lower = strand.lower_any(at);
    words::is_english(&lower)
        && !words::is_word_and_name(&lower)
        && !words::is_given_word(&lower)
        && !words::is_surname(&lower)
}
