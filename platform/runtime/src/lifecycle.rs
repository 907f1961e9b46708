//! The parts of a process: they run until a signal, one of them ends, or all are done; then all
//! are told to drain, under one deadline.
//!
//! The first SIGTERM or SIGINT drains; a second one exits at once.

use std::{future::Future, time::Duration};

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How long a drain may take before the process gives up on parts that do not stop.
pub const DRAIN_GRACE: Duration = Duration::from_secs(20);

/// Time beyond the grace for handing back what did not finish.
const HAND_BACK: Duration = Duration::from_secs(15);

/// Exit code after a second signal, as a shell reports a process ended by SIGINT.
const EXIT_SECOND_SIGNAL: i32 = 130;

/// What a part returns.
pub type PartResult = Result<(), Box<dyn std::error::Error + Send + Sync>>;

/// The parts of a process.
#[derive(Debug)]
pub struct Lifecycle {
    drain: CancellationToken,
    parts: JoinSet<(&'static str, PartResult)>,
}

/// Why a process ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum LifecycleError {
    /// A part failed.
    #[error("{part} failed")]
    Part {
        /// Which.
        part: &'static str,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A part panicked.
    #[error("a part of the process panicked; see the log")]
    Panicked,
    /// A part did not stop in time.
    #[error("the drain took too long; what was not settled will be delivered again")]
    DrainTimeout,
}

impl Default for Lifecycle {
    fn default() -> Self {
        Self::new()
    }
}

impl Lifecycle {
    /// No parts yet.
    pub fn new() -> Self {
        Self {
            drain: CancellationToken::new(),
            parts: JoinSet::new(),
        }
    }

    /// Fires when the process should come to its end.
    pub fn drain(&self) -> CancellationToken {
        self.drain.clone()
    }

    /// Adds a part. It should return soon after [`Self::drain`] fires, and not before.
    pub fn spawn<F, E>(&mut self, name: &'static str, part: F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.parts
            .spawn(async move { (name, part.await.map_err(Into::into)) });
    }

    /// Runs until a signal, or until a part ends, and drains.
    ///
    /// # Errors
    /// The first part that failed, or [`LifecycleError::DrainTimeout`].
    pub async fn run(mut self) -> Result<(), LifecycleError> {
        let mut outcome = Ok(());
        tokio::select! {
            () = signal() => tracing::info!("draining; a second signal exits at once"),
            () = self.drain.cancelled() => {}
            ended = self.parts.join_next() => outcome = judge(ended),
        }
        self.drain.cancel();
        let second_signal = tokio::spawn(async {
            signal().await;
            std::process::exit(EXIT_SECOND_SIGNAL);
        });
        let draining = async {
            while let Some(ended) = self.parts.join_next().await {
                let result = judge(Some(ended));
                if outcome.is_ok() {
                    outcome = result;
                }
            }
        };
        let drained = tokio::time::timeout(DRAIN_GRACE + HAND_BACK, draining).await;
        second_signal.abort();
        outcome.and(drained.map_err(|_| LifecycleError::DrainTimeout))
    }
}

fn judge(
    ended: Option<Result<(&'static str, PartResult), tokio::task::JoinError>>,
) -> Result<(), LifecycleError> {
    match ended {
        None | Some(Ok((_, Ok(())))) => Ok(()),
        Some(Ok((part, Err(source)))) => Err(LifecycleError::Part { part, source }),
        Some(Err(error)) if error.is_panic() => Err(LifecycleError::Panicked),
        Some(Err(_)) => Ok(()),
    }
}

/// Waits for SIGTERM or SIGINT.
async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let listen = |kind| {
        signal(kind).inspect_err(|error| {
            tracing::error!(%error, "signals cannot be received; stop the process with SIGKILL");
        })
    };
    let (Ok(mut terminate), Ok(mut interrupt)) = (
        listen(SignalKind::terminate()),
        listen(SignalKind::interrupt()),
    ) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
