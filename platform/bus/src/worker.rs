//! The kit that services run in.
//!
//! A service names the facts it reacts to and handles one; the kit does the rest, once:
//!
//! - a permit first, then a pull: nothing waits in a buffer while its ack wait runs;
//! - facts about one conversation are handled one after the other, in the order of their delivery,
//!   and one that takes long keeps no other conversation waiting;
//! - heartbeats to the broker while the handler works, a deadline for the handler;
//! - a `process` span that continues the publisher's trace;
//! - what follows is stated and acknowledged before the cause is;
//! - a failure is handed back with our own jittered delay; at the last attempt, or when trying
//!   again is pointless, a full copy goes to the dead letters, then `conversation.failed` is
//!   stated, then the message is terminated;
//! - told to drain, it stops pulling, lets handlers finish within the grace time, hands back the
//!   rest and returns.
//!
//! Promise: a fact is settled as done only after everything that follows from it is in the log.
//! Handling is at least once; a handler that runs twice states the same facts, which stand once.

mod attempt;
mod captor;
mod delivery;
mod dispatch;
mod lag;
mod metrics;
mod runner;

use std::{
    future::Future,
    path::PathBuf,
    sync::{Arc, OnceLock},
    time::Duration,
};

use colloquy_contract::{ArtifactRef, Bucket, Envelope, Fact, Scope, facts::FactInput};
use serde::{Serialize, de::DeserializeOwned};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::Span;

use dispatch::Dispatcher;
use runner::Runner;

use crate::{Artifacts, Bus, BusError, Result, error::chain};

pub(crate) use delivery::Delivered;

/// A service: what it reacts to and what it does then.
pub trait Service: Send + Sync + 'static {
    /// Its name: the durable consumer's, the source of its facts, its stage in a conversation.
    const NAME: &'static str;

    /// The facts it reacts to.
    type Input: FactInput;

    /// How it is run.
    fn policy(&self) -> Policy {
        Policy::default()
    }

    /// Handles one fact and returns the facts that follow from it.
    ///
    /// It may run several times for the same fact, also at the same time in two processes, and
    /// must then come to the same effect. When `context.cancel` fires it should return soon.
    fn handle(
        &self,
        input: Self::Input,
        context: &Context,
    ) -> impl Future<Output = std::result::Result<Vec<Fact>, Failure>> + Send;
}

/// How a service is run.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// Facts handled at once in this process.
    pub concurrency: usize,
    /// Attempts before a fact becomes a dead letter.
    pub attempts: u32,
    /// Delay before the second attempt; it doubles from there, with full jitter above half.
    pub retry_after: Duration,
    /// Longest delay.
    pub retry_ceiling: Duration,
    /// How long one attempt may take.
    pub deadline: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            concurrency: 4,
            attempts: 6,
            retry_after: Duration::from_secs(1),
            retry_ceiling: Duration::from_secs(120),
            deadline: Duration::from_secs(300),
        }
    }
}

/// What a handler is given besides the fact.
#[derive(Debug, Clone)]
pub struct Context {
    /// The fact's envelope.
    pub envelope: Envelope,
    /// The artifacts.
    pub artifacts: Artifacts,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// Fires when the handler should stop: its time is up or the process ends.
    pub cancel: CancellationToken,
    scratch: Scratch,
}

/// A folder of an attempt's own, made when it is first asked for, removed when the attempt ends.
type Scratch = Arc<OnceLock<TempDir>>;

impl Context {
    /// What the fact is about.
    pub const fn scope(&self) -> &Scope {
        &self.envelope.scope
    }

    /// Where a file of this name can be kept while the attempt lasts.
    pub fn scratch(&self, name: &str) -> std::result::Result<PathBuf, Failure> {
        if self.scratch.get().is_none() {
            // Of two that are made at once one is kept and the other removed again.
            let _ = self
                .scratch
                .set(tempfile::tempdir().map_err(Failure::retry)?);
        }
        let folder = self.scratch.get().ok_or(Failure::Cancelled)?;
        Ok(folder.path().join(name))
    }

    /// Runs work that computes or blocks on a thread for that. `work` is handed a question to ask
    /// now and then: whether it should stop.
    pub async fn blocking<T, F>(&self, work: F) -> std::result::Result<T, Failure>
    where
        T: Send + 'static,
        F: FnOnce(&dyn Fn() -> bool) -> T + Send + 'static,
    {
        let (cancel, span) = (self.cancel.clone(), Span::current());
        tokio::task::spawn_blocking(move || span.in_scope(|| work(&|| cancel.is_cancelled())))
            .await
            .map_err(|_| Failure::Retry {
                reason: "the computation panicked".to_owned(),
            })
    }

