//! Ages beside the person that they are of, and beside another age.

use std::ops::Range;

use super::nouns::{is_people, is_person};
use super::{closes, goes_on};
use crate::text::Strand;
use crate::words;

/// A name before an age is read back for so many words.
const LONGEST_NAME: usize = 6;

/// `Jane Kowalska, 42, of …`, `Jane Kowalska (42)`, `Husband (42)`, `my kids, 12 and 15`: as
/// newspapers and forms write it.
pub(super) fn is_apposed(strand: &Strand<'_>, at: &Range<usize>) -> bool {
    let (start, end) = (at.start, at.end);
    if start == 0 {
        return false;
    }
    let before = strand.lower(start - 1);
    let sign = strand.gap(start);
    if sign == " " && !strand.is_cased(start) {
        // "both my kids fifty five and sixty"
        let next =
            strand.lower(end) == "and" && words::number_word(strand.lower(end + 1)).is_some();
        return is_people(before) && next;
    }
    let (comma, bracket) = (sign == ", ", sign == " (");
    let ends = closes(strand, end);
    if !comma && !bracket {
        return false;
    }
    if is_person(before) || is_people(before) {
        let last = strand.starts_turn(end) && comma && strand.is_line_break(end);
        return (ends || (is_people(before) && goes_on(strand, end))) && !last;
    }
    let digits = strand.raw(start).len();
    let told = strand.gap(end).starts_with(", ")
        && matches!(
            strand.lower(end),
            "of" | "from" | "who" | "was" | "is" | "has" | "had" | "and" | "a" | "an" | "the"
        );
    let closed = bracket && strand.gap(end).starts_with(')');
    let sized = digits == 2
        || (digits == 1
            && (told || closed || strand.gap(end).starts_with('.') || strand.starts_turn(end)));
    strand.number(start) && sized && ends && is_name_before(strand, start, told)
}

/// Whether two words or more of a person's name stand before a position.
fn is_name_before(strand: &Strand<'_>, end: usize, told: bool) -> bool {
    let mut start = end - 1;
    let name = |at: usize| {
        let lower = strand.lower_any(at);
        let initial = strand.raw(at).len() == 1 && strand.gap(at + 1) == ". ";
        let given = initial || words::is_given_name(&lower) || words::is_given_word(&lower);
        strand.raw(at).starts_with(char::is_uppercase)
            && !words::is_title(&lower)
            && !words::is_company(&lower)
            && words::month(&lower).is_none()
            && (given || words::is_surname(&lower) || !words::is_english(&lower))
    };
    let tied = |at: usize| matches!(strand.gap(at), " " | "-" | "'" | "\u{2019}" | ". ");
    if !name(start) {
        return false;
    }
    while start > 0 && end - start < LONGEST_NAME && tied(start) && name(start - 1) {
        start -= 1;
    }
    let lower = strand.lower_any(start);
    // The given name is one; the number before a comma may else be of a list or an address.
    let known = words::is_given_name(&lower) || words::is_given_word(&lower);
    let surname = words::is_surname(&strand.lower_any(end - 1));
    let place = |at: usize| words::is_place(&strand.lower_any(at));
    // "Mother: Anahera Parata, 76."
    let field = strand.gap(start) == ": " && start > 0 && is_person(strand.lower(start - 1));
    end - start >= 2 && (known || surname || told || field) && !(place(start) && place(end - 1))
}

/// Whether an age follows another one: `12 and 15`, `from 7 to 11`.
pub(super) fn is_second(strand: &Strand<'_>, last: usize, at: &Range<usize>) -> bool {
    let joined = match at.start.checked_sub(last) {
        Some(0) => strand.gap(at.start) == ", ",
        Some(1) => matches!(strand.lower(last), "and" | "or" | "to") && strand.gap(at.start) == " ",
        _ => false,
    };
    let verb = matches!(
        strand.lower(at.end),
        "are" | "is" | "were" | "year" | "years" | "respectively"
    );
    joined && (closes(strand, at.end) || goes_on(strand, at.end) || verb)
}
