//! Ages by the words around them.

use std::ops::Range;

use super::nouns::{is_person, is_pronoun};
use super::{closes, goes_on};
use crate::text::Strand;
use crate::words;

/// Younger people do not retire, and what happens "at six" happens at six o'clock.
const GROWN: u64 = 13;

/// `42 years old`, `six-month-old`, `42 years of age`, `42 yo`, `42 y/o`.
pub(super) fn is_old(strand: &Strand<'_>, start: usize, end: usize) -> bool {
    if start == end || strand.starts_turn(end) {
        return false;
    }
    let unit = strand.lower(end);
    let old =
        matches!(strand.lower(end + 1), "old" | "olds") || strand.says(end + 1, &["of", "age"]);
    match unit {
        "year" | "years" | "yr" | "yrs" | "month" | "months" | "week" | "weeks" => old,
        "yo" | "yrold" => true,
        "y" => old || (strand.gap(end + 1) == "/" && strand.lower(end + 1) == "o"),
        _ => false,
    }
}

/// Whether the words before a number say that it is an age.
pub(super) fn is_told(strand: &Strand<'_>, at: &Range<usize>, age: u64) -> bool {
    let (start, end) = (at.start, at.end);
    in_field(strand, start)
        || in_letters(strand, start, end)
        || (!strand.starts_turn(start)
            && strand.gap(start) == " "
            && (named(strand, at, age) || stated(strand, start, end) || at_age(strand, at, age)))
}

/// `Age: 26`, `Age at diagnosis: 26`.
fn in_field(strand: &Strand<'_>, start: usize) -> bool {
    const LONGEST_LABEL: usize = 4;
    let sign = strand.gap(start).trim();
    if !matches!(sign, ":" | "|" | "=") {
        return false;
    }
    (1..=LONGEST_LABEL.min(start))
        .take_while(|back| *back == 1 || matches!(strand.gap(start - back + 1), " " | " (" | ") "))
        .any(|back| matches!(strand.lower(start - back), "age" | "ages"))
}

/// `45/M`, `F/45`: as charts have it.
fn in_letters(strand: &Strand<'_>, start: usize, end: usize) -> bool {
    let sex = |at: usize| matches!(strand.raw(at), "M" | "F");
    let before = start > 0 && strand.gap(start) == "/" && sex(start - 1);
    before
        || (strand.gap(end) == "/" && sex(end))
        || (strand.gap(end) == " " && matches!(strand.lower(end), "male" | "female"))
}

/// `aged 42`, `at the age of 42`, `between the ages of 4 and 9`, `a man of about 50`.
fn named(strand: &Strand<'_>, at: &Range<usize>, age: u64) -> bool {
    let (start, end) = (at.start, at.end);
    let before = without_hedges(strand, start);
    let back = |by: usize| before.checked_sub(by).map_or("", |at| strand.lower(at));
    match back(1) {
        "aged" | "age" | "ages" => true,
        "of" if matches!(back(2), "age" | "ages") => true,
        "of" => is_person(back(2)) && (age >= GROWN || closes(strand, end) || goes_on(strand, end)),
        "from" | "between" => {
            matches!(back(2), "age" | "ages" | "aged") || (back(2) == "of" && back(3) == "ages")
        }
        "is" | "s" | "was" => back(2) == "age",
        _ => false,
    }
}

