//! From facts to documents: read, index, commit, state, in that order.
//!
//! A batch goes through four steps. Transcripts are read, several at once. The changes are made in
//! the log's order and committed with the batch's place. `conversation.indexed` is stated for what
//! can be found now. That this was done is part of the next commit, or of one made when nothing
//! comes for a while. A crash between any two steps repeats only what has no effect twice.

use std::{
    collections::HashSet,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use colloquy_bus::{
    Bus, BusError, CancellationToken,
    log::{Entry, Logged},
};
use colloquy_contract::{
    ArtifactRef, ConversationId, Fact, FactType,
    facts::{ConversationIndexed, ConversationQualified, Family},
    transcript::Transcript,
};
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use tokio::sync::watch;
use tracing::{Instrument, Span};

use crate::{
    IndexError, Result,
    error::chain,
    feed::{Batch, Feed},
    metrics::Metrics,
    schema::Stored,
    store::{Change, Position, Store},
};

/// The service's name: source of its facts, its stage in a conversation.
pub(crate) const SERVICE: &str = "index";

/// Transcripts read at once.
const CONCURRENT_READS: usize = 8;

/// Facts stated at once.
const CONCURRENT_STATEMENTS: usize = 16;

/// How often a transcript is tried before its fact becomes a dead letter.
const READ_ATTEMPTS: u32 = 5;

/// Pause before the second attempt; it doubles from there.
const RETRY_AFTER: Duration = Duration::from_millis(200);

/// Longest pause between attempts.
const RETRY_CEILING: Duration = Duration::from_secs(10);

/// How a batch is made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BatchLimits {
    pub(crate) interval: Duration,
    pub(crate) facts: usize,
}

/// Reads the log into the index.
pub(crate) struct Ingest {
    pub(crate) bus: Bus,
    pub(crate) store: Arc<Mutex<Store>>,
    pub(crate) limits: BatchLimits,
    pub(crate) metrics: Metrics,
    pub(crate) caught_up: watch::Sender<bool>,
    pub(crate) stop: CancellationToken,
}

/// What a fact does to the index.
struct Step {
    change: Option<Change>,
    /// The fact to answer with `conversation.indexed`, if its conversation can be found then.
    answer: Option<Answer>,
}

struct Answer {
    logged: Logged,
    conversation: ConversationId,
    /// Number of turns; not known of a fact that was indexed before.
    turns: Option<u32>,
    span: Span,
}

/// Why a transcript is not there.
enum Unread {
    /// It may be there later.
    Bus(BusError),
    /// It will never be what we read.
    Malformed(String),
}

