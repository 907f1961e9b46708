//! A process that is started again whenever it ends by itself, as an orchestrator does.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::future::BoxFuture;
use tokio::task::JoinHandle;

use crate::{Process, Victim, process};

/// How long it may take until a process is ready, with the starts that fail meanwhile.
const START_PATIENCE: Duration = Duration::from_secs(120);

/// Pause after a start that failed, so that a process that always fails makes no hot loop.
const START_PAUSE: Duration = Duration::from_millis(200);

/// A [`Process`] that is started again when it ends without having been asked to.
///
/// A service whose broker is away when it starts ends with an error: somebody starts it again.
/// Here that is done, and [noted](Supervised::ends). Dropping it kills the process.
pub struct Supervised {
    shared: Arc<Shared>,
    watching: JoinHandle<()>,
}

/// That a process ended by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// Whether it had been ready before.
    pub was_ready: bool,
    /// The last line that it printed.
    pub last_line: String,
}

struct Shared {
    process: Process,
    state: Mutex<State>,
    ends: Mutex<Vec<End>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct State {
    /// Whether it should run.
    wanted: bool,
    /// Whether it was ready since it was last started.
    ready: bool,
    /// Counts how often it was ended from outside: what began before that is over.
    epoch: u64,
}

impl Supervised {
    /// Watches over a process, which is not started yet.
    pub fn new(process: Process) -> Self {
        let shared = Arc::new(Shared {
            process,
            state: Mutex::default(),
            ends: Mutex::default(),
        });
        Self {
            watching: tokio::spawn(watch(shared.clone())),
            shared,
        }
    }

    /// The process.
    pub fn process(&self) -> &Process {
        &self.shared.process
    }

    /// How it ended by itself, each time.
    pub fn ends(&self) -> Vec<End> {
        let ends = self.shared.ends.lock();
        ends.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It is about to be ended from outside.
    fn unwanted(&self) {
        let mut state = self.state();
        state.epoch += 1;
        (state.wanted, state.ready) = (false, false);
    }

    /// It ended, or failed to start, and nobody asked it to since that epoch.
    fn note(&self, epoch: u64, was_ready: bool) {
        let mut state = self.state();
        if state.epoch != epoch {
            return;
        }
        state.ready = false;
        let last_line = self.process.last_line();
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        ends.push(End {
            was_ready,
            last_line,
        });
    }

    async fn start(&self, epoch: u64) {
        match self.process.try_start().await {
            Ok(()) if self.is_ready(epoch) => {}
            // Ended from outside while it started: what runs now is not wanted any more.
            Ok(()) => self.process.kill(),
            Err(_) => {
                self.note(epoch, false);
                tokio::time::sleep(START_PAUSE).await;
            }
        }
    }

    /// Notes that it is, unless it was ended from outside since that epoch.
    fn is_ready(&self, epoch: u64) -> bool {
        let mut state = self.state();
        state.ready = state.epoch == epoch;
        state.ready
    }
}

/// The only one who starts it.
async fn watch(shared: Arc<Shared>) {
    loop {
        tokio::time::sleep(process::LOOK).await;
        let state = *shared.state();
        if state.wanted && !shared.process.is_running() {
            if state.ready {
                shared.note(state.epoch, true);
            }
            shared.start(state.epoch).await;
        }
    }
}

impl Victim for Supervised {
    fn name(&self) -> &str {
        self.shared.process.name()
    }

    fn kill(&self) {
        self.shared.unwanted();
        self.shared.process.kill();
    }

    fn pause(&self) {
        self.shared.process.pause();
    }

    fn resume(&self) {
        self.shared.process.resume();
    }

    /// Whoever does not want to wait until it is ready may drop this: it is started all the same.
    fn start(&self) -> BoxFuture<'_, ()> {
        self.shared.state().wanted = true;
        Box::pin(async {
            let ready = async {
                while !self.shared.state().ready {
                    tokio::time::sleep(process::LOOK).await;
                }
            };
            assert!(
                tokio::time::timeout(START_PATIENCE, ready).await.is_ok(),
                "{} does not get ready within {START_PATIENCE:?}; it said:\n{}",
                self.name(),
                self.shared.process.output()
            );
        })
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        self.shared.unwanted();
        Box::pin(self.shared.process.stop())
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        self.watching.abort();
        self.kill();
    }
}

impl fmt::Debug for Supervised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supervised")
            .field("process", &self.shared.process)
            .finish_non_exhaustive()
    }
}
