//! Settling a delivery: acknowledge, hand back, terminate, and keep alive while it is worked on.
//!
//! A settlement is a request, so that the broker confirms it. A delivery that is dropped without
//! one is handed back.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_nats::{Client, StatusCode, Subject, jetstream::AckKind};
use bytes::Bytes;
use opentelemetry::KeyValue;
use tokio::time::MissedTickBehavior;
use tracing::Instrument;

use crate::{
    Bus, BusError, Result,
    metrics::{Meters, error_type},
    trace,
};

/// How often a settlement is tried; the ack wait redelivers afterwards.
const SETTLE_ATTEMPTS: u32 = 3;

/// What becomes of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settlement {
    /// Done.
    Ack,
    /// Try again after a while.
    Nak(Duration),
    /// Never again.
    Term,
}

impl Settlement {
    const fn name(self) -> &'static str {
        match self {
            Self::Ack => "ack",
            Self::Nak(_) => "nak",
            Self::Term => "term",
        }
    }

    fn payload(self) -> Bytes {
        match self {
            Self::Ack => AckKind::Ack.into(),
            // A bare NAK redelivers at once, so a zero delay is one.
            Self::Nak(Duration::ZERO) => AckKind::Nak(None).into(),
            Self::Nak(delay) => AckKind::Nak(Some(delay)).into(),
            Self::Term => AckKind::Term.into(),
        }
    }
}

/// The right to settle one delivery. Dropped unsettled, it hands the delivery back.
pub(crate) struct Ticket {
    client: Client,
    meters: Arc<Meters>,
    reply: Option<Subject>,
    service: &'static str,
    template: &'static str,
}

impl Ticket {
    /// To settle what came to a service, from a destination of this template.
    pub(crate) fn new(
        bus: &Bus,
        reply: Subject,
        service: &'static str,
        template: &'static str,
    ) -> Self {
        Self {
            client: bus.client().clone(),
            meters: bus.meters().clone(),
            reply: Some(reply),
            service,
            template,
        }
    }

    /// Settles the delivery and awaits the broker's confirmation.
    pub(crate) async fn settle(mut self, settlement: Settlement) -> Result<()> {
        let Some(reply) = self.reply.take() else {
            return Ok(());
        };
        let span = tracing::info_span!(
            "settle",
            otel.name = format!("{} {}", settlement.name(), self.template),
            otel.kind = "client",
            messaging.system = "nats",
            messaging.operation.name = settlement.name(),
            messaging.operation.type = "settle",
            messaging.consumer.group.name = self.service,
            messaging.destination.template = self.template,
            error.r#type = tracing::field::Empty,
            otel.status_code = tracing::field::Empty,
        );
        let started = Instant::now();
        let requesting = self.request(reply, settlement).instrument(span.clone());
        let settled = requesting.await;
        let error = settled.as_ref().err().map(error_type);
        trace::ended(&span, error);
        let place = KeyValue::new("messaging.destination.template", self.template);
        self.meters.asked(settlement.name(), place, started, error);
        settled
    }

    async fn request(&self, reply: Subject, settlement: Settlement) -> Result<()> {
        let mut attempt = 1;
        loop {
            let source: Box<dyn std::error::Error + Send + Sync> = match self
                .client
                .request(reply.clone(), settlement.payload())
                .await
            {
                Ok(answer) => match answer.status {
                    None | Some(StatusCode::OK) => return Ok(()),
                    Some(status) => format!("the broker answered {status}").into(),
                },
                Err(error) => error.into(),
            };
            if attempt == SETTLE_ATTEMPTS {
                return Err(BusError::Settle {
                    kind: settlement.name(),
                    source,
                });
            }
            attempt += 1;
        }
    }

    /// Tells the broker again and again that the delivery is being worked on. Never returns.
    pub(crate) async fn keep_alive(&self, every: Duration) {
        let Some(reply) = self.reply.clone() else {
            return std::future::pending().await;
        };
        let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + every, every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Err(error) = self
                .client
                .publish(reply.clone(), AckKind::Progress.into())
                .await
            {
                tracing::warn!(%error, "cannot tell the broker that work goes on");
            }
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let Some(reply) = self.reply.take() else {
            return;
        };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let client = self.client.clone();
        // Best effort: without it the ack wait hands the delivery back.
        drop(runtime.spawn(async move { client.publish(reply, AckKind::Nak(None).into()).await }));
    }
}
