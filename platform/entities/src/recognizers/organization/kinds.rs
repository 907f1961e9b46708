//! Institutions and businesses by what they say they are: `Riverside Dental Clinic`, `University of
//! Nairobi`, `Okonkwo Trading`.
//!
//! The kinds are those of the sections and divisions of the United Nations' classification of
//! economic activities (ISIC, revision 4), as names of companies have them.

use std::ops::Range;

use super::kind_words::{
    is_business, is_head, is_institution, is_lead, is_middle, is_small_form, is_topic,
};
use super::{LONGEST_NAME, add, is_stop, starts_sentence};
use crate::entity::score;
use crate::recognizers::Found;
use crate::text::Strand;
use crate::words;

/// Behind "of" a name goes on for at most this many words.
const LONGEST_OBJECT: usize = 5;

pub(super) fn find(strand: &Strand<'_>, at: usize, found: &mut Found) {
    let lower = strand.lower(at);
    if is_head(lower) && strand.lower(at + 1) == "of" && strand.gap(at + 1) == " " {
        of_something(strand, at, found);
        return;
    }
    let cased = strand.is_cased(at);
    if cased && words::is_capital(strand.raw(at)) && is_lead(lower) {
        before_name(strand, at, found);
    }
    if cased && words::is_capital(strand.raw(at)) && (is_institution(lower) || is_business(lower)) {
        behind_capitals(strand, at, found);
    } else if !cased && lower == "and" {
        and_sons(strand, at, found);
    } else if !cased && (is_institution(lower) || is_small_form(lower) || is_business(lower)) {
        in_small_letters(strand, at, found);
    }
}

/// Whether a word, in lower case, is a kind of institution or business.
pub(in crate::recognizers) fn is_kind(lower: impl AsRef<str>) -> bool {
    is_institution(lower.as_ref()) || is_business(lower.as_ref())
}

/// Whether a word, in lower case, is a kind or a legal form.
pub(in crate::recognizers) fn is_kind_in_small_letters(lower: &str) -> bool {
    is_kind(lower) || is_small_form(lower)
}

/// Words in capitals before a kind.
fn behind_capitals(strand: &Strand<'_>, at: usize, found: &mut Found) {
    let goes_on = strand.gap(at + 1) == " "
        && words::is_capital(strand.raw(at + 1))
        && (is_institution(strand.lower(at + 1)) || is_business(strand.lower(at + 1)));
    // "Mobile: …" is a label.
    if goes_on || strand.tail(at).starts_with(':') {
        return;
    }
    let mut start = at;
    while start > 0 && at - start < LONGEST_NAME && fits(strand, start) {
        start -= 1;
    }
    while start < at && strand.raw(start) == "s" {
        start += 1;
    }
    // "Please visit Oak Street Clinic": a common word that begins a sentence is no part of it.
    if start < at && starts_sentence(strand, start) && words::is_common(strand.lower(start)) {
        start += 1;
    }
    let title = start > 0 && words::is_title(strand.lower(start - 1)) && strand.gap(start) != "\n";
    if start == at || title {
        return;
    }
    let named = (start..at).any(|at| is_name(strand, at));
    let institution = is_institution(strand.lower(at));
    let plain = (start..at).any(|at| words::is_common(strand.lower(at)));
    let within = !starts_sentence(strand, start)
        && matches!(strand.gap(start), " ")
        && (!words::is_capital(strand.raw(start - 1)) || is_stop(strand.lower(start - 1)))
        && !(strand.gap(at + 1) == " " && words::is_capital(strand.raw(at + 1)));
    let score = match (named, institution) {
        (true, true) => score::CONTEXT,
        (true, false) => score::MODEL + 0.05,
        _ if within && !plain => score::MODEL + 0.01,
        _ => return,
    };
    add(strand, start..at + 1, score, found);
}

