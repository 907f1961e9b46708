//! Calendar dates and times of the day, dates of birth, and when a card expires.
//!
//! Not found on purpose: what only the day of the call makes a date ("yesterday", "last week"), and
//! how long something takes.

mod clock;
mod vague;

use std::ops::Range;

use super::{Found, Reading, Scene};
use crate::context::{Distance, Topic};
use crate::entity::{score, types};
use crate::numbers::Number;
use crate::runs::Run;
use crate::words;

pub(super) fn find(scene: &Scene<'_>, found: &mut Found) {
    for reading in &scene.readings {
        let dates = Dates { reading };
        for at in 0..reading.strand.len() {
            if let Some((at, value)) = dates.by_month(at) {
                add(scene, reading, at, value, found);
            }
        }
        for index in 0..reading.numbers.len() {
            by_expiry(scene, reading, index, found);
            let date = dates.day_first(index).or_else(|| dates.numeric(index));
            let date = date.or_else(|| dates.day_of_month(index));
            if let Some((at, value)) = date.or_else(|| dates.weekday(index)) {
                add(scene, reading, at, value, found);
            }
        }
        times(reading, found);
        vague::find(&dates, found);
        for run in &reading.digits {
            in_context(scene, reading, run, found);
        }
    }
}

/// Where a date ends with its time of the day: `2024-03-14 12:33:01`, `… at 5:30 pm`, `… at ten`.
fn with_time(reading: &Reading<'_>, end: usize) -> usize {
    let strand = &reading.strand;
    if strand.starts_turn(end) || !matches!(strand.gap(end), " " | ", " | "T" | " T ") {
        return end;
    }
    let at = matches!(strand.lower(end), "at" | "around" | "t") && strand.gap(end + 1) == " ";
    let time = if at {
        clock::behind_day(reading, end + 1)
    } else {
        clock::time(reading, end).map(|time| time.end)
    };
    time.unwrap_or(end)
}

/// Times of the day without a date.
fn times(reading: &Reading<'_>, found: &mut Found) {
    let strand = &reading.strand;
    let mut at = 0;
    while at < strand.len() {
        let time = clock::time(reading, at).or_else(|| clock::told(reading, at));
        let Some(time) = time else {
            at += 1;
            continue;
        };
        at = time.end;
        let said = time.clone().map(|at| strand.lower(at));
        let value = format!("T{}", said.collect::<Vec<_>>().join(":"));
        found.add(strand, time, types::DATE_TIME, value, score::FORM);
    }
}

fn add(
    scene: &Scene<'_>,
    reading: &Reading<'_>,
    at: Range<usize>,
    value: String,
    found: &mut Found,
) {
    let mut at = at.start..with_time(reading, at.end);
    let topic = scene.context.near(&reading.strand, &at);
    if topic == Some(Topic::Birth) && value.starts_with("--") {
        at.end = with_short_year(reading, at.end);
    }
    let entity_type = match topic {
        Some(Topic::Birth) => types::DATE_OF_BIRTH,
        Some(Topic::Expiry) => types::CREDIT_CARD_EXPIRATION,
        _ => types::DATE_TIME,
    };
    found.add(&reading.strand, at, entity_type, value, score::FORM);
}

/// Where a birthday ends with its year of two digits: `june twelfth seventy nine`.
fn with_short_year(reading: &Reading<'_>, end: usize) -> usize {
    let numbers = &reading.numbers;
    let index = numbers.partition_point(|number| number.at.start < end);
    let Some(year) = numbers.get(index).filter(|year| {
        let tied = matches!(reading.strand.gap(end), " " | ", " | " '");
        year.at.start == end && tied && !year.ordinal
    }) else {
        return end;
    };
    // "oh three"
    let unit = numbers.get(index + 1).filter(|unit| {
        year.digits == "0" && unit.at.start == year.at.end && unit.digits.len() == 1
    });
    let close = unit.map_or(year.at.end, |unit| unit.at.end);
    let counted = words::is_unit(reading.strand.lower(close));
    let fits = year.digits.len() == 2 || unit.is_some();
    if fits && !counted { close } else { end }
}

