//! The facts as they come from the log, in batches, whatever happens to the connection.

use std::time::Duration;

use colloquy_bus::{
    Bus, CancellationToken,
    log::{Entry, Follow},
};
use colloquy_contract::facts::Family;
use futures::FutureExt;
use tokio::time::{Instant, timeout, timeout_at};

use crate::error::chain;

/// How long nothing must come for the feed to be idle.
const IDLE: Duration = Duration::from_secs(2);

/// Pause after the log could not be read.
const REOPEN_PAUSE: Duration = Duration::from_secs(1);

/// What the feed has.
pub(crate) enum Batch {
    /// Facts in the log's order.
    Entries(Vec<Entry>),
    /// Nothing for a while.
    Idle,
    /// No more, because we were told to stop.
    Stopped,
}

/// The facts that match, from a place in the log on.
pub(crate) struct Feed {
    bus: Bus,
    filters: Vec<String>,
    next_sequence: u64,
    follow: Option<Follow>,
    pending: Option<u64>,
}

impl Feed {
    pub(crate) const fn new(bus: Bus, filters: Vec<String>, next_sequence: u64) -> Self {
        Self {
            bus,
            filters,
            next_sequence,
            follow: None,
            pending: None,
        }
    }

    /// How many facts are waiting in the log; `None` while it cannot be read.
    pub(crate) const fn pending(&self) -> Option<u64> {
        self.pending
    }

    /// Up to where facts came.
    pub(crate) const fn read_through(&self) -> u64 {
        self.next_sequence - 1
    }

    /// Up to where the log is read for certain, if everything that stands there now is read;
    /// `None` if there is more to read.
    pub(crate) async fn end(&mut self) -> colloquy_bus::Result<Option<u64>> {
        let end = self.bus.last_sequence(Family::Conversation).await?;
        let waiting = self.bus.waiting(
            Family::Conversation,
            self.filters.clone(),
            self.next_sequence,
        );
        Ok((waiting.await? == 0).then_some(end.max(self.read_through())))
    }

    /// The next batch: complete when it has `limit` facts, when no more are at hand and the log
    /// has none either, or `interval` after the first came.
    pub(crate) async fn batch(
        &mut self,
        limit: usize,
        interval: Duration,
        stop: &CancellationToken,
    ) -> Batch {
        let first = tokio::select! {
            biased;
            () = stop.cancelled() => return Batch::Stopped,
            first = timeout(IDLE, self.next()) => match first {
                Ok(first) => first,
                Err(_) => return Batch::Idle,
            },
        };
        let deadline = Instant::now() + interval;
        let mut entries = vec![first];
        while entries.len() < limit {
            if self.pending == Some(0) {
                match self.next().now_or_never() {
                    Some(entry) => entries.push(entry),
                    None => break,
                }
                continue;
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                next = timeout_at(deadline, self.next()) => match next {
                    Ok(entry) => entries.push(entry),
                    Err(_) => break,
                },
            }
        }
        Batch::Entries(entries)
    }

    /// The next fact. Opens the log as often as need be; cancelling the wait loses nothing.
    async fn next(&mut self) -> Entry {
        loop {
            let failed = match &mut self.follow {
                None => match self.open().await {
                    Ok(()) => continue,
                    Err(error) => error,
                },
                Some(follow) => match follow.next_entry().await {
                    // A reader that was opened again may begin a little earlier.
                    Ok(entry) if entry.sequence < self.next_sequence => continue,
                    Ok(entry) => {
                        self.next_sequence = entry.sequence + 1;
                        self.pending = Some(entry.pending);
                        return entry;
                    }
                    Err(error) => error,
                },
            };
            self.follow = None;
            self.pending = None;
            tracing::warn!(
                error = chain(&failed),
                "the log cannot be read; trying again"
            );
            tokio::time::sleep(REOPEN_PAUSE).await;
        }
    }

    async fn open(&mut self) -> colloquy_bus::Result<()> {
        let follow = self
            .bus
            .follow(
                Family::Conversation,
                self.filters.clone(),
                self.next_sequence,
            )
            .await?;
        self.pending = Some(follow.backlog());
        self.follow = Some(follow);
        Ok(())
    }
}
