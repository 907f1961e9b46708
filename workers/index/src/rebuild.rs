//! Makes the index anew from the log while it goes on serving.
//!
//! From the log's beginning, a second index is made beside the serving one, by a feed of its own.
//! When it holds all that the serving one does, it takes its place, and the old one goes. Until
//! then nothing is lost by a crash but the work. From a later place, facts are put into the serving
//! index again.
//!
//! A rebuild states nothing and keeps no dead letters: whoever reads the log for the serving index
//! does that, before, after or meanwhile.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use colloquy_bus::log::Entry;
use colloquy_contract::{
    control::{Rebuild, RebuildFrom},
    facts::Family,
};
use jiff::Timestamp;
use tokio::sync::mpsc;

use crate::{
    IndexError, Result,
    error::chain,
    feed::{Batch, Feed},
    ingest::{BatchLimits, blocking, steps},
    model::{Model, Promoted, lock},
    reading::{Missing, Reader},
    store::{Change, Position, Store},
};

/// Pause after the end of the log could not be asked for.
const ASK_PAUSE: Duration = Duration::from_secs(1);

/// How rebuilds stand.
#[derive(Debug, Default)]
pub(crate) struct Status {
    state: Mutex<State>,
}

#[derive(Debug, Default, Clone)]
pub(crate) struct State {
    pub(crate) under_way: Option<Rebuild>,
    pub(crate) done: u64,
    pub(crate) error: Option<String>,
}

impl Status {
    pub(crate) fn get(&self) -> State {
        lock(&self.state).clone()
    }

    /// Notes that a rebuild begins; `false` if one is under way.
    pub(crate) fn begin(&self) -> bool {
        let mut state = lock(&self.state);
        if state.under_way.is_some() {
            return false;
        }
        state.error = None;
        state.under_way = Some(Rebuild {
            read: 0,
            pending: 0,
            started_at: Timestamp::now(),
        });
        true
    }

    fn read(&self, facts: usize, pending: Option<u64>) {
        if let Some(rebuild) = &mut lock(&self.state).under_way {
            rebuild.read += u64::try_from(facts).unwrap_or(0);
            rebuild.pending = pending.unwrap_or(rebuild.pending);
        }
    }

    fn end(&self, result: &Result<()>) {
        let mut state = lock(&self.state);
        state.under_way = None;
        match result {
            Ok(()) => state.done += 1,
            Err(error) => state.error = Some(chain(error)),
        }
    }
}

/// Follows the requests for rebuilds, one after the other.
pub(crate) struct Rebuilder {
    pub(crate) reader: Reader,
    pub(crate) model: Arc<Model>,
    pub(crate) limits: BatchLimits,
    pub(crate) filters: Vec<String>,
    pub(crate) status: Arc<Status>,
}

impl Rebuilder {
    /// Runs until told to stop; a rebuild under way is given up then.
    pub(crate) async fn run(self, mut requests: mpsc::Receiver<RebuildFrom>) {
        loop {
            let from = tokio::select! {
                biased;
                () = self.reader.stop.cancelled() => return,
                from = requests.recv() => match from {
                    Some(from) => from,
                    None => return,
                },
            };
            tracing::info!(?from, "rebuilding the index");
            let result = self.rebuild(from).await;
            match &result {
                Ok(()) => tracing::info!("the index is rebuilt"),
                Err(error) => tracing::error!(error = chain(error), "the rebuild failed"),
            }
            self.status.end(&result);
        }
    }

    async fn rebuild(&self, from: RebuildFrom) -> Result<()> {
        match from {
            RebuildFrom::Start => {
                let made = self.anew().await;
                let model = self.model.clone();
                // The one that served, or the one that was not finished.
                let swept = blocking(move || model.sweep()).await;
                made.and(swept)
            }
            RebuildFrom::Sequence(sequence) => self.again(sequence).await,
            RebuildFrom::Time(time) => {
                let bus = &self.reader.bus;
                let place = || bus.sequence_since(Family::Conversation, time);
                let sequence = self.reader.persist("finding a time in the log", place);
                self.again(sequence.await?).await
            }
        }
    }

