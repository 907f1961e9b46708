//! Where a street is, with its number.

use std::ops::Range;

use super::kinds::{self, Sureness};
use super::{Tie, is_house_number, is_name_word, name_end, tie};
use crate::recognizers::Reading;
use crate::words;

/// The name of a street has at most this many words.
pub(super) const LONGEST_NAME: usize = 4;

/// Reads streets in one strand.
pub(super) struct Streets<'r> {
    /// The strand.
    pub(super) reading: &'r Reading<'r>,
}

impl Streets<'_> {
    /// The street whose kind is at a position, in the order of any country.
    pub(super) fn any(
        &self,
        at: usize,
        told: impl Fn(&Range<usize>) -> bool,
    ) -> Option<Range<usize>> {
        let foreign = || {
            let street = self
                .compound(at)
                .or_else(|| self.kind_before(at))
                .or_else(|| self.kind_behind(at))?;
            Some(self.with_number_before(street.start)..street.end)
        };
        let english = self.english(at, told);
        // "route", "gate" and "rue" are English, too: the longer reading is the street.
        let strand = &self.reading.strand;
        let doubted = english.is_some()
            && kinds::english(strand.raw(at), strand.lower(at)) != Some(Sureness::Sure);
        let street = match english {
            Some(street) if doubted => {
                let other = foreign().filter(|other| other.len() > street.len());
                Some(other.unwrap_or(street))
            }
            Some(street) => Some(street),
            None => foreign(),
        };
        street
            .or_else(|| self.po_box(at))
            .or_else(|| self.military(at))
            .or_else(|| self.before_postcode(at))
    }

    /// House number, name and kind of the street, where the kind is at a position.
    fn english(&self, kind: usize, told: impl Fn(&Range<usize>) -> bool) -> Option<Range<usize>> {
        let strand = &self.reading.strand;
        let raw = strand.raw(kind);
        let sureness = kinds::english(raw, strand.lower(kind))?;
        // "12 Main St": the kind of street, not "St. Louis".
        if raw == "St"
            && strand.gap(kind + 1) == ". "
            && is_name_word(strand, kind + 1)
            && strand.number(kind.wrapping_sub(1))
        {
            return None;
        }
        let sure = sureness == Sureness::Sure;
        let mut capital = false;
        let before = (kind.saturating_sub(LONGEST_NAME)..kind).rev();
        for (names, name) in before.enumerate() {
            if !self.ties_name(name + 1) {
                return None;
            }
            let number = self.number_before(name + 1).filter(|_| names > 0);
            if let Some(number) = number {
                let at = self.with_unit_before(number)..kind + 1;
                let good = capital || (sure && names <= 3) || told(&at);
                return good.then_some(at);
            }
            let word = strand.lower(name);
            let ordinal = self.is_ordinal(name);
            if !ordinal && (is_no_name(word) || (names == 0 && !sure && strand.number(name))) {
                return None;
            }
            let doubted = sureness == Sureness::Word
                && names == 0
                && words::is_common(word)
                && !strand.raw(kind).starts_with(char::is_uppercase);
            capital |= ordinal || (is_name_word(strand, name) && !doubted);
        }
        let number = self.number_before(kind.checked_sub(LONGEST_NAME)?)?;
        (capital && kind - number > LONGEST_NAME).then(|| self.with_unit_before(number)..kind + 1)
    }

    fn ties_name(&self, at: usize) -> bool {
        let strand = &self.reading.strand;
        let gap = strand.gap(at);
        let abbreviated = gap == ". " && strand.raw(at - 1).chars().count() <= 2;
        matches!(gap, " " | "-" | "'" | "\u{2019}" | ", ") || abbreviated
    }

    pub(super) fn is_ordinal(&self, at: usize) -> bool {
        self.reading
            .number_over(at)
            .is_some_and(|number| number.ordinal)
    }

    /// `Flat 4`, `Unit 12,`, `Level 3`, `House no. 7` before the house number that starts at a
    /// position.
    pub(super) fn with_unit_before(&self, number: usize) -> usize {
        let strand = &self.reading.strand;
        let tied = |at: usize| tie(strand, at) != Tie::None;
        let number = self.with_lot_before(number);
        for back in 2..=3 {
            let Some(at) = number.checked_sub(back) else {
                break;
            };
            let unit = matches!(
                strand.lower(at),
                "flat"
                    | "unit"
                    | "studio"
                    | "level"
                    | "apt"
                    | "apartment"
                    | "suite"
                    | "block"
                    | "house"
                    | "floor"
                    | "shop"
                    | "room"
            );
            let numbered = is_house_number(strand.raw(number - 1))
                || (strand.raw(number - 1).chars().count() == 1);
            if unit && numbered && (at + 1..=number).all(tied) {
                return at;
            }
        }
        number
    }

    /// `Suite 929` before an address that begins at a position with its house number.
    pub(super) fn with_leading_unit(&self, street: usize) -> usize {
        let raw = self.reading.strand.raw(street);
        if raw.starts_with(|c: char| c.is_ascii_digit()) {
            self.with_unit_before(street)
        } else {
            street
        }
    }

    /// `Maple Street`, without a number: names in capitals and a sure kind of street.
    pub(super) fn named(&self, kind: usize) -> Option<Range<usize>> {
        let strand = &self.reading.strand;
        let capital = |at: usize| strand.raw(at).starts_with(char::is_uppercase);
        let sure = kinds::english(strand.raw(kind), strand.lower(kind)) == Some(Sureness::Sure);
        let goes_on = strand.gap(kind + 1) == " " && capital(kind + 1);
        if !sure || !capital(kind) || goes_on || strand.starts_turn(kind) {
            return None;
        }
        let mut start = kind;
        while start > 0
            && kind - start < LONGEST_NAME
            && strand.gap(start) == " "
            && capital(start - 1)
            && (is_name_word(strand, start - 1) || self.is_ordinal(start - 1))
            && !is_no_name(strand.lower(start - 1))
            && !matches!(strand.lower(start - 1), "the" | "near" | "along" | "off")
        {
            start -= 1;
        }
        (start < kind).then_some(start..kind + 1)
    }

    /// `Flat` before its number, `887/` and `H.No.` before a house number.
    fn with_lot_before(&self, number: usize) -> usize {
        let strand = &self.reading.strand;
        let mut start = number;
        while start > 0 && strand.gap(start) == "/" && is_house_number(strand.raw(start - 1)) {
            start -= 1;
        }
        let Some(before) = start.checked_sub(1) else {
            return start;
        };
        let tied = matches!(strand.gap(start), " " | ". " | "." | " #");
        match strand.lower(before) {
            "flat" | "unit" | "studio" | "apt" | "apartment" | "suite" | "plot" if tied => before,
            "no" if tied
                && before > 0
                && matches!(
                    strand.lower(before - 1),
                    "h" | "house" | "plot" | "door" | "flat"
                ) =>
            {
                before - 1
            }
            _ => start,
        }
    }

    /// A number right before a street that has one behind it, too: `4391 Hauptstraße 12`.
    fn with_number_before(&self, street: usize) -> usize {
        let strand = &self.reading.strand;
        let mut start = street;
        while start > 0
            && street - start < 2
            && strand.gap(start) == " "
            && strand.number(start - 1)
            && strand.raw(start - 1).len() <= 5
        {
            start -= 1;
        }
        start
    }

    /// A name that is no word, and a number: `Hvidtjørn 34`. It may be a street.
    pub(super) fn lone(&self, at: usize) -> Option<Range<usize>> {
        let strand = &self.reading.strand;
        let first = is_name_word(strand, at)
            && strand.is_cased(at)
            && !(at > 0 && tie(strand, at) == Tie::Close && is_name_word(strand, at - 1));
        if !first {
            return None;
        }
        let end = name_end(strand, at, LONGEST_NAME);
        let mut start = at;
        while start < end && words::is_english(strand.lower(start)) {
            start += 1;
        }
        let last = strand.lower_any(end - 1);
        let name = start < end
            && last.chars().count() >= 4
            && !words::is_english(&last)
            && !words::is_given_name(&last)
            && !words::is_company(&last)
            && words::month(&last).is_none()
            && !words::is_acronym(&last);
        let raw = strand.raw(end);
        let digits = raw.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let year = digits.len() == 4 && (digits.starts_with("19") || digits.starts_with("20"));
        let house = strand.gap(end) == " " && is_house_number(raw) && digits.len() <= 4 && !year;
        // "in Nieuwegein 3437": a town and its postal code.
        let town = digits.len() >= 4
            && strand.gap(start) == " "
            && matches!(strand.lower_before(start), "in" | "from" | "to" | "near");
        let counted = words::is_unit(strand.lower(end + 1)) && strand.gap(end + 1) == " " || town;
        let goes_on = strand.gap(end + 1).starts_with([':', '%', '-'])
            || strand.number(end + 1) && strand.gap(end + 1) == " ";
        (name && house && !counted && !goes_on)
            .then(|| self.with_number_before(start)..self.number_end(end))
    }

    /// Where the house number begins that ends at a position: digits, or words that say some.
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
            if start.is_some() && !matches!(strand.gap(number.at.end), " " | "-" | ", " | "/") {
                break;
            }
            edge = number.at.start;
            start = Some(edge);
        }
        start.or_else(|| {
            let before = end.checked_sub(1)?;
            let raw = strand.raw(before);
            (is_house_number(raw) && raw.starts_with(|c: char| c.is_ascii_digit()))
                .then_some(before)
        })
    }

    /// Where a house number ends: `12`, `12/3`, `12-14`, `12 a`, `12 bis`.
    pub(super) fn number_end(&self, at: usize) -> usize {
        let strand = &self.reading.strand;
        let mut end = at + 1;
        let second = strand.gap(end) == " "
            && strand.number(end)
            && strand.number(at)
            && matches!(tie(strand, end + 1), Tie::Comma | Tie::Line);
        end += usize::from(second);
        while matches!(strand.gap(end), "/" | "-") && is_house_number(strand.raw(end)) {
            end += 1;
        }
        let letter = strand.raw(end).len() == 1
            && strand
                .raw(end)
                .starts_with(|c: char| c.is_ascii_uppercase())
            && strand.gap(end) == " "
            && strand.raw(end) != "I";
        let bis = matches!(strand.lower(end), "bis" | "ter") && strand.gap(end) == " ";
        end + usize::from((letter && matches!(tie(strand, end + 1), Tie::Comma | Tie::Line)) || bis)
    }

    /// A number and words in capitals, `1200 Broadway`, or these in the other order.
    pub(super) fn plain(&self, at: usize) -> Option<Range<usize>> {
        let strand = &self.reading.strand;
        if let Some(number) = self.reading.number_at(at) {
            let mut end = number.at.end;
            while end - number.at.end < LONGEST_NAME
                && strand.gap(end) == " "
                && super::tail::is_place_word(strand, end)
            {
                end += 1;
            }
            let fits = !number.ordinal && number.digits.len() <= 6 && end > number.at.end;
            return fits.then_some(at..end);
        }
        let first = is_name_word(strand, at) && !words::is_common(strand.lower(at));
        let number = name_end(strand, at, LONGEST_NAME);
        let house = strand.gap(number) == " " && is_house_number(strand.raw(number));
        (first && number > at && house && words::month(strand.lower(at)).is_none())
            .then(|| at..self.number_end(number))
    }

    /// Where a house number begins that is said digit by digit and whose last digit starts at a
    /// position: `one one seven Kingsway`.
    pub(super) fn with_digits_before(&self, at: usize) -> usize {
        let strand = &self.reading.strand;
        let numbers = &self.reading.numbers;
        let last = numbers.partition_point(|number| number.at.start < at);
        let mut start = at;
        for number in numbers[..last].iter().rev().take(MOST_DIGITS) {
            let said = number.digits.len() == 1 && !strand.number(number.at.start);
            if !said || number.at.end != start || strand.gap(start) != " " {
                break;
            }
            start = number.at.start;
        }
        start
    }

    /// Where the numbers that start at a position end.
    pub(super) fn numbers_at(&self, at: usize) -> usize {
        let mut end = at;
        let index = self
            .reading
            .numbers
            .partition_point(|number| number.at.start < at);
        for number in &self.reading.numbers[index..] {
            let gap = self.reading.strand.gap(number.at.start);
            if number.at.start != end || number.ordinal || (end > at && gap.contains(['/', '\n'])) {
                break;
            }
            end = number.at.end;
        }
        end
    }
}

/// A house number that is said digit by digit has at most so many before its last one.
const MOST_DIGITS: usize = 5;

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
