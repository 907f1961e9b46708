//! Classes of characters as Python's `str` methods have them, where Rust's differ.
//!
//! The model was trained on features that those methods computed
//! (<https://docs.python.org/3/library/stdtypes.html#string-methods>).

use std::sync::LazyLock;

use regex_syntax::hir::{Class, HirKind};

/// The ranges of a Unicode class.
struct Ranges(Vec<(char, char)>);

impl Ranges {
    fn of(class: &str) -> Self {
        let ranges = match regex_syntax::parse(class).map(|hir| hir.into_kind()) {
            Ok(HirKind::Class(Class::Unicode(class))) => class
                .iter()
                .map(|range| (range.start(), range.end()))
                .collect(),
            _ => Vec::new(),
        };
        Self(ranges)
    }

    fn contains(&self, c: char) -> bool {
        let after = self.0.partition_point(|(start, _)| *start <= c);
        after > 0 && self.0.get(after - 1).is_some_and(|(_, end)| c <= *end)
    }
}

/// `str.isalpha`: letters, without the marks and numbers that Rust counts as alphabetic.
pub(crate) fn is_alpha(c: char) -> bool {
    static LETTERS: LazyLock<Ranges> = LazyLock::new(|| Ranges::of(r"\p{L}"));
    if c.is_ascii() {
        c.is_ascii_alphabetic()
    } else {
        LETTERS.contains(c)
    }
}

/// `str.isdigit`: decimal digits, and those that are digits by look only.
pub(crate) fn is_digit(c: char) -> bool {
    // The second part is `Numeric_Type=Digit` of Unicode's DerivedNumericType.txt.
    static DIGITS: LazyLock<Ranges> = LazyLock::new(|| {
        Ranges::of(concat!(
            r"[\p{Nd}\x{B2}\x{B3}\x{B9}\x{1369}-\x{1371}\x{19DA}\x{2070}\x{2074}-\x{2079}",
            r"\x{2080}-\x{2089}\x{2460}-\x{2468}\x{2474}-\x{247C}\x{2488}-\x{2490}\x{24EA}",
            r"\x{24F5}-\x{24FD}\x{24FF}\x{2776}-\x{277E}\x{2780}-\x{2788}\x{278A}-\x{2792}",
            r"\x{10A40}-\x{10A43}\x{10E60}-\x{10E68}\x{11052}-\x{1105A}\x{1F100}-\x{1F10A}]",
        ))
    });
    if c.is_ascii() {
        c.is_ascii_digit()
    } else {
        DIGITS.contains(c)
    }
}

/// `str.isspace`: Unicode's white space, and the four information separators of ASCII.
pub(crate) fn is_space(c: char) -> bool {
    matches!(c, '\u{1c}'..='\u{1f}') || c.is_whitespace()
}

/// The part of a text up to a number of characters before its end.
pub(crate) fn last_chars(text: &str, count: usize) -> &str {
    let start = text.char_indices().rev().take(count).last();
    start.map_or("", |(at, _)| text.get(at..).unwrap_or(""))
}

/// The largest character boundary of a text at or before a byte.
pub(crate) fn boundary_before(text: &str, at: usize) -> usize {
    text.floor_char_boundary(at)
}