impl Ingest {
    /// Runs until told to stop. What was read is committed and stated first.
    pub(crate) async fn run(self, filters: Vec<String>) -> Result<()> {
        let position = self.position();
        let mut feed = Feed::new(self.bus.clone(), filters, position.stated_through + 1);
        let mut stated_through = position.stated_through;
        loop {
            match feed
                .batch(self.limits.facts, self.limits.interval, &self.stop)
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
        if pending == 0 && !*self.caught_up.borrow() {
            tracing::info!("the index has caught up with the log");
            self.caught_up.send_replace(true);
        }
    }

    /// One batch through all its steps. Returns up to where everything is stated now.
    async fn take(&self, entries: Vec<Entry>, stated_through: u64) -> Result<u64> {
        let before = self.position();
        let Some(last) = entries.last().map(|entry| entry.sequence) else {
            return Ok(stated_through);
        };
        let steps: Vec<Step> = stream::iter(entries)
            .map(|entry| self.step(entry, before.indexed_through))
            .buffered(CONCURRENT_READS)
            .try_collect()
            .await?;
        let mut changes = Vec::new();
        let mut answers = Vec::new();
        for step in steps {
            changes.extend(step.change);
            answers.extend(step.answer);
        }
        let indexed_through = before.indexed_through.max(last);
        if indexed_through > before.indexed_through {
            let place = Position {
                indexed_through,
                stated_through,
            };
            let put = self.commit(changes, place).await?;
            answers.retain(|answer| answer.turns.is_none() || put.contains(&answer.conversation));
        }
        stream::iter(answers)
            .map(Ok)
            .try_for_each_concurrent(CONCURRENT_STATEMENTS, |answer| self.state(answer))
            .await?;
        Ok(last)
    }

    async fn step(&self, entry: Entry, indexed_through: u64) -> Result<Step> {
        let nothing = Step {
            change: None,
            answer: None,
        };
        let repeated = entry.sequence <= indexed_through;
        let logged = match entry.fact {
            Ok(logged) => logged,
            Err(_) if repeated => return Ok(nothing),
            Err(error) => {
                self.bury(entry.sequence, 1, &chain(&error)).await?;
                return Ok(nothing);
            }
        };
        let Some(conversation) = logged.envelope.scope.conversation() else {
            return Ok(nothing);
        };
        match &logged.fact {
            Fact::ConversationErasureRequested(_) | Fact::ConversationErased(_) => {
                let change = (!repeated).then_some(Change::Forget(conversation));
                Ok(Step {
                    change,
                    answer: None,
                })
            }
            Fact::ConversationQualified(fact) => {
                let span = logged.process_span(SERVICE);
                let put = if repeated {
                    None
                } else {
                    let reading = self.read(&logged, conversation, fact);
                    match reading.instrument(span.clone()).await? {
                        Some(stored) => Some(Box::new(stored)),
                        None => return Ok(nothing),
                    }
                };
                let turns = put.as_ref().map(|stored| stored.turn_count());
                let account = logged.envelope.scope.account().clone();
                let change = put.map(|stored| Change::Put { account, stored });
                Ok(Step {
                    change,
                    answer: Some(Answer {
                        logged,
                        conversation,
                        turns,
                        span,
                    }),
                })
            }
            _ => Ok(nothing),
        }
    }

    /// The conversation as it will stand in the index; `None` if its transcript is not to be had,
    /// which is dealt with then.
    async fn read(
        &self,
        logged: &Logged,
        conversation: ConversationId,
        fact: &ConversationQualified,
    ) -> Result<Option<Stored>> {
        let mut attempt = 1;
        let mut pause = RETRY_AFTER;
        let reason = loop {
            match self.transcript(&fact.transcript).await {
                Ok(transcript) => {
                    let (call, duration_ms) = (&fact.call, fact.duration_ms);
                    return Ok(Some(Stored::new(
                        conversation,
                        call,
                        duration_ms,
                        transcript,
                    )));
                }
                Err(Unread::Malformed(reason)) => break reason,
                Err(Unread::Bus(error)) if attempt >= READ_ATTEMPTS => break chain(&error),
                Err(Unread::Bus(error)) => {
                    tracing::warn!(
                        attempt,
                        error = chain(&error),
                        "a transcript cannot be read"
                    );
                }
            }
            // While the broker is away no artifact is at fault.
            if self.bus.ping().await {
                attempt += 1;
            }
            self.pause(&mut pause).await?;
        };
        if !self.erasing(logged).await? {
            self.bury(logged.sequence, attempt, &reason).await?;
        }
        Ok(None)
    }

    async fn transcript(&self, reference: &ArtifactRef) -> std::result::Result<Transcript, Unread> {
        let json = self
            .bus
            .artifacts()
            .get_bytes(reference)
            .await
            .map_err(Unread::Bus)?;
        // Not the parser's own words: they may quote the transcript.
        let transcript: Transcript = serde_json::from_slice(&json)
            .map_err(|_| Unread::Malformed("the transcript is not a transcript".to_owned()))?;
        if transcript.version == Transcript::VERSION {
            return Ok(transcript);
        }
        Err(Unread::Malformed(format!(
            "the transcript has version {}, this program reads {}; update it first",
            transcript.version,
            Transcript::VERSION
        )))
    }

    /// Whether the conversation is being erased, so that nothing of it is missed.
    async fn erasing(&self, logged: &Logged) -> Result<bool> {
        let history = self
            .persist("reading a history", || {
                self.bus.history(&logged.envelope.scope)
            })
            .await?;
        Ok(history.iter().any(|logged| {
            matches!(
                logged.envelope.fact_type,
                FactType::ConversationErasureRequested | FactType::ConversationErased
            )
        }))
    }

    async fn bury(&self, sequence: u64, attempts: u32, reason: &str) -> Result<()> {
        let burying = || {
            self.bus
                .bury_fact(SERVICE, Family::Conversation, sequence, attempts, reason)
        };
        self.persist("keeping a dead letter", burying)
            .await
            .map(drop)
    }

    /// Makes the changes and their place durable, away from the async threads.
    async fn commit(
        &self,
        changes: Vec<Change>,
        position: Position,
    ) -> Result<HashSet<ConversationId>> {
        let started = Instant::now();
        let store = self.store.clone();
        let put = blocking(move || lock(&store).commit(&changes, position)).await?;
        self.metrics.committed(put.len(), started.elapsed());
        Ok(put)
    }

    /// Makes durable up to where facts are stated, if that is not so yet.
    async fn record(&self, stated_through: u64) -> Result<()> {
        let position = self.position();
        if position.stated_through >= stated_through {
            return Ok(());
        }
        let position = Position {
            stated_through,
            ..position
        };
        let store = self.store.clone();
        blocking(move || lock(&store).commit(&[], position))
            .await
            .map(drop)
    }

    /// States that the conversation can be found. Of a fact that was indexed before, the index
    /// says whether that is so: it may have been forgotten since.
    async fn state(&self, answer: Answer) -> Result<()> {
        let Answer {
            logged,
            conversation,
            turns,
            span,
        } = answer;
        let store = self.store.clone();
        let turns = match turns {
            Some(turns) => Some(turns),
            None => blocking(move || lock(&store).turns(conversation)).await?,
        };
        let Some(turns) = turns else { return Ok(()) };
        let fact = Fact::from(ConversationIndexed { turns });
        let follows =
            logged
                .envelope
                .derive(SERVICE, FactType::ConversationIndexed, Timestamp::now());
        let stating = || async {
            match self.bus.state(&follows, &fact).await {
                // Somebody else said so first; it is so.
                Err(BusError::Conflict { .. }) => Ok(()),
                other => other.map(drop),
            }
        };
        self.persist("stating a fact", stating)
            .instrument(span)
            .await
    }

    /// Does something on the broker until it works or we are told to stop: without it the log
    /// cannot be followed, and the broker comes back.
    async fn persist<T, F>(&self, what: &'static str, mut attempt: impl FnMut() -> F) -> Result<T>
    where
        F: Future<Output = std::result::Result<T, BusError>>,
    {
        let mut pause = RETRY_AFTER;
        loop {
            match attempt().await {
                Ok(done) => return Ok(done),
                Err(error) => {
                    tracing::warn!(what, error = chain(&error), "failed; trying again");
                }
            }
            self.pause(&mut pause).await?;
        }
    }

    async fn pause(&self, pause: &mut Duration) -> Result<()> {
        tokio::select! {
            () = self.stop.cancelled() => return Err(IndexError::Stopped),
            () = tokio::time::sleep(*pause) => {}
        }
        *pause = pause.saturating_mul(2).min(RETRY_CEILING);
        Ok(())
    }

    fn position(&self) -> Position {
        lock(&self.store).position()
    }
}

/// The store; a thread that panicked with it left it as it was committed.
pub(crate) fn lock(store: &Mutex<Store>) -> std::sync::MutexGuard<'_, Store> {
    store.lock().unwrap_or_else(PoisonError::into_inner)
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