    /// Reads a JSON document.
    pub async fn read_document<T: DeserializeOwned>(
        &self,
        reference: &ArtifactRef,
    ) -> std::result::Result<T, Failure> {
        let content = self.artifacts.get_bytes(reference).await?;
        serde_json::from_slice(&content).map_err(|error| Failure::Permanent {
            // The parser's message may quote the document.
            reason: format!(
                "a document of type {} cannot be read ({:?} at line {}, column {})",
                reference.media_type,
                error.classify(),
                error.line(),
                error.column()
            ),
        })
    }

    /// Stores a JSON document.
    pub async fn write_document<T: Serialize + Sync>(
        &self,
        bucket: Bucket,
        media_type: &str,
        document: &T,
    ) -> std::result::Result<ArtifactRef, Failure> {
        let content = serde_json::to_vec(document).map_err(Failure::permanent)?;
        Ok(self
            .artifacts
            .put_bytes(bucket, self.scope(), media_type, content)
            .await?)
    }
}

/// Why a handler did not come to an end. The texts must hold no personal data.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// It may work later.
    #[error("{reason}")]
    Retry {
        /// What did not work.
        reason: String,
    },
    /// It will never work.
    #[error("{reason}")]
    Permanent {
        /// What does not work.
        reason: String,
    },
    /// The handler was told to stop.
    #[error("stopped before it was done")]
    Cancelled,
    /// The handler did its part, but the broker did not acknowledge what follows: it may be electing
    /// a leader. So it may be tried some times more than the policy says.
    #[error("{reason}")]
    Unstated {
        /// What was not acknowledged.
        reason: String,
    },
}

impl Failure {
    /// What it is, by a name of a few.
    const fn kind(&self) -> &'static str {
        match self {
            Self::Retry { .. } => "retry",
            Self::Permanent { .. } => "permanent",
            Self::Cancelled => "cancelled",
            Self::Unstated { .. } => "unstated",
        }
    }

    /// A failure that may pass, with the whole chain of the error as its reason.
    pub fn retry(error: impl std::error::Error + 'static) -> Self {
        Self::Retry {
            reason: chain(&error),
        }
    }

    /// A failure that will not pass, with the whole chain of the error as its reason.
    pub fn permanent(error: impl std::error::Error + 'static) -> Self {
        Self::Permanent {
            reason: chain(&error),
        }
    }
}

impl From<BusError> for Failure {
    fn from(error: BusError) -> Self {
        Self::retry(error)
    }
}

/// Pause after a failed pull, so that a lost consumer does not make a hot loop.
const PULL_PAUSE: Duration = Duration::from_secs(1);

/// Runs a service until `drain` fires; returns when everything in flight is settled or handed
/// back, at the latest `grace` (and a little) later.
///
/// # Errors
/// At the start, if the service's consumer is not there (see [`crate::provision::service`]) or the broker
/// does not answer for a minute; later [`BusError::Denied`], as soon as the broker denies what the service cannot
/// work without. Other trouble is logged and retried.
pub async fn run<S: Service>(
    bus: Bus,
    service: Arc<S>,
    drain: CancellationToken,
    grace: Duration,
) -> Result<()> {
    let broker = bus.clone();
    let runner = Arc::new(Runner::new(bus, service)?);
    tokio::select! {
        () = drain.cancelled() => return Ok(()),
        error = broker.until_denied(S::NAME) => return Err(error),
        found = runner.await_consumer() => found?,
    }
    tracing::info!(
        service = S::NAME,
        concurrency = runner.policy.concurrency,
        "service ready"
    );
    let cancel = CancellationToken::new();
    let mut parts = JoinSet::new();
    let stop = drain.child_token();
    parts.spawn(runner.captor().run(stop.clone()));
    parts.spawn(lag::watch(
        runner.bus.clone(),
        runner.stream,
        S::NAME,
        stop.clone(),
    ));
    parts.spawn(Dispatcher::new(runner, cancel.clone()).run(stop.clone()));
    let denied = tokio::select! {
        () = drain.cancelled() => None,
        error = broker.until_denied(S::NAME) => Some(error),
    };
    stop.cancel();
    let timer = async {
        tokio::time::sleep(grace).await;
        cancel.cancel();
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = timer => {}
        () = async { while parts.join_next().await.is_some() {} } => {}
    }
    tracing::info!(service = S::NAME, "service drained");
    denied.map_or(Ok(()), Err)
}
