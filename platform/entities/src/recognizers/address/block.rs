//! The lines that an address goes on with: of a town, a state, a country, a postal code.

use super::tail::{LONGEST_TOWN, closes, is_known, postcode};
use super::{Tie, is_name_word, tie};
use crate::recognizers::Reading;

/// And at most so many lines.
const MOST_LINES: usize = 4;
/// A line of which a part was read goes on for at most this many words.
const LONGEST_REST: usize = 2;

/// Where the block of lines ends that an address goes on with: short lines, of which the last
/// is a country, or ends with a postal code.
pub(super) fn block_end(reading: &Reading<'_>, at: usize) -> Option<usize> {
    let strand = &reading.strand;
    // A postal code that ends what was read closes it already.
    if at > 0 && strand.number(at - 1) && strand.raw(at - 1).len() >= 5 {
        return None;
    }
    let mut line = at;
    // The rest of the line, where a part of the town's name is known: "Tokoza Ext".
    while line - at < LONGEST_REST && tie(strand, line) == Tie::Close && is_name_word(strand, line)
    {
        line += 1;
    }
    for _ in 0..MOST_LINES {
        if line >= strand.len() || tie(strand, line) != Tie::Line {
            return None;
        }
        if let Some(end) = closing_line(reading, line) {
            return Some(end);
        }
        // A line between: a few words, and nothing that ends a sentence.
        let mut next = line + 1;
        while next < strand.len() && !strand.is_line_break(next) {
            let tied = matches!(tie(strand, next), Tie::Close | Tie::Comma);
            if !tied || next - line > LONGEST_TOWN {
                return None;
            }
            next += 1;
        }
        line = next;
    }
    None
}

/// Where a line ends that begins at a position and closes an address: `New Zealand 31749`,
/// `Estonia`.
fn closing_line(reading: &Reading<'_>, at: usize) -> Option<usize> {
    let strand = &reading.strand;
    let mut name = at;
    while name - at < LONGEST_TOWN
        && name < strand.len()
        && strand.raw(name).chars().all(char::is_alphabetic)
        && (name == at || tie(strand, name) == Tie::Close)
    {
        name += 1;
    }
    for end in (at..=name).rev() {
        let code = if end == at || matches!(tie(strand, end), Tie::Close | Tie::Comma) {
            postcode(reading, end)
        } else {
            end
        };
        let joined = matches!(strand.gap(code), "-" | "." | " ") && strand.number(code);
        if code > end && !joined {
            return Some(code);
        }
        if end > at && is_known(strand, at, end) && closes(strand, end) {
            return Some(end);
        }
    }
    None
}
