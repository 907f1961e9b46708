//! Times of the day: `13:30`, `8.40 am`, `four p m`, `half past ten`, `at eleven fifteen`.
//!
//! An hour alone is one only where something says so: "tomorrow at ten", "ten in the morning".

use std::ops::Range;

use super::Reading;
use crate::numbers::Number;
use crate::text::Strand;
use crate::words;

/// Between "at" and the hour stand at most this many words: `at, um, about ten`.
const MOST_HESITATION: usize = 2;

/// The time of the day that begins at a word, whatever stands before it.
pub(super) fn time(reading: &Reading<'_>, at: usize) -> Option<Range<usize>> {
    let end = written(&reading.strand, at)
        .or_else(|| past(reading, at))
        .or_else(|| halved(reading, at))?;
    Some(at..end)
}

/// The time that begins at a word, where the words around it say that it is one: `noon` behind
/// "before", `eleven fifteen` behind "at", `ten` before "in the morning".
pub(super) fn told(reading: &Reading<'_>, at: usize) -> Option<Range<usize>> {
    let strand = &reading.strand;
    if !strand.starts_turn(at) && !strand.gap(at).ends_with(' ') {
        return None;
    }
    if matches!(strand.lower(at), "noon" | "midday" | "midnight") {
        return is_led(strand, at).then_some(at..at + 1);
    }
    if let Some(end) = around(reading, at) {
        return is_led(strand, at).then_some(at..end);
    }
    let end = said(reading, at)?;
    let minutes = end > hour(reading, at)?.at.end;
    let led = at_before(strand, at).is_some_and(|at| {
        let day = strand.lower_before(at);
        minutes || matches!(day, "tomorrow" | "today" | "tonight") || words::is_weekday(day)
    });
    (led || is_day(strand, end)).then_some(at..end)
}

/// The time that is said at a word behind a day: `Thursday at ten`.
pub(super) fn behind_day(reading: &Reading<'_>, at: usize) -> Option<usize> {
    let named = matches!(reading.strand.lower(at), "noon" | "midday" | "midnight");
    let named = named.then_some(at + 1);
    let time = time(reading, at).map(|time| time.end);
    time.or(named).or_else(|| said(reading, at))
}

/// `8:40`, `19:34:34`, `8.40 am`: where it ends.
fn written(strand: &Strand<'_>, at: usize) -> Option<usize> {
    let number = |at: usize, most: u32| {
        let raw = strand.raw(at);
        let value: Option<u32> = raw.parse().ok().filter(|_| strand.number(at));
        value.filter(|value| *value <= most).map(|_| raw.len())
    };
    let sign = strand.gap(at + 1);
    let hour = number(at, 24).is_some_and(|length| length <= 2);
    if !hour || !matches!(sign, ":" | ".") || matches!(strand.gap(at), ":" | "." | "," | "/") {
        return None;
    }
    let two = |at: usize| number(at, 59) == Some(2);
    let tied = |at: usize| strand.gap(at) == ":" && two(at);
    if !two(at + 1) {
        return None;
    }
    let mut end = at + 2;
    if sign == ":" && tied(end) {
        end += 1;
        if strand.gap(end) == "." && strand.number(end) {
            end += 1;
        }
    }
    let half = half(strand, end);
    let more = half.is_none() && matches!(strand.gap(end), ":" | "." | "-" | "/");
    if (sign == "." && half.is_none()) || (more && !strand.starts_turn(end) && strand.number(end)) {
        return None;
    }
    Some(half.unwrap_or(end))
}

/// Where `am`, `p.m.`, `o'clock` ends that begins at a word.
fn half(strand: &Strand<'_>, at: usize) -> Option<usize> {
    if !matches!(strand.gap(at), " " | "") {
        return None;
    }
    let (first, second) = (strand.lower(at), strand.lower(at + 1));
    match (first, second) {
        ("am" | "pm" | "oclock", _) => Some(at + 1),
        ("a" | "p", "m") if matches!(strand.gap(at + 1), " " | "." | ". ") => Some(at + 2),
        ("o", "clock") => Some(at + 2),
        _ => None,
    }
}

/// The number that begins at a word and is an hour.
fn hour<'r>(reading: &'r Reading<'_>, at: usize) -> Option<&'r Number> {
    let hour = reading.number_at(at)?;
    let fits = hour.value.is_some_and(|value| (1..=12).contains(&value));
    (fits && !hour.ordinal && hour.digits.len() <= 2).then_some(hour)
}

