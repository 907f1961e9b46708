//! Street addresses: from the house number to the postal code.
//!
//! A number, up to four words and a word such as "Street" make an address; a unit, a city, a state
//! and a postal code behind it belong to it. Asked for, an address also goes without the "Street".

use std::ops::Range;

use super::{Found, Reading, Scene};
use crate::context::Topic;
use crate::entity::{score, types};
use crate::text::Strand;
use crate::words;

/// The name of a street has at most this many words.
const LONGEST_NAME: usize = 4;
/// The name of a city has at most this many words.
const LONGEST_CITY: usize = 3;

pub(super) fn find(scene: &Scene<'_>, found: &mut Found) {
    for reading in &scene.readings {
        let addresses = Addresses { reading };
        for at in 0..reading.strand.len() {
            let told =
                |at: &Range<usize>| scene.context.near(&reading.strand, at) == Some(Topic::Address);
            let street = addresses.street(at, told).or_else(|| addresses.po_box(at));
            if let Some(street) = street {
                add(
                    reading,
                    street.start..addresses.rest(street.end),
                    score::FORM,
                    found,
                );
            } else if let Some(street) = addresses.plain(at).filter(told) {
                add(
                    reading,
                    street.start..addresses.rest(street.end),
                    score::PARTIAL,
                    found,
                );
            }
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
    found.add(strand, at, types::STREET_ADDRESS, value, score);
}

/// Reads addresses in one strand.
struct Addresses<'r> {
    reading: &'r Reading<'r>,
}

impl Addresses<'_> {
    /// House number, name and kind of the street, where the kind is at a position.
    fn street(&self, kind: usize, told: impl Fn(&Range<usize>) -> bool) -> Option<Range<usize>> {
        let strand = &self.reading.strand;
        let sure = street_kind(strand.raw(kind))?;
        let mut capital = false;
        let before = (kind.saturating_sub(LONGEST_NAME)..kind).rev();
        for (names, name) in before.enumerate() {
            let gap = strand.gap(name + 1);
            let abbreviated = gap == ". " && strand.raw(name).len() <= 2;
            if !(matches!(gap, " " | "-" | "'" | "\u{2019}" | ", ") || abbreviated) {
                return None;
            }
            let number = self.number_before(name + 1).filter(|_| names > 0);
            if let Some(number) = number {
                let at = number..kind + 1;
                let good = capital || (sure && names <= 3) || told(&at);
                return good.then_some(at);
            }
            let word = strand.lower(name);
            let ordinal = self
                .reading
                .number_over(name)
                .is_some_and(|number| number.ordinal);
            if !ordinal && is_no_name(word) {
                return None;
            }
            capital |= ordinal || strand.raw(name).starts_with(char::is_uppercase);
        }
        let number = self.number_before(kind.checked_sub(LONGEST_NAME)?)?;
        (capital && kind - number > LONGEST_NAME).then_some(number..kind + 1)
    }

    /// Where the house number begins that ends at a position.
    fn number_before(&self, end: usize) -> Option<usize> {
        let strand = &self.reading.strand;
        let mut start = None;
        let index = self
            .reading
            .numbers
            .partition_point(|number| number.at.end <= end);
        let mut edge = end;
        for number in self.reading.numbers[..index].iter().rev() {
            if number.at.end != edge || number.ordinal || number.digits.len() > 6 {
                break;
            }
            if start.is_some() && !matches!(strand.gap(number.at.end), " " | "-" | ", ") {
                break;
            }
            edge = number.at.start;
            start = Some(edge);
        }
        start
    }

    /// `P.O. Box 123`.
    fn po_box(&self, at: usize) -> Option<Range<usize>> {
        let strand = &self.reading.strand;
        let number = match (strand.lower(at), strand.lower(at + 1), strand.lower(at + 2)) {
            ("p", "o", "box") => at + 3,
            ("po", "box", _) => at + 2,
            _ => return None,
        };
        let end = self.numbers_at(number);
        (end > number).then_some(at..end)
    }

    /// A number and words in capitals: `1200 Broadway`.
    fn plain(&self, at: usize) -> Option<Range<usize>> {
        let strand = &self.reading.strand;
        let index = self
            .reading
            .numbers
            .binary_search_by_key(&at, |n| n.at.start)
            .ok()?;
        let number = &self.reading.numbers[index];
        let mut end = number.at.end;
        while end - number.at.end < LONGEST_NAME
            && strand.gap(end) == " "
            && is_place_word(strand, end)
        {
            end += 1;
        }
        let fits = !number.ordinal && number.digits.len() <= 6 && end > number.at.end;
        fits.then_some(at..end)
    }

    /// Where the numbers that start at a position end.
    fn numbers_at(&self, at: usize) -> usize {
        let mut end = at;
        let index = self
            .reading
            .numbers
            .partition_point(|number| number.at.start < at);
        for number in &self.reading.numbers[index..] {
            let gap = self.reading.strand.gap(number.at.start);
            if number.at.start != end || number.ordinal || (end > at && gap.contains('/')) {
                break;
            }
            end = number.at.end;
        }
        end
    }

    /// Where the address ends of which the street ends at a position.
    fn rest(&self, street: usize) -> usize {
        let strand = &self.reading.strand;
        let mut end = street;
        if matches!(
            strand.lower(end),
            "north" | "south" | "east" | "west" | "nw" | "ne" | "sw" | "se"
        ) {
            end += 1;
        }
        end = self.unit(end);
        self.city(end).unwrap_or(end)
    }

    /// `Apt 4B`, `unit twelve`, `#5`.
    fn unit(&self, at: usize) -> usize {
        let strand = &self.reading.strand;
        let mut next = at;
        while matches!(
            strand.lower(next),
            "apartment" | "apt" | "unit" | "suite" | "ste" | "floor" | "number" | "room" | "lot"
        ) {
            next += 1;
        }
        if next == at && !strand.gap(at).contains('#') {
            return at;
        }
        let mut end = self.numbers_at(next);
        let raw = strand.raw(end);
        let code = raw.len() <= 4
            && raw
                .bytes()
                .all(|b| b.is_ascii_digit() || b.is_ascii_uppercase());
        if !raw.is_empty() && code && (end == next || raw.len() == 1) {
            end += 1;
        }
        if end == next { at } else { end }
    }

    /// `, Boulder, Colorado 80302`.
    fn city(&self, at: usize) -> Option<usize> {
        let strand = &self.reading.strand;
        let start = at + usize::from(strand.lower(at) == "in");
        for words in 0..=LONGEST_CITY {
            let state = start + words;
            if state >= strand.len() || !(start..state).all(|at| is_place_word(strand, at)) {
                break;
            }
            let length = words::state(strand.raw(state), strand.raw(state + 1));
            if length > 0 && strand.gap(state).len() <= 2 {
                // "New York, NY" is a city that has the name of its state.
                let city = state + length;
                let code = words::state(strand.raw(city), strand.raw(city + 1));
                return Some(self.zip(city + code));
            }
            let zip = self.zip(state);
            if words > 0 && zip > state {
                return Some(zip);
            }
        }
        let comma = strand.gap(start) == ", " || start > at;
        let mut end = start;
        while comma
            && end - start < LONGEST_CITY
            && end < strand.len()
            && is_place_word(strand, end)
        {
            end += 1;
            if strand.gap(end) != " " {
                return Some(end);
            }
        }
        None
    }

    /// Where a postal code ends that starts at a position.
    fn zip(&self, at: usize) -> usize {
        let runs = &self.reading.digits;
        match runs.get(runs.partition_point(|run| run.at().start < at)) {
            Some(run) if run.at().start == at && matches!(run.len(), 5 | 9) => run.at().end,
            _ => at,
        }
    }
}