/// `Stichting Kok`, `Grupo Vidal`: a kind that other languages have before the name.
fn before_name(strand: &Strand<'_>, at: usize, found: &mut Found) {
    let mut end = at + 1;
    while end < strand.len()
        && end - at < LONGEST_NAME
        && matches!(strand.gap(end), " " | "-")
        && (words::is_capital(strand.raw(end))
            || (super::is_joining(strand.raw(end)) && words::is_capital(strand.raw(end + 1))))
    {
        end += 1;
    }
    if end > at + 1 && (at + 1..end).any(|at| is_name(strand, at)) {
        add(strand, at..end, score::MODEL + 0.05, found);
    }
}

/// Whether the word before a position belongs to the name that goes on there.
fn fits(strand: &Strand<'_>, at: usize) -> bool {
    let raw = strand.raw(at - 1);
    let apostrophe = |at: usize| matches!(strand.gap(at), "'" | "\u{2019}");
    let particle = matches!(
        raw,
        "van" | "der" | "den" | "de" | "von" | "du" | "del" | "la"
    ) && at > 1
        && strand.gap(at) == " "
        && strand.gap(at - 1) == " "
        && (words::is_capital(strand.raw(at - 2))
            || matches!(strand.raw(at - 2), "van" | "von" | "de"));
    let close = particle
        || matches!(strand.gap(at), " " | "-" | "&" | " & ")
        || apostrophe(at)
        || (strand.gap(at) == ". " && raw == "St");
    let possessive = raw == "s" && at > 1 && apostrophe(at - 1);
    close && (possessive || particle || (words::is_capital(raw) && !is_stop(strand.lower(at - 1))))
}

/// Whether a word is a name rather than a word.
fn is_name(strand: &Strand<'_>, at: usize) -> bool {
    let lower = strand.lower_any(at);
    lower.len() > 1
        && (!words::is_english(&lower)
            || words::is_given_name(&lower)
            || words::is_surname(&lower)
            || words::is_place(&lower))
}

/// `hedley and sons`, `is this denholm and pryce`: partners, as a recognizer of speech without
/// casing writes them.
fn and_sons(strand: &Strand<'_>, and: usize, found: &mut Found) {
    let surname = |at: usize| {
        let lower = strand.lower_any(at);
        lower.chars().count() > 3
            && !words::is_english(&lower)
            && !words::is_given_name(&lower)
            && !words::is_place(&lower)
            && words::number_word(&lower).is_none()
    };
    if and == 0 || strand.gap(and) != " " || strand.gap(and + 1) != " " {
        return;
    }
    let given = words::is_given_name(strand.lower(and - 1));
    let kin = matches!(
        strand.lower(and + 1),
        "sons" | "daughters" | "partners" | "associates" | "brothers" | "co" | "company"
    );
    let asked = and > 2
        && surname(and - 1)
        && surname(and + 1)
        && (strand.says(and - 3, &["is", "this"])
            || strand.says(and - 3, &["calling", "from"])
            || strand.says(and - 3, &["work", "for"])
            || strand.says(and - 3, &["lawyers", "at"]));
    // "james and company" may be he and his guests.
    let sons = matches!(strand.lower(and + 1), "sons" | "daughters" | "partners");
    if (kin && (surname(and - 1) || (given && sons))) || asked {
        add(strand, and - 1..and + 2, score::CONTEXT, found);
    }
}

/// `lincoln high school`: names before a kind, as a recognizer of speech without casing writes it.
fn in_small_letters(strand: &Strand<'_>, at: usize, found: &mut Found) {
    // "copperline energy needs", not "london energy": what is a word as well wants a name that is
    // nothing else.
    let sure = is_institution(strand.lower(at)) || is_small_form(strand.lower(at));
    let goes_on = strand.gap(at + 1) == " "
        && (is_kind(strand.lower(at + 1)) || is_small_form(strand.lower(at + 1)));
    if goes_on {
        return;
    }
    let mut head = at;
    let middle = |lower: &str| is_middle(lower) || is_kind(lower);
    while head > 0 && strand.gap(head) == " " && middle(strand.lower(head - 1)) {
        head -= 1;
    }
    let mut start = head;
    while start > 0
        && head - start < 3
        && strand.gap(start) == " "
        && is_name(strand, start - 1)
        && !words::is_common(strand.lower(start - 1))
        && !is_stop(strand.lower(start - 1))
    {
        start -= 1;
    }
    let unknown = |at: usize| {
        let lower = strand.lower_any(at);
        is_name(strand, at)
            && lower.chars().count() > 3
            && !words::is_given_name(&lower)
            && !words::is_place(&lower)
            && words::number_word(&lower).is_none()
    };
    if start < head && (sure || (start..head).any(unknown)) {
        add(strand, start..at + 1, score::MODEL + 0.03, found);
    }
}

