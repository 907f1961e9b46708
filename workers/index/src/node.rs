//! The index node: reads the log, answers searches, and stops in order.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use colloquy_bus::{Bus, CancellationToken};
use colloquy_contract::{
    facts::Family,
    search::{SUBJECT, SearchRequest},
};
use futures::{FutureExt, future::BoxFuture};
use tokio::sync::watch;

use crate::{
    IndexError, IndexOptions, Result,
    error::chain,
    ingest::{BatchLimits, Ingest, blocking, lock},
    metrics::Metrics,
    searcher::Searcher,
    store::Store,
};

/// Pause after the subject of searches could not be served.
const SERVE_PAUSE: Duration = Duration::from_secs(1);

/// An index node: the owner of some partitions' index.
pub struct IndexNode {
    bus: Bus,
    options: IndexOptions,
    store: Arc<Mutex<Store>>,
    caught_up: watch::Sender<bool>,
}

impl IndexNode {
    /// Opens the index in its folder, or makes it. Reads nothing from the broker yet.
    ///
    /// # Errors
    /// If the options contradict themselves, another process uses the folder, or what is in it is
    /// damaged; the message says which, and what to do.
    pub async fn open(bus: Bus, options: IndexOptions) -> Result<Self> {
        options.validate()?;
        let opened = options.clone();
        let store = blocking(move || Store::open(&opened)).await?;
        let (caught_up, _) = watch::channel(false);
        Ok(Self {
            bus,
            options,
            store: Arc::new(Mutex::new(store)),
            caught_up,
        })
    }

    /// Turns true when the index has caught up with the log for the first time: the node is ready.
    /// Before that it answers with what it has, and says that it covers no partition.
    pub fn caught_up(&self) -> watch::Receiver<bool> {
        self.caught_up.subscribe()
    }

    /// Indexes and answers until `drain` fires; then it finishes and commits what it has read,
    /// states what follows, answers what was asked, and closes the index, within `grace`. What is
    /// cut off by then is done at the next start.
    ///
    /// # Errors
    /// If the index is ahead of the log, or cannot be written or read. The broker being away is
    /// no error: the node waits for it.
    pub async fn run(self, drain: CancellationToken, grace: Duration) -> Result<()> {
        self.check_log(&drain).await?;
        let node = self.options.node.clone();
        tracing::info!(
            node,
            partitions = self.options.partitions.len(),
            "index node ready"
        );
        let store = self.store.clone();
        // Fires for both halves when either ends.
        let stop = drain.child_token();
        let working = async {
            let _both = stop.clone().drop_guard();
            let (indexed, ()) = tokio::join!(self.index(stop.clone()), self.serve(stop.clone()));
            indexed
        };
        let over = async {
            drain.cancelled().await;
            tokio::time::sleep(grace).await;
        };
        let result = tokio::select! {
            result = working => result,
            () = over => {
                tracing::warn!(node, "the grace time is over; the rest is done at the next start");
                Ok(())
            }
        };
        drop(self);
        if let Ok(store) = Arc::try_unwrap(store) {
            let store = store
                .into_inner()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            let closing = blocking(move || store.close());
            // Merges that are cut off are made again later.
            let _ = tokio::time::timeout(grace, closing).await;
        }
        tracing::info!(node, "index node drained");
        result
    }

    /// An index that is ahead of the log was made from another one; reading on would leave gaps.
    async fn check_log(&self, drain: &CancellationToken) -> Result<()> {
        let last = loop {
            match self.bus.last_sequence(Family::Conversation).await {
                Ok(last) => break last,
                Err(error) => {
                    tracing::warn!(
                        error = chain(&error),
                        "the log cannot be read; trying again"
                    );
                }
            }
            tokio::select! {
                () = drain.cancelled() => return Ok(()),
                () = tokio::time::sleep(SERVE_PAUSE) => {}
            }
        };
        let store = lock(&self.store);
        let indexed = store.position().indexed_through;
        if indexed > last {
            return Err(IndexError::AheadOfLog {
                path: store.path().to_owned(),
                indexed,
                last,
            });
        }
        Ok(())
    }

    async fn index(&self, stop: CancellationToken) -> Result<()> {
        let _ends_both = stop.clone().drop_guard();
        let ingest = Ingest {
            bus: self.bus.clone(),
            store: self.store.clone(),
            limits: BatchLimits {
                interval: self.options.commit_interval,
                facts: self.options.max_batch,
            },
            metrics: Metrics::new(&self.options.node),
            caught_up: self.caught_up.clone(),
            stop,
        };
        ingest.run(self.options.filters()).await
    }

    /// Serves searches until told to stop; losing the subject is mended.
    async fn serve(&self, stop: CancellationToken) {
        let searcher = self.searcher();
        while !stop.is_cancelled() {
            let searcher = searcher.clone();
            let answer = move |request: SearchRequest| -> BoxFuture<'static, _> {
                searcher.clone().answer(request).boxed()
            };
            if let Err(error) = self.bus.serve(SUBJECT, stop.clone(), answer).await {
                tracing::warn!(
                    error = chain(&error),
                    "searches cannot be served; trying again"
                );
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(SERVE_PAUSE) => {}
            }
        }
    }

    fn searcher(&self) -> Arc<Searcher> {
        let store = lock(&self.store);
        Arc::new(Searcher {
            reader: store.reader(),
            fields: store.fields(),
            node: self.options.node.clone(),
            partitions: self.options.partitions.iter().copied().collect(),
            caught_up: self.caught_up.subscribe(),
            metrics: Metrics::new(&self.options.node),
            permits: Searcher::permits(),
        })
    }
}
