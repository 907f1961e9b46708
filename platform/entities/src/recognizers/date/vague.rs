//! Dates that are less than a day of a year: `Thursday`, `in October`, `since twenty nineteen`,
//! `on 11/04`.

use super::{Dates, with_time};
use crate::entity::{score, types};
use crate::recognizers::Found;
use crate::words;

/// The years that are said of calls and contracts.
const YEARS: std::ops::RangeInclusive<u64> = 1900..=2050;

pub(super) fn find(dates: &Dates<'_>, found: &mut Found) {
    let strand = &dates.reading.strand;
    for at in 0..strand.len() {
        let lower = strand.lower(at);
        let value =
            if words::is_weekday(lower) || (is_short(lower) && words::is_capital(strand.raw(at))) {
                Some((with_time(dates.reading, at + 1), lower.to_owned()))
            } else if dates.leads_to_month(at) {
                words::month(lower).map(|month| (at + 1, format!("--{month:02}")))
            } else {
                dates.lone_year(at)
            };
        if let Some((end, value)) = value {
            // "Friday at 8:40" is as sure as its time.
            let timed = end > at + 1 && words::is_weekday(lower);
            let score = if timed { score::FORM } else { score::LOOKS };
            found.add(strand, at..end, types::DATE_TIME, value, score);
        }
    }
    for index in 0..dates.reading.numbers.len() {
        let day = dates.day_and_month(index).or_else(|| dates.lone_day(index));
        if let Some((at, value)) = day {
            found.add(strand, at, types::DATE_TIME, value, score::PARTIAL);
        }
    }
}

/// Words that go on behind a day: `… on the fourteenth and it`.
fn is_joint(lower: &str) -> bool {
    matches!(
        lower,
        "and"
            | "but"
            | "so"
            | "to"
            | "at"
            | "i"
            | "it"
            | "we"
            | "he"
            | "she"
            | "they"
            | "you"
            | "because"
            | "when"
            | "which"
            | "or"
            | "if"
            | "for"
            | "is"
            | "was"
            | "that"
            | "then"
            | "with"
    )
}

/// Short names of days that are no words.
fn is_short(lower: &str) -> bool {
    matches!(lower, "tue" | "tues" | "thu" | "thur" | "thurs" | "fri")
}

impl Dates<'_> {
    /// Whether a word is a month's name: what stands before it leads to one, and to nobody called
    /// April.
    fn leads_to_month(&self, at: usize) -> bool {
        let strand = &self.reading.strand;
        if words::month(strand.lower(at)).is_none() || strand.starts_turn(at) {
            return false;
        }
        let cased = words::is_capital(strand.raw(at));
        let before = strand.lower_before(at);
        let sure = matches!(before, "in" | "since" | "until" | "till" | "during" | "mid");
        let likely = matches!(
            before,
            "last" | "next" | "this" | "early" | "late" | "by" | "from" | "of" | "through"
        );
        let named = matches!(
            strand.lower(at),
            "may" | "march" | "mar" | "april" | "june" | "august" | "jan"
        );
        let written = cased || !strand.is_cased(at);
        written
            && (sure || (likely && (!named || (cased && !matches!(before, "by" | "from" | "of")))))
    }

    /// The year that begins at a word, with nothing else of its date: `since 2019`, `from like two
    /// thousand sixteen`.
    fn lone_year(&self, at: usize) -> Option<(usize, String)> {
        let strand = &self.reading.strand;
        // Nearly all words are none.
        self.reading.number_at(at)?;
        if strand.starts_turn(at) || strand.gap(at) != " " {
            return None;
        }
        let vague = matches!(
            strand.lower_before(at),
            "like" | "about" | "around" | "maybe"
        );
        let lead = at.checked_sub(1 + usize::from(vague))?;
        let led = matches!(
            strand.lower(lead),
            "in" | "since"
                | "until"
                | "till"
                | "from"
                | "before"
                | "after"
                | "during"
                | "year"
                | "circa"
        );
        let season = strand.lower(lead) == "of"
            && matches!(
                strand.lower_before(lead),
                "summer"
                    | "winter"
                    | "spring"
                    | "autumn"
                    | "fall"
                    | "end"
                    | "start"
                    | "class"
                    | "beginning"
            );
        let (year, end) = self.year(at)?;
        let behind = strand.lower(end);
        let counts = strand.gap(end) == " "
            && (words::is_unit(behind) || self.reading.number_at(end).is_some())
            || strand.tail(end - 1).starts_with(['%', '/', '-', ':']);
        let fits = (led || season) && YEARS.contains(&year) && !counts;
        fits.then(|| (end, year.to_string()))
    }

    /// `on the fourteenth`, where nothing follows that could be the fourteenth.
    fn lone_day(&self, index: usize) -> Option<super::Date> {
        let strand = &self.reading.strand;
        let number = &self.reading.numbers[index];
        let day = number
            .value
            .filter(|day| number.ordinal && (1..=31).contains(day))?;
        let start = number.at.start;
        if start < 2 || strand.lower_before(start) != "the" || strand.starts_turn(start) {
            return None;
        }
        let vague = matches!(
            strand.lower(start - 2),
            "like" | "about" | "around" | "maybe"
        );
        let lead = (start - 2).checked_sub(usize::from(vague))?;
        let led = matches!(
            strand.lower(lead),
            "on" | "by" | "until" | "till" | "since" | "before" | "after" | "from" | "through"
        );
        let end = number.at.end;
        let closes = strand.ends_clause(end) || is_joint(strand.lower(end));
        (led && closes).then(|| (number.at.clone(), format!("---{day:02}")))
    }

    /// `11/04`, where it is no fraction.
    fn day_and_month(&self, index: usize) -> Option<super::Date> {
        let strand = &self.reading.strand;
        let [a, b] = self.reading.numbers.get(index..index + 2)? else {
            return None;
        };
        let tied = a.at.end == b.at.start && strand.gap(b.at.start) == "/";
        let alone =
            strand.gap(a.at.start) != "/" && !strand.tail(b.at.end - 1).starts_with(['/', '%']);
        if !tied || !alone || a.digits.len() > 2 || b.digits.len() > 2 {
            return None;
        }
        let (mut month, mut day) = (a.value?, b.value?);
        if month > 12 {
            std::mem::swap(&mut month, &mut day);
        }
        let valid = (1..=12).contains(&month) && (1..=31).contains(&day);
        let padded = a.digits.starts_with('0') || b.digits.starts_with('0');
        let led = matches!(
            strand.lower_before(a.at.start),
            "on" | "by" | "since" | "until" | "till" | "due" | "dated" | "before"
        );
        (valid && (padded || led)).then(|| (a.at.start..b.at.end, format!("--{month:02}-{day:02}")))
    }
}
