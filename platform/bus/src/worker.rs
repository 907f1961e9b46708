//! The kit that services run in.
//!
//! A service names the facts it reacts to and handles one; the kit does the rest, once:
//!
//! - a permit first, then a pull: nothing waits in a buffer while its ack wait runs;
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

mod captor;

use std::{future::Future, path::PathBuf, sync::Arc, time::Duration};

use async_nats::Message;
use colloquy_contract::{
    ArtifactRef, Bucket, Envelope, Fact, FactType, Scope, Subject,
    facts::{FactInput, Family},
    streams,
    subject::template,
};
use jiff::Timestamp;
use opentelemetry::{KeyValue, metrics::Histogram};
use rand::Rng;
use serde::{Serialize, de::DeserializeOwned};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span};

use captor::Captor;

use crate::{
    Artifacts, Bus, BusError, Result,
    error::chain,
    provision,
    pull::Puller,
    settle::{Settlement, Ticket},
    trace,
};

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
    /// A folder of this attempt's own, removed when it ends.
    pub scratch: PathBuf,
}

impl Context {
    /// What the fact is about.
    pub const fn scope(&self) -> &Scope {
        &self.envelope.scope
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
}

impl Failure {
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

/// How often a sign of life is sent.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// How long a handler may go on after it was cancelled.
const CANCEL_GRACE: Duration = Duration::from_secs(10);

/// Extra deliveries, beyond the service's attempts, for processes that died in the middle.
const CRASH_ALLOWANCE: u32 = 4;

/// Pause after a failed pull, so that a lost consumer does not make a hot loop.
const PULL_PAUSE: Duration = Duration::from_secs(1);

/// Runs a service until `drain` fires; returns when everything in flight is settled or handed
/// back, at the latest `grace` (and a little) later.
///
/// # Errors
/// Only at the start, if the service's consumer is not there (see [`provision::service`]) or the
/// broker cannot be asked; afterwards trouble is logged and retried.
pub async fn run<S: Service>(
    bus: Bus,
    service: Arc<S>,
    drain: CancellationToken,
    grace: Duration,
) -> Result<()> {
    let runner = Arc::new(Runner::new(bus, service)?);
    runner.need_consumer().await?;
    tracing::info!(
        service = S::NAME,
        concurrency = runner.policy.concurrency,
        "service ready"
    );
    let cancel = CancellationToken::new();
    let mut slots = JoinSet::new();
    for _ in 0..runner.policy.concurrency {
        slots.spawn(runner.clone().slot(drain.clone(), cancel.clone()));
    }
    slots.spawn(runner.captor().run(drain.clone()));
    drain.cancelled().await;
    let timer = async {
        tokio::time::sleep(grace).await;
        cancel.cancel();
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = timer => {}
        () = async { while slots.join_next().await.is_some() {} } => {}
    }
    tracing::info!(service = S::NAME, "service drained");
    Ok(())
}

/// Where a delivery stands in its stream and how often it was delivered.
#[derive(Debug, Clone)]
pub(crate) struct Delivered {
    pub(crate) stream: String,
    pub(crate) sequence: u64,
    pub(crate) attempt: u32,
}

struct Runner<S> {
    bus: Bus,
    service: Arc<S>,
    policy: Policy,
    stream: &'static str,
    family: Family,
    metrics: Metrics,
}

impl<S: Service> Runner<S> {
    fn new(bus: Bus, service: Arc<S>) -> Result<Self> {
        let family = provision::family_of(S::Input::TYPES).ok_or_else(|| {
            BusError::Settings(format!(
                "service {} must react to facts of one stream",
                S::NAME
            ))
        })?;
        let policy = service.policy();
        Ok(Self {
            bus,
            service,
            policy,
            stream: streams::of(family).name,
            family,
            metrics: Metrics::new(),
        })
    }