/// `University of Nairobi`, `the Royal Bank of Canada`, `department of labor`.
fn of_something(strand: &Strand<'_>, at: usize, found: &mut Found) {
    let cased = strand.is_cased(at);
    if cased && !words::is_capital(strand.raw(at)) {
        return;
    }
    let mut start = at;
    while start > 0 && at - start < 3 && strand.gap(start) == " " && leads(strand, start - 1) {
        start -= 1;
    }
    let mut next = at + 2;
    next += usize::from(strand.lower(next) == "the" && strand.gap(next) == " ");
    let object = object(strand, next);
    if object.is_empty() || strand.gap(next) != " " {
        return;
    }
    let word = strand.lower(object.start);
    let first = strand.lower(object.start).to_owned() + " " + strand.lower(object.start + 1);
    let known = cased
        || words::is_place(word)
        || words::is_place(&first)
        || !words::is_english(word)
        || is_topic(word);
    if known {
        add(strand, start..object.end, score::CONTEXT, found);
    }
}

/// What stands before a kind: `Royal Bank of`, `U.S. Department of`.
fn leads(strand: &Strand<'_>, at: usize) -> bool {
    let lower = strand.lower(at);
    if strand.is_cased(at) {
        let group = crate::recognizers::group::is_group(lower);
        return words::is_capital(strand.raw(at))
            && !is_stop(lower)
            && !group
            && (!starts_sentence(strand, at) || strand.gap(at) == ": ")
            && strand.raw(at).chars().count() > 1;
    }
    matches!(
        lower,
        "royal" | "state" | "national" | "federal" | "central" | "reserve" | "technical" | "first"
    )
}

/// `Department of Health and Human Services`, but two of them in `University of Otago and CSIRO`.
fn goes_on_behind_and(strand: &Strand<'_>, start: usize, and: usize) -> bool {
    let next = strand.lower_any(and + 1);
    let place = format!("{} and {next}", strand.lower_any(and - 1));
    let known = super::listed::is_listed(&next) || is_head(&next);
    (words::is_english(&next) && words::is_english(&strand.lower_any(start)) && !known)
        || words::is_place(&place)
}

/// The words that an institution is of.
fn object(strand: &Strand<'_>, start: usize) -> Range<usize> {
    let cased = strand.is_cased(start.min(strand.len().saturating_sub(1)));
    let mut end = start;
    while end < strand.len() && end - start < LONGEST_OBJECT {
        let gap = strand.gap(end);
        let tied = end == start || gap == " ";
        let lower = strand.lower(end);
        let word = if cased {
            words::is_capital(strand.raw(end))
        } else {
            end == start && !is_stop(lower) && !words::is_filler(lower)
        };
        let joins = cased
            && matches!(lower, "and" | "of" | "de" | "the")
            && end > start
            && words::is_capital(strand.raw(end + 1))
            && strand.gap(end + 1) == " "
            && (lower != "and" || goes_on_behind_and(strand, start, end));
        if !tied || !(word || joins) {
            break;
        }
        end += 1;
    }
    let two = strand.lower(start).to_owned() + " " + strand.lower(start + 1);
    if !cased && end == start + 1 && (words::is_place(&two) || two == "motor vehicles") {
        end += 1;
    }
    start..end
}
