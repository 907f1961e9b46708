//! Reads the numbers in a strand: written, spoken, or both.
//!
//! A number here is what is said in one breath: `4111`, `five`, `double oh`, `forty one`,
//! `two thousand twenty four`, `14th`. What belongs together as one card or phone number is for
//! [`crate::runs`] to say. `forty one eleven` is 41 and 11, whose digits in a row are 4111.

use std::ops::Range;

use crate::text::Strand;
use crate::words::{self, NumberWord};

/// So many zeros in a row are said as "oh".
const MOST_OHS: usize = 6;

/// A number and where it stands in the strand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Number {
    /// The words that say it.
    pub(crate) at: Range<usize>,
    /// Its digits as one would dial them.
    pub(crate) digits: String,
    /// Its value, if it is below 10^18 and no repetition such as `double five`.
    pub(crate) value: Option<u64>,
    /// Third rather than three.
    pub(crate) ordinal: bool,
}

/// All numbers of a strand, in order.
pub(crate) fn read(strand: &Strand<'_>) -> Vec<Number> {
    let mut numbers: Vec<Number> = Vec::new();
    let mut at = 0;
    while at < strand.len() {
        let follows = numbers.last().is_some_and(|last| last.at.end == at);
        match read_at(strand, at, follows) {
            Some(number) => {
                at = number.at.end;
                numbers.push(number);
            }
            None => at += 1,
        }
    }
    numbers
}

fn read_at(strand: &Strand<'_>, at: usize, follows: bool) -> Option<Number> {
    let word = strand.lower(at);
    if word.as_bytes().first()?.is_ascii_digit() {
        return written(strand, at);
    }
    if let Some(ordinal) = spoken_ordinal(strand, at) {
        return Some(ordinal);
    }
    match words::number_word(word) {
        Some(NumberWord::Repeat(times)) => repeated(strand, at, times),
        Some(NumberWord::Digit(1)) if is_pronoun(strand, at) => None,
        Some(NumberWord::Digit(digit)) if !multiplied(strand, at + 1) => {
            Some(cardinal(at..at + 1, u64::from(digit)))
        }
        Some(_) => spoken(strand, at),
        None if is_oh(word)
            && (follows || (starts_number(strand, at + 1) && !is_spelled(strand, at))) =>
        {
            Some(cardinal(at..at + 1, 0))
        }
        None => None,
    }
}

fn cardinal(at: Range<usize>, value: u64) -> Number {
    Number {
        at,
        digits: value.to_string(),
        value: Some(value),
        ordinal: false,
    }
}

/// `oh` and the letter that sounds like it.
fn is_oh(word: &str) -> bool {
    matches!(word, "oh" | "o")
}

/// Whether a letter stands behind another: the O of `D-E-L-G-A-D-O 84`.
fn is_spelled(strand: &Strand<'_>, at: usize) -> bool {
    let before = strand.lower_before(at).as_bytes();
    strand.lower(at).len() == 1
        && matches!(before, [letter] if letter.is_ascii_lowercase())
        && matches!(strand.gap(at), "-" | " " | ", " | ".")
}

fn starts_number(strand: &Strand<'_>, at: usize) -> bool {
    let word = strand.lower(at);
    word.as_bytes().first().is_some_and(u8::is_ascii_digit)
        || matches!(
            words::number_word(word),
            Some(NumberWord::Digit(_) | NumberWord::Teen(_) | NumberWord::Tens(_))
        )
        || (is_oh(word) && words::number_word(behind_ohs(strand, at)).is_some())
}

/// The word behind `oh oh oh`.
fn behind_ohs<'c>(strand: &Strand<'c>, at: usize) -> &'c str {
    let mut words = (at..at + MOST_OHS).map(|at| strand.lower(at));
    words.find(|word| !is_oh(word)).unwrap_or("")
}

/// `one` as in "the last one": no number, unless more digits follow.
fn is_pronoun(strand: &Strand<'_>, at: usize) -> bool {
    let led = matches!(
        strand.lower_before(at),
        "this"
            | "that"
            | "the"
            | "last"
            | "which"
            | "no"
            | "any"
            | "every"
            | "some"
            | "other"
            | "another"
            | "new"
            | "each"
            | "right"
            | "only"
            | "first"
            | "old"
            | "same"
    );
    led && !starts_number(strand, at + 1)
}

fn multiplied(strand: &Strand<'_>, at: usize) -> bool {
    matches!(
        words::number_word(strand.lower(at)),
        Some(NumberWord::Hundred | NumberWord::Scale(_))
    )
}

