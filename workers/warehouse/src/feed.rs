//! A stream's facts as they come from the log, in batches, whatever happens to the connection.

use std::time::Duration;

use colloquy_bus::{
    Bus, BusError, CancellationToken,
    log::{Entry, Follow},
};
use tokio::time::{Instant, timeout, timeout_at};

use crate::{
    error::chain,
    row::{Row, Stream},
};

/// How long nothing must come for the feed to be idle.
const IDLE: Duration = Duration::from_secs(1);

/// Pause after the log could not be read.
const REOPEN_PAUSE: Duration = Duration::from_secs(1);

/// Most bytes of rows in one batch; it bounds the memory where facts are large.
const MAX_BATCH_BYTES: usize = 64 * 1024 * 1024;

/// How large a batch may get.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BatchLimits {
    pub(crate) facts: usize,
    pub(crate) interval: Duration,
}

/// Facts of a stream that lie one behind the other.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) rows: Vec<Row>,
    /// Messages that are no facts that this program can read, and why.
    pub(crate) unreadable: Vec<(u64, String)>,
    /// Sequence of the first message.
    pub(crate) first: u64,
    /// Sequence of the last message.
    pub(crate) last: u64,
}

impl Batch {
    /// No facts, up to there.
    pub(crate) const fn empty(first: u64, last: u64) -> Self {
        Self {
            rows: Vec::new(),
            unreadable: Vec::new(),
            first,
            last,
        }
    }

    fn take(&mut self, entry: &Entry) -> usize {
        self.last = entry.sequence;
        match &entry.fact {
            Ok(logged) => {
                let row = Row::new(logged);
                let weight = row.weight();
                self.rows.push(row);
                weight
            }
            Err(error) => {
                self.unreadable.push((entry.sequence, chain(error)));
                0
            }
        }
    }
}

/// What the feed has.
#[derive(Debug)]
pub(crate) enum Next {
    /// Facts in the log's order.
    Batch(Batch),
    /// Nothing for a while.
    Idle,
    /// No more, because we were told to stop.
    Stopped,
}

/// A stream's facts from a place in the log on.
pub(crate) struct Feed {
    bus: Bus,
    stream: Stream,
    next_sequence: u64,
    follow: Option<Follow>,
    pending: Option<u64>,
}

impl Feed {
    pub(crate) const fn new(bus: Bus, stream: Stream, next_sequence: u64) -> Self {
        Self {
            bus,
            stream,
            next_sequence,
            follow: None,
            pending: None,
        }
    }

    /// How many facts are waiting in the log; `None` while it cannot be read.
    pub(crate) const fn pending(&self) -> Option<u64> {
        self.pending
    }

    /// Up to where the log holds nothing of ours that was not read, if everything of ours that
    /// stands there is read: other messages may stand behind our last one.
    pub(crate) async fn end(&mut self) -> colloquy_bus::Result<Option<u64>> {
        let family = self.stream.family();
        let end = self.bus.last_sequence(family).await?;
        if end < self.next_sequence {
            return Ok(None);
        }
        let filters = vec![self.stream.filter()];
        if self
            .bus
            .waiting(family, filters, self.next_sequence)
            .await?
            > 0
        {
            return Ok(None);
        }
        self.next_sequence = end + 1;
        Ok(Some(end))
    }

    /// The next batch: complete when it is as large as it may get, or the interval after the first
    /// came, or when we are told to stop.
    pub(crate) async fn next(&mut self, limits: BatchLimits, stop: &CancellationToken) -> Next {
        // Without a limit, or a log that is slow to open would never be read.
        tokio::select! {
            biased;
            () = stop.cancelled() => return Next::Stopped,
            () = self.opened() => {}
        }
        let first = tokio::select! {
            biased;
            () = stop.cancelled() => return Next::Stopped,
            first = timeout(IDLE, self.entry()) => match first {
                Ok(first) => first,
                Err(_) => return Next::Idle,
            },
        };
        let deadline = Instant::now() + limits.interval;
        let mut batch = Batch::empty(first.sequence, first.sequence);
        let mut bytes = batch.take(&first);
        while batch.rows.len() + batch.unreadable.len() < limits.facts && bytes < MAX_BATCH_BYTES {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                next = timeout_at(deadline, self.entry()) => match next {
                    Ok(entry) => bytes += batch.take(&entry),
                    Err(_) => break,
                },
            }
        }
        Next::Batch(batch)
    }

    /// The next message. Cancelling the wait loses nothing.
    async fn entry(&mut self) -> Entry {
        loop {
            let Some(follow) = &mut self.follow else {
                self.opened().await;
                continue;
            };
            match follow.next_entry().await {
                // A reader that was opened again may begin a little earlier.
                Ok(entry) if entry.sequence < self.next_sequence => {}
                Ok(entry) => {
                    self.next_sequence = entry.sequence + 1;
                    self.pending = Some(entry.pending);
                    return entry;
                }
                Err(error) => self.lost(&error).await,
            }
        }
    }

    /// Opens the log, as often as need be.
    async fn opened(&mut self) {
        while self.follow.is_none() {
            if let Err(error) = self.open().await {
                self.lost(&error).await;
            }
        }
    }

    async fn lost(&mut self, error: &BusError) {
        self.follow = None;
        self.pending = None;
        tracing::warn!(
            stream = self.stream.name(),
            error = chain(error),
            "the log cannot be read; trying again"
        );
        tokio::time::sleep(REOPEN_PAUSE).await;
    }

    async fn open(&mut self) -> colloquy_bus::Result<()> {
        let filters = vec![self.stream.filter()];
        let follow = self
            .bus
            .follow(self.stream.family(), filters, self.next_sequence)
            .await?;
        self.pending = Some(follow.backlog());
        self.follow = Some(follow);
        Ok(())
    }
}