/// `09 of 27`, `five of twenty six`, `august of thirty two` where a card's expiry is spoken of.
fn by_expiry(scene: &Scene<'_>, reading: &Reading<'_>, index: usize, found: &mut Found) {
    let strand = &reading.strand;
    let year = &reading.numbers[index];
    let Some(joint) = year.at.start.checked_sub(1) else {
        return;
    };
    let tied = matches!(strand.lower(joint), "of" | "slash" | "in")
        && !strand.starts_turn(year.at.start)
        && year
            .value
            .is_some_and(|year| (20..=60).contains(&(year % 2000)));
    let number = index
        .checked_sub(1)
        .map(|before| &reading.numbers[before])
        .filter(|month| month.at.end == joint)
        .filter(|month| month.value.is_some_and(|month| (1..=12).contains(&month)));
    let named = || {
        let month = words::month(strand.lower_before(joint))?;
        Some((joint - 1, format!("{month:02}")))
    };
    let month = number.map(|month| (month.at.start, month.digits.clone()));
    let Some((start, month)) = month.or_else(named).filter(|_| tied) else {
        return;
    };
    let at = start..year.at.end;
    if scene.context.near(strand, &at) == Some(Topic::Expiry) {
        let value = format!("{month}{}", year.digits);
        found.add(
            strand,
            at,
            types::CREDIT_CARD_EXPIRATION,
            value,
            score::CONTEXT + 0.01,
        );
    }
}

/// Bare digits that answer a question for a date.
fn in_context(scene: &Scene<'_>, reading: &Reading<'_>, run: &Run, found: &mut Found) {
    let at = run.at();
    let Some((topic, Distance::Near)) = scene.context.topic(&reading.strand, &at) else {
        return;
    };
    let digits = run.chars();
    let entity_type = match (topic, digits.len()) {
        (Topic::Birth, 4..=8) => types::DATE_OF_BIRTH,
        (Topic::Expiry, 3..=6) => types::CREDIT_CARD_EXPIRATION,
        _ => return,
    };
    if !run.is_count(&reading.strand) {
        found.add(&reading.strand, at, entity_type, digits, score::CONTEXT);
    }
}

/// Where a date is, and what it is in ISO 8601; `--03-14` where no year is said.
type Date = (Range<usize>, String);

/// Reads dates in one strand.
struct Dates<'r> {
    reading: &'r Reading<'r>,
}

