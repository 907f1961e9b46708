//! From the log to rows: one stream into one generation.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use colloquy_bus::{Bus, BusError, CancellationToken};
use tokio::{sync::watch, task::JoinSet};

use crate::{
    Result, SERVICE, WarehouseError,
    compact::SmallFiles,
    error::chain,
    feed::{Batch, BatchLimits, Feed, Next},
    generation::{Places, Shared, lock},
    metrics::Metrics,
    row::Stream,
    store::{Store, remove},
};

/// Pause before something on the broker is tried again; it doubles from there.
const RETRY_AFTER: Duration = Duration::from_millis(200);

/// Longest pause between attempts.
const RETRY_CEILING: Duration = Duration::from_secs(10);

/// What else the generation that serves needs, and one that is rebuilt does not.
#[derive(Debug, Clone)]
pub(crate) struct Housekeeping {
    pub(crate) store: Arc<Store>,
    pub(crate) small_files: SmallFiles,
    /// The generation that was compacted last, which readers may still be reading.
    pub(crate) compacted: Arc<Mutex<Option<PathBuf>>>,
}

/// How far the reading of one stream is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Messages read and committed since it began.
    pub(crate) read: u64,
    /// Messages that wait in the log; `None` while that is not known.
    pub(crate) pending: Option<u64>,
    /// The place committed.
    pub(crate) place: u64,
}

/// Both streams on their way into a generation.
#[derive(Debug)]
pub(crate) struct Feeding {
    stop: CancellationToken,
    /// Dropping it ends the tasks where they stand; what was not committed is read again.
    tasks: JoinSet<Result<()>>,
    progress: Vec<(Stream, watch::Receiver<Progress>)>,
}

impl Feeding {
    /// Reads on from the generation's places.
    pub(crate) fn start(
        bus: &Bus,
        generation: &Shared,
        limits: BatchLimits,
        housekeeping: Option<&Housekeeping>,
    ) -> Self {
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let mut progress = Vec::new();
        for stream in Stream::ALL {
            let (sender, receiver) = watch::channel(Progress::default());
            progress.push((stream, receiver));
            let ingest = Ingest {
                bus: bus.clone(),
                stream,
                generation: generation.clone(),
                limits,
                housekeeping: housekeeping.cloned(),
                metrics: Metrics::new(),
                progress: sender,
                stop: stop.clone(),
            };
            tasks.spawn(ingest.run());
        }
        Self {
            stop,
            tasks,
            progress,
        }
    }

    /// How far it is, to look at from elsewhere.
    pub(crate) fn progress(&self) -> Vec<watch::Receiver<Progress>> {
        let receivers = self.progress.iter();
        receivers.map(|(_, receiver)| receiver.clone()).collect()
    }

    /// Waits for a task to fail; none ends otherwise before it is told to. Cancelling is safe.
    pub(crate) async fn failed(&mut self) -> WarehouseError {
        match self.tasks.join_next().await {
            Some(Ok(Err(error))) => error,
            Some(Ok(Ok(())) | Err(_)) | None => WarehouseError::Interrupted,
        }
    }

    /// Waits until everything that stands in the log is committed. Cancelling is safe.
    pub(crate) async fn caught_up(&mut self) -> Result<()> {
        self.until(|_, progress| progress.pending == Some(0)).await
    }

    /// Waits until so much is committed. Cancelling is safe.
    pub(crate) async fn reached(&mut self, places: Places) -> Result<()> {
        self.until(|stream, progress| progress.place >= places.of(stream))
            .await
    }

    /// Commits what was read, and ends.
    pub(crate) async fn stop(mut self) -> Result<()> {
        self.stop.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            ended.map_err(|_| WarehouseError::Interrupted)??;
        }
        Ok(())
    }

    async fn until(&mut self, is: impl Fn(Stream, &Progress) -> bool) -> Result<()> {
        let mut receivers = self.progress.clone();
        let waiting = async {
            for (stream, receiver) in &mut receivers {
                if receiver.wait_for(|now| is(*stream, now)).await.is_err() {
                    // Its task ended, which the other branch tells.
                    std::future::pending::<()>().await;
                }
            }
        };
        tokio::select! {
            () = waiting => Ok(()),
            error = self.failed() => Err(error),
        }
    }
}

/// Reads one stream into a generation.
struct Ingest {
    bus: Bus,
    stream: Stream,
    generation: Shared,
    limits: BatchLimits,
    housekeeping: Option<Housekeeping>,
    metrics: Metrics,
    progress: watch::Sender<Progress>,
    stop: CancellationToken,
}

