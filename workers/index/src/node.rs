//! The index node: reads the log, answers searches, and stops in order.

use std::{future::Future, sync::Arc, time::Duration};

use colloquy_bus::{Bus, CancellationToken};
use colloquy_contract::{
    control::{
        HoldingsRequest, INDEX_HOLDINGS, INDEX_REBUILD, INDEX_STATE, RebuildRequest, StateRequest,
    },
    facts::Family,
    search::{SUBJECT, SearchRequest},
};
use futures::{FutureExt, future::BoxFuture};
use tokio::sync::{mpsc, watch};

use crate::{
    IndexOptions, Result, SERVICE,
    control::Control,
    ingest::{BatchLimits, Ingest, blocking},
    metrics::{self, Metrics},
    model::Model,
    reading::{Reader, Unusable},
    rebuild::{Rebuilder, Status},
    searcher::Searcher,
};

/// An index node: the owner of some partitions' index.
pub struct IndexNode {
    bus: Bus,
    options: IndexOptions,
    model: Arc<Model>,
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
        let model = blocking(move || Model::open(&opened)).await?;
        let (caught_up, _) = watch::channel(false);
        Ok(Self {
            bus,
            options,
            model: Arc::new(model),
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
    /// no error: the node waits for it. That the broker denies it something is one.
    pub async fn run(self, drain: CancellationToken, grace: Duration) -> Result<()> {
        let bus = self.bus.clone();
        bus.unless_denied(SERVICE, self.work(drain, grace)).await
    }

    async fn work(self, drain: CancellationToken, grace: Duration) -> Result<()> {
        self.check_log(&drain).await?;
        let node = self.options.node.clone();
        tracing::info!(
            node,
            partitions = self.options.partitions.len(),
            "index node ready"
        );
        let partitions = self.options.partitions.iter().copied().collect();
        metrics::serving(partitions, self.caught_up.subscribe());
        let model = self.model.clone();
        // Fires for all parts when any ends.
        let stop = drain.child_token();
        let working = async {
            let (control, rebuilder) = self.operators(&stop);
            let (indexed, (), (), ()) = tokio::join!(
                self.index(stop.clone()),
                self.search(&stop),
                self.control(control, &stop),
                rebuilder,
            );
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
        if let Ok(model) = Arc::try_unwrap(model) {
            let closing = blocking(move || model.close());
            // Merges that are cut off are made again later.
            let _ = tokio::time::timeout(grace, closing).await;
        }
        tracing::info!(node, "index node drained");
        result
    }

    /// An index that is ahead of the log was made from another one; reading on would leave gaps.
    async fn check_log(&self, drain: &CancellationToken) -> Result<()> {
        let last = self
            .bus
            .await_last_sequence(Family::Conversation, drain)
            .await;
        let Some(last) = last else {
            return Ok(());
        };
        let model = self.model.clone();
        blocking(move || model.check_end(last)).await
    }

    async fn index(&self, stop: CancellationToken) -> Result<()> {
        let _ends_all = stop.clone().drop_guard();
        let ingest = Ingest {
            reader: self.reader(Unusable::Bury, stop),
            model: self.model.clone(),
            limits: self.limits(),
            metrics: Metrics::new(&self.options.node),
            caught_up: self.caught_up.clone(),
        };
        ingest.run(self.options.filters()).await
    }

    fn reader(&self, unusable: Unusable, stop: CancellationToken) -> Reader {
        Reader {
            bus: self.bus.clone(),
            unusable,
            stop,
        }
    }

    const fn limits(&self) -> BatchLimits {
        BatchLimits {
            interval: self.options.commit_interval,
            facts: self.options.max_batch,
        }
    }

    /// What answers operators, and what does the rebuilds that they ask for.
    fn operators(
        &self,
        stop: &CancellationToken,
    ) -> (Arc<Control>, impl Future<Output = ()> + use<>) {
        let status = Arc::new(Status::default());
        // One rebuild at a time: the status lets no second request through.
        let (requests, received) = mpsc::channel(1);
        let control = Control {
            model: self.model.clone(),
            status: status.clone(),
            label: self.options.label(),
            partitions: self.options.partitions.iter().copied().collect(),
            requests,
        };
        let rebuilder = Rebuilder {
            reader: self.reader(Unusable::LeaveOut, stop.clone()),
            model: self.model.clone(),
            limits: self.limits(),
            filters: self.options.filters(),
            status,
        };
        (Arc::new(control), rebuilder.run(received))
    }

    async fn search(&self, stop: &CancellationToken) {
        let searcher = self.searcher();
        let answer = move |request: SearchRequest| -> BoxFuture<'static, _> {
            searcher.clone().answer(request).boxed()
        };
        self.bus.keep_serving(SUBJECT, stop, answer).await;
    }

    async fn control(&self, control: Arc<Control>, stop: &CancellationToken) {
        let asked = control.clone();
        let state = move |_: StateRequest| asked.clone().state().boxed();
        let asked = control.clone();
        let holdings = move |request: HoldingsRequest| asked.clone().holdings(request).boxed();
        let rebuild = move |request: RebuildRequest| control.clone().rebuild(request).boxed();
        tokio::join!(
            self.bus.keep_serving(INDEX_STATE, stop, state),
            self.bus.keep_serving(INDEX_HOLDINGS, stop, holdings),
            self.bus.keep_serving(INDEX_REBUILD, stop, rebuild),
        );
    }

    fn searcher(&self) -> Arc<Searcher> {
        Arc::new(Searcher {
            reader: self.model.reader(),
            fields: self.model.fields(),
            node: self.options.node.clone(),
            partitions: self.options.partitions.iter().copied().collect(),
            caught_up: self.caught_up.subscribe(),
            metrics: Metrics::new(&self.options.node),
            permits: Searcher::permits(),
        })
    }
}
