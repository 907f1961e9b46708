//! Going through what stands in a stream, in order, from a sequence to where the stream ended when
//! the first message was asked for.
//!
//! What comes meanwhile may or may not be seen, and what is purged meanwhile does not hold it up. A
//! broker that goes away is waited for, for a while; reading goes on where it was. One message is in
//! memory at a time, beside what the client library has fetched ahead.

use std::time::Duration;

use crate::{
    Bus, Result,
    error::chain,
    log::{Follow, Placed},
};

/// How long the next message may take before the stream is asked again what is left.
const QUIET: Duration = Duration::from_secs(5);

/// How often in a row reading may fail before the caller is told.
const ATTEMPTS: u32 = 5;

/// Pause after the first attempt that fails; it doubles from there.
const PAUSE: Duration = Duration::from_millis(200);

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
        let mut attempt = 1;
        loop {
            match self.step().await {
                Ok(Step::Message(message)) => return Ok(Some(message)),
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
            return Ok(self.end_or(Step::Again));
        };
        if self.pending == 0 {
            return Ok(Step::End);
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

    fn end_or(&self, step: Step) -> Step {
        match self.pending {
            0 => Step::End,
            _ => step,
        }
    }

    async fn close(&mut self) {
        if let Some(follow) = self.follow.take() {
            follow.close().await;
        }
    }
}