/// Where an hour and its minutes end that are said at a word: `ten`, `eleven fifteen`, `nine oh
/// five`; what they count is none.
fn said(reading: &Reading<'_>, at: usize) -> Option<usize> {
    let strand = &reading.strand;
    let mut end = hour(reading, at)?.at.end;
    let after = |end: usize| {
        let next = reading.number_at(end)?;
        (matches!(strand.gap(end), " " | "-") && !next.ordinal).then_some(next)
    };
    if let Some(next) = after(end) {
        let minute = next.digits.len() == 2 && next.value.is_some_and(|value| value < 60);
        let oh = next.digits == "0";
        end = next.at.end;
        if oh {
            let unit = after(end).filter(|unit| unit.digits.len() == 1)?;
            end = unit.at.end;
        } else if !minute {
            return None;
        }
    }
    let behind = strand.lower(end);
    let counts = strand.gap(end) == " "
        && (words::is_unit(behind)
            || words::number_word(behind).is_some()
            || matches!(behind, "hundred" | "thousand" | "point" | "dot" | "of"));
    let more = after(end).is_some() || strand.tail(end - 1).starts_with(['%', '/', ':', '-']);
    let money = strand.gap(at).ends_with(['$', '€', '£']);
    (!counts && !more && !money).then_some(end)
}

/// `3 pm`, `3pm`, `eleven thirty a m`, `five o'clock`.
fn halved(reading: &Reading<'_>, at: usize) -> Option<usize> {
    let strand = &reading.strand;
    let raw = strand.lower(at);
    let digits = raw.trim_end_matches(|c: char| !c.is_ascii_digit());
    if matches!(&raw[digits.len()..], "am" | "pm") {
        let hour: u32 = digits.parse().ok()?;
        return (1..=12).contains(&hour).then_some(at + 1);
    }
    let hour = hour(reading, at)?;
    let minute = reading
        .number_at(hour.at.end)
        .filter(|minute| minute.digits.len() == 2 && minute.value.is_some_and(|value| value < 60));
    half(strand, minute.map_or(hour.at.end, |minute| minute.at.end))
}

/// `half past ten`, `quarter to nine`, `ten past four`.
fn past(reading: &Reading<'_>, at: usize) -> Option<usize> {
    let strand = &reading.strand;
    let next = match strand.lower(at) {
        "half" => at + 1,
        "quarter" if matches!(strand.lower(at + 1), "past" | "to" | "after") => at + 1,
        "five" | "ten" | "twenty" | "5" | "10" | "20" if strand.lower(at + 1) == "past" => at + 1,
        "twenty" if strand.lower(at + 1) == "five" => at + 2,
        _ => return None,
    };
    let fits = match strand.lower(next) {
        "past" => true,
        "to" | "after" => strand.lower(at) == "quarter",
        _ => false,
    };
    let end = hour(reading, next + 1).filter(|_| fits)?.at.end;
    let counts = strand.gap(end) == " " && words::is_unit(strand.lower(end));
    let half = half(strand, end);
    (half.is_some() || !counts).then(|| half.unwrap_or(end))
}

/// `ten to six`, which is as often a span of numbers.
fn around(reading: &Reading<'_>, at: usize) -> Option<usize> {
    let strand = &reading.strand;
    let minutes = matches!(strand.lower(at), "five" | "ten" | "twenty");
    if !minutes || !matches!(strand.lower(at + 1), "to" | "after") {
        return None;
    }
    let end = hour(reading, at + 2)?.at.end;
    (!words::is_unit(strand.lower(end))).then_some(end)
}

/// Whether a word before leads to a time: `until noon`.
fn is_led(strand: &Strand<'_>, at: usize) -> bool {
    at_before(strand, at).is_some()
        || (!strand.starts_turn(at)
            && matches!(
                strand.lower_before(at),
                "before"
                    | "by"
                    | "until"
                    | "till"
                    | "after"
                    | "around"
                    | "about"
                    | "since"
                    | "past"
            ))
}

/// The "at" that leads to a word, with what hesitates between.
fn at_before(strand: &Strand<'_>, at: usize) -> Option<usize> {
    let first = at.saturating_sub(MOST_HESITATION + 1);
    for before in (first..at).rev() {
        if strand.starts_turn(before + 1) {
            return None;
        }
        match strand.lower(before) {
            "at" => return Some(before),
            "about" | "around" | "like" | "roughly" | "exactly" | "say" | "i" | "think" => {}
            word if words::is_filler(word) => {}
            _ => return None,
        }
    }
    None
}

/// Whether `tomorrow`, `in the morning`, `on Friday` begins at a word.
fn is_day(strand: &Strand<'_>, at: usize) -> bool {
    if strand.starts_turn(at) || !strand.gap(at).starts_with([' ', ',']) {
        return false;
    }
    let part = |at: usize| matches!(strand.lower(at), "morning" | "afternoon" | "evening");
    match strand.lower(at) {
        "tonight" | "tomorrow" => true,
        "in" => strand.lower(at + 1) == "the" && part(at + 2),
        "at" => strand.lower(at + 1) == "night",
        "on" => words::is_weekday(strand.lower(at + 1)),
        _ => false,
    }
}
