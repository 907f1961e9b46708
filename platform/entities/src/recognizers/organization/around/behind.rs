//! What the words behind a name say of it: `… charged me`, `… has raised its prices`.

use std::ops::Range;

use super::said::{is_business, is_kind_noun, is_party, is_supply};
use super::{HINT, SAID, ahead, back};
use crate::recognizers::title::is_occupation;
use crate::text::Strand;

/// A "her" tells of a person so many words before it.
const LONGEST_PERSON: usize = 8;
/// An "its" tells of the name this many words before it.
const LONGEST_ITS: usize = 6;

/// What the words behind a name say.
pub(super) fn behind(strand: &Strand<'_>, at: Range<usize>) -> u8 {
    let end = at.end;
    if strand.gap(end).starts_with(", ") && is_explained(strand, end) {
        return SAID;
    }
    if strand.gap(end) != " " {
        return 0;
    }
    let (verb, next) = (strand.lower(end), ahead(strand, end, 1));
    let to_whom = matches!(
        next,
        "me" | "us"
            | "my"
            | "our"
            | "your"
            | "his"
            | "her"
            | "him"
            | "them"
            | "their"
            | "the"
            | "a"
            | "all"
            | "to"
            | "every"
            | "customers"
    );
    let charged = matches!(
        verb,
        "charged" | "billed" | "overcharged" | "invoiced" | "refunded" | "debited"
    ) && to_whom;
    let is = matches!(verb, "is" | "was" | "are" | "were" | "remains");
    if charged || is_doing(strand, end) || (is && is_explained(strand, end + 1)) {
        return SAID;
    }
    let letter = verb == "sent"
        && matches!(next, "me" | "us")
        && matches!(ahead(strand, end, 2), "a" | "an" | "the" | "my" | "another")
        && is_supply(ahead(strand, end, 3));
    if letter {
        return SAID;
    }
    owned(strand, &at)
        + its(strand, end).max(u8::from(
            to_whom && (acted(verb) || acted_on(strand, verb, end)),
        ))
}

/// What somebody of a company does: `Jane Smith from Qorvia asked us to …`.
pub(super) fn speaks(strand: &Strand<'_>, end: usize) -> bool {
    strand.gap(end) == " "
        && matches!(
            strand.lower(end),
            "asked"
                | "asks"
                | "called"
                | "rang"
                | "emailed"
                | "contacted"
                | "confirmed"
                | "wrote"
                | "phoned"
                | "told"
                | "said"
                | "promised"
                | "visited"
                | "offered"
        )
}

/// What companies do, and people hardly do.
fn acted(verb: &str) -> bool {
    matches!(
        verb,
        "denied"
            | "rejected"
            | "declined"
            | "approved"
            | "froze"
            | "blocked"
            | "suspended"
            | "terminated"
            | "disconnected"
            | "insured"
            | "charges"
            | "bills"
            | "supplies"
            | "supplied"
    )
}

/// What people do as well, unless it is with what customers have: `lost my parcel`.
fn acted_on(strand: &Strand<'_>, verb: &str, end: usize) -> bool {
    let thing = ahead(strand, end, 2);
    matches!(
        verb,
        "cancelled"
            | "canceled"
            | "delivered"
            | "shipped"
            | "lost"
            | "closed"
            | "locked"
            | "delayed"
            | "refused"
            | "damaged"
            | "installed"
            | "delivers"
            | "sells"
            | "offers"
            | "sent"
            | "cut"
    ) && (is_supply(thing)
        || is_party(thing)
        || is_business(thing)
        || matches!(
            thing,
            "flight" | "flights" | "luggage" | "baggage" | "claim" | "power" | "internet" | "line"
        ))
}

/// Whether the sentence goes on with a man or a woman: `Thekla lost her parcel`.
pub(super) fn is_of_person(strand: &Strand<'_>, end: usize) -> bool {
    (end..strand.len().min(end + LONGEST_PERSON))
        .take_while(|at| !strand.gap(*at).contains(['.', '?', '!', '\n']))
        .any(|at| {
            matches!(
                strand.lower(at),
                "he" | "she" | "his" | "her" | "him" | "herself" | "himself" | "hers"
            )
        })
}

/// What is said of companies only: `is hiring`, `shares fell`, `went bankrupt`.
fn is_doing(strand: &Strand<'_>, end: usize) -> bool {
    let next = ahead(strand, end, 1);
    match strand.lower(end) {
        "announced" | "acquired" | "recalled" | "shares" | "shareholders" | "stock"
        | "employees" | "merged" | "unveiled" | "outsourced" | "overcharged" => true,
        "is" | "are" | "was" => matches!(
            next,
            "hiring" | "recruiting" | "insolvent" | "bankrupt" | "acquired"
        ),
        "keeps" | "kept" => matches!(next, "charging" | "billing" | "sending"),
        "went" => matches!(next, "bankrupt" | "bust" | "public" | "under"),
        "filed" => next == "for",
        "laid" => next == "off",
        "reported" | "posted" => {
            matches!(next, "a" | "record" | "quarterly" | "losses" | "profits")
        }
        "customer" => matches!(next, "service" | "services" | "support" | "care"),
        _ => false,
    }
}

/// `the Qorvia technician`, `Qorvia shares`.
fn owned(strand: &Strand<'_>, at: &Range<usize>) -> u8 {
    let thing = strand.lower(at.end);
    if !is_business(thing) {
        return 0;
    }
    let article = matches!(
        back(strand, at.start, 1),
        "the" | "my" | "your" | "our" | "a" | "an" | "this" | "their" | "his" | "her" | "any"
    );
    HINT + u8::from(article)
}

/// `Qorvia has raised its prices`: no person has an "its".
fn its(strand: &Strand<'_>, end: usize) -> u8 {
    for by in 0..LONGEST_ITS {
        match ahead(strand, end, by) {
            "its" if by > 0 => return HINT,
            "and" | "but" if by == 0 && ahead(strand, end, 1) == "they" => return HINT,
            "" | "and" | "but" | "that" | "which" | "when" | "because" => return 0,
            _ => {}
        }
    }
    0
}

/// `Qorvia, a maker of pumps,`.
fn is_explained(strand: &Strand<'_>, end: usize) -> bool {
    const LONGEST: usize = 5;
    matches!(strand.lower(end), "a" | "an" | "the" | "our" | "my")
        && (1..=LONGEST)
            .map(|by| ahead(strand, end + 1, by - 1))
            .take_while(|word| !word.is_empty() && !matches!(*word, "who" | "of" | "at" | "for"))
            .any(|word| {
                (is_kind_noun(word) && !is_occupation(word))
                    || word == "scam"
                    || matches!(word, "maker" | "company" | "subsidiary")
            })
}
