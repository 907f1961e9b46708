//! Names that are known as a company's by what is said around them: `the technician from Qorvia`,
//! `Qorvia has raised its prices`, `my employer, Qorvia, pays`.
//!
//! What is said before and behind a name counts as evidence; how much of it is needed depends on
//! how the name looks. The less it looks like a company's, the more must be said.

mod before;
mod behind;
pub(super) mod said;

use before::before;
use behind::behind;
use said::is_kind_noun;

use super::cues::{capitals, is_function_word, partners_end};
use super::look::{Look, look};
use super::{add, is_stop, starts_sentence};
use crate::entity::score;
use crate::recognizers::Found;
use crate::text::Strand;
use crate::words;

/// So much must be said around a name that looks like nothing else.
const HINT: u8 = 1;
/// So much must be said around one that may be a person's, or a word.
const SAID: u8 = 2;

/// So much must be said around a word of English.
const SURE: u8 = 3;

/// What is claimed of the name that starts at a position.
pub(super) fn find(strand: &Strand<'_>, at: usize, found: &mut Found) {
    if !strand.is_cased(at) {
        in_small_letters(strand, at, found);
        return;
    }
    if !opens_name(strand, at) {
        return;
    }
    partnership(strand, at, found);
    let partners = partners_end(strand, at);
    let mut end = partners.unwrap_or_else(|| capitals(strand, at));
    // "Dear Qorvia Support"
    while end > at + 1 && is_trailing(strand.lower(end - 1)) {
        end -= 1;
    }
    if end == at || strand.raw(end).starts_with(|c: char| c.is_ascii_digit()) {
        return;
    }
    let looks = match partners {
        Some(_) => Look::Partners,
        None => match look(strand, at..end) {
            Some(looks) => looks,
            None => return,
        },
    };
    let kind = looks == Look::Several && super::is_kind(strand.lower(end - 1));
    let told = before(strand, at);
    let number = at > 0 && strand.number(at - 1) && strand.gap(at) == " ";
    if number || (told == 0 && looks != Look::Several && behind::is_of_person(strand, end)) {
        return;
    }
    // "Jane Smith from Ullrich asked us to …"
    let speaks = told > 0 && behind::speaks(strand, end);
    let evidence = told + behind(strand, at..end) + u8::from(kind) + u8::from(speaks);
    let needed = match looks {
        Look::Unknown | Look::Partners => HINT,
        Look::Several | Look::Surname => SAID,
        Look::Place => SURE,
        Look::Word => SURE + 1,
    };
    if evidence < needed {
        return;
    }
    add(strand, at..end, strength(evidence), found);
    pair(strand, end, strength(evidence), found);
}

/// `Jansen & van der Flaas`, `Graham & Morris`: names that "&" joins, of which one is no word.
fn partnership(strand: &Strand<'_>, at: usize, found: &mut Found) {
    if strand.gap(at + 1) != " & " {
        return;
    }
    let mut last = at + 1;
    while matches!(
        strand.raw(last),
        "van" | "von" | "de" | "der" | "den" | "ter" | "ten"
    ) && strand.gap(last + 1) == " "
    {
        last += 1;
    }
    let name = |at: usize| {
        let raw = strand.raw(at);
        words::is_capital(raw)
            && raw.chars().count() > 2
            && raw.chars().all(char::is_alphabetic)
            && !words::is_given_name(&strand.lower_any(at))
    };
    let unknown = |at: usize| {
        let lower = strand.lower_any(at);
        !words::is_english(&lower) && !words::is_place(&lower) && !words::is_no_name(&lower)
    };
    let end = capitals(strand, last);
    if name(at) && name(last) && (unknown(at) || unknown(last)) && end > last {
        add(strand, at..end, score::MODEL + 0.03, found);
    }
}

/// More than the model says, and less than what is sure to be a person.
fn strength(evidence: u8) -> f32 {
    score::MODEL + if evidence >= SAID { 0.04 } else { 0.02 }
}

/// `interned at Halcyon and Danone`: the name beside one is of the same kind.
fn pair(strand: &Strand<'_>, end: usize, score: f32, found: &mut Found) {
    let other = end + 1;
    if !matches!(strand.lower(end), "and" | "or")
        || strand.gap(end) != " "
        || strand.gap(other) != " "
        || !words::is_capital(strand.raw(other))
    {
        return;
    }
    let close = capitals(strand, other);
    if close > other
        && matches!(
            look(strand, other..close),
            Some(Look::Unknown | Look::Several | Look::Surname)
        )
    {
        add(strand, other..close, score, found);
    }
}

/// Whether a name in capitals may start at a position: no word in capitals before belongs to it.
fn opens_name(strand: &Strand<'_>, at: usize) -> bool {
    if !strand.raw(at).chars().any(char::is_uppercase) || strand.raw(at) == "I" {
        return false;
    }
    if at == 0 || !words::is_capital(strand.raw(at - 1)) {
        return true;
    }
    match strand.gap(at) {
        " " => {
            let lower = strand.lower(at - 1);
            is_stop(lower)
                || is_kind_noun(lower)
                || (starts_sentence(strand, at - 1)
                    && words::is_english(lower)
                    && !words::is_given_word(lower))
        }
        "-" | "&" | " & " | "'" | "\u{2019}" | "." => false,
        _ => true,
    }
}

/// `my telora technician`, `telora charged me`: an unknown word in small letters.
fn in_small_letters(strand: &Strand<'_>, at: usize, found: &mut Found) {
    let lower = strand.lower_any(at);
    if lower.chars().count() < 4
        || words::is_english(&lower)
        || words::is_surname(&lower)
        || words::number_word(&lower).is_some()
        || is_function_word(&lower)
        || look(strand, at..at + 1) != Some(Look::Unknown)
    {
        return;
    }
    if before(strand, at) + behind(strand, at..at + 1) >= SAID {
        add(strand, at..at + 1, score::MODEL + 0.03, found);
    }
}

/// The word so many places before a position, if nothing but spaces stands between.
fn back<'c>(strand: &Strand<'c>, at: usize, by: usize) -> &'c str {
    match at.checked_sub(by) {
        Some(first) if (first + 1..=at).all(|at| strand.gap(at) == " ") => strand.lower(first),
        _ => "",
    }
}

/// The word so many places behind the end of a name, if nothing but spaces stands between.
fn ahead<'c>(strand: &Strand<'c>, end: usize, by: usize) -> &'c str {
    if (end..=end + by).all(|at| strand.gap(at) == " ") {
        strand.lower(end + by)
    } else {
        ""
    }
}

/// What stands behind a name in capitals and is no part of it.
fn is_trailing(lower: &str) -> bool {
    matches!(
        lower,
        "team"
            | "support"
            | "account"
            | "customer"
            | "app"
            | "website"
            | "order"
            | "invoice"
            | "membership"
            | "subscription"
            | "card"
            | "helpline"
            | "technician"
            | "representative"
            | "employee"
            | "staff"
            | "newsletter"
            | "customers"
    )
}
