//! One delivery, from its bytes to its settlement.

use std::{
    future::Future,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use async_nats::Message;
use colloquy_contract::{
    Envelope, Fact, Scope, Subject,
    envelope::header,
    facts::{FactInput, Family},
    streams,
    subject::{self, template},
};
use jiff::Timestamp;
use rand::Rng;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span};

use super::{
    Context, Failure, PULL_PAUSE, Policy, Service,
    captor::Captor,
    metrics::{Metrics, audio},
};
use crate::{
    Bus, BusError, Result,
    error::chain,
    provision,
    settle::{Settlement, Ticket},
    time::timestamp,
    trace,
};

/// How often a sign of life is sent.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// How long a handler may go on after it was cancelled.
const CANCEL_GRACE: Duration = Duration::from_secs(10);

/// How long a service that starts waits for a broker that does not answer.
const START_PATIENCE: Duration = Duration::from_secs(60);

/// Extra deliveries, beyond the service's attempts, for processes that died in the middle.
const CRASH_ALLOWANCE: u32 = 4;

/// Where a delivery stands in its stream and how often it was delivered.
#[derive(Debug, Clone)]
pub(crate) struct Delivered {
    pub(crate) stream: String,
    pub(crate) sequence: u64,
    pub(crate) attempt: u32,
}

/// A delivery that is ours to settle.
pub(super) struct Delivery {
    message: Message,
    subject: Option<Subject>,
    ticket: Ticket,
    delivered: Delivered,
    /// When the log acknowledged it.
    stored_at: Timestamp,
}

impl Delivery {
    /// What it is about, if its subject says so.
    pub(super) fn scope(&self) -> Option<&Scope> {
        Some(&self.subject.as_ref()?.scope)
    }

    /// Waits for `turn` and keeps the delivery alive meanwhile; hands it back and is `None` if
    /// `cancel` fires first.
    pub(super) async fn wait_for<T>(
        self,
        turn: impl Future<Output = T>,
        cancel: &CancellationToken,
    ) -> Option<(Self, T)> {
        tokio::select! {
            biased;
            turn = turn => Some((self, turn)),
            // Dropped unsettled, the ticket hands the delivery back.
            () = cancel.cancelled() => None,
            () = self.ticket.keep_alive(KEEP_ALIVE) => None,
        }
    }
}

pub(super) struct Runner<S> {
    pub(super) bus: Bus,
    service: Arc<S>,
    pub(super) policy: Policy,
    pub(super) stream: &'static str,
    family: Family,
    metrics: Metrics,
}

impl<S: Service> Runner<S> {
    pub(super) fn new(bus: Bus, service: Arc<S>) -> Result<Self> {
        let family = provision::family_of(S::Input::TYPES).ok_or_else(|| {
            BusError::Settings(format!(
                "service {} must react to facts of one stream",
                S::NAME
            ))
        })?;
        let policy = service.policy();
        let meters = bus.meters().clone();
        Ok(Self {
            bus,
            service,
            policy,
            stream: streams::of(family).name,
            family,
            metrics: Metrics::new(meters, S::NAME, policy.concurrency),
        })
    }

    /// Waits until the broker says whether the durable consumer is there. The provisioner makes it;
    /// a service may lack the right to.
    ///
    /// # Errors
    /// [`BusError::NotProvisioned`] if there is none; the broker's last word if it cannot tell for
    /// [`START_PATIENCE`]: an election takes a few seconds, a server's start a little longer.
    pub(super) async fn await_consumer(&self) -> Result<()> {
        let deadline = Instant::now() + START_PATIENCE;
        loop {
            match self.need_consumer().await {
                Err(error)
                    if !matches!(error, BusError::NotProvisioned { .. })
                        && Instant::now() < deadline =>
                {
                    tracing::warn!(
                        service = S::NAME,
                        error = chain(&error),
                        "the broker does not answer; trying again"
                    );
                    tokio::time::sleep(PULL_PAUSE).await;
                }
                found => return found,
            }
        }
    }

    async fn need_consumer(&self) -> Result<()> {
        if provision::has_consumer(&self.bus, self.stream, S::NAME).await? {
            return Ok(());
        }
        Err(BusError::NotProvisioned {
            what: format!("consumer {} of stream {}", S::NAME, self.stream),
        })
    }

    pub(super) fn captor(&self) -> Captor {
        Captor {
            bus: self.bus.clone(),
            service: S::NAME,
            family: self.family,
        }
    }

