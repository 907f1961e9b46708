//! Words of numbers and dates.

/// The months as spoken and written, January first.
const MONTHS: [&[&str]; 12] = [
    &["january", "jan"],
    &["february", "feb"],
    &["march", "mar"],
    &["april", "apr"],
    &["may"],
    &["june", "jun"],
    &["july", "jul"],
    &["august", "aug"],
    &["september", "sept", "sep"],
    &["october", "oct"],
    &["november", "nov"],
    &["december", "dec"],
];

/// The number of a month's name, in lower case.
pub(crate) fn month(lower: &str) -> Option<u8> {
    if lower.len() < 3 || lower.len() > 9 {
        return None;
    }
    let at = MONTHS.iter().position(|names| names.contains(&lower))?;
    u8::try_from(at + 1).ok()
}

/// Whether a word, in lower case, is a day of the week.
pub(crate) fn is_weekday(lower: &str) -> bool {
    matches!(
        lower,
        "monday" | "tuesday" | "wednesday" | "thursday" | "friday" | "saturday" | "sunday"
    )
}

/// Whether a word, in lower case, is the short name of a day of the week; some are words, too.
pub(crate) fn is_short_weekday(lower: &str) -> bool {
    matches!(
        lower,
        "mon" | "tue" | "tues" | "wed" | "thu" | "thur" | "thurs" | "fri" | "sat" | "sun"
    )
}

/// What a word does in a spoken number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NumberWord {
    /// Zero to nine.
    Digit(u8),
    /// Ten to nineteen.
    Teen(u8),
    /// Twenty to ninety.
    Tens(u8),
    /// Hundred.
    Hundred,
    /// Thousand or million: what it multiplies by.
    Scale(u64),
    /// Double, triple, quadruple: how often the next digit comes.
    Repeat(u8),
}

/// What a word, in lower case, does in a spoken number. `oh` is not among them: it depends on its
/// neighbours.
pub(crate) fn number_word(lower: &str) -> Option<NumberWord> {
    use NumberWord::{Digit, Hundred, Repeat, Scale, Teen, Tens};
    Some(match lower {
        "zero" | "nought" | "naught" => Digit(0),
        "one" => Digit(1),
        "two" => Digit(2),
        "three" => Digit(3),
        "four" => Digit(4),
        "five" => Digit(5),
        "six" => Digit(6),
        "seven" => Digit(7),
        "eight" => Digit(8),
        "nine" | "niner" => Digit(9),
        "ten" => Teen(10),
        "eleven" => Teen(11),
        "twelve" => Teen(12),
        "thirteen" => Teen(13),
        "fourteen" => Teen(14),
        "fifteen" => Teen(15),
        "sixteen" => Teen(16),
        "seventeen" => Teen(17),
        "eighteen" => Teen(18),
        "nineteen" => Teen(19),
        "twenty" => Tens(20),
        "thirty" => Tens(30),
        "forty" | "fourty" => Tens(40),
        "fifty" => Tens(50),
        "sixty" => Tens(60),
        "seventy" => Tens(70),
        "eighty" => Tens(80),
        "ninety" => Tens(90),
        "hundred" => Hundred,
        "thousand" => Scale(1_000),
        "million" => Scale(1_000_000),
        "double" => Repeat(2),
        "triple" | "treble" => Repeat(3),
        "quadruple" => Repeat(4),
        _ => return None,
    })
}

/// The value of an ordinal below 32 that is one word, in lower case: `third`, `twentieth`.
pub(crate) fn ordinal(lower: &str) -> Option<u8> {
    const ORDINALS: [&str; 20] = [
        "first",
        "second",
        "third",
        "fourth",
        "fifth",
        "sixth",
        "seventh",
        "eighth",
        "ninth",
        "tenth",
        "eleventh",
        "twelfth",
        "thirteenth",
        "fourteenth",
        "fifteenth",
        "sixteenth",
        "seventeenth",
        "eighteenth",
        "nineteenth",
        "twentieth",
    ];
    if lower == "thirtieth" {
        return Some(30);
    }
    let at = ORDINALS.iter().position(|name| *name == lower)?;
    u8::try_from(at + 1).ok()
}
