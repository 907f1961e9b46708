//! Street addresses: from the house number or the street to the postal code and the country.
//!
//! A street is known by its kind and its number, in the order of its country (`streets`); what
//! follows it, a unit, a postal code, a town, a country, belongs to it (`tail`). Asked for, an
//! address also goes without the kind of street.

mod kinds;
mod streets;
mod tail;

use std::ops::Range;

use super::{Found, Reading, Scene};
use crate::context::Topic;
use crate::entity::{score, types};
use crate::text::Strand;

use streets::Streets;

pub(super) fn find(scene: &Scene<'_>, found: &mut Found) {
    for reading in &scene.readings {
        let streets = Streets { reading };
        let mut at = 0;
        while at < reading.strand.len() {
            let told =
                |at: &Range<usize>| scene.context.near(&reading.strand, at) == Some(Topic::Address);
            let sure = streets.any(at, told).map(|street| (street, score::FORM));
            let plain = || {
                streets
                    .plain(at)
                    .filter(told)
                    .map(|street| (street, score::PARTIAL))
            };
            let lone = || streets.lone(at).map(|street| (street, score::LOOKS + 0.01));
            let unit = || {
                let end = tail::unit_alone(reading, at);
                (end > at).then_some((at..end, score::LOOKS))
            };
            if let Some((street, score)) = sure.or_else(plain).or_else(lone).or_else(unit) {
                let end = tail::end(scene, reading, street.end);
                add(reading, street.start..end, score, found);
            }
            at += 1;
        }
    }
}

fn add(reading: &Reading<'_>, at: Range<usize>, score: f32, found: &mut Found) {
    let strand = &reading.strand;
    let mut value = String::new();
    for at in at.clone() {
        let covering = reading.number_over(at).filter(|number| !number.ordinal);
        let number = covering.filter(|number| number.at.start == at);
        let inside = covering.is_some();
        let word = match number {
            Some(number) => number.digits.clone(),
            None if inside => continue,
            None => strand.raw(at).to_lowercase(),
        };
        let digits = |text: &str| text.ends_with(|c: char| c.is_ascii_digit());
        let continues = digits(&value) && number.is_some();
        if !value.is_empty() && !continues {
            value.push(' ');
        }
        value.push_str(&word);
    }
    let mut parts = strand.parts(at);
    if let [part] = parts.as_mut_slice() {
        // "(RM)" has two brackets.
        let text = strand.conversation.turns[part.turn].text;
        let open = text[part.start..part.end].rfind('(');
        if open.is_some_and(|open| !text[part.start + open..part.end].contains(')'))
            && text[part.end..].starts_with(')')
        {
            part.end += 1;
        }
    }
    found.add_parts(parts, types::STREET_ADDRESS, value, score);
}

/// What stands between two words of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tie {
    /// The next word of the same name: a space, a hyphen, an apostrophe.
    Close,
    /// A comma, or the dot of an abbreviation.
    Comma,
    /// The next line.
    Line,
    /// The end of a sentence, or what else ends an address.
    None,
}

/// What stands before the word at a position.
fn tie(strand: &Strand<'_>, at: usize) -> Tie {
    let gap = strand.gap(at);
    if strand.is_line_break(at) {
        let light = gap
            .chars()
            .all(|c| c.is_whitespace() || matches!(c, ',' | '.' | ')'));
        return if light { Tie::Line } else { Tie::None };
    }
    match gap {
        " " | "-" | "'" | "\u{2019}" | " - " | "/" | "\u{a0}" => Tie::Close,
        ", " | "," | ",  " | " , " | ", #" | " #" | "- " | " (" | ") " | "), " => Tie::Comma,
        // "St. Mary", "Apt. 4", "ul. Długa", "12. th".
        ". " | "." if strand.raw(at - 1).chars().count() <= 3 => Tie::Close,
        "., " => Tie::Comma,
        _ => Tie::None,
    }
}

/// Whether a word may be of a name: capitalized; in a text without capitals, no word of English.
fn is_name_word(strand: &Strand<'_>, at: usize) -> bool {
    let raw = strand.raw(at);
    if raw.is_empty()
        || !raw
            .chars()
            .all(|c| c.is_alphabetic() || matches!(c, '\u{300}'..='\u{36f}'))
    {
        return false;
    }
    raw.starts_with(char::is_uppercase)
        || (!strand.is_cased(at) && !crate::words::is_english(strand.lower(at)))
}

/// Whether a word, in lower case, joins the words of a name: `de`, `sur`, `upon`.
fn is_particle(lower: &str) -> bool {
    matches!(
        lower,
        "de" | "la"
            | "le"
            | "les"
            | "du"
            | "des"
            | "del"
            | "della"
            | "delle"
            | "dei"
            | "di"
            | "da"
            | "do"
            | "dos"
            | "das"
            | "d"
            | "l"
            | "el"
            | "los"
            | "las"
            | "am"
            | "an"
            | "der"
            | "den"
            | "dem"
            | "im"
            | "in"
            | "bei"
            | "sur"
            | "sous"
            | "en"
            | "y"
            | "e"
            | "of"
            | "the"
            | "upon"
            | "nad"
            | "pod"
            | "u"
            | "na"
            | "v"
            | "op"
            | "van"
            | "aan"
            | "ter"
            | "von"
            | "zu"
            | "zum"
            | "zur"
            | "vor"
            | "auf"
            | "lez"
            | "lès"
            | "och"
            | "og"
    )
}

/// Where a name ends that starts at a position: words in capitals, and what joins them.
fn name_end(strand: &Strand<'_>, at: usize, most: usize) -> usize {
    let mut end = at;
    let mut next = at;
    while next < strand.len() && next - at < most {
        let tied = next == at || tie(strand, next) == Tie::Close;
        if !tied {
            break;
        }
        next += 1;
        if is_name_word(strand, next - 1) {
            end = next;
        } else if next - 1 == at || !is_particle(strand.lower(next - 1)) {
            break;
        }
    }
    end
}

/// A house number in digits: `12`, `61b`, `221B`.
fn is_house_number(raw: &str) -> bool {
    let digits = raw.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let letters = raw.len() - digits.len();
    (1..=6).contains(&digits.len())
        && letters <= 2
        && digits.bytes().all(|b| b.is_ascii_digit())
        && !matches!(
            &raw[digits.len()..],
            "st" | "nd" | "rd" | "th" | "am" | "pm"
        )
}