impl Ingest {
    /// Runs until told to stop; what was read by then is committed.
    async fn run(self) -> Result<()> {
        let generation = self.generation.clone();
        let stream = self.stream;
        let place = blocking(move || Ok(lock(&generation).places.of(stream))).await?;
        let mut feed = Feed::new(self.bus.clone(), stream, place + 1);
        self.progress.send_modify(|progress| progress.place = place);
        loop {
            let committed = match feed.next(self.limits, &self.stop).await {
                Next::Batch(batch) => self.take(batch).await,
                Next::Idle => self.advance(&mut feed).await,
                Next::Stopped => return Ok(()),
            };
            match committed {
                // What was not committed is read again at the next start.
                Err(WarehouseError::Stopped) => return Ok(()),
                other => other?,
            }
            self.report(feed.pending());
        }
    }

    fn report(&self, pending: Option<u64>) {
        self.progress
            .send_modify(|progress| progress.pending = pending);
        if let (Some(pending), Some(_)) = (pending, &self.housekeeping) {
            self.metrics.pending(self.stream, pending);
            self.bus
                .report_pending(SERVICE, self.stream.name(), pending);
        }
    }

    async fn take(&self, batch: Batch) -> Result<()> {
        for (sequence, reason) in &batch.unreadable {
            self.unreadable(*sequence, reason).await?;
        }
        let started = Instant::now();
        let messages = batch.rows.len() + batch.unreadable.len();
        let rows = batch.rows.len();
        self.commit(batch).await?;
        self.metrics.committed(self.stream, rows, started.elapsed());
        let read = u64::try_from(messages).unwrap_or(u64::MAX);
        self.progress.send_modify(|progress| progress.read += read);
        if self.housekeeping.is_some() {
            self.bus.report_handled(SERVICE, read);
        }
        self.tidy().await
    }

    /// Moves the place over messages that are none of ours, if nothing of ours waits.
    async fn advance(&self, feed: &mut Feed) -> Result<()> {
        match feed.end().await {
            Ok(Some(end)) => {
                let place = self.progress.borrow().place;
                self.commit(Batch::empty(place + 1, end)).await
            }
            Ok(None) => Ok(()),
            Err(error) => {
                tracing::debug!(error = chain(&error), "the log's end cannot be asked for");
                Ok(())
            }
        }
    }

    async fn commit(&self, batch: Batch) -> Result<()> {
        let (generation, stream, last) = (self.generation.clone(), self.stream, batch.last);
        blocking(move || lock(&generation).commit(stream, batch)).await?;
        self.progress.send_modify(|progress| progress.place = last);
        Ok(())
    }

    /// Keeps what this program cannot read as a dead letter. A rebuild only says so: it was kept
    /// when the generation that serves came by.
    async fn unreadable(&self, sequence: u64, reason: &str) -> Result<()> {
        let stream = self.stream.name();
        tracing::warn!(stream, sequence, error = reason, "a message cannot be read");
        if self.housekeeping.is_none() {
            return Ok(());
        }
        let mut pause = RETRY_AFTER;
        loop {
            match self.bury(sequence, reason).await {
                Ok(_) => return Ok(()),
                Err(error) => {
                    tracing::warn!(
                        error = chain(&error),
                        "a dead letter cannot be kept; trying again"
                    );
                }
            }
            tokio::select! {
                () = self.stop.cancelled() => return Err(WarehouseError::Stopped),
                () = tokio::time::sleep(pause) => {}
            }
            pause = pause.saturating_mul(2).min(RETRY_CEILING);
        }
    }

    async fn bury(
        &self,
        sequence: u64,
        reason: &str,
    ) -> std::result::Result<Option<u64>, BusError> {
        self.bus
            .bury_fact(SERVICE, self.stream.family(), sequence, 1, reason)
            .await
    }

    /// Makes one of many small files, in the generation that serves.
    async fn tidy(&self) -> Result<()> {
        let Some(housekeeping) = self.housekeeping.clone() else {
            return Ok(());
        };
        let generation = self.generation.clone();
        blocking(move || {
            let mut generation = lock(&generation);
            let old = generation.compact(&housekeeping.store, housekeeping.small_files)?;
            drop(generation);
            let Some(old) = old else { return Ok(()) };
            let mut compacted = housekeeping
                .compacted
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            match compacted.replace(old) {
                Some(older) => remove(&older),
                None => Ok(()),
            }
        })
        .await
    }
}

/// Runs work that blocks where it may.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let span = tracing::Span::current();
    tokio::task::spawn_blocking(move || span.in_scope(work))
        .await
        .unwrap_or(Err(WarehouseError::Interrupted))
}
