//! A fact as a row.

use colloquy_bus::log::Logged;
use colloquy_contract::facts::Family;
use jiff::{Timestamp, civil::Date, tz::TimeZone};

use crate::data::open_part;

/// A fact as it stands in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) sequence: u64,
    pub(crate) id: String,
    pub(crate) fact_type: String,
    pub(crate) revision: u32,
    pub(crate) source: String,
    /// Microseconds since the epoch.
    pub(crate) time: i64,
    pub(crate) account: String,
    pub(crate) conversation: Option<String>,
    pub(crate) cause: Option<String>,
    /// JSON.
    pub(crate) data: String,
}

impl Row {
    pub(crate) fn new(logged: &Logged) -> Self {
        let envelope = &logged.envelope;
        Self {
            sequence: logged.sequence,
            id: envelope.id.to_string(),
            fact_type: envelope.fact_type.as_str().to_owned(),
            revision: envelope.revision,
            source: envelope.source.clone(),
            time: envelope.time.as_microsecond(),
            account: envelope.scope.account().to_string(),
            conversation: envelope.scope.conversation().map(|id| id.to_string()),
            cause: envelope.cause.map(|id| id.to_string()),
            data: open_part(&logged.fact).to_string(),
        }
    }

    /// The day of its time, UTC.
    pub(crate) fn day(&self) -> Date {
        Timestamp::from_microsecond(self.time)
            .unwrap_or(Timestamp::UNIX_EPOCH)
            .to_zoned(TimeZone::UTC)
            .date()
    }

    /// The days from the epoch to its day, as Parquet counts them.
    pub(crate) fn epoch_day(&self) -> i32 {
        const DAY_MICROS: i64 = 86_400_000_000;
        i32::try_from(self.time.div_euclid(DAY_MICROS)).unwrap_or_default()
    }

    /// About how much memory it takes, in bytes.
    pub(crate) const fn weight(&self) -> usize {
        // The ids and the row itself are about as long in every row.
        512 + self.data.len()
    }
}

/// A stream of the log, as the warehouse names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Stream {
    Conversations,
    Accounts,
}

impl Stream {
    pub(crate) const ALL: [Self; 2] = [Self::Conversations, Self::Accounts];

    pub(crate) const fn family(self) -> Family {
        match self {
            Self::Conversations => Family::Conversation,
            Self::Accounts => Family::Account,
        }
    }

    /// The stream's name on the broker, as in the column `stream`.
    pub(crate) const fn name(self) -> &'static str {
        colloquy_contract::streams::of(self.family()).name
    }

    /// The stream's name in those of files.
    pub(crate) const fn token(self) -> &'static str {
        match self {
            Self::Conversations => "conversations",
            Self::Accounts => "accounts",
        }
    }

    /// The subjects of its facts. What is redriven is another delivery of a fact that stands in
    /// the log already, so it is left out.
    pub(crate) fn filter(self) -> String {
        format!("{}.>", self.token())
    }
}
