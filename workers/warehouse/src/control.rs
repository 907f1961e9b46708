//! What operators ask: how the warehouse stands, and to build it anew.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use colloquy_bus::{Bus, CancellationToken};
use colloquy_contract::control::{
    ModelState, Rebuild, RebuildFrom, RebuildRequest, StateRequest, WAREHOUSE_REBUILD,
    WAREHOUSE_STATE,
};
use futures::{FutureExt, future::BoxFuture};
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot, watch};

use crate::{
    error::chain,
    generation::{Shared, lock},
    ingest::{Progress, blocking},
};

/// A request to rebuild, and whom to tell that it began, or why not.
pub(crate) type Command = (RebuildFrom, oneshot::Sender<Result<(), String>>);

/// How the warehouse stands, for whoever asks.
pub(crate) struct Control {
    node: String,
    commands: mpsc::Sender<Command>,
    standing: Mutex<Standing>,
}

struct Standing {
    serving: Shared,
    rebuild: Option<RebuildStanding>,
    rebuilds: u64,
    error: Option<String>,
}

struct RebuildStanding {
    started_at: Timestamp,
    progress: Vec<watch::Receiver<Progress>>,
}

impl Control {
    pub(crate) fn new(node: String, serving: Shared) -> (Arc<Self>, mpsc::Receiver<Command>) {
        // One at a time: a second request is answered after the first has begun.
        let (commands, receiver) = mpsc::channel(1);
        let standing = Standing {
            serving,
            rebuild: None,
            rebuilds: 0,
            error: None,
        };
        let control = Self {
            node,
            commands,
            standing: Mutex::new(standing),
        };
        (Arc::new(control), receiver)
    }

    pub(crate) fn begun(&self, progress: Vec<watch::Receiver<Progress>>) {
        let mut standing = self.standing();
        standing.error = None;
        standing.rebuild = Some(RebuildStanding {
            started_at: Timestamp::now(),
            progress,
        });
    }

    pub(crate) fn done(&self, serving: Shared) {
        let mut standing = self.standing();
        standing.serving = serving;
        standing.rebuild = None;
        standing.rebuilds += 1;
    }

    pub(crate) fn failed(&self, reason: String) {
        let mut standing = self.standing();
        standing.rebuild = None;
        standing.error = Some(reason);
    }

    /// Answers until told to stop; losing the subjects is mended.
    pub(crate) async fn serve(self: Arc<Self>, bus: &Bus, stop: &CancellationToken) {
        let state = self.clone();
        let state = move |_: StateRequest| -> BoxFuture<'static, _> {
            let control = state.clone();
            async move { control.state(None).await }.boxed()
        };
        let rebuild = move |request: RebuildRequest| -> BoxFuture<'static, _> {
            let control = self.clone();
            async move { control.rebuild(request.from).await }.boxed()
        };
        tokio::join!(
            bus.keep_serving(WAREHOUSE_STATE, stop, state),
            bus.keep_serving(WAREHOUSE_REBUILD, stop, rebuild),
        );
    }

    async fn rebuild(&self, from: RebuildFrom) -> ModelState {
        let (begun, answer) = oneshot::channel();
        let refused = match self.commands.send((from, begun)).await {
            Ok(()) => match answer.await {
                Ok(answer) => answer.err(),
                Err(_) => Some(STOPPING.to_owned()),
            },
            Err(_) => Some(STOPPING.to_owned()),
        };
        self.state(refused).await
    }

    async fn state(&self, refused: Option<String>) -> ModelState {
        let serving = self.standing().serving.clone();
        // A commit may hold it for a while.
        let counted = blocking(move || {
            let generation = lock(&serving);
            Ok((generation.places.conversations, generation.rows()))
        });
        let counted = counted.await;
        let standing = self.standing();
        let (through, entries) = counted.as_ref().copied().unwrap_or_default();
        let unknown = counted.err().map(|error| chain(&error));
        ModelState {
            node: self.node.clone(),
            through,
            entries,
            rebuilds: standing.rebuilds,
            rebuild: standing.rebuild.as_ref().map(RebuildStanding::show),
            error: refused.or(unknown).or_else(|| standing.error.clone()),
        }
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const STOPPING: &str = "the warehouse is stopping; ask again when it runs";

impl RebuildStanding {
    fn show(&self) -> Rebuild {
        let now = || self.progress.iter().map(|progress| *progress.borrow());
        Rebuild {
            read: now().map(|progress| progress.read).sum(),
            pending: now().filter_map(|progress| progress.pending).sum(),
            started_at: self.started_at,
        }
    }
}
