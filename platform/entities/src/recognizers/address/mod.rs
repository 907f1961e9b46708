//! Street addresses: from the house number or the street to the postal code and the country.
//!
//! A street is known by its kind and its number, in the order of its country (`streets`); what
//! follows it, a unit, a postal code, a town, a country, belongs to it (`tail`). Asked for, an
//! address also goes without the kind of street.

mod block;
mod boxes;
mod foreign;
mod kinds;
mod streets;
mod tail;
mod unit;

use std::ops::Range;

use super::{Found, Reading, Scene};
use crate::context::Topic;
use crate::entity::{score, types};
use crate::text::Strand;
use crate::words;

use streets::Streets;

pub(super) fn find(scene: &Scene<'_>, found: &mut Found) {
    let claims = scene.search(|reading, stretch| {
        let streets = Streets { reading };
        let claims = stretch.filter_map(|at| claim(scene, &streets, at));
        claims.collect()
    });
    for (reading, claims) in scene.readings.iter().zip(claims) {
        for (at, score) in united(claims) {
            add(reading, at, score, found);
        }
    }
}

/// The address whose street is told by the word at a position, and how sure that is.
fn claim(scene: &Scene<'_>, streets: &Streets<'_>, at: usize) -> Option<(Range<usize>, f32)> {
    let reading = streets.reading;
    let (street, score) = street(scene, streets, at)?;
    // "January 10, 1923" is a date.
    let date = street.len() == 2 && words::month(reading.strand.lower(street.start)).is_some();
    if date {
        return None;
    }
    let start = streets.with_leading_unit(street.start);
    let end = tail::end(scene, reading, street.end);
    let block = block::block_end(reading, end);
    // Lines that close as those of an address do say that it is one.
    let score = if block.is_some() {
        score.max(score::CONTEXT)
    } else {
        score
    };
    let end = block.unwrap_or_else(|| corner_end(reading, start, end));
    Some((start..end, score))
}

/// The street that is told by the word at a position, and how sure that is.
fn street(scene: &Scene<'_>, streets: &Streets<'_>, at: usize) -> Option<(Range<usize>, f32)> {
    let reading = streets.reading;
    let told = |at: &Range<usize>| scene.context.near(&reading.strand, at) == Some(Topic::Address);
    let sure = streets.any(at, told).map(|street| (street, score::FORM));
    let plain = || {
        let mut street = streets.plain(at).filter(told)?;
        street.start = streets.with_digits_before(street.start);
        Some((street, score::PARTIAL))
    };
    let lone = || streets.lone(at).map(|street| (street, score::LOOKS + 0.01));
    let named = || {
        streets
            .named(at)
            .map(|street| (street, score::MODEL + 0.01))
    };
    let unit = || {
        let end = unit::unit_alone(reading, at);
        (end > at).then_some((at..end, score::LOOKS))
    };
    sure.or_else(plain)
        .or_else(lone)
        .or_else(named)
        .or_else(unit)
}

/// Claims that overlap are one address, as sure as the surest of them: "773 Gammelhavn 36" and
/// the "Suite 4, 83623 Anholt" that follows.
fn united(mut claims: Vec<(Range<usize>, f32)>) -> Vec<(Range<usize>, f32)> {
    claims.sort_by_key(|(at, _)| (at.start, at.end));
    let mut united: Vec<(Range<usize>, f32)> = Vec::with_capacity(claims.len());
    for (at, score) in claims {
        match united.last_mut() {
            Some((last, surest))
                if at.start < last.end && at.end.max(last.end) - last.start <= LONGEST =>
            {
                last.end = last.end.max(at.end);
                *surest = surest.max(score);
            }
            _ => united.push((at, score)),
        }
    }
    united
}

/// `the corner of Oak Street and Hill`: where the second street ends.
fn corner_end(reading: &Reading<'_>, start: usize, end: usize) -> usize {
    let strand = &reading.strand;
    let corner = start >= 2 && strand.says(start - 2, &["corner", "of"]);
    if !corner || strand.lower(end) != "and" || strand.gap(end) != " " {
        return end;
    }
    let second = end + 1;
    if !is_name_word(strand, second) || tie(strand, second) != Tie::Close {
        return end;
    }
    name_end(strand, second, 3).max(end)
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

/// No address has more words; a text that only looks like one after the other has no end.
const LONGEST: usize = 40;

/// Whether a word, in lower case, says that the name behind it is a street's: `Bulevardul`.
pub(crate) fn is_street_kind(lower: &str) -> bool {
    kinds::stands_before(lower)
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
        // A line of a quoted letter begins with its sign: "> 12 Main Street".
        let (before, after) = gap.split_at(gap.find('\n').unwrap_or(0));
        let light = before
            .chars()
            .all(|c| c.is_whitespace() || matches!(c, ',' | '.' | ')'))
            && after
                .chars()
                .all(|c| c.is_whitespace() || matches!(c, ',' | '>' | '|' | '*' | '?' | '}' | '-'))
            && !after.contains("- ");
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