impl Dates<'_> {
    /// `March 3rd, 2024`, `March of 1982`, `May the fourth`, `September twenty twenty eight`.
    fn by_month(&self, at: usize) -> Option<Date> {
        let strand = &self.reading.strand;
        let month = words::month(strand.lower(at))?;
        let mut next = at + 1;
        while matches!(strand.lower(next), "the" | "of") {
            next += 1;
        }
        let start = self.with_weekday(at);
        if let Some((day, end)) = self.day(next) {
            if let Some((year, end)) = self.year(end) {
                return Some((start..end, format!("{year}-{month:02}-{day:02}")));
            }
            if self.year(next).is_none() {
                return Some((start..end, format!("--{month:02}-{day:02}")));
            }
        }
        let (year, end) = self.year(next)?;
        Some((at..end, format!("{year}-{month:02}")))
    }

    /// `14th of May, 1982`, `3 March`.
    fn day_first(&self, index: usize) -> Option<Date> {
        let strand = &self.reading.strand;
        let number = &self.reading.numbers[index];
        let day = number.value.filter(|day| (1..=31).contains(day))?;
        let of = usize::from(strand.lower(number.at.end) == "of");
        let month = words::month(strand.lower(number.at.end + of))?;
        let end = number.at.end + of + 1;
        // In "March 3 May …" the day belongs to the month before it.
        let taken = !strand.starts_turn(number.at.start)
            && words::month(strand.lower_before(number.at.start)).is_some();
        if taken || (of == 0 && !matches!(strand.gap(number.at.end), " " | "-" | ". " | "/" | "."))
        {
            return None;
        }
        let start = self.with_weekday(number.at.start);
        Some(match self.year(end) {
            Some((year, end)) => (start..end, format!("{year}-{month:02}-{day:02}")),
            None => (start..end, format!("--{month:02}-{day:02}")),
        })
    }

    /// `03/14/1982`, `3-14-82`, `2024-03-14`.
    fn numeric(&self, index: usize) -> Option<Date> {
        let strand = &self.reading.strand;
        let [a, b, c] = self.reading.numbers.get(index..index + 3)? else {
            return None;
        };
        let gap = strand.gap(b.at.start);
        let tied = a.at.end == b.at.start && b.at.end == c.at.start;
        if !tied || !matches!(gap, "/" | "-" | "." | " slash ") || strand.gap(c.at.start) != gap {
            return None;
        }
        let (month, day, year) = if a.digits.len() == 4 {
            (b, c, a)
        } else {
            (a, b, c)
        };
        let short = |number: &Number| number.digits.len() <= 2;
        let fits = short(month) && short(day) && matches!(year.digits.len(), 2 | 4);
        let (mut month, mut day, year) = (month.value?, day.value?, year.value?);
        if month > 12 {
            std::mem::swap(&mut month, &mut day);
        }
        let year = full_year(year);
        let valid = (1..=12).contains(&month) && (1..=31).contains(&day);
        let likely = (1880..=2100).contains(&year) && (gap != "." || year > 99);
        (fits && valid && likely)
            .then(|| (a.at.start..c.at.end, format!("{year}-{month:02}-{day:02}")))
    }

    /// `the ninth of the eleventh seventy four`.
    fn day_of_month(&self, index: usize) -> Option<Date> {
        let strand = &self.reading.strand;
        let [a, b] = self.reading.numbers.get(index..index + 2)? else {
            return None;
        };
        let day = a.value.filter(|day| a.ordinal && (1..=31).contains(day))?;
        let month = b
            .value
            .filter(|month| b.ordinal && (1..=12).contains(month))?;
        if !strand.says(a.at.end, &["of", "the"]) || a.at.end + 2 != b.at.start {
            return None;
        }
        let (year, end) = match self.year(b.at.end) {
            Some(told) => told,
            None => {
                let short = self
                    .reading
                    .number_at(b.at.end)
                    .filter(|year| year.digits.len() == 2)?;
                (full_year(short.value?), short.at.end)
            }
        };
        Some((a.at.start..end, format!("{year}-{month:02}-{day:02}")))
    }

    /// `Monday the 3rd`, `Tuesday, the fourteenth`.
    fn weekday(&self, index: usize) -> Option<Date> {
        let number = &self.reading.numbers[index];
        let day = number
            .value
            .filter(|day| number.ordinal && (1..=31).contains(day))?;
        let start = self.with_weekday(number.at.start);
        (start < number.at.start).then(|| (start..number.at.end, format!("---{day:02}")))
    }

    /// A position, or that of the day of the week before it.
    fn with_weekday(&self, at: usize) -> usize {
        let strand = &self.reading.strand;
        let the = usize::from(at > 0 && strand.lower_before(at) == "the");
        let named = |before: &usize| {
            words::is_weekday(strand.lower(*before))
                || (words::is_short_weekday(strand.lower(*before))
                    && matches!(strand.gap(before + 1), " " | ", " | ". "))
        };
        (at - the).checked_sub(1).filter(named).unwrap_or(at)
    }

    fn day(&self, at: usize) -> Option<(u64, usize)> {
        let number = self.reading.number_at(at)?;
        let day = number
            .value
            .filter(|day| (1..=31).contains(day) && number.digits.len() <= 2)?;
        Some((day, number.at.end))
    }

    /// A year: `2024`, `nineteen eighty two`, `nineteen oh five`, `two thousand four`, `'82`.
    fn year(&self, at: usize) -> Option<(u64, usize)> {
        let strand = &self.reading.strand;
        let at = at + usize::from(matches!(strand.lower(at), "of" | "in"));
        let number = self
            .reading
            .number_at(at)
            .filter(|number| !number.ordinal)?;
        let value = number.value?;
        if (1880..=2100).contains(&value) {
            return Some((value, number.at.end));
        }
        if (18..=20).contains(&value) {
            let next = self
                .reading
                .number_at(number.at.end)
                .filter(|next| next.digits.len() <= 2)?;
            let rest = next.value.filter(|_| !next.ordinal)?;
            let units = self
                .reading
                .number_at(next.at.end)
                .filter(|n| rest == 0 && n.digits.len() == 1);
            let (rest, end) = match units {
                Some(units) => (units.value?, units.at.end),
                None => (rest, next.at.end),
            };
            return (rest >= 10 || units.is_some()).then_some((value * 100 + rest, end));
        }
        let apostrophe = matches!(strand.gap(at), " '" | " \u{2019}" | " \u{2018}");
        (apostrophe && number.digits.len() == 2).then(|| (full_year(value), number.at.end))
    }
}

/// Two digits are this century up to 40.
fn full_year(year: u64) -> u64 {
    match year {
        0..=40 => 2000 + year,
        41..=99 => 1900 + year,
        _ => year,
    }
}