/// `she's 42`, `my son will be 4 in May`, `is he over 18?`, `turning forty two`.
fn stated(strand: &Strand<'_>, start: usize, end: usize) -> bool {
    let before = without_hedges(strand, start);
    let hedged = before < start;
    let Some(verb) = before.checked_sub(1) else {
        return false;
    };
    let ends = closes(strand, end) || goes_on(strand, end);
    let soon = ends
        || matches!(
            strand.lower(end),
            "in" | "on" | "next" | "this" | "soon" | "tomorrow" | "before" | "by"
        );
    let back = |by: usize| verb.checked_sub(by).map_or("", |at| strand.lower(at));
    match strand.lower(verb) {
        "turned" | "turning" => soon || strand.gap(end) == " ",
        "turn" | "turns" => soon,
        "be" | "become" | "becomes" | "became" => match back(1) {
            "to" => {
                matches!(back(2), "lived" | "live" | "lives")
                    || (soon && is_subject(strand, verb, 3))
            }
            "ll" | "will" | "would" | "d" | "gonna" => soon && is_subject(strand, verb, 2),
            _ => false,
        },
        "to" => matches!(back(1), "lived" | "live" | "lives") && ends,
        "is" | "s" | "are" | "re" | "was" | "were" | "m" | "am" => {
            ends && is_subject(strand, verb, 1)
        }
        pronoun if is_pronoun(pronoun) => {
            hedged && closes(strand, end) && matches!(back(1), "is" | "are" | "was" | "were")
        }
        _ => false,
    }
}

/// Whether a person is what stands so many words before a verb.
fn is_subject(strand: &Strand<'_>, verb: usize, back: usize) -> bool {
    let Some(at) = verb.checked_sub(back) else {
        return false;
    };
    let lower = strand.lower_any(at);
    if is_pronoun(&lower) || is_person(&lower) {
        return true;
    }
    let capital = strand.raw(at).starts_with(char::is_uppercase);
    let name = words::is_given_name(&lower)
        || (capital && !words::is_english(&lower) && !words::is_place(&lower))
        || (capital && words::is_given_word(&lower));
    name && words::month(&lower).is_none() && (capital || !strand.is_cased(at))
}

/// `retired at 67`, `joined Acme at 23.`, `At 55, Jane still runs …`.
fn at_age(strand: &Strand<'_>, at: &Range<usize>, age: u64) -> bool {
    /// A sentence is read back for so many words.
    const CLAUSE: usize = 6;
    if strand.lower_before(at.start) != "at" || age < GROWN {
        return false;
    }
    let place = at.start - 1;
    let opens = strand.starts_turn(place) || strand.gap(place).contains(['.', '!', '?', '\n']);
    let next = strand.raw(at.end);
    if opens {
        let who = next.starts_with(char::is_uppercase)
            || is_pronoun(strand.lower(at.end))
            || is_person(strand.lower(at.end + 1));
        return who && strand.gap(at.end).starts_with(", ");
    }
    let event = (place.saturating_sub(CLAUSE)..place)
        .rev()
        .take_while(|at| !closes(strand, at + 1))
        .any(|at| is_event(strand.lower(at)));
    event && (closes(strand, at.end) || goes_on(strand, at.end))
}

/// What of a life is told with the age.
fn is_event(lower: &str) -> bool {
    matches!(
        lower,
        "retired"
            | "retire"
            | "retires"
            | "retiring"
            | "died"
            | "die"
            | "dies"
            | "married"
            | "graduated"
            | "widowed"
            | "divorced"
            | "diagnosed"
            | "enlisted"
            | "emigrated"
            | "joined"
            | "founded"
            | "became"
            | "debuted"
            | "pregnant"
            | "passed"
    )
}

/// Where the words begin that only say about a number: `just`, `almost`, `over`.
fn without_hedges(strand: &Strand<'_>, start: usize) -> usize {
    const MOST: usize = 3;
    let mut at = start;
    while at > 0 && start - at < MOST && strand.gap(at) == " " && is_hedge(strand.lower(at - 1)) {
        at -= 1;
    }
    at
}

fn is_hedge(lower: &str) -> bool {
    words::is_filler(lower)
        || matches!(
            lower,
            "only"
                | "just"
                | "already"
                | "about"
                | "almost"
                | "nearly"
                | "around"
                | "roughly"
                | "now"
                | "currently"
                | "both"
                | "over"
                | "under"
                | "above"
                | "below"
                | "barely"
                | "still"
                | "like"
                | "maybe"
                | "probably"
                | "exactly"
                | "actually"
                | "all"
                | "approximately"
                | "going"
                | "well"
                | "close"
        )
}
