//! Names in the warehouse's folder.

use std::{fmt, str::FromStr};

use jiff::civil::Date;

use crate::row::Stream;

/// The link to the generation that serves.
pub(crate) const CURRENT: &str = "current";

/// Locked by the process that writes.
pub(crate) const LOCK: &str = "lock";

/// Up to where the log was read, in each generation.
pub(crate) const PLACES: &str = "places.json";

/// End of the names of files that are not complete; no reader's `*.parquet` matches them.
pub(crate) const PARTIAL: &str = ".partial";

const GENERATION: &str = "generation-";
const DAY: &str = "day=";
const EXTENSION: &str = ".parquet";

/// Name of the folder of a generation.
pub(crate) fn generation(number: u64) -> String {
    format!("{GENERATION}{number:06}")
}

/// The number of a generation, from its folder's name.
pub(crate) fn generation_number(name: &str) -> Option<u64> {
    name.strip_prefix(GENERATION)?.parse().ok()
}

/// Name of the folder of a day.
pub(crate) fn day(date: Date) -> String {
    format!("{DAY}{date}")
}

/// The day, from its folder's name.
pub(crate) fn day_of(name: &str) -> Option<Date> {
    name.strip_prefix(DAY)?.parse().ok()
}

/// What a file of one day holds: facts of a stream between two places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct FileKey {
    pub(crate) day: Date,
    pub(crate) stream: Stream,
    /// Sequence of its batch's first fact, which may be in another day's file.
    pub(crate) first: u64,
    /// Sequence of its batch's last fact.
    pub(crate) last: u64,
}

impl FileKey {
    /// The file's name in the folder of its day.
    pub(crate) fn file_name(&self) -> String {
        format!("{self}")
    }

    pub(crate) fn parse(day: Date, name: &str) -> Option<Self> {
        let Name {
            stream,
            first,
            last,
        } = name.parse().ok()?;
        Some(Self {
            day,
            stream,
            first,
            last,
        })
    }
}

impl fmt::Display for FileKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (stream, first, last) = (self.stream.token(), self.first, self.last);
        write!(f, "{stream}-{first:012}-{last:012}{EXTENSION}")
    }
}

struct Name {
    stream: Stream,
    first: u64,
    last: u64,
}

impl FromStr for Name {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let stem = text.strip_suffix(EXTENSION).ok_or(())?;
        let mut parts = stem.split('-');
        let (Some(token), Some(first), Some(last), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(());
        };
        let stream = Stream::ALL
            .into_iter()
            .find(|stream| stream.token() == token)
            .ok_or(())?;
        let first = first.parse().map_err(drop)?;
        let last = last.parse().map_err(drop)?;
        if first > last {
            return Err(());
        }
        Ok(Self {
            stream,
            first,
            last,
        })
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn names_round_trip() {
        let key = FileKey {
            day: date(2026, 11, 3),
            stream: Stream::Accounts,
            first: 7,
            last: 1_234_567_890_123,
        };
        assert_eq!(
            key.file_name(),
            "accounts-000000000007-1234567890123.parquet"
        );
        assert_eq!(FileKey::parse(key.day, &key.file_name()), Some(key));
        assert_eq!(day(key.day), "day=2026-11-03");
        assert_eq!(day_of("day=2026-11-03"), Some(key.day));
        assert_eq!(generation_number(&generation(12)), Some(12));
    }

    #[test]
    fn foreign_names_are_not_ours() {
        let day = date(2026, 11, 3);
        for name in [
            "accounts-2-1.parquet",
            "people-1-2.parquet",
            "accounts-1-2.parquet.partial",
            "accounts-1.parquet",
            "accounts-1-2-3.parquet",
        ] {
            assert_eq!(FileKey::parse(day, name), None, "{name}");
        }
        assert_eq!(generation_number("current"), None);
    }
}
