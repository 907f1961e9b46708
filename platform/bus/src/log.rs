//! Reading facts back: the history of one thing, or everything from a sequence on.

use std::time::Duration;

use async_nats::jetstream::{
    Context,
    consumer::{DeliverPolicy, pull},
};
use colloquy_contract::{
    Envelope, Fact, Scope, envelope::EnvelopeError, facts::Family, streams, subject::template,
};
use futures::StreamExt;
use tracing::Span;

use crate::{Bus, BusError, Result, trace};

/// Most facts that a history may have; a conversation has about a dozen.
const MAX_HISTORY: usize = 1_000;

/// How long a history may take to read.
const HISTORY_TIMEOUT: Duration = Duration::from_secs(10);

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

/// Facts as they stand in the log and then as they are stated, in order, without gaps.
pub struct Follow {
    messages: pull::Ordered,
    what: String,
    backlog: u64,
}

impl Follow {
    /// How many facts were waiting when the stream was opened.
    pub const fn backlog(&self) -> u64 {
        self.backlog
    }

    /// The next fact. Waits for it; an error ends the stream, which can be opened again.
    pub async fn next(&mut self) -> Result<Logged> {
        Ok(self.next_entry().await?.fact?)
    }

    /// Whatever comes next. Waits for it; an error ends the stream, which can be opened again.
    /// Cancelling the wait loses nothing.
    pub async fn next_entry(&mut self) -> Result<Entry> {
        let message = match self.messages.next().await {
            Some(Ok(message)) => message,
            Some(Err(error)) => return Err(log_error(&self.what, error)),
            None => return Err(log_error(&self.what, "the consumer ended")),
        };
        read(&message)
    }
}

impl Bus {
    /// Every fact about one thing, oldest first.
    pub async fn history(&self, scope: &Scope) -> Result<Vec<Logged>> {
        let reading = async {
            let mut found = Vec::new();
            let filter = scope.history_filter();
            let family = family(scope);
            if !self.any(family, &filter).await? {
                return Ok(found);
            }
            let mut follow = self.follow(family, vec![filter], 1).await?;
            while found.len() < MAX_HISTORY {
                let logged = follow.next().await?;
                let last = logged.pending == 0;
                found.push(logged);
                if last {
                    break;
                }
            }
            Ok(found)
        };
        tokio::time::timeout(HISTORY_TIMEOUT, reading)
            .await
            .unwrap_or(Err(BusError::TimedOut {
                what: "reading a history",
                limit: HISTORY_TIMEOUT,
            }))
    }

    /// Facts that match the filters, from a stream sequence on, and then as they are stated.
    pub async fn follow(
        &self,
        family: Family,
        filters: Vec<String>,
        from_sequence: u64,
    ) -> Result<Follow> {
        let stream = streams::of(family).name;
        let config = pull::OrderedConfig {
            filter_subjects: filters,
            deliver_policy: DeliverPolicy::ByStartSequence {
                start_sequence: from_sequence.max(1),
            },
            ..pull::OrderedConfig::default()
        };
        open(self.jetstream(), stream, config).await
    }

    /// The sequence of the newest message of a family's stream; 0 if there is none.
    pub async fn last_sequence(&self, family: Family) -> Result<u64> {
        let name = streams::of(family).name;
        let stream = self
            .jetstream()
            .get_stream(name)
            .await
            .map_err(|error| log_error(name, error))?;
        Ok(stream.cached_info().state.last_sequence)
    }

    /// Whether any message matches the filter. One round trip.
    async fn any(&self, family: Family, filter: &str) -> Result<bool> {
        use async_nats::jetstream::stream::LastRawMessageErrorKind::NoMessageFound;
        let name = streams::of(family).name;
        let stream = self
            .jetstream()
            .get_stream_no_info(name)
            .await
            .map_err(|error| log_error(name, error))?;
        match stream.get_last_raw_message_by_subject(filter).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == NoMessageFound => Ok(false),
            Err(error) => Err(log_error(name, error)),
        }
    }
}

const fn family(scope: &Scope) -> Family {
    match scope {
        Scope::Conversation { .. } => Family::Conversation,
        Scope::Account { .. } => Family::Account,
    }
}

async fn open(jetstream: &Context, stream: &str, config: pull::OrderedConfig) -> Result<Follow> {
    let consumer = jetstream
        .create_consumer_on_stream(config, stream)
        .await
        .map_err(|error| log_error(stream, error))?;
    let backlog = consumer.cached_info().num_pending;
    let messages = consumer
        .messages()
        .await
        .map_err(|error| log_error(stream, error))?;
    Ok(Follow {
        messages,
        what: stream.to_owned(),
        backlog,
    })
}

fn read(message: &async_nats::jetstream::Message) -> Result<Entry> {
    let info = message
        .info()
        .map_err(|error| log_error("the message's place", error))?;
    let (sequence, pending) = (info.stream_sequence, info.pending);
    let headers = message.headers.as_ref();
    let get = |name: &'static str| headers?.get(name).map(|value| value.as_str());
    let fact = Envelope::read(&message.subject, get, &message.payload).map(|(envelope, fact)| {
        let origin = headers.map(trace::extract).unwrap_or_default();
        Logged {
            envelope,
            fact,
            sequence,
            pending,
            origin,
        }
    });
    Ok(Entry {
        sequence,
        pending,
        fact,
    })
}

fn log_error<E>(what: &str, source: E) -> BusError
where
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    BusError::Log {
        what: what.to_owned(),
        source: source.into(),
    }
}
