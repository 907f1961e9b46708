//! A service and its consumer: whether that is there, which deliveries are ours, and the span and the
//! figures that each is handled under.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_nats::Message;
use colloquy_contract::{
    Scope, Subject,
    envelope::header,
    facts::{FactInput, Family},
    streams,
    subject::{self, template},
};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span};

use super::{
    PULL_PAUSE, Policy, Service,
    captor::Captor,
    delivery::{Delivered, Delivery},
    metrics::Metrics,
};
use crate::{
    Bus, BusError, Result, error::chain, provision, settle::Ticket, time::timestamp, trace,
};

/// How long a service that starts waits for a broker that does not answer.
const START_PATIENCE: Duration = Duration::from_secs(60);

/// What runs a service.
pub(super) struct Runner<S> {
    pub(super) bus: Bus,
    pub(super) service: Arc<S>,
    pub(super) policy: Policy,
    pub(super) stream: &'static str,
    family: Family,
    pub(super) metrics: Metrics,
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
}