    /// The provisioner makes the durable consumer; a service may lack the right to.
    async fn need_consumer(&self) -> Result<()> {
        if provision::has_consumer(&self.bus, self.stream, S::NAME).await? {
            return Ok(());
        }
        Err(BusError::NotProvisioned {
            what: format!("consumer {} of stream {}", S::NAME, self.stream),
        })
    }

    fn captor(&self) -> Captor {
        Captor {
            bus: self.bus.clone(),
            service: S::NAME,
            family: self.family,
        }
    }

    /// One permit's life: pull, handle, settle, again.
    async fn slot(self: Arc<Self>, drain: CancellationToken, cancel: CancellationToken) {
        let mut puller = Puller::new(self.bus.client().clone(), self.stream, S::NAME);
        while !drain.is_cancelled() {
            let pulled = tokio::select! {
                biased;
                () = drain.cancelled() => break,
                pulled = puller.next() => pulled,
            };
            match pulled {
                Ok(Some(message)) => self.deliver(message, &cancel).await,
                Ok(None) => {}
                Err(error) => self.recover(error, &drain).await,
            }
        }
        puller.close().await;
    }

    /// After a failed pull: a pause, and a word if the consumer was lost.
    async fn recover(&self, error: BusError, drain: &CancellationToken) {
        tracing::warn!(
            service = S::NAME,
            error = chain(&error),
            "pull failed; trying again"
        );
        tokio::select! {
            () = drain.cancelled() => return,
            () = tokio::time::sleep(PULL_PAUSE) => {}
        }
        if let Err(error) = self.need_consumer().await {
            tracing::warn!(
                service = S::NAME,
                error = chain(&error),
                "consumer not there yet"
            );
        }
    }

    async fn deliver(&self, message: Message, cancel: &CancellationToken) {
        let Some((ticket, delivered)) = self.admit(&message) else {
            return;
        };
        let headers = message.headers.clone().unwrap_or_default();
        let span = self.process_span(&message, &delivered);
        trace::follow(&span, &headers);
        let result = self
            .process(&message, ticket, &delivered, cancel)
            .instrument(span.clone())
            .await;
        if let Err(error) = result {
            // The ticket was dropped or its settlement failed: the broker delivers again.
            span.in_scope(|| {
                tracing::warn!(
                    service = S::NAME,
                    error = chain(&error),
                    "delivery not settled"
                );
            });
        }
    }

    fn admit(&self, message: &Message) -> Option<(Ticket, Delivered)> {
        let reply = message.reply.clone()?;
        let delivery = async_nats::jetstream::Message {
            message: message.clone(),
            context: self.bus.jetstream().clone(),
        };
        let Ok(info) = delivery.info() else {
            tracing::error!(
                service = S::NAME,
                "a delivery does not say where it comes from"
            );
            return None;
        };
        let delivered = Delivered {
            stream: info.stream.to_owned(),
            sequence: info.stream_sequence,
            attempt: u32::try_from(info.delivered).unwrap_or(u32::MAX),
        };
        let template = match message.subject.parse::<Subject>() {
            Ok(subject) => template(subject.fact),
            Err(_) => self.stream.to_owned(),
        };
        Some((
            Ticket::new(self.bus.client().clone(), reply, template),
            delivered,
        ))
    }

    fn process_span(&self, message: &Message, delivered: &Delivered) -> Span {
        let subject = message.subject.parse::<Subject>().ok();
        let template = subject
            .as_ref()
            .map_or_else(|| self.stream.to_owned(), |s| template(s.fact));
        let correlation = subject
            .map(|subject| subject.scope.correlation())
            .unwrap_or_default();
        let id = message
            .headers
            .as_ref()
            .and_then(|headers| headers.get("ce-id"));
        tracing::info_span!(
            "process",
            otel.name = format!("process {template}"),
            otel.kind = "consumer",
            otel.status_code = tracing::field::Empty,
            otel.status_description = tracing::field::Empty,
            service = S::NAME,
            messaging.system = "nats",
            messaging.operation.name = "process",
            messaging.operation.type = "process",
            messaging.consumer.group.name = S::NAME,
            messaging.destination.name = %message.subject,
            messaging.destination.template = %template,
            messaging.message.id = id.map_or("", |id| id.as_str()),
            messaging.message.conversation_id = %correlation,
            colloquy.attempt = delivered.attempt,
        )
    }

