//! Units of a building: flats, suites, floors.

use super::streets::Streets;
use super::{Tie, is_house_number, tie};
use crate::recognizers::Reading;

/// `Apt 4B`, `unit twelve`, `#5`, `2. th`, `Wohnung 3`.
pub(super) fn unit(reading: &Reading<'_>, at: usize) -> usize {
    let strand = &reading.strand;
    let mut next = at;
    while is_unit(strand.lower(next)) && (next > at || tie(strand, next) != Tie::None) {
        next += 1;
    }
    if next == at && !strand.gap(at).contains('#') {
        return at;
    }
    let mut end = Streets { reading }.numbers_at(next);
    let raw = strand.raw(end);
    let code = raw.len() <= 4
        && raw
            .bytes()
            .all(|b| b.is_ascii_digit() || b.is_ascii_uppercase())
        // "unit c", where nothing has capitals.
        || (end == next && raw.len() == 1 && !strand.is_cased(at) && raw != "i");
    let house = end == next && is_house_number(raw);
    if !raw.is_empty()
        && (code || house)
        && (end == next || raw.len() == 1)
        && tie(strand, end) != Tie::None
    {
        end += 1;
    }
    if end == next { at } else { end }
}

/// Whether a word, in lower case, says that a number is of a unit of a building.
pub(super) fn is_unit(word: &str) -> bool {
    matches!(
        word,
        "apartment"
            | "apt"
            | "unit"
            | "suite"
            | "ste"
            | "floor"
            | "number"
            | "room"
            | "lot"
            | "flat"
            | "app"
            | "appt"
            | "appartamento"
            | "piso"
            | "puerta"
            | "depto"
            | "dpto"
            | "interior"
            | "int"
            | "edif"
            | "bloco"
            | "apto"
            | "lgh"
            | "bus"
            | "bte"
            | "wohnung"
            | "etg"
            | "byt"
            | "daire"
            | "box"
            | "rm"
            | "fl"
            | "bldg"
            | "building"
            | "block"
    )
}

/// Where a unit ends that stands alone: `Apt. 12`, `Suite 300`.
pub(super) fn unit_alone(reading: &Reading<'_>, at: usize) -> usize {
    let strand = &reading.strand;
    let named = matches!(
        strand.lower(at),
        "apt" | "suite" | "ste" | "apartment" | "flat"
    );
    let capital = strand.raw(at).starts_with(char::is_uppercase) || strand.lower(at) == "apt";
    let tied = matches!(strand.gap(at + 1), " " | ". " | " #");
    let number = at + 1;
    let fits = named && capital && tied && is_house_number(strand.raw(number));
    if fits { number + 1 } else { at }
}