    /// After a failed pull: a pause, and a word if the consumer was lost.
    pub(super) async fn recover(&self, error: BusError, drain: &CancellationToken) {
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

    /// The right to settle a message; `None` for what is not a delivery of a stream.
    pub(super) fn admit(&self, message: Message) -> Option<Delivery> {
        let reply = message.reply.clone()?;
        let delivery = async_nats::jetstream::Message {
            message,
            context: self.bus.jetstream().clone(),
        };
        let read = delivery.info().map(|info| {
            let delivered = Delivered {
                stream: info.stream.to_owned(),
                sequence: info.stream_sequence,
                attempt: u32::try_from(info.delivered).unwrap_or(u32::MAX),
            };
            (delivered, timestamp(info.published))
        });
        let message = delivery.message;
        let Ok((delivered, stored_at)) = read else {
            tracing::error!(
                service = S::NAME,
                "a delivery does not say where it comes from"
            );
            return None;
        };
        let subject = subject::redriven_from(&message.subject)
            .parse::<Subject>()
            .ok();
        let template = self.template(subject.as_ref());
        Some(Delivery {
            ticket: Ticket::new(&self.bus, reply, S::NAME, template),
            message,
            subject,
            delivered,
            stored_at,
        })
    }

    fn template(&self, subject: Option<&Subject>) -> &'static str {
        subject.map_or(self.stream, |subject| template(subject.fact))
    }

    /// Handles a delivery and settles it.
    pub(super) async fn deliver(&self, delivery: Delivery, cancel: &CancellationToken) {
        let span = self.process_span(&delivery);
        if let Some(headers) = &delivery.message.headers {
            trace::follow(&span, headers);
            trace::link_redrive(&span, headers);
        }
        // The broker's clock may be ahead of ours.
        let waited = Timestamp::now().duration_since(delivery.stored_at);
        let _active = self.metrics.begins(
            self.template(delivery.subject.as_ref()),
            delivery.delivered.attempt,
            Duration::try_from(waited).unwrap_or_default(),
        );
        let result = self
            .process(delivery, cancel)
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

    fn process_span(&self, delivery: &Delivery) -> Span {
        let template = self.template(delivery.subject.as_ref());
        let message = &delivery.message;
        let id = message
            .headers
            .as_ref()
            .and_then(|headers| headers.get(header::ID));
        tracing::info_span!(
            "process",
            otel.name = format!("process {template}"),
            otel.kind = "consumer",
            otel.status_code = tracing::field::Empty,
            otel.status_description = tracing::field::Empty,
            error.r#type = tracing::field::Empty,
            service = S::NAME,
            messaging.system = "nats",
            messaging.operation.name = "process",
            messaging.operation.type = "process",
            messaging.consumer.group.name = S::NAME,
            messaging.destination.name = %message.subject,
            messaging.destination.template = template,
            messaging.message.id = id.map_or("", |id| id.as_str()),
            messaging.message.conversation_id =
                delivery.scope().map(Scope::correlation).unwrap_or_default(),
            colloquy.attempt = delivery.delivered.attempt,
        )
    }

    async fn process(&self, delivery: Delivery, cancel: &CancellationToken) -> Result<()> {
        let Delivery {
            ref message,
            ticket,
            ref delivered,
            ..
        } = delivery;
        let started = Instant::now();
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
        let audio_before = audio(&fact);
        let Some(input) = S::Input::from_fact(fact) else {
            return ticket.settle(Settlement::Ack).await;
        };
        let worked = tokio::select! {
            worked = self.work(input, &envelope, delivered.attempt, cancel, audio_before) => worked,
            () = ticket.keep_alive(KEEP_ALIVE) => Err(Failure::Cancelled),
        };
        let took = started.elapsed();
        self.metrics.processed(fact_type, &worked, took);
        match worked {
            Ok(stage) => {
                ticket.settle(Settlement::Ack).await?;
                self.metrics.handled();
                if let Some(audio) = stage {
                    self.metrics.staged(audio, took);
                }
                Ok(())
            }
            Err(Failure::Cancelled) => {
                Span::current().record("error.type", Failure::Cancelled.kind());
                ticket.settle(Settlement::Nak(Duration::ZERO)).await
            }
            Err(failure) => {
                self.fail(message, &envelope, ticket, delivered, &failure)
                    .await
            }
        }
    }

    /// Runs the handler and states what follows. Returns how much audio that is about, if the
    /// service is a stage of conversations.
    async fn work(
        &self,
        input: S::Input,
        envelope: &Envelope,
        attempt: u32,
        cancel: &CancellationToken,
        audio_before: Option<Duration>,
    ) -> std::result::Result<Option<Duration>, Failure> {
        let context = Context {
            envelope: envelope.clone(),
            artifacts: self.bus.artifacts(),
            attempt,
            cancel: cancel.child_token(),
            scratch: Arc::new(OnceLock::new()),
        };
        let mut stage = None;
        for fact in self.handle_in_time(input, &context).await? {
            stage = stage.or(audio(&fact)).or(audio_before);
            let follows = envelope.derive(S::NAME, fact.fact_type(), Timestamp::now());
            self.bus
                .state(&follows, &fact)
                .await
                .map_err(|error| match error {
                    BusError::Conflict { .. } => Failure::permanent(error),
                    other => Failure::retry(other),
                })?;
        }
        Ok(stage)
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
        trace::ended(&span, Some(failure.kind()));
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
