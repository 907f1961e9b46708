//! The client library's times as ours.

use jiff::Timestamp;

/// The same moment; the epoch for one that no calendar has.
pub(crate) fn timestamp(time: async_nats::datetime::DateTime) -> Timestamp {
    Timestamp::from_nanosecond(time.unix_timestamp_nanos()).unwrap_or(Timestamp::UNIX_EPOCH)
}