/// `4111`, `1,249`, `14th`, `5 thousand`.
fn written(strand: &Strand<'_>, at: usize) -> Option<Number> {
    let word = strand.lower(at);
    let digits = word.trim_end_matches(|c: char| c.is_ascii_lowercase());
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    match &word[digits.len()..] {
        "" => {}
        "st" | "nd" | "rd" | "th" => {
            let value = digits.parse().ok();
            return Some(Number {
                at: at..at + 1,
                digits: digits.into(),
                value,
                ordinal: true,
            });
        }
        _ => return None,
    }
    let mut number = Number {
        at: at..at + 1,
        digits: digits.into(),
        value: small(digits),
        ordinal: false,
    };
    while digits.len() <= 3
        && strand.gap(number.at.end) == ","
        && strand.lower(number.at.end).len() == 3
        && strand
            .lower(number.at.end)
            .bytes()
            .all(|b| b.is_ascii_digit())
    {
        number.digits.push_str(strand.lower(number.at.end));
        number.value = small(&number.digits);
        number.at.end += 1;
    }
    if let (Some(value @ ..10_000), true) = (number.value, strand.gap(number.at.end) == " ") {
        let scale = match words::number_word(strand.lower(number.at.end)) {
            Some(NumberWord::Hundred) => 100,
            Some(NumberWord::Scale(scale)) => scale,
            _ => return Some(number),
        };
        return Some(cardinal(at..number.at.end + 1, value * scale));
    }
    Some(number)
}

fn small(digits: &str) -> Option<u64> {
    (digits.len() <= 18).then(|| digits.parse().ok()).flatten()
}

/// `double five`, `triple 0`.
fn repeated(strand: &Strand<'_>, at: usize, times: u8) -> Option<Number> {
    let word = strand.lower(at + 1);
    let digit = match words::number_word(word) {
        Some(NumberWord::Digit(digit)) => char::from(b'0' + digit),
        _ if is_oh(word) => '0',
        _ if word.len() == 1 => word.chars().next().filter(char::is_ascii_digit)?,
        _ => return None,
    };
    let digits = std::iter::repeat_n(digit, usize::from(times)).collect();
    Some(Number {
        at: at..at + 2,
        digits,
        value: None,
        ordinal: false,
    })
}

/// `fourteenth`, `twenty first`.
fn spoken_ordinal(strand: &Strand<'_>, at: usize) -> Option<Number> {
    let word = strand.lower(at);
    let (value, end) = match words::number_word(word) {
        Some(NumberWord::Tens(tens)) if joined(strand, at + 1) => {
            let unit = words::ordinal(strand.lower(at + 1)).filter(|unit| *unit < 10)?;
            (tens + unit, at + 2)
        }
        Some(_) => return None,
        None => (words::ordinal(word)?, at + 1),
    };
    Some(Number {
        at: at..end,
        digits: value.to_string(),
        value: Some(u64::from(value)),
        ordinal: true,
    })
}

/// Whether the word at a position belongs to the number that the word before it says.
fn joined(strand: &Strand<'_>, at: usize) -> bool {
    matches!(strand.gap(at), " " | "-")
}

/// Up to the millions: `forty one`, `nineteen hundred`, `two thousand and twenty four`.
fn spoken(strand: &Strand<'_>, at: usize) -> Option<Number> {
    let (mut value, mut end) = hundreds(strand, at)?;
    while joined(strand, end) {
        let Some(NumberWord::Scale(scale)) = words::number_word(strand.lower(end)) else {
            break;
        };
        value = value.checked_mul(scale)?;
        end += 1;
        if let Some((rest, after)) = remainder(strand, end, hundreds) {
            value += rest;
            end = after;
        }
    }
    Some(cardinal(at..end, value))
}

/// Up to 9,999: `nine`, `forty one`, `twelve hundred and five`.
fn hundreds(strand: &Strand<'_>, at: usize) -> Option<(u64, usize)> {
    let (value, end) = tens(strand, at)?;
    let hundred =
        joined(strand, end) && words::number_word(strand.lower(end)) == Some(NumberWord::Hundred);
    if !hundred {
        return Some((value, end));
    }
    let value = value * 100;
    match remainder(strand, end + 1, tens) {
        Some((rest, after)) => Some((value + rest, after)),
        None => Some((value, end + 1)),
    }
}

/// Up to 99.
fn tens(strand: &Strand<'_>, at: usize) -> Option<(u64, usize)> {
    match words::number_word(strand.lower(at))? {
        NumberWord::Digit(value) | NumberWord::Teen(value) => Some((u64::from(value), at + 1)),
        NumberWord::Tens(value) => match words::number_word(strand.lower(at + 1)) {
            Some(NumberWord::Digit(unit @ 1..)) if joined(strand, at + 1) => {
                Some((u64::from(value + unit), at + 2))
            }
            _ => Some((u64::from(value), at + 1)),
        },
        _ => None,
    }
}

/// What follows a hundred or a thousand and is added to it. In `eight hundred five five five` the
/// fives are dialled, not added.
fn remainder(
    strand: &Strand<'_>,
    at: usize,
    read: fn(&Strand<'_>, usize) -> Option<(u64, usize)>,
) -> Option<(u64, usize)> {
    let and = strand.lower(at) == "and";
    if !joined(strand, at) || strand.gap(at + usize::from(and)) == "\n" {
        return None;
    }
    let (value, end) = read(strand, at + usize::from(and))?;
    let dialled = value < 10
        && (starts_number(strand, end) || is_oh(strand.lower(end)))
        && !multiplied(strand, end);
    (!dialled).then_some((value, end))
}
