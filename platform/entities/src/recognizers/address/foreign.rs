//! Streets as languages other than English write them: the kind before the name, behind it, or within
//! it.

use std::ops::Range;

use super::kinds;
use super::streets::{LONGEST_NAME, Streets};
use super::{Tie, is_house_number, is_name_word, tie};
use crate::words;

/// With what joins them.
const LONGEST_JOINED: usize = 7;

impl Streets<'_> {
    /// `Hauptstraße 12`, `Karl-Marx-Allee 3a`, `Kerkstraat, 7`.
    pub(super) fn compound(&self, at: usize) -> Option<Range<usize>> {
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
        // "Leopold Achterhof, 64, who ran …" is so old.
        let aged = strand.gap(number) == ", "
            && strand.tail(number).starts_with(',')
            && strand.raw(number + 1).starts_with(char::is_lowercase)
            && at > 0
            && strand.gap(at) == " "
            && is_name_word(strand, at - 1)
            && !words::is_english(strand.lower(at - 1));
        if aged {
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
    pub(super) fn kind_before(&self, at: usize) -> Option<Range<usize>> {
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
    pub(super) fn kind_behind(&self, at: usize) -> Option<Range<usize>> {
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
        // "rue des Dunes Suite 634" is a street and a suite.
        let unit = next > at && super::unit::is_unit(strand.lower(next));
        if unit && is_house_number(strand.raw(next + 1)) {
            break;
        }
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