    async fn process(
        &self,
        message: &Message,
        ticket: Ticket,
        delivered: &Delivered,
        cancel: &CancellationToken,
    ) -> Result<()> {
        let started = std::time::Instant::now();
        let get = |name: &'static str| {
            message
                .headers
                .as_ref()?
                .get(name)
                .map(async_nats::HeaderValue::as_str)
        };
        let (envelope, fact) = match Envelope::read(&message.subject, get, &message.payload) {
            Ok(read) => read,
            Err(error) => {
                let reason = chain(&error);
                return self
                    .give_up(message, None, ticket, delivered, &reason)
                    .await;
            }
        };
        let fact_type = envelope.fact_type;
        if delivered.attempt > self.policy.attempts + CRASH_ALLOWANCE {
            let reason = "the service died or lost its connection each time it was tried";
            return self
                .give_up(message, Some(&envelope), ticket, delivered, reason)
                .await;
        }
        let Some(input) = S::Input::from_fact(fact) else {
            return ticket.settle(Settlement::Ack).await;
        };
        let worked = tokio::select! {
            worked = self.work(input, &envelope, delivered.attempt, cancel) => worked,
            () = ticket.keep_alive(KEEP_ALIVE) => Err(Failure::Cancelled),
        };
        self.metrics
            .processed(S::NAME, fact_type, &worked, started.elapsed());
        match worked {
            Ok(()) => ticket.settle(Settlement::Ack).await,
            Err(Failure::Cancelled) => ticket.settle(Settlement::Nak(Duration::ZERO)).await,
            Err(failure) => {
                self.fail(message, &envelope, ticket, delivered, &failure)
                    .await
            }
        }
    }

    /// Runs the handler and states what follows.
    async fn work(
        &self,
        input: S::Input,
        envelope: &Envelope,
        attempt: u32,
        cancel: &CancellationToken,
    ) -> std::result::Result<(), Failure> {
        let scratch = tempfile::tempdir().map_err(Failure::retry)?;
        let context = Context {
            envelope: envelope.clone(),
            artifacts: self.bus.artifacts(),
            attempt,
            cancel: cancel.child_token(),
            scratch: scratch.path().to_owned(),
        };
        for fact in self.handle_in_time(input, &context).await? {
            let follows = envelope.derive(S::NAME, fact.fact_type(), Timestamp::now());
            self.bus
                .state(&follows, &fact)
                .await
                .map_err(|error| match error {
                    BusError::Conflict { .. } => Failure::permanent(error),
                    other => Failure::retry(other),
                })?;
        }
        Ok(())
    }

    /// The handler, in a task of its own so that a panic is an error, under its deadline.
    async fn handle_in_time(
        &self,
        input: S::Input,
        context: &Context,
    ) -> std::result::Result<Vec<Fact>, Failure> {
        let (service, handed) = (self.service.clone(), context.clone());
        let mut handlers = JoinSet::new();
        handlers
            .spawn(async move { service.handle(input, &handed).await }.instrument(Span::current()));
        let deadline = tokio::time::sleep(self.policy.deadline);
        let over = tokio::select! {
            joined = handlers.join_next() => return joined_result(joined),
            () = deadline => Failure::Retry {
                reason: format!("it took longer than {:?}", self.policy.deadline),
            },
            () = context.cancel.cancelled() => Failure::Cancelled,
        };
        context.cancel.cancel();
        // It may be about to finish; after the grace time it is aborted where it stands.
        match tokio::time::timeout(CANCEL_GRACE, handlers.join_next()).await {
            Ok(joined) => joined_result(joined).map_err(|_| over),
            Err(_) => Err(over),
        }
    }

