//! Reading facts back: the history of one thing, everything from a sequence on, or where something
//! stands.

mod follow;
mod history;
mod place;
mod replay;

use async_nats::jetstream::{
    consumer::{DeliverPolicy, pull},
    stream::Stream,
};
use bytes::Bytes;
use colloquy_contract::{
    Envelope, Fact, Scope, Subject, envelope::EnvelopeError, subject::template,
};
use opentelemetry::trace::{SpanContext, TraceContextExt};
use serde::{Deserialize, Serialize};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::{Bus, BusError, Result, trace};

pub use follow::Follow;
pub use replay::Replay;

pub(crate) use follow::Placed;

/// Calls of the broker's API that reading a stream through a consumer takes.
const READING: &[&str] = &["CONSUMER.CREATE", "CONSUMER.INFO", "CONSUMER.MSG.NEXT"];

/// A fact in the log.
#[derive(Debug, Clone)]
pub struct Logged {
    /// Its envelope.
    pub envelope: Envelope,
    /// Its data.
    pub fact: Fact,
    /// Its sequence in the stream.
    pub sequence: u64,
    /// How many facts that match are behind it.
    pub pending: u64,
    /// The trace context that its publisher wrote.
    origin: opentelemetry::Context,
    /// The redrive that gave it back, if one did.
    redrive: Option<SpanContext>,
}

impl Logged {
    /// A `process` span that continues the trace of whoever stated the fact, for services that
    /// read the log themselves instead of running in the worker kit.
    pub fn process_span(&self, service: &str) -> Span {
        let template = template(self.envelope.fact_type);
        let span = tracing::info_span!(
            "process",
            otel.name = format!("process {template}"),
            otel.kind = "consumer",
            service,
            messaging.system = "nats",
            messaging.operation.name = "process",
            messaging.operation.type = "process",
            messaging.consumer.group.name = service,
            messaging.destination.template = %template,
            messaging.message.id = %self.envelope.id,
            messaging.message.conversation_id = %self.envelope.scope.correlation(),
        );
        trace::continue_from(&span, self.origin.clone());
        if let Some(redrive) = &self.redrive {
            span.add_link(redrive.clone());
        }
        span
    }

    /// The span of stating the fact anew; it links to whoever stated it first.
    pub(crate) fn reprocess_span(&self) -> Span {
        let span = tracing::info_span!(
            "reprocess",
            otel.name = "reprocess",
            messaging.message.conversation_id = %self.envelope.scope.correlation(),
        );
        let publisher = self.origin.span().span_context().clone();
        if publisher.is_valid() {
            span.add_link(publisher);
        }
        span
    }
}

/// What stands at one place of the log: a fact, or something that this program cannot read.
#[derive(Debug)]
pub struct Entry {
    /// Its sequence in the stream.
    pub sequence: u64,
    /// How many messages that match are behind it.
    pub pending: u64,
    /// The fact, or why it is none.
    pub fact: std::result::Result<Logged, EnvelopeError>,
}

/// A message of the log as it stands, to be kept somewhere and read later.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Unread {
    /// Its sequence in the stream.
    pub sequence: u64,
    subject: String,
    /// Of [`Envelope::HEADERS`], in that order.
    headers: Vec<Option<String>>,
    payload: Bytes,
}

impl Unread {
    /// What it is about, if its subject says so.
    pub fn scope(&self) -> std::result::Result<Scope, EnvelopeError> {
        Ok(self.subject.parse::<Subject>()?.scope)
    }

    /// The fact, or why it is none.
    pub fn read(&self) -> std::result::Result<(Envelope, Fact), EnvelopeError> {
        let get = |name: &'static str| {
            let place = Envelope::HEADERS.iter().position(|known| *known == name)?;
            self.headers.get(place)?.as_deref()
        };
        Envelope::read(&self.subject, get, &self.payload)
    }
}

impl Bus {
    /// A stream of this name, to be asked something; whether there is one shows then.
    pub(crate) async fn stream_of(&self, name: &str) -> Result<Stream<()>> {
        self.jetstream()
            .get_stream_no_info(name)
            .await
            .map_err(|error| log_error(name, error))
    }
}

/// What a consumer is made with that reads what matches, in order, from a stream sequence on.
pub(crate) fn reading_from(filters: Vec<String>, from_sequence: u64) -> pull::OrderedConfig {
    pull::OrderedConfig {
        filter_subjects: filters,
        deliver_policy: DeliverPolicy::ByStartSequence {
            start_sequence: from_sequence.max(1),
        },
        ..pull::OrderedConfig::default()
    }
}

pub(crate) fn log_error<E>(what: &str, source: E) -> BusError
where
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    BusError::Log {
        what: what.to_owned(),
        source: source.into(),
    }
}
