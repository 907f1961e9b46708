//! Where a street is, with its number.

use std::ops::Range;

use super::kinds::{self, Sureness};
use super::{Tie, is_house_number, is_name_word, name_end, tie};
use crate::recognizers::Reading;
use crate::words;

/// The name of a street has at most this many words.
const LONGEST_NAME: usize = 4;
/// With what joins them.
const LONGEST_JOINED: usize = 7;

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
        self.english(at, told)
            .or_else(foreign)
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
            if !ordinal && is_no_name(word) {
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

    fn is_ordinal(&self, at: usize) -> bool {
        self.reading
            .number_over(at)
            .is_some_and(|number| number.ordinal)
    }

    /// `Flat 4`, `Unit 12,`, `Level 3`, `House no. 7` before the house number that starts at a
    /// position.
    fn with_unit_before(&self, number: usize) -> usize {
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
        let before = street.saturating_sub(1);
        let number = street > 0
            && strand.gap(street) == " "
            && strand.number(before)
            && strand.raw(before).len() <= 5;
        if number { before } else { street }
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
        let counted = words::is_unit(strand.lower(end + 1)) && strand.gap(end + 1) == " ";
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

    /// `Hauptstraße 12`, `Karl-Marx-Allee 3a`, `Kerkstraat, 7`.
    fn compound(&self, at: usize) -> Option<Range<usize>> {
        let strand = &self.reading.strand;
        if !is_name_word(strand, at) || !kinds::ends_as_street(strand.lower(at)) {
            return None;
        }
        let number = at + 1;
        if !matches!(strand.gap(number), " " | ". " | ", " | "." | " nr. ")
            || !is_house_number(strand.raw(number))
        {
            return None;
        }
        // "Karl-Marx-…" is one name, and so is "Søndre Ringvej", "Franz von Suppé-Gasse".
        let mut start = at;
        while start > 0 && at - start < LONGEST_NAME {
            let before = start - 1;
            let name = is_name_word(strand, before)
                && (strand.gap(start) == "-"
                    || (strand.gap(start) == " "
                        && strand.is_cased(before)
                        && !words::is_english(strand.lower(before))));
            let particle = strand.gap(start) == " "
                && matches!(
                    strand.lower(before),
                    "von" | "van" | "de" | "der" | "den" | "af" | "i" | "am"
                )
                && before > 0
                && strand.gap(before) == " "
                && is_name_word(strand, before - 1)
                && !words::is_english(strand.lower(before - 1));
            if !(name || particle) {
                break;
            }
            start = before;
        }
        Some(start..self.number_end(number))
    }

    /// `via Roma 12`, `rue de la Paix, 5`, `12 bis rue Monge`, `C/ Mayor, n.º 3`, `ul. Długa 7/3`.
    fn kind_before(&self, at: usize) -> Option<Range<usize>> {
        let strand = &self.reading.strand;
        let lower = strand.lower_any(at);
        if !kinds::stands_before(&lower) {
            return None;
        }
        let name = at + 1;
        let abbreviated = matches!(strand.gap(name), ". " | "." | "/ " | "/");
        if !abbreviated && strand.gap(name) != " " {
            return None;
        }
        let end = name_end_joined(self, name)?;
        let mut number = end;
        while matches!(
            strand.lower(number),
            "nr" | "no" | "n" | "num" | "número" | "numero" | "nro" | "nº" | "č" | "núm"
        ) && tie(strand, number) != Tie::None
        {
            number += 1;
        }
        let crossing = strand.gap(number).contains('#') && is_house_number(strand.raw(number));
        if crossing {
            let end = self.number_end(number);
            let side = matches!(
                strand.lower(end),
                "sur" | "este" | "norte" | "oeste" | "bis"
            );
            return Some(at..end + usize::from(side && strand.gap(end) == " "));
        }
        let doubtful = kinds::is_doubtful_before(&lower) && !abbreviated;
        let capital = strand.raw(at).starts_with(char::is_uppercase);
        let numbered = matches!(
            strand.gap(number),
            " " | ", " | " #" | ", #" | "., " | " n. " | ". " | " nº " | ", nº " | "º " | "° "
        ) && is_house_number(strand.raw(number))
            && !strand.is_line_break(number);
        // English "place", "route", "square" before a name and a number are seldom a street.
        if numbered && (!doubtful || capital) {
            return Some(at..self.number_end(number));
        }
        let without = !doubtful
            && matches!(tie(strand, end), Tie::Comma | Tie::Line)
            && super::tail::leads_to_postcode(self.reading, end);
        if without {
            return Some(at..end);
        }
        let before = at
            .checked_sub(1)
            .filter(|_| matches!(strand.gap(at), " " | ", "))?;
        let bis = usize::from(matches!(strand.lower(before), "bis" | "ter"));
        let before = before.checked_sub(bis)?;
        let digits = strand.raw(before);
        let counted = is_house_number(digits) && (!doubtful || digits.len() <= 3);
        counted.then_some(before..end)
    }

    /// `Petőfi Sándor utca 12`, `Lange Straße 3`, `Atatürk Caddesi No: 5`.
    fn kind_behind(&self, at: usize) -> Option<Range<usize>> {
        let strand = &self.reading.strand;
        let lower = strand.lower_any(at);
        if at == 0 || !kinds::stands_behind(&lower) || !matches!(strand.gap(at), " " | "-") {
            return None;
        }
        let number = at + 1 + usize::from(matches!(strand.lower(at + 1), "no" | "nr"));
        let tied = matches!(strand.gap(number), " " | ". " | ": " | ", ");
        if !tied || !is_house_number(strand.raw(number)) {
            return None;
        }
        let mut start = at;
        while start > 0
            && at - start < LONGEST_NAME
            && (start == at || tie(strand, start) == Tie::Close)
            && (is_name_word(strand, start - 1) || self.is_ordinal(start - 1))
            && !(words::is_common(strand.lower(start - 1)) && strand.is_cased(start - 1))
        {
            start -= 1;
        }
        (start < at).then(|| start..self.number_end(number))
    }

    /// Where a house number ends: `12`, `12/3`, `12-14`, `12 a`, `12 bis`.
    fn number_end(&self, at: usize) -> usize {
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

    /// `P.O. Box 123`, `PO Box 9`, `Postfach 12`.
    fn po_box(&self, at: usize) -> Option<Range<usize>> {
        let strand = &self.reading.strand;
        let number = match (strand.lower(at), strand.lower(at + 1), strand.lower(at + 2)) {
            ("p", "o", "box") => at + 3,
            ("po", "box", _) | ("post", "box", _) | ("casella", "postale", _) => at + 2,
            ("postfach" | "postbus" | "postboks", _, _) => at + 1,
            _ => return None,
        };
        let end = self.numbers_at(number);
        (end > number).then_some(at..end)
    }

    /// `PSC 1234, Box 5678, APO AP 96273`, `USS Smith, FPO AE 09012`.
    fn military(&self, at: usize) -> Option<Range<usize>> {
        let strand = &self.reading.strand;
        let office = matches!(strand.lower(at), "apo" | "fpo" | "dpo")
            && matches!(strand.lower(at + 1), "aa" | "ae" | "ap")
            && strand.number(at + 2);
        if !office {
            return None;
        }
        let starts = (at.saturating_sub(6)..at).find(|start| {
            matches!(
                strand.lower(*start),
                "psc" | "unit" | "uss" | "usns" | "usnv" | "uscgc" | "cmr"
            ) && (start + 1..=at).all(|at| tie(strand, at) != Tie::None)
        });
        Some(starts.unwrap_or(at)..at + 3)
    }

    /// A name and a number, or a number and names, that a postal code and a town follow:
    /// `Husova 123, 110 00 Praha`, `14/2, Gandhi Nagar, Agra 282001`.
    fn before_postcode(&self, at: usize) -> Option<Range<usize>> {
        let strand = &self.reading.strand;
        if is_name_word(strand, at)
            && (at == 0 || tie(strand, at) != Tie::Close || !is_name_word(strand, at - 1))
        {
            let number = name_end(strand, at, LONGEST_NAME);
            let house = strand.gap(number) == " " && is_house_number(strand.raw(number));
            if number > at && house {
                let end = self.number_end(number);
                let parted = matches!(tie(strand, end), Tie::Comma | Tie::Line);
                if parted && super::tail::leads_to_postcode(self.reading, end) {
                    return Some(at..end);
                }
            }
        }
        if !is_house_number(strand.raw(at)) || !strand.number(at) {
            return None;
        }
        let end = self.number_end(at);
        let mut next = end;
        for _ in 0..4 {
            let parted = matches!(tie(strand, next), Tie::Comma | Tie::Line);
            if !(parted || (next == end && tie(strand, next) == Tie::Close)) {
                return None;
            }
            let name = name_end(strand, next, LONGEST_NAME);
            if name == next {
                return None;
            }
            let code = super::tail::postcode(self.reading, name);
            if code > name && strand.raw(name).len() >= 5 {
                return Some(self.with_unit_before(at)..end);
            }
            next = name;
        }
        None
    }

    /// A number and words in capitals, `1200 Broadway`, or these in the other order.
    pub(super) fn plain(&self, at: usize) -> Option<Range<usize>> {
        let strand = &self.reading.strand;
        let numbers = &self.reading.numbers;
        if let Ok(index) = numbers.binary_search_by_key(&at, |n| n.at.start) {
            let number = &numbers[index];
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

/// Where the name of a street ends whose kind stands before it; `None` if there is none.
fn name_end_joined(streets: &Streets<'_>, at: usize) -> Option<usize> {
    let strand = &streets.reading.strand;
    let mut end = at;
    let mut next = at;
    while next < strand.len() && next - at < LONGEST_JOINED {
        if next > at && tie(strand, next) != Tie::Close {
            break;
        }
        let particle = super::is_particle(strand.lower(next));
        if !is_name_word(strand, next) && !particle && !streets.is_ordinal(next) {
            break;
        }
        next += 1;
        if !particle {
            end = next;
        }
    }
    (end > at).then_some(end)
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
