//! One attempt at a delivery, from its bytes to its settlement.
//!
//! Promise: it is settled as done only when all that follows from it is acknowledged. A handler that
//! fails, panics or takes too long is tried again after a pause that grows; after the last attempt, a
//! full copy of the message is kept before it is terminated.

use std::{
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use async_nats::Message;
use colloquy_contract::{Envelope, Fact, facts::FactInput};
use jiff::Timestamp;
use rand::Rng;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span};

use super::{
    Context, Failure, Policy, Service,
    delivery::{Delivered, Delivery, KEEP_ALIVE},
    metrics::audio,
    runner::Runner,
};
use crate::{
    BusError, Result,
    error::chain,
    settle::{Settlement, Ticket},
    trace,
};

/// How long a handler may go on after it was cancelled.
const CANCEL_GRACE: Duration = Duration::from_secs(10);

/// Extra deliveries, beyond the service's attempts, for what is not its fault: processes that died in
/// the middle, and a broker that did not acknowledge what follows.
const ALLOWANCE: u32 = 4;

impl<S: Service> Runner<S> {
    /// Reads a delivery, has it handled, and settles it.
    pub(super) async fn process(
        &self,
        delivery: Delivery,
        cancel: &CancellationToken,
    ) -> Result<()> {
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
        if delivered.attempt > self.policy.attempts + ALLOWANCE {
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
                    other => Failure::Unstated {
                        reason: chain(&other),
                    },
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
        let most = match failure {
            Failure::Permanent { .. } => 0,
            Failure::Unstated { .. } => self.policy.attempts + ALLOWANCE,
            Failure::Retry { .. } | Failure::Cancelled => self.policy.attempts,
        };
        if delivered.attempt >= most {
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
