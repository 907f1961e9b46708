//! From facts to documents: read, index, commit, state, in that order.
//!
//! A batch goes through four steps. Transcripts are read, several at once. The changes are made in
//! the log's order and committed with the batch's place. `conversation.indexed` is stated for what
//! can be found now. That this was done is part of the next commit, or of one made when nothing
//! comes for a while. A crash between any two steps repeats only what has no effect twice.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use colloquy_bus::{BusError, log::Entry};
use colloquy_contract::{ConversationId, Fact, FactType, facts::ConversationIndexed, streams};
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use tokio::sync::watch;
use tracing::{Instrument, Span};

use crate::{
    IndexError, Result, SERVICE,
    feed::{Batch, Feed},
    metrics::Metrics,
    model::Model,
    reading::{Answer, Reader, Step},
    store::{Change, Position},
};

/// Transcripts read at once.
const CONCURRENT_READS: usize = 8;

/// Facts stated at once.
const CONCURRENT_STATEMENTS: usize = 16;

/// How a batch is made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BatchLimits {
    pub(crate) interval: Duration,
    pub(crate) facts: usize,
}

/// Reads the log into the index.
pub(crate) struct Ingest {
    pub(crate) reader: Reader,
    pub(crate) model: Arc<Model>,
    pub(crate) limits: BatchLimits,
    pub(crate) metrics: Metrics,
    pub(crate) caught_up: watch::Sender<bool>,
}

impl Ingest {
    /// Runs until told to stop. What was read is committed and stated first.
    pub(crate) async fn run(self, filters: Vec<String>) -> Result<()> {
        let position = self.position().await?;
        let bus = self.reader.bus.clone();
        let mut feed = Feed::new(bus, filters, position.stated_through + 1);
        let mut stated_through = position.stated_through;
        loop {
            match feed
                .batch(self.limits.facts, self.limits.interval, &self.reader.stop)
                .await
            {
                Batch::Entries(entries) => {
                    match self.take(entries, stated_through).await {
                        Ok(through) => stated_through = through,
                        // What was not committed is read again at the next start.
                        Err(IndexError::Stopped) => break,
                        Err(error) => return Err(error),
                    }
                }
                Batch::Idle => self.record(stated_through).await?,
                Batch::Stopped => break,
            }
            self.report(&feed);
        }
        self.record(stated_through).await
    }

    fn report(&self, feed: &Feed) {
        let Some(pending) = feed.pending() else {
            return;
        };
        self.metrics.pending(pending);
        self.reader
            .bus
            .report_pending(SERVICE, streams::CONVERSATIONS.name, pending);
        if pending == 0 && !*self.caught_up.borrow() {
            tracing::info!("the index has caught up with the log");
            self.caught_up.send_replace(true);
        }
    }

    /// One batch through all its steps. Returns up to where everything is stated now.
    async fn take(&self, entries: Vec<Entry>, stated_through: u64) -> Result<u64> {
        let before = self.position().await?;
        let Some(last) = entries.last().map(|entry| entry.sequence) else {
            return Ok(stated_through);
        };
        let facts = u64::try_from(entries.len()).unwrap_or(u64::MAX);
        let steps = steps(&self.reader, entries, before.indexed_through).await?;
        let mut changes = Vec::new();
        let mut answers = Vec::new();
        for step in steps {
            changes.extend(step.change);
            answers.extend(step.answer);
        }
        if last > before.indexed_through {
            let place = Position {
                indexed_through: last,
                stated_through,
            };
            let put = self.commit(changes, place).await?;
            // What was forgotten or has a later revision is not to be found as this fact says.
            answers.retain(|answer| {
                let revision = answer.logged.envelope.revision;
                answer.turns.is_none() || put.get(&answer.conversation) == Some(&revision)
            });
        }
        stream::iter(answers)
            .map(Ok)
            .try_for_each_concurrent(CONCURRENT_STATEMENTS, |answer| self.state(answer))
            .await?;
        self.reader.bus.report_handled(SERVICE, facts);
        Ok(last)
    }

    /// Makes the changes and their place durable, away from the async threads.
    async fn commit(
        &self,
        changes: Vec<Change>,
        place: Position,
    ) -> Result<HashMap<ConversationId, u32>> {
        let started = Instant::now();
        let model = self.model.clone();
        let put = blocking(move || model.store().commit(&changes, place)).await?;
        self.metrics.committed(put.len(), started.elapsed());
        Ok(put)
    }

    /// Makes durable up to where facts are stated, if that is not so yet.
    async fn record(&self, stated_through: u64) -> Result<()> {
        let model = self.model.clone();
        blocking(move || {
            let mut store = model.store();
            if store.position().stated_through < stated_through {
                let place = Position {
                    stated_through,
                    ..Position::default()
                };
                store.commit(&[], place)?;
            }
            Ok(())
        })
        .await
    }

    /// States that the conversation can be found. Of a fact that was indexed before, the index
    /// says whether that is so: it may have been forgotten or superseded since.
    async fn state(&self, answer: Answer) -> Result<()> {
        let Answer {
            logged,
            conversation,
            turns,
            span,
        } = answer;
        let model = self.model.clone();
        let turns = match turns {
            Some(turns) => Some(turns),
            None => blocking(move || model.store().held(conversation))
                .await?
                .filter(|held| held.revision == logged.envelope.revision)
                .map(|held| held.turns),
        };
        let Some(turns) = turns else { return Ok(()) };
        let fact = Fact::from(ConversationIndexed { turns });
        let follows =
            logged
                .envelope
                .derive(SERVICE, FactType::ConversationIndexed, Timestamp::now());
        let bus = &self.reader.bus;
        let stating = || async {
            match bus.state(&follows, &fact).await {
                // Somebody else said so first; it is so.
                Err(BusError::Conflict { .. }) => Ok(()),
                other => other.map(drop),
            }
        };
        self.reader
            .persist("stating a fact", stating)
            .instrument(span)
            .await
    }

    async fn position(&self) -> Result<Position> {
        let model = self.model.clone();
        blocking(move || Ok(model.position())).await
    }
}

/// What each of these facts does to an index that holds everything up to `indexed_through`, in
/// their order.
pub(crate) async fn steps(
    reader: &Reader,
    entries: Vec<Entry>,
    indexed_through: u64,
) -> Result<Vec<Step>> {
    stream::iter(entries)
        .map(|entry| {
            let repeated = entry.sequence <= indexed_through;
            reader.step(entry, repeated)
        })
        .buffered(CONCURRENT_READS)
        .try_collect()
        .await
}

/// Runs work that blocks where it may.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let span = Span::current();
    tokio::task::spawn_blocking(move || span.in_scope(work))
        .await
        .unwrap_or(Err(IndexError::Interrupted))
}
