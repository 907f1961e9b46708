//! The time that facts are stated with, right or wrong.

use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};

/// A clock that may be wrong.
#[derive(Debug, Default)]
pub struct Clock {
    skew_seconds: AtomicI64,
}

impl Clock {
    /// What it shows.
    pub fn now(&self) -> Timestamp {
        Timestamp::now() + SignedDuration::from_secs(self.skew_seconds.load(Ordering::Relaxed))
    }

    /// From now on it shows this much too late a time; too early a one if negative.
    pub fn skew(&self, by: SignedDuration) {
        self.skew_seconds.store(by.as_secs(), Ordering::Relaxed);
    }
}