    /// Makes a new index beside the serving one, until it can take its place.
    async fn anew(&self) -> Result<()> {
        let model = self.model.clone();
        let mut draft = blocking(move || model.draft()).await?;
        let mut feed = self.feed(1);
        loop {
            let through = match self.next(&mut feed).await? {
                Some(changes) => {
                    draft = commit(draft, changes).await?;
                    feed.read_through()
                }
                // What the serving index read last may be gone from the log. Asked only when nothing
                // comes: with each batch it would cost the time in which more is stated.
                None => self.end(&mut feed).await?.unwrap_or(feed.read_through()),
            };
            let model = self.model.clone();
            match blocking(move || model.promote(draft, through)).await? {
                Promoted::Serves(old) => return blocking(move || old.close()).await,
                Promoted::Behind(same) => draft = same,
            }
        }
    }

    /// Puts facts into the serving index again. Its place in the log stays.
    async fn again(&self, from_sequence: u64) -> Result<()> {
        let bus = &self.reader.bus;
        let last = || bus.last_sequence(Family::Conversation);
        // What is stated from here on is new to the serving index anyway.
        let until = self.reader.persist("finding the end of the log", last);
        let until = until.await?;
        let mut feed = self.feed(from_sequence.max(1));
        loop {
            if let Some(changes) = self.next(&mut feed).await? {
                let model = self.model.clone();
                blocking(move || model.store().commit(&changes, Position::default())).await?;
            }
            if feed.read_through() >= until || self.end(&mut feed).await?.is_some() {
                return Ok(());
            }
        }
    }

    fn feed(&self, from_sequence: u64) -> Feed {
        Feed::new(self.reader.bus.clone(), self.filters.clone(), from_sequence)
    }

    /// The changes of the next facts; `None` if none came for a while.
    async fn next(&self, feed: &mut Feed) -> Result<Option<Vec<Change>>> {
        let (limits, stop) = (self.limits, &self.reader.stop);
        let entries = match feed.batch(limits.facts, limits.interval, stop).await {
            Batch::Entries(entries) => entries,
            Batch::Idle => return Ok(None),
            Batch::Stopped => return Err(IndexError::Stopped),
        };
        let read = entries.len();
        let changes = self.changes(entries).await?;
        self.status.read(read, feed.pending());
        Ok(Some(changes))
    }

    async fn changes(&self, entries: Vec<Entry>) -> Result<Vec<Change>> {
        let mut changes = Vec::new();
        for step in steps(&self.reader, entries, 0).await? {
            changes.extend(step.change);
            if let Some(missing) = step.missing {
                changes.extend(self.kept(missing).await?);
            }
        }
        Ok(changes)
    }

    /// A conversation whose transcript is gone, as the serving index has it: what is found now is
    /// found after a rebuild.
    async fn kept(&self, missing: Missing) -> Result<Option<Change>> {
        let model = self.model.clone();
        let conversation = missing.conversation;
        let stored = blocking(move || model.store().stored(conversation)).await?;
        let stored = stored.filter(|stored| stored.revision == missing.revision);
        Ok(stored.map(|stored| Change::Put {
            account: missing.account,
            stored: Box::new(stored),
        }))
    }

    /// Up to where the log is read, if nothing is left to read now.
    async fn end(&self, feed: &mut Feed) -> Result<Option<u64>> {
        if feed.pending().is_none_or(|pending| pending > 0) {
            return Ok(None);
        }
        match feed.end().await {
            Ok(end) => Ok(end),
            Err(error) => {
                tracing::warn!(
                    error = chain(&error),
                    "the end of the log is not known; asking again"
                );
                tokio::select! {
                    () = self.reader.stop.cancelled() => Err(IndexError::Stopped),
                    () = tokio::time::sleep(ASK_PAUSE) => Ok(None),
                }
            }
        }
    }
}

async fn commit(mut draft: Store, changes: Vec<Change>) -> Result<Store> {
    blocking(move || {
        draft.commit(&changes, Position::default())?;
        Ok(draft)
    })
    .await
}
