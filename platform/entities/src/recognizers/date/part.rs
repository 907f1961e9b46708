//! Times of the day, and months and years alone where something says that they are a date: `at
//! 8:40`, `half past ten`, `four p m`, `in October`, `since twenty nineteen`.

use crate::entity::{score, types};
use crate::recognizers::{Found, Reading};
use crate::text::Strand;
use crate::words;

pub(super) fn find(reading: &Reading<'_>, found: &mut Found) {
    let strand = &reading.strand;
    for at in 0..strand.len() {
        let weekday = words::is_weekday(strand.lower(at)) && strand.lower(at + 1) == "at";
        if let Some(end) = clock(strand, at + 2).filter(|_| weekday) {
            add(strand, at, end, score::FORM, found);
        } else if let Some(end) = past(strand, at).or_else(|| noon(strand, at)) {
            add(strand, at, end, score::CONTEXT, found);
        } else if is_month(strand, at) || is_short_day(strand, at) {
            add(strand, at, at + 1, score::MODEL + 0.01, found);
        }
    }
    for number in &reading.numbers {
        let (start, end) = (number.at.start, number.at.end);
        let clock = written(strand, start).or_else(|| {
            let hour = number.value.is_some_and(|hour| (1..=12).contains(&hour));
            half_of_day(strand, end).filter(|_| hour && !number.ordinal)
        });
        if let Some(end) = clock {
            add(strand, start, end, score::FORM, found);
        }
    }
}

fn add(strand: &Strand<'_>, start: usize, end: usize, score: f32, found: &mut Found) {
    let words: Vec<_> = (start..end).map(|at| strand.lower(at)).collect();
    let mut parts = strand.parts(start..end);
    // "2:45 p.m." has two dots.
    if let Some(part) = parts.last_mut()
        && strand.lower(end - 1) == "m"
        && strand.gap(end - 1) == "."
        && strand.tail(end - 1).starts_with('.')
    {
        part.end += 1;
    }
    found.add_parts(parts, types::DATE_TIME, words.join(" "), score);
}

/// Where a time of the day ends that starts at a position.
pub(super) fn clock(strand: &Strand<'_>, at: usize) -> Option<usize> {
    let hour = strand.number(at) && strand.raw(at).len() <= 2;
    written(strand, at).or_else(|| half_of_day(strand, at + 1).filter(|_| hour))
}

/// Where "am", "p.m." or "o'clock" ends that starts at a position.
fn half_of_day(strand: &Strand<'_>, at: usize) -> Option<usize> {
    let tied = matches!(strand.gap(at), " " | "");
    let letters = matches!(strand.lower(at), "a" | "p")
        && strand.lower(at + 1) == "m"
        && matches!(strand.gap(at + 1), " " | ".")
        // "two a m" is read out, "a" and "I'm" are not.
        && strand.raw(at) == strand.raw(at).to_lowercase();
    let clock = strand.lower(at) == "o" && strand.lower(at + 1) == "clock";
    match strand.lower(at) {
        "am" | "pm" if tied && strand.raw(at) != "Am" => Some(at + 1),
        _ if tied && (letters || clock) => Some(at + 2),
        _ => None,
    }
}

/// `8:40`, `14:05`, `9:30 am`: where it ends that starts at a position.
fn written(strand: &Strand<'_>, at: usize) -> Option<usize> {
    let digits = |at: usize| strand.number(at).then(|| strand.raw(at));
    let (hour, minutes) = (digits(at)?, digits(at + 1)?);
    let clock = strand.gap(at + 1) == ":"
        && hour.len() <= 2
        && minutes.len() == 2
        && hour.parse().is_ok_and(|hour: u8| hour < 25)
        && minutes.parse().is_ok_and(|minutes: u8| minutes < 60);
    let longer = matches!(strand.gap(at), ":" | "." | "-") || strand.gap(at + 2) == ":";
    if !clock || longer {
        return None;
    }
    let half = half_of_day(strand, at + 2);
    let led = matches!(
        strand.lower_before(at),
        "at" | "from"
            | "until"
            | "till"
            | "by"
            | "to"
            | "before"
            | "after"
            | "since"
            | "around"
            | "about"
            | "between"
            | "and"
            | "is"
            | "was"
            | "now"
            | "for"
            | "time"
            | "on"
            | "today"
            | "tomorrow"
            | "yesterday"
            | "past"
    ) || words::is_weekday(strand.lower_before(at));
    let opens = strand.gap(at).contains(['\n', ',', '(', '[']) || hour.len() == 2;
    (half.is_some() || led || opens).then_some(half.unwrap_or(at + 2))
}

/// `half past ten`, `a quarter to four`: where it ends that starts at a position.
fn past(strand: &Strand<'_>, at: usize) -> Option<usize> {
    let part = matches!(
        strand.lower(at),
        "half" | "quarter" | "ten" | "five" | "twenty"
    );
    let past = matches!(strand.lower(at + 1), "past")
        || (strand.lower(at) == "quarter" && matches!(strand.lower(at + 1), "to" | "of"));
    let hour = matches!(
        strand.lower(at + 2),
        "one"
            | "two"
            | "three"
            | "four"
            | "five"
            | "six"
            | "seven"
            | "eight"
            | "nine"
            | "ten"
            | "eleven"
            | "twelve"
    ) || (strand.number(at + 2) && strand.raw(at + 2).len() <= 2);
    let tied = strand.gap(at + 1) == " " && strand.gap(at + 2) == " ";
    (part && past && hour && tied).then_some(at + 3)
}

/// `before noon`.
fn noon(strand: &Strand<'_>, at: usize) -> Option<usize> {
    let led = strand.gap(at) == " "
        && matches!(
            strand.lower_before(at),
            "at" | "before" | "after" | "by" | "until" | "till" | "around"
        );
    (matches!(strand.lower(at), "noon" | "midnight") && led).then_some(at + 1)
}

/// `call back Thurs`: a day as it is shortened in notes.
fn is_short_day(strand: &Strand<'_>, at: usize) -> bool {
    matches!(
        strand.raw(at),
        "Mon" | "Tue" | "Tues" | "Wed" | "Thu" | "Thur" | "Thurs" | "Fri" | "Sat" | "Sun"
    ) && strand.gap(at) == " "
        && matches!(
            strand.lower_before(at),
            "on" | "back" | "next" | "last" | "by" | "until" | "till" | "this" | "from" | "since"
        )
        && !strand.raw(at + 1).starts_with(char::is_uppercase)
}

/// `in October`: a month that is no word, or where nothing but a month can stand.
fn is_month(strand: &Strand<'_>, at: usize) -> bool {
    let lower = strand.lower(at);
    if words::month(lower).is_none() || lower.len() < 3 || strand.gap(at) != " " {
        return false;
    }
    let capital = strand.raw(at).starts_with(char::is_uppercase);
    if strand.is_cased(at) && !capital {
        return false;
    }
    let name = matches!(
        lower,
        "may" | "march" | "april" | "june" | "august" | "jan" | "mar" | "sun"
    );
    match strand.lower_before(at) {
        "in" | "since" | "last" | "next" | "until" | "till" | "early" | "late" | "mid" => true,
        "this" | "by" | "from" | "to" | "of" | "through" | "before" | "after" | "during"
        | "for" | "every" | "end" => !name,
        _ => false,
    }
}
