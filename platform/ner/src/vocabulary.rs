//! What the model knows of a word by its letters alone.
//!
//! Four attributes of a word go into the network as numbers of strings
//! (<https://spacy.io/api/token#attributes>): its NORM, a form in which spellings of one word are
//! the same; its PREFIX, the first character; its SUFFIX, the last three; and its SHAPE, with `X`,
//! `x` and `d` for capitals, other letters and digits, and no more than four of a kind in a row.

use std::path::Path;
use std::sync::LazyLock;

use foldhash::HashMap;
use rmpv::ValueRef;

use crate::error::{Problem, Result, read};
use crate::hash::murmur64;
use crate::msgpack;
use crate::unicode::{is_alpha, is_digit, is_space, last_chars};

/// The strings that are numbered by hand: names of attributes, tags and labels in spaCy's code, in
/// its order, from 1 (<https://spacy.io/api/attributes>). A word that happens to be one of them
/// has that number too.
const SYMBOLS: &str = include_str!("symbols.txt");

/// A word this long or longer, in characters, has the shape `LONG`.
const LONG_WORD: usize = 100;

/// A shape has at most this many of a kind in a row.
const SHAPE_RUN: usize = 4;

/// The number of a string.
pub(crate) fn string_id(text: &str) -> u64 {
    static NUMBERS: LazyLock<HashMap<&str, u64>> =
        LazyLock::new(|| SYMBOLS.lines().zip(1..).collect());
    if text.is_empty() {
        return 0;
    }
    let symbol = NUMBERS.get(text);
    symbol.map_or_else(|| murmur64(text.as_bytes(), 1), |number| *number)
}

/// An attribute of words that the network was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attribute {
    /// The normal form.
    Norm,
    /// The first character.
    Prefix,
    /// The last three characters.
    Suffix,
    /// The shape.
    Shape,
}

impl Attribute {
    /// By its name in the model's file.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "NORM" => Self::Norm,
            "PREFIX" => Self::Prefix,
            "SUFFIX" => Self::Suffix,
            "SHAPE" => Self::Shape,
            _ => return None,
        })
    }
}

/// The normal forms of words that the model has a table of.
#[derive(Debug, Default)]
pub(crate) struct Vocabulary {
    norms: HashMap<u64, Box<str>>,
}

impl Vocabulary {
    /// Reads the table of normal forms.
    pub(crate) fn load(folder: &Path) -> Result<Self> {
        let path = folder.join("vocab/lookups.bin");
        Self::parse(&read(&path)?).map_err(|problem| problem.within(&path))
    }

    fn parse(bytes: &[u8]) -> Result<Self, Problem> {
        let tables = msgpack::read(bytes)?;
        let Some(ValueRef::Map(entries)) = msgpack::get(&tables, "lexeme_norm") else {
            return Ok(Self::default());
        };
        let norms = entries
            .iter()
            .map(|(word, norm)| Some((word.as_u64()?, Box::from(msgpack::text(norm)?))));
        match norms.collect::<Option<_>>() {
            Some(norms) => Ok(Self { norms }),
            None => Err(Problem::damaged(
                "its table of normal forms holds something else",
            )),
        }
    }

    /// The number of an attribute of a word. The normal form may be given by the tokenizer.
    pub(crate) fn attribute(&self, attribute: Attribute, word: &str, norm: Option<u64>) -> u64 {
        match attribute {
            Attribute::Norm => norm.unwrap_or_else(|| self.norm(word)),
            Attribute::Prefix => {
                let first = word.chars().next().map_or(0, char::len_utf8);
                string_id(word.get(..first).unwrap_or(""))
            }
            Attribute::Suffix => string_id(last_chars(word, 3)),
            Attribute::Shape => string_id(&shape(word)),
        }
    }

    fn norm(&self, word: &str) -> u64 {
        let listed = self.norms.get(&string_id(word));
        match listed.map(AsRef::as_ref).or_else(|| mark_norm(word)) {
            Some(norm) => string_id(norm),
            None => string_id(&word.to_lowercase()),
        }
    }
}

/// The normal forms of marks, which spaCy's code has rather than the model: all quotes, dashes and
/// currency signs are alike to the network.
fn mark_norm(word: &str) -> Option<&'static str> {
    Some(match word {
        "'s" | "'S" | "\u{2019}s" | "\u{2019}S" => "'s",
        "\u{2018}" | "\u{2019}" | "\u{b4}" | "`" => "'",
        "\u{201c}" | "\u{201d}" | "\u{201e}" | "\u{ab}" | "\u{bb}" => "\"",
        "''" | "``" | "\u{b4}\u{b4}" | "\u{2018}\u{2018}" | "\u{2019}\u{2019}" => "\"",
        "\u{2013}" | "\u{2014}" | "\u{2014}\u{2014}" | "--" | "---" => "-",
        "\u{2026}" => "...",
        "\u{ff1f}" => "?",
        "\u{ff01}" => "!",
        "\u{ff0c}" => ",",
        "\u{ff1b}" => ";",
        "\u{ff1a}" => ":",
        "\u{3002}" | "\u{964}" => ".",
        "€" | "£" | "¥" | "฿" | "₺" | "₹" | "৳" | "₩" | "₣" => "$",
        "US$" | "C$" | "A$" | "Mex$" | "E£" => "$",
        _ => return None,
    })
}

/// The shape of a word.
fn shape(word: &str) -> String {
    if word.chars().nth(LONG_WORD - 1).is_some() {
        return "LONG".to_owned();
    }
    let mut shape = String::with_capacity(word.len());
    let mut last = None;
    let mut run = 0;
    for c in word.chars() {
        let class = match c {
            c if is_alpha(c) && c.is_uppercase() => 'X',
            c if is_alpha(c) => 'x',
            c if is_digit(c) => 'd',
            c => c,
        };
        run = if last == Some(class) { run + 1 } else { 1 };
        last = Some(class);
        if run <= SHAPE_RUN {
            shape.push(class);
        }
    }
    shape
}

/// Whether a word is white space and nothing else.
pub(crate) fn is_blank(word: &str) -> bool {
    !word.is_empty() && word.chars().all(is_space)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_have_the_numbers_that_spacy_gives_them() {
        // From https://spacy.io/usage/spacy-101#vocab and spaCy's list of symbols.
        assert_eq!(string_id("coffee"), 3_197_928_453_018_144_401);
        assert_eq!(string_id(""), 0);
        assert_eq!(string_id("IS_ALPHA"), 1);
        assert_eq!(string_id("ORTH"), 65);
        assert_eq!(string_id("NORM"), 67);
    }

    #[test]
    fn shapes_are_short() {
        assert_eq!(shape("Rosa"), "Xxxx");
        assert_eq!(shape("Margarita"), "Xxxxx");
        assert_eq!(shape("415-555-0173"), "ddd-ddd-dddd");
        assert_eq!(shape("U.S."), "X.X.");
        assert_eq!(shape("\u{b2}\u{301}\u{2167}"), "d\u{301}\u{2167}");
        assert_eq!(shape(&"a".repeat(99)), "xxxx");
        assert_eq!(shape(&"a".repeat(100)), "LONG");
    }

    #[test]
    fn quotes_and_currencies_are_alike() {
        let vocabulary = Vocabulary::default();
        let norm = |word| vocabulary.attribute(Attribute::Norm, word, None);
        assert_eq!(norm("\u{201c}"), norm("\""));
        assert_eq!(norm("€"), norm("$"));
        assert_eq!(norm("ROSA"), norm("rosa"));
        assert_eq!(vocabulary.attribute(Attribute::Norm, "ca", Some(7)), 7);
    }
}
