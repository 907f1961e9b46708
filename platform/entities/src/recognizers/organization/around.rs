//! Names that are known as a company's by what is said around them: `the technician from Qorvia`,
//! `Qorvia has raised its prices`, `my employer, Qorvia, pays`.
//!
//! What is said before and behind a name counts as evidence; how much of it is needed depends on
//! how the name looks. The less it looks like a company's, the more must be said.

use std::ops::Range;

use super::around_words::{
    self, is_amid, is_business, is_gaze, is_kind_noun, is_made_by, is_party, is_role, is_stay,
    is_supply, is_treated,
};
use super::cues::{capitals, is_function_word, partners_end};
use super::look::{Look, look};
use super::{add, is_capital, is_stop, starts_sentence};
use crate::entity::score;
use crate::recognizers::Found;
use crate::recognizers::title::is_occupation;
use crate::text::Strand;
use crate::words;

/// So much must be said around a name that looks like nothing else.
const HINT: u8 = 1;
/// So much must be said around one that may be a person's, or a word.
const SAID: u8 = 2;

/// So much must be said around a word of English.
const SURE: u8 = 3;

/// An "its" tells of the name this many words before it.
const LONGEST_ITS: usize = 6;

/// What is claimed of the name that starts at a position.
pub(super) fn find(strand: &Strand<'_>, at: usize, found: &mut Found) {
    if !strand.is_cased(at) {
        in_small_letters(strand, at, found);
        return;
    }
    if !opens_name(strand, at) {
        return;
    }
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
    let evidence = before(strand, at) + behind(strand, at..end) + u8::from(kind);
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
        || !is_capital(strand.raw(other))
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
    if at == 0 || !is_capital(strand.raw(at - 1)) {
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

/// What the words before a name say.
fn before(strand: &Strand<'_>, start: usize) -> u8 {
    // "the technician from the Qorvia"
    let article = usize::from(back(strand, start, 1) == "the");
    let at = start - article;
    let apposed = strand.gap(start) == ", " && start > 0;
    if apposed {
        return apposition(strand, start);
    }
    let (preposition, head) = (back(strand, at, 1), back(strand, at, 2));
    let known = match preposition {
        "at" => at_name(strand, at - 1, head),
        "from" => from_name(strand, at - 1, head),
        "with" => SAID * u8::from(is_party(head) || is_holding_with(strand, at - 1)),
        "by" => match head {
            _ if is_taken_over(strand, at - 1) => SAID,
            _ if is_treated(head) => SAID,
            _ if is_made_by(head) => HINT,
            _ => 0,
        },
        "to" => to_name(strand, at - 1, head),
        "of" => 2 * u8::from(around_words::is_of(head)) + u8::from(is_person(strand, at - 1)),
        "for" => 2 * u8::from(around_words::is_for(head)),
        "in" => 2 * u8::from(matches!(head, "shares" | "stake" | "invested" | "stock")),
        "against" => u8::from(matches!(
            head,
            "complaint" | "lawsuit" | "claim" | "case" | "suit" | "action" | "complaints"
        )),
        "about" => u8::from(matches!(head, "complaint" | "complain" | "complaining")),
        "via" | "through" => HINT + u8::from(is_holding_with(strand, at - 1)),
        "between" => 2 * u8::from(is_party(head)),
        _ => 0,
    };
    known.max(noun(strand, start))
}

/// `someone at Qorvia`, `ten years at Qorvia`, but not `laughed at Qorvia`.
fn at_name(strand: &Strand<'_>, preposition: usize, head: &str) -> u8 {
    let number = strand
        .raw(preposition.wrapping_sub(1))
        .bytes()
        .any(|b| b.is_ascii_digit());
    match head {
        _ if is_gaze(head) || is_stay(head) => 0,
        "" => u8::from(preposition > 0 && is_person(strand, preposition)) * SAID,
        _ if number || is_role(head) || is_amid(head) || is_party(head) => SAID,
        _ if is_person(strand, preposition) => SAID,
        _ => HINT,
    }
}

/// `the technician from Qorvia`, `a charge from Qorvia`, `bought it from Qorvia`.
fn from_name(strand: &Strand<'_>, preposition: usize, head: &str) -> u8 {
    let object = matches!(head, "it" | "them" | "this" | "one" | "these" | "that");
    let verb = if object {
        back(strand, preposition, 2)
    } else {
        head
    };
    if is_supply(verb) || (!object && (is_role(head) || is_party(head))) {
        SAID
    } else {
        u8::from(is_person(strand, preposition))
    }
}

/// `payable to Qorvia`, `switched from Telora to Qorvia`.
fn to_name(strand: &Strand<'_>, preposition: usize, head: &str) -> u8 {
    const LONGEST_SWITCH: usize = 6;
    // "moved my pension from Ellerton to Nestwise"
    let moved = (preposition.saturating_sub(LONGEST_SWITCH)..preposition)
        .any(|at| strand.lower(at + 1) == "from" && is_party(strand.lower(at)));
    let switched = (preposition.saturating_sub(LONGEST_SWITCH)..preposition).any(|at| {
        matches!(
            strand.lower(at),
            "switched" | "switching" | "switch" | "transferred" | "changed"
        ) && strand.lower(at + 1) == "from"
    });
    let paid = matches!(
        head,
        "payable"
            | "payment"
            | "payments"
            | "subscription"
            | "subscribed"
            | "switched"
            | "switching"
            | "switch"
            | "outsourced"
    );
    SAID * u8::from(switched || paid || moved) + u8::from(head == "belongs")
}

/// `the takeover of Lanvert by Orlane`.
fn is_taken_over(strand: &Strand<'_>, by: usize) -> bool {
    const LONGEST: usize = 6;
    (by.saturating_sub(LONGEST)..by).any(|at| {
        matches!(
            strand.lower(at),
            "takeover" | "acquisition" | "buyout" | "purchase"
        ) && strand.lower(at + 1) == "of"
    })
}

/// `my insurance is with Qorvia`.
fn is_holding_with(strand: &Strand<'_>, with: usize) -> bool {
    const LONGEST: usize = 5;
    matches!(
        back(strand, with, 1),
        "is" | "was" | "are" | "were" | "been" | "be" | "stayed" | "staying"
    ) && (with.saturating_sub(LONGEST)..with).any(|at| is_party(strand.lower(at)))
}

/// `the startup Qorvia`, `our supplier Qorvia`.
fn noun(strand: &Strand<'_>, start: usize) -> u8 {
    match back(strand, start, 1) {
        kind if is_kind_noun(kind) => SURE,
        "joined" | "joining" | "join" => SAID,
        "sued" | "leave" | "flew" | "fly" | "flying" | "cancel" | "cancelled" | "canceled"
        | "cancelling" | "leaving" | "quit" | "versus" | "vs" => HINT,
        "based" if strand.gap(start - 1) == "-" => SAID,
        "left" => {
            let next = strand.lower(capitals(strand, start));
            u8::from(matches!(next, "in" | "to" | "after" | "last" | "because"))
        }
        "acquired" | "acquire" | "acquiring" | "founded" | "sue" | "suing" => SAID,
        _ => 0,
    }
}

/// `my employer, Qorvia,`, `Jane Smith, Qorvia,`.
fn apposition(strand: &Strand<'_>, start: usize) -> u8 {
    let closes = strand
        .gap(capitals(strand, start))
        .starts_with([',', '\n', '.']);
    if !closes || start < 2 {
        return 0;
    }
    let owned = matches!(
        back(strand, start - 1, 1),
        "my" | "our" | "his" | "her" | "their" | "the" | "your" | "a" | "its"
    );
    if owned && is_kind_noun(strand.lower(start - 1)) {
        return SAID;
    }
    // "Jane Smith, Qorvia, will join", but no town in an address.
    let given = strand.lower(start - 2);
    let given = (words::is_given_name(given) || words::is_given_word(given))
        && strand.gap(start - 1) == " ";
    let next = capitals(strand, start);
    let number = strand.raw(next).starts_with(|c: char| c.is_ascii_digit());
    u8::from(given && !number && is_person(strand, start))
}

/// Whether the words before a position are a person's name.
fn is_person(strand: &Strand<'_>, end: usize) -> bool {
    let Some(last) = end
        .checked_sub(1)
        .filter(|last| is_capital(strand.raw(*last)))
    else {
        return false;
    };
    let lower = strand.lower_any(last);
    let is_given = |lower: &str| words::is_given_name(lower) || words::is_given_word(lower);
    if words::is_given_name(&lower) && !words::is_place(&lower) {
        return true;
    }
    let Some(first) = last
        .checked_sub(1)
        .filter(|_| matches!(strand.gap(last), " " | "-"))
    else {
        return false;
    };
    let given = strand.lower_any(first);
    let unknown = |lower: &str| !words::is_english(lower) && !words::is_place(lower);
    is_capital(strand.raw(first))
        && !words::is_company(&lower)
        && (is_given(&given) || words::is_title(&given) || (unknown(&given) && unknown(&lower)))
}

/// What the words behind a name say.
fn behind(strand: &Strand<'_>, at: Range<usize>) -> u8 {
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
    owned(strand, &at) + its(strand, end).max(u8::from(acted(verb) && to_whom))
}

/// What companies do with what their customers have.
fn acted(verb: &str) -> bool {
    matches!(
        verb,
        "denied"
            | "rejected"
            | "declined"
            | "approved"
            | "cancelled"
            | "canceled"
            | "delivered"
            | "shipped"
            | "lost"
            | "froze"
            | "blocked"
            | "closed"
            | "locked"
            | "suspended"
            | "terminated"
            | "delayed"
            | "refused"
            | "damaged"
            | "installed"
            | "disconnected"
            | "increased"
            | "raised"
            | "cut"
            | "charges"
            | "bills"
            | "delivers"
            | "sells"
            | "offers"
            | "refuses"
            | "sent"
            | "keeps"
            | "insured"
            | "supplies"
            | "supplied"
    )
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
