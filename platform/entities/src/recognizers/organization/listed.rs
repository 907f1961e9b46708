//! Companies and institutions that are known everywhere, by a list: `Lufthansa`, `Wells Fargo`.
//!
//! What is no word, place or person's name besides is believed wherever it stands. The others
//! ("Target", "Chase", "Ross") need a capital within a sentence, or words that say what they are.

use std::ops::Range;
use std::sync::LazyLock;

use foldhash::HashSet;

use super::{add, starts_sentence};
use crate::entity::score;
use crate::recognizers::Found;
use crate::text::Strand;
use crate::words;

/// The longest name of the list has so many words.
const LONGEST_NAME: usize = 5;
/// Shorter names are abbreviations, written in capitals.
const SHORTEST_WORD: usize = 4;

pub(super) fn find(strand: &Strand<'_>, found: &mut Found) {
    let mut at = 0;
    while at < strand.len() {
        let Some((end, known)) = listed(strand, at) else {
            at += 1;
            continue;
        };
        let name = at..end;
        let sure = match known {
            Known::Only => is_meant(strand, &name),
            Known::Word => is_told(strand, &name),
        };
        if sure && !is_part(strand, &name) {
            // Surer than a person's name that begins alike: "Morgan Stanley", "Kaiser Permanente".
            let goes_on = strand.gap(end) == " " && words::is_capital(strand.raw(end));
            let score = if end - at > 1 && known == Known::Only && !goes_on {
                score::CONTEXT + 0.01
            } else {
                score::MODEL + 0.04
            };
            add(strand, name, score, found);
            at = end;
        } else {
            at += 1;
        }
    }
}

/// Whether one word, in lower case, is a name of the list that is nothing else.
pub(super) fn is_listed(lower: &str) -> bool {
    let [((only, _), _), _] = &*LISTS;
    only.contains(lower)
}

/// What a name of the lists is besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    /// Nothing.
    Only,
    /// A word, a place or a name of people.
    Word,
}

/// The names of a list, and the first words of them.
type Names = (HashSet<&'static str>, HashSet<&'static str>);

static LISTS: LazyLock<[(Names, Known); 2]> = LazyLock::new(|| {
    let read = |list: &'static str| {
        let names: HashSet<&'static str> = list.lines().collect();
        let first = |name: &&'static str| {
            let end = name.find(|c: char| !c.is_alphanumeric());
            &name[..end.unwrap_or(name.len())]
        };
        let firsts = names.iter().map(first).collect();
        (names, firsts)
    };
    let only = read(include_str!("../../../data/organizations.txt"));
    let word = read(include_str!(
        "../../../data/organizations_that_are_words.txt"
    ));
    [(only, Known::Only), (word, Known::Word)]
});

/// Where the longest name of the lists ends that starts at a position.
fn listed(strand: &Strand<'_>, at: usize) -> Option<(usize, Known)> {
    let lower = strand.lower_any(at);
    if !LISTS
        .iter()
        .any(|((_, firsts), _)| firsts.contains(&*lower))
    {
        return None;
    }
    let joint = |gap: &str| match gap {
        " " | "-" | ". " | "/" => Some(" "),
        "&" | " & " => Some("&"),
        "." => Some("."),
        "'" | "\u{2019}" => Some("'"),
        _ => None,
    };
    strand.longest(at, LONGEST_NAME, joint, |name, _| {
        let of = |(names, _): &Names| names.contains(name);
        LISTS
            .iter()
            .find(|(names, _)| of(names))
            .map(|(_, known)| *known)
    })
}

/// Whether words that are listed as nothing else are written as a name is.
fn is_meant(strand: &Strand<'_>, name: &Range<usize>) -> bool {
    let cased = strand.is_cased(name.start);
    let length: usize = name.clone().map(|at| strand.raw(at).len()).sum();
    if name.len() == 1 && length < SHORTEST_WORD {
        let raw = strand.raw(name.start);
        let written = raw.chars().all(|c| !c.is_lowercase()) && words::is_capital(raw);
        let word = words::is_english(strand.lower(name.start));
        let mixed = words::is_capital(raw) && !word && !starts_sentence(strand, name.start);
        return (cased && (written || mixed))
            || (!cased && !word && length > 2)
            || (!cased && is_cued(strand, name));
    }
    if cased {
        // "eBay", "easyJet", "7-Eleven": some capital is in it.
        let marked = |at: usize| strand.raw(at).chars().any(char::is_uppercase);
        let digits = strand
            .raw(name.start)
            .starts_with(|c: char| c.is_ascii_digit());
        return (marked(name.start) || digits)
            && (name.len() > 1
                || !words::is_english(strand.lower(name.start))
                || !starts_sentence(strand, name.start)
                || is_doing(strand, name.end));
    }
    name.len() > 1 || !words::is_english(strand.lower(name.start)) || is_cued(strand, name)
}

/// Whether what may be a word, a place or a person is told as a company.
fn is_told(strand: &Strand<'_>, name: &Range<usize>) -> bool {
    let start = name.start;
    let lower = strand.lower_any(start);
    let capitals = name.clone().all(|at| words::is_capital(strand.raw(at)));
    if !strand.is_cased(start) {
        return is_cued(strand, name);
    }
    if !capitals {
        return false;
    }
    if is_cued(strand, name) || is_doing(strand, name.end) {
        return true;
    }
    let plain = words::is_english(&lower) && !words::is_surname(&lower) && !words::is_place(&lower);
    let inside = !starts_sentence(strand, start)
        && strand.gap(start) == " "
        && !words::is_capital(strand.raw(start.wrapping_sub(1)));
    (plain || name.len() > 1) && inside && !words::is_given_name(&lower)
}

