//! Group commit: facts that are stated at the same time share one sync to disk.
//!
//! A broker that syncs before each acknowledgement spends a sync on every message, one after the
//! other. An atomic batch (JetStream ADR-50) costs a few syncs however long it is. So whoever
//! states a fact puts it into a row; one of them, whose turn it is, takes the whole row and
//! publishes it for all, while the next row forms. A short row goes message by message, because a
//! batch has a price of its own; so does a row whose batch is refused, for whatever reason: a batch
//! stands or falls as one, and message by message everyone gets an answer of their own.
//!
//! Nothing waits for time to pass: whoever is alone is sent at once.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_nats::{
    HeaderMap, HeaderName,
    jetstream::{
        context::{PublishError, PublishErrorKind},
        message::PublishMessage,
    },
};
use bytes::Bytes;
use futures::{StreamExt, stream};
use tokio::sync::oneshot;

use crate::Bus;

/// Rows shorter than this are published message by message.
const SHORTEST_BATCH: usize = 16;

/// Most messages in a batch; a server takes 1,000.
const LONGEST_BATCH: usize = 500;

/// Most bytes of payload in a batch; a server holds them until the batch is complete.
const LARGEST_BATCH: usize = 1 << 20;

/// Messages of a row that are on their way at once when they go one by one.
const SINGLES_AT_ONCE: usize = 64;

const BATCH_ID: HeaderName = HeaderName::from_static("Nats-Batch-Id");
const BATCH_SEQUENCE: HeaderName = HeaderName::from_static("Nats-Batch-Sequence");
const BATCH_COMMIT: HeaderName = HeaderName::from_static("Nats-Batch-Commit");

/// What the stream said of one message.
pub(super) type Outcome = Result<Acknowledged, PublishError>;

/// A message that a stream has acknowledged.
#[derive(Debug, Clone, Copy)]
pub(super) struct Acknowledged {
    pub(super) sequence: u64,
    pub(super) duplicate: bool,
}

/// A message that wants to be in a stream.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) subject: String,
    /// With the guards (`Nats-Expected-…`).
    pub(super) headers: HeaderMap,
    pub(super) payload: Bytes,
}

/// The rows, one for each stream.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    rows: Mutex<Vec<(&'static str, Arc<Row>)>>,
}

impl Rows {
    pub(super) fn of(&self, stream: &'static str) -> Arc<Row> {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, row)) = rows.iter().find(|(name, _)| *name == stream) {
            return row.clone();
        }
        let row = Arc::<Row>::default();
        rows.push((stream, row.clone()));
        row
    }
}

/// Those who want to be in one stream.
#[derive(Debug, Default)]
pub(super) struct Row {
    waiting: Mutex<Vec<Waiting>>,
    turn: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Waiting {
    entry: Entry,
    outcome: oneshot::Sender<Outcome>,
}

impl Row {
    /// Publishes a message together with those that want the same now.
    ///
    /// It is as good as published alone: the guards of each hold. If the one who published for all
    /// was stopped in the middle, the error is a time-out, after which publishing again is safe.
    pub(super) async fn publish(&self, bus: &Bus, entry: Entry) -> Outcome {
        let (sender, mut outcome) = oneshot::channel();
        self.waiting().push(Waiting {
            entry,
            outcome: sender,
        });
        loop {
            let turn = tokio::select! {
                biased;
                outcome = &mut outcome => return told(outcome.ok()),
                turn = self.turn.lock() => turn,
            };
            // Whoever had the turn before may have published this one too.
            match outcome.try_recv() {
                Ok(outcome) => return outcome,
                Err(oneshot::error::TryRecvError::Closed) => return told(None),
                Err(oneshot::error::TryRecvError::Empty) => {}
            }
            let row = self.take();
            publish_row(bus, row).await;
            drop(turn);
        }
    }

    /// As many as one batch can hold; of two on the same subject only the first.
    fn take(&self) -> Vec<Waiting> {
        let mut waiting = self.waiting();
        let (mut bytes, mut subjects) = (0, HashSet::new());
        let mut taken = Vec::new();
        let mut left = Vec::new();
        for one in waiting.drain(..) {
            let size = one.entry.payload.len();
            let fits =
                taken.is_empty() || (taken.len() < LONGEST_BATCH && bytes + size <= LARGEST_BATCH);
            // Whoever gave up waiting need not be published; it does no harm if they are.
            if one.outcome.is_closed() {
                continue;
            }
            if fits && subjects.insert(one.entry.subject.clone()) {
                bytes += size;
                taken.push(one);
            } else {
                left.push(one);
            }
        }
        *waiting = left;
        taken
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a waiter was told; nothing if the one who had the turn was stopped.
fn told(outcome: Option<Outcome>) -> Outcome {
    outcome.unwrap_or_else(|| Err(PublishError::new(PublishErrorKind::TimedOut)))
}

async fn publish_row(bus: &Bus, row: Vec<Waiting>) {
    if row.len() >= SHORTEST_BATCH {
        let entries: Vec<_> = row.iter().map(|waiting| waiting.entry.clone()).collect();
        match publish_batch(bus, entries).await {
            Ok(first) => {
                for (sequence, waiting) in (first..).zip(row) {
                    let duplicate = false;
                    let _ = waiting.outcome.send(Ok(Acknowledged {
                        sequence,
                        duplicate,
                    }));
                }
                return;
            }
            Err(error) => {
                tracing::debug!(%error, messages = row.len(), "no batch; message by message");
            }
        }
    }
    stream::iter(row)
        .for_each_concurrent(SINGLES_AT_ONCE, |waiting| async move {
            let outcome = publish_single(bus, waiting.entry).await;
            let _ = waiting.outcome.send(outcome);
        })
        .await;
}

/// Publishes one message and awaits the stream's acknowledgement.
pub(super) async fn publish_single(bus: &Bus, entry: Entry) -> Outcome {
    let publish = PublishMessage::build()
        .headers(entry.headers)
        .payload(entry.payload);
    let ack = bus.send(entry.subject, publish).await?;
    Ok(Acknowledged {
        sequence: ack.sequence,
        duplicate: ack.duplicate,
    })
}

/// Publishes all or nothing; the sequence of the first, after which the others stand in order.
async fn publish_batch(bus: &Bus, entries: Vec<Entry>) -> Result<u64, PublishError> {
    let failed = |error| PublishError::with_source(PublishErrorKind::Other, error);
    let (id, count) = (format!("{:032x}", rand::random::<u128>()), entries.len());
    let mut commit = None;
    for (number, mut entry) in (1..).zip(entries) {
        entry.headers.insert(BATCH_ID, id.as_str());
        entry.headers.insert(BATCH_SEQUENCE, number.to_string());
        if number == count {
            entry.headers.insert(BATCH_COMMIT, "1");
            commit = Some(entry);
            break;
        }
        // Not answered: the commit tells of all.
        bus.client()
            .publish_with_headers(entry.subject, entry.headers, entry.payload)
            .await
            .map_err(failed)?;
    }
    let commit = commit.ok_or_else(|| PublishError::new(PublishErrorKind::Other))?;
    let publish = PublishMessage::build()
        .headers(commit.headers)
        .payload(commit.payload);
    let ack = bus.send(commit.subject, publish).await?;
    let count = u64::try_from(count).unwrap_or(u64::MAX);
    Ok((ack.sequence + 1).saturating_sub(count))
}