    async fn fail(
        &self,
        message: &Message,
        envelope: &Envelope,
        ticket: Ticket,
        delivered: &Delivered,
        failure: &Failure,
    ) -> Result<()> {
        let span = Span::current();
        span.record("otel.status_code", "ERROR");
        span.record("otel.status_description", failure.to_string());
        let permanent = matches!(failure, Failure::Permanent { .. });
        if permanent || delivered.attempt >= self.policy.attempts {
            let reason = failure.to_string();
            return self
                .give_up(message, Some(envelope), ticket, delivered, &reason)
                .await;
        }
        let delay = retry_delay(&self.policy, delivered.attempt);
        tracing::warn!(
            service = S::NAME,
            attempt = delivered.attempt,
            error = %failure,
            retry_ms = delay.as_millis(),
            "handling failed; trying again"
        );
        ticket.settle(Settlement::Nak(delay)).await
    }

    /// Keeps a full copy, states the end of the conversation, terminates the message: in that
    /// order, each acknowledged before the next.
    async fn give_up(
        &self,
        message: &Message,
        envelope: Option<&Envelope>,
        ticket: Ticket,
        delivered: &Delivered,
        reason: &str,
    ) -> Result<()> {
        self.bus
            .give_up(S::NAME, message, envelope, delivered, reason)
            .await?;
        ticket.settle(Settlement::Term).await
    }
}

fn joined_result(
    joined: Option<
        std::result::Result<std::result::Result<Vec<Fact>, Failure>, tokio::task::JoinError>,
    >,
) -> std::result::Result<Vec<Fact>, Failure> {
    match joined {
        Some(Ok(result)) => result,
        // The panic's own text may hold what was being handled.
        Some(Err(error)) if error.is_panic() => Err(Failure::Retry {
            reason: "the handler panicked".to_owned(),
        }),
        Some(Err(_)) | None => Err(Failure::Cancelled),
    }
}

/// Exponential, with jitter over the upper half, bounded.
fn retry_delay(policy: &Policy, attempt: u32) -> Duration {
    let doublings = attempt.saturating_sub(1).min(16);
    let full = policy
        .retry_after
        .saturating_mul(1 << doublings)
        .min(policy.retry_ceiling);
    rand::rng().random_range(full / 2..=full)
}

/// Counters of a service. Labels hold no ids.
struct Metrics {
    duration: Histogram<f64>,
}

impl Metrics {
    fn new() -> Self {
        let meter = opentelemetry::global::meter("colloquy");
        Self {
            duration: meter
                .f64_histogram("messaging.process.duration")
                .with_unit("s")
                .with_description("Duration of handling one fact, by service, fact and outcome")
                .with_boundaries(vec![
                    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
                    300.0, 1800.0,
                ])
                .build(),
        }
    }

    fn processed(
        &self,
        service: &'static str,
        fact: FactType,
        worked: &std::result::Result<(), Failure>,
        took: Duration,
    ) {
        let outcome = match worked {
            Ok(()) => "ok",
            Err(Failure::Retry { .. }) => "retry",
            Err(Failure::Permanent { .. }) => "permanent",
            Err(Failure::Cancelled) => "cancelled",
        };
        self.duration.record(
            took.as_secs_f64(),
            &[
                KeyValue::new("messaging.system", "nats"),
                KeyValue::new("messaging.operation.name", "process"),
                KeyValue::new("messaging.consumer.group.name", service),
                KeyValue::new("messaging.destination.template", template(fact)),
                KeyValue::new("outcome", outcome),
            ],
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_delays_grow_and_are_bounded() {
        let policy = Policy::default();
        for (attempt, full) in [(1, 1), (2, 2), (3, 4), (7, 64), (8, 120), (90, 120)] {
            for _ in 0..50 {
                let delay = retry_delay(&policy, attempt).as_millis();
                assert!(
                    (full * 500..=full * 1_000).contains(&delay),
                    "{attempt}: {delay}"
                );
            }
        }
    }
}