/// Whether a word may be of the name of a city or a street.
fn is_place_word(strand: &Strand<'_>, at: usize) -> bool {
    let raw = strand.raw(at);
    raw.starts_with(char::is_uppercase)
        && raw.chars().all(char::is_alphabetic)
        && (!words::is_common(strand.lower(at)) || is_place_start(strand.lower(at)))
        && !matches!(strand.gap(at), "? " | "! " | "\n")
}

/// Common words that names of places begin with.
fn is_place_start(word: &str) -> bool {
    matches!(
        word,
        "north"
            | "south"
            | "east"
            | "west"
            | "new"
            | "great"
            | "long"
            | "grand"
            | "little"
            | "old"
            | "united"
            | "middle"
            | "hope"
            | "high"
            | "big"
            | "half"
    )
}

/// Whether a word is the kind of a street; and whether it is seldom anything else.
fn street_kind(raw: &str) -> Option<bool> {
    let capital = raw.starts_with(char::is_uppercase);
    match raw.to_ascii_lowercase().as_str() {
        "street" | "avenue" | "boulevard" | "lane" | "road" | "parkway" | "highway" => Some(true),
        "drive" | "court" | "place" | "way" | "circle" | "terrace" | "trail" | "square"
        | "loop" | "crescent" | "close" | "route" | "plaza" | "alley" | "ridge" | "hill" => {
            Some(false)
        }
        "st" | "ave" | "rd" | "dr" | "ln" | "blvd" | "ct" | "pl" | "cir" | "ter" | "pkwy"
        | "hwy" | "sq"
            if capital =>
        {
            Some(true)
        }
        _ => None,
    }
}

/// Words that do not stand between a house number and "street".
fn is_no_name(word: &str) -> bool {
    words::is_unit(word)
        || matches!(
            word,
            "to" | "for"
                | "a"
                | "is"
                | "and"
                | "or"
                | "in"
                | "on"
                | "at"
                | "more"
                | "that"
                | "it"
                | "was"
                | "are"
                | "from"
                | "with"
                | "my"
                | "your"
                | "by"
                | "cars"
                | "houses"
                | "down"
                | "up"
                | "this"
                | "into"
                | "out"
                | "i"
                | "you"
                | "we"
                | "they"
                | "but"
        )
}
