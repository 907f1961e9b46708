//! Going through what stands in a stream, in order, from a sequence to where the stream ended when
//! the first message was asked for.
//!
//! The server that reads it out may be a replica that has not caught up yet. So where it says that
//! nothing is left before that end, the stream's leader is asked, and what it knows is waited for.
//!
//! What comes meanwhile may or may not be seen, and what is purged meanwhile does not hold it up. A
//! broker that goes away is waited for, for a while; reading goes on where it was. One message is in
//! memory at a time, beside what the client library has fetched ahead.

use std::time::Duration;

use crate::{
    Bus, BusError, Result,
    error::chain,
    log::{Follow, Placed},
};

/// How long the next message may take before the stream is asked again what is left.
const QUIET: Duration = Duration::from_secs(5);

/// How often in a row reading may fail before the caller is told.
const ATTEMPTS: u32 = 5;

/// Pause after the first attempt that fails; it doubles from there.
const PAUSE: Duration = Duration::from_millis(200);

/// How often in a row the leader may know of more than is read out, each time after a [`PAUSE`].
const BEHIND: u32 = 50;

/// The messages of a stream that match.
pub(crate) struct Walk {
    bus: Bus,
    stream: String,
    filters: Vec<String>,
    next_sequence: u64,
    /// Where to end; known once the first message was asked for.
    until: Option<u64>,
    follow: Option<Follow>,
    pending: u64,
}

/// What one attempt to read gave.
#[allow(
    clippy::large_enum_variant,
    reason = "it lives for one call; a box would cost each message an allocation"
)]
enum Step {
    Message(Placed),
    End,
    Again,
    /// A replica says that it is the end, and the leader knows better.
    Behind,
}

impl Walk {
    pub(crate) const fn new(
        bus: Bus,
        stream: String,
        filters: Vec<String>,
        from_sequence: u64,
    ) -> Self {
        Self {
            bus,
            stream,
            filters,
            next_sequence: from_sequence,
            until: None,
            follow: None,
            pending: 0,
        }
    }

    /// The stream.
    pub(crate) fn stream(&self) -> &str {
        &self.stream
    }

    /// How many messages are still to come, as of the last that came.
    pub(crate) const fn pending(&self) -> u64 {
        self.pending
    }

    /// The next message; `None` after the last. Reading goes on where it was after an error.
    pub(crate) async fn next(&mut self) -> Result<Option<Placed>> {
        let (mut attempt, mut behind) = (1, 0);
        loop {
            match self.step().await {
                Ok(Step::Message(message)) => return Ok(Some(message)),
                Ok(Step::Behind) if behind == BEHIND => {
                    let waited = BusError::TimedOut {
                        what: "a replica of the stream to catch up",
                        limit: PAUSE * BEHIND,
                    };
                    return Err(waited);
                }
                Ok(Step::Behind) => {
                    self.close().await;
                    tokio::time::sleep(PAUSE).await;
                    behind += 1;
                }
                Ok(Step::End) => {
                    self.close().await;
                    return Ok(None);
                }
                // The stream itself says what is left, each time it is opened.
                Ok(Step::Again) => {}
                Err(error) if attempt == ATTEMPTS => return Err(error),
                Err(error) => {
                    let (stream, error) = (&self.stream, chain(&error));
                    tracing::warn!(attempt, stream, error, "cannot be read; trying again");
                    tokio::time::sleep(PAUSE * 2_u32.pow(attempt - 1)).await;
                    self.follow = None;
                    attempt += 1;
                }
            }
        }
    }

    async fn step(&mut self) -> Result<Step> {
        let until = match self.until {
            Some(until) => until,
            None => {
                let last = self.bus.last_sequence_of(&self.stream).await?;
                *self.until.insert(last)
            }
        };
        if self.next_sequence > until {
            return Ok(Step::End);
        }
        let Some(follow) = &mut self.follow else {
            let filters = self.filters.clone();
            let (bus, from) = (&self.bus, self.next_sequence);
            let follow = bus.follow_stream(&self.stream, filters, from).await?;
            self.pending = follow.backlog();
            self.follow = Some(follow);
            return match self.pending {
                0 => self.end(until).await,
                _ => Ok(Step::Again),
            };
        };
        if self.pending == 0 {
            return self.end(until).await;
        }
        let Ok(message) = tokio::time::timeout(QUIET, follow.next_message()).await else {
            self.follow = None;
            return Ok(Step::Again);
        };
        let message = message?;
        // A reader that was opened again may begin a little earlier.
        if message.sequence < self.next_sequence {
            return Ok(Step::Again);
        }
        self.next_sequence = message.sequence + 1;
        self.pending = message.pending;
        Ok(Step::Message(message))
    }

    /// Whether this is the end in the eyes of the stream's leader, too.
    async fn end(&self, until: u64) -> Result<Step> {
        let all = [">".to_owned()];
        let filters = match self.filters.as_slice() {
            [] => &all,
            filters => filters,
        };
        for filter in filters {
            let next = self
                .bus
                .next_on(&self.stream, filter, self.next_sequence)
                .await?;
            if next.is_some_and(|message| message.sequence <= until) {
                return Ok(Step::Behind);
            }
        }
        Ok(Step::End)
    }

    async fn close(&mut self) {
        if let Some(follow) = self.follow.take() {
            follow.close().await;
        }
    }
}