/// Whether the name is part of a longer one: `Henry Ford`, `Chase Miller`, `Mr. Ross`.
fn is_part(strand: &Strand<'_>, name: &Range<usize>) -> bool {
    if name.len() > 1 {
        return false;
    }
    let before = strand.lower_before(name.start);
    let joined = matches!(strand.gap(name.start), " " | ". " | "-");
    let named =
        words::is_capital(strand.raw(name.start.wrapping_sub(1))) && words::is_given_name(before);
    let titled = words::is_title(before) && strand.is_cased(name.start);
    let behind = strand.gap(name.end) == "-" && words::is_capital(strand.raw(name.end));
    let dotted = strand.gap(name.start).ends_with(['@', '/', '.'])
        || strand.gap(name.end).starts_with(['@', '/'])
        || (strand.gap(name.end) == "." && !strand.raw(name.end).is_empty());
    (joined && (named || titled)) || behind || dotted
}

/// Whether the words before or behind say that the name is of a company: `bank with chase`,
/// `my delta flight`.
fn is_cued(strand: &Strand<'_>, name: &Range<usize>) -> bool {
    let back = |by: usize| match name.start.checked_sub(by) {
        Some(at) if strand.gap(at + 1) == " " => strand.lower(at),
        _ => "",
    };
    if strand.gap(name.start) != " " {
        return false;
    }
    let bought = matches!(
        back(2),
        "bought"
            | "purchased"
            | "shopped"
            | "ordered"
            | "it"
            | "work"
            | "works"
            | "worked"
            | "working"
            | "shopping"
            | "job"
            | "account"
            | "card"
            | "cashed"
            | "return"
            | "returned"
            | "hired"
            | "store"
            | "manager"
            | "cashier"
    ) && matches!(back(1), "at" | "from" | "with" | "by" | "for" | "to");
    let served = matches!(
        back(2),
        "bank"
            | "banked"
            | "banking"
            | "fly"
            | "flew"
            | "flying"
            | "flight"
            | "booked"
            | "insured"
            | "policy"
            | "insurance"
            | "switched"
            | "over"
            | "switching"
            | "signed"
            | "provider"
            | "contract"
            | "plan"
            | "phone"
            | "covered"
            | "subscription"
            | "me"
            | "us"
            | "stock"
            | "shares"
            | "loan"
            | "mortgage"
    ) && matches!(
        back(1),
        "with" | "on" | "to" | "through" | "by" | "at" | "in" | "from" | "for" | "of"
    );
    let owned = matches!(
        back(1),
        "my" | "your" | "our" | "the" | "a" | "an" | "his" | "her" | "their" | "that"
    ) && is_thing(strand.lower(name.end))
        && strand.gap(name.end) == " ";
    let flown = matches!(
        back(1),
        "flew" | "flying" | "sued" | "calling" | "via" | "joined" | "joining"
    );
    bought
        || served
        || owned
        || (flown && strand.is_cased(name.start))
        || (back(1) == "calling" && back(2) == "for")
}

/// What a customer has of a company.
fn is_thing(lower: &str) -> bool {
    matches!(
        lower,
        "account"
            | "accounts"
            | "card"
            | "cards"
            | "flight"
            | "flights"
            | "app"
            | "policy"
            | "policies"
            | "subscription"
            | "membership"
            | "store"
            | "stores"
            | "branch"
            | "bill"
            | "website"
            | "portal"
            | "plan"
            | "order"
            | "warranty"
            | "checking"
            | "savings"
            | "credit"
            | "debit"
            | "gift"
            | "representative"
            | "agent"
            | "employee"
            | "customer"
            | "loyalty"
            | "rewards"
            | "bank"
            | "mortgage"
            | "loan"
            | "ticket"
            | "server"
            | "phone"
    )
}

/// Whether what is told behind a name is told of companies: `Delta cancelled our flight`.
fn is_doing(strand: &Strand<'_>, end: usize) -> bool {
    if strand.gap(end) != " " {
        return false;
    }
    let next = strand.lower(end + 1);
    match strand.lower(end) {
        "charged" | "billed" | "overcharged" | "refunded" | "hired" | "fired" | "announced"
        | "acquired" | "posted" | "reported" | "recalled" | "shares" | "stock" => true,
        "cancelled" | "canceled" | "denied" | "froze" | "closed" | "lost" | "delayed"
        | "declined" | "refused" | "rejected" | "sent" | "locked" | "blocked" => {
            matches!(next, "my" | "our" | "the" | "a" | "all" | "to" | "me")
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{Known, LISTS, LONGEST_NAME};

    #[test]
    fn lists_are_sorted_and_what_they_hold_can_be_matched() {
        for ((names, firsts), _) in &*LISTS {
            assert!(names.len() > 100 && firsts.len() > 100);
            for name in names {
                let words = name.split(|c: char| !c.is_alphanumeric()).count();
                assert!((1..=LONGEST_NAME).contains(&words), "{name}");
                assert_eq!(name.to_lowercase(), *name);
            }
        }
        let [((only, _), Known::Only), ((word, _), Known::Word)] = &*LISTS else {
            panic!("the order of the lists");
        };
        assert_eq!(only.intersection(word).count(), 0);
    }
}
