//! Addresses without a kind of street: boxes, military post, and what a postal code follows.

use std::ops::Range;

use super::streets::{LONGEST_NAME, Streets};
use super::{Tie, is_house_number, is_name_word, name_end, tie};

impl Streets<'_> {
    /// `P.O. Box 123`, `PO Box 9`, `Postfach 12`.
    pub(super) fn po_box(&self, at: usize) -> Option<Range<usize>> {
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
    pub(super) fn military(&self, at: usize) -> Option<Range<usize>> {
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
    pub(super) fn before_postcode(&self, at: usize) -> Option<Range<usize>> {
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
}
