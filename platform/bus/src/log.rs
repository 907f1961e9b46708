//! Reading facts back: the history of one thing, or everything from a sequence on.

use std::time::Duration;

use async_nats::jetstream::{
    Context,
    consumer::{DeliverPolicy, pull},
    stream::LastRawMessageErrorKind,
};
use bytes::Bytes;
use colloquy_contract::{
    Envelope, Fact, Scope, Subject, envelope::EnvelopeError, facts::Family, streams,
    subject::template,
};
use futures::StreamExt;
use opentelemetry::trace::{SpanContext, TraceContextExt};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::{
    Bus, BusError, Result,
    denied::{api, apis},
    error::chain,
    trace,
};

/// Most facts that a history may have; a conversation has about a dozen.
const MAX_HISTORY: usize = 1_000;

/// Calls of the broker's API that reading a stream through a consumer takes.
const READING: &[&str] = &["CONSUMER.CREATE", "CONSUMER.INFO", "CONSUMER.MSG.NEXT"];

/// Pause before a broker that did not answer is asked again.
const LOG_PAUSE: Duration = Duration::from_secs(1);

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

/// Facts as they stand in the log and then as they are stated, in order, without gaps.
pub struct Follow {
    messages: pull::Ordered,
    what: String,
    backlog: u64,
    jetstream: Context,
    consumer: String,
}

impl Follow {
    /// How many facts were waiting when the stream was opened.
    pub const fn backlog(&self) -> u64 {
        self.backlog
    }

    /// Ends it and gives its consumer back at once. One that is dropped instead is given back by
    /// the broker, half a minute later.
    pub async fn close(self) {
        drop(self.messages);
        let stream = self.jetstream.get_stream_no_info(&self.what).await;
        if let Ok(stream) = stream {
            // The broker does it by itself later.
            let _ = stream.delete_consumer(&self.consumer).await;
        }
    }

    /// The next fact. Waits for it; an error ends the stream, which can be opened again.
    pub async fn next(&mut self) -> Result<Logged> {
        Ok(self.next_entry().await?.fact?)
    }

    /// Whatever comes next. Waits for it; an error ends the stream, which can be opened again.
    /// Cancelling the wait loses nothing.
    pub async fn next_entry(&mut self) -> Result<Entry> {
        self.next_message().await.map(|message| message.entry())
    }

    async fn next_message(&mut self) -> Result<Placed> {
        match self.messages.next().await {
            Some(Ok(message)) => Placed::new(message),
            Some(Err(error)) => Err(log_error(&self.what, error)),
            None => Err(log_error(&self.what, "the consumer ended")),
        }
    }
}

/// How long the next fact of a replay may take before the log is asked again whether there is one.
const REPLAY_QUIET: Duration = Duration::from_secs(5);

/// How often in a row a replay may fail to read before its caller is told.
const REPLAY_ATTEMPTS: u32 = 5;

/// The facts that stand in the log, in order, and then its end. What is stated meanwhile may come
/// or not; what is purged meanwhile does not hold it up.
pub struct Replay {
    bus: Bus,
    family: Family,
    filters: Vec<String>,
    next_sequence: u64,
    /// The end of the log when the replay began.
    until: Option<u64>,
    follow: Option<Follow>,
    pending: u64,
}

impl Replay {
    /// How many facts are still to come, as of the last that came.
    pub const fn pending(&self) -> u64 {
        self.pending
    }

    /// Whatever comes next; `None` at the end of the log. Reading goes on where it was after an
    /// error.
    pub async fn next_entry(&mut self) -> Result<Option<Entry>> {
        let next = self.next_message().await?;
        Ok(next.map(|message| message.entry()))
    }

    /// The same without reading it: for what is to be read later.
    pub async fn next_unread(&mut self) -> Result<Option<Unread>> {
        let next = self.next_message().await?;
        Ok(next.map(Placed::unread))
    }

    async fn next_message(&mut self) -> Result<Option<Placed>> {
        let mut attempt = 1;
        loop {
            match self.step().await {
                Ok(Step::Message(message)) => return Ok(Some(message)),
                Ok(Step::End) => return Ok(None),
                // The log itself says what is left, each time it is opened.
                Ok(Step::Again) => {}
                Err(error) if attempt == REPLAY_ATTEMPTS => return Err(error),
                Err(error) => {
                    tracing::warn!(
                        attempt,
                        error = chain(&error),
                        "the log cannot be read; trying again"
                    );
                    tokio::time::sleep(Duration::from_millis(100) * 2_u32.pow(attempt)).await;
                    self.follow = None;
                    attempt += 1;
                }
            }
        }
    }

    async fn step(&mut self) -> Result<Step> {
        let until = match self.until {
            Some(until) => until,
            None => *self
                .until
                .insert(self.bus.last_sequence(self.family).await?),
        };
        if self.next_sequence > until {
            return Ok(self.end().await);
        }
        let Some(follow) = &mut self.follow else {
            let opening = self
                .bus
                .follow(self.family, self.filters.clone(), self.next_sequence);
            let follow = opening.await?;
            self.pending = follow.backlog();
            self.follow = Some(follow);
            return Ok(match self.pending {
                0 => self.end().await,
                _ => Step::Again,
            });
        };
        if self.pending == 0 {
            return Ok(self.end().await);
        }
        match tokio::time::timeout(REPLAY_QUIET, follow.next_message()).await {
            Ok(message) => {
                let message = message?;
                // A reader that was opened again may begin a little earlier.
                if message.sequence < self.next_sequence {
                    return Ok(Step::Again);
                }
                self.next_sequence = message.sequence + 1;
                self.pending = message.pending;
                Ok(Step::Message(message))
            }
            Err(_) => {
                self.follow = None;
                Ok(Step::Again)
            }
        }
    }
}

impl Replay {
    async fn end(&mut self) -> Step {
        if let Some(follow) = self.follow.take() {
            follow.close().await;
        }
        Step::End
    }
}

#[allow(
    clippy::large_enum_variant,
    reason = "it lives for one call; a box would cost each message an allocation"
)]
enum Step {
    Message(Placed),
    End,
    Again,
}

impl Bus {
    /// Every fact about one thing, oldest first.
    ///
    /// # Errors
    /// If one of the messages is not a fact that this program can read, among others; see
    /// [`Bus::history_entries`].
    pub async fn history(&self, scope: &Scope) -> Result<Vec<Logged>> {
        let entries = self.history_entries(scope).await?;
        entries.into_iter().map(|entry| Ok(entry.fact?)).collect()
    }

    /// Whatever stands in the log about one thing, oldest first.
    ///
    /// They are looked up one by one at the stream's leader, so that everything acknowledged is
    /// among them. No consumer is made for it: those outlive their use for a while, and the broker
    /// has room for so many.
    pub async fn history_entries(&self, scope: &Scope) -> Result<Vec<Entry>> {
        let name = streams::of(family(scope)).name;
        let reading = async {
            let stream = self
                .jetstream()
                .get_stream_no_info(name)
                .await
                .map_err(|error| log_error(name, error))?;
            let filter = scope.history_filter();
            let mut found: Vec<Entry> = Vec::new();
            let mut from = 1;
            while found.len() < MAX_HISTORY {
                let next = stream
                    .raw_message_builder()
                    .sequence(from)
                    .next_by_subject(&filter)
                    .send()
                    .await;
                let message = match next {
                    Ok(message) => message,
                    Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => break,
                    Err(error) => return Err(log_error(name, error)),
                };
                from = message.sequence + 1;
                found.push(looked_up(&message));
            }
            let mut behind = found.len() as u64;
            for entry in &mut found {
                behind -= 1;
                entry.pending = behind;
                if let Ok(logged) = &mut entry.fact {
                    logged.pending = behind;
                }
            }
            Ok(found)
        };
        let needed = api("STREAM.MSG.GET", name);
        tokio::time::timeout(HISTORY_TIMEOUT, self.or_denied(&needed, reading))
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
        self.open(stream, config).await
    }

    /// The facts that match the filters and stand in the log now, from a stream sequence on.
    pub fn replay(&self, family: Family, filters: Vec<String>, from_sequence: u64) -> Replay {
        Replay {
            bus: self.clone(),
            family,
            filters,
            next_sequence: from_sequence,
            until: None,
            follow: None,
            pending: 0,
        }
    }

    /// How many messages match the filters from a stream sequence on.
    pub async fn waiting(
        &self,
        family: Family,
        filters: Vec<String>,
        from_sequence: u64,
    ) -> Result<u64> {
        let config = pull::OrderedConfig {
            filter_subjects: filters,
            deliver_policy: DeliverPolicy::ByStartSequence {
                start_sequence: from_sequence.max(1),
            },
            ..pull::OrderedConfig::default()
        };
        self.count(family, config).await
    }

    /// The sequence from which on everything was stored at or after a time.
    pub async fn sequence_since(&self, family: Family, time: jiff::Timestamp) -> Result<u64> {
        let name = streams::of(family).name;
        // Taken first: whatever is stored from here on is later than the time, or is counted.
        let last = self.last_sequence(family).await?;
        let start_time = async_nats::datetime::parse_rfc3339(&time.to_string())
            .map_err(|error| log_error(name, error))?;
        let config = pull::OrderedConfig {
            deliver_policy: DeliverPolicy::ByStartTime { start_time },
            headers_only: true,
            ..pull::OrderedConfig::default()
        };
        let mut follow = self.open(name, config).await?;
        if follow.backlog() == 0 {
            return Ok(last + 1);
        }
        let first = tokio::time::timeout(HISTORY_TIMEOUT, follow.messages.next())
            .await
            .map_err(|_| BusError::TimedOut {
                what: "reading the log from a time",
                limit: HISTORY_TIMEOUT,
            })?;
        match first {
            Some(Ok(message)) => message
                .info()
                .map(|info| info.stream_sequence)
                .map_err(|error| log_error(name, error)),
            Some(Err(error)) => Err(log_error(name, error)),
            None => Err(log_error(name, "the consumer ended")),
        }
    }

    async fn open(&self, stream: &str, config: pull::OrderedConfig) -> Result<Follow> {
        let needed = apis(READING, stream);
        let opening = open(self.jetstream(), stream, config);
        self.or_denied(&needed, opening).await
    }

    async fn count(&self, family: Family, config: pull::OrderedConfig) -> Result<u64> {
        let name = streams::of(family).name;
        let stream = self
            .jetstream()
            .get_stream_no_info(name)
            .await
            .map_err(|error| log_error(name, error))?;
        let creating = async {
            let created = stream.create_consumer(config).await;
            created.map_err(|error| log_error(name, error))
        };
        let needed = apis(READING, name);
        let consumer = self.or_denied(&needed, creating).await?;
        let info = consumer.cached_info();
        let waiting = info.num_pending;
        // The broker drops it by itself after a while if this is lost.
        let _ = stream.delete_consumer(&info.name).await;
        Ok(waiting)
    }

    /// The sequence of the newest message of a family's stream; 0 if there is none.
    pub async fn last_sequence(&self, family: Family) -> Result<u64> {
        let name = streams::of(family).name;
        let looking = async {
            let stream = self.jetstream().get_stream(name).await;
            stream.map_err(|error| log_error(name, error))
        };
        let needed = api("STREAM.INFO", name);
        let stream = self.or_denied(&needed, looking).await?;
        Ok(stream.cached_info().state.last_sequence)
    }

    /// The same, once the broker can say it; `None` if `stop` fires before.
    pub async fn await_last_sequence(
        &self,
        family: Family,
        stop: &CancellationToken,
    ) -> Option<u64> {
        loop {
            match self.last_sequence(family).await {
                Ok(last) => return Some(last),
                Err(error) => {
                    let error = chain(&error);
                    tracing::warn!(error, "the log cannot be read; trying again");
                }
            }
            tokio::select! {
                () = stop.cancelled() => return None,
                () = tokio::time::sleep(LOG_PAUSE) => {}
            }
        }
    }

    /// Whether any message matches the filter. One round trip.
    pub async fn stands(&self, family: Family, filter: &str) -> Result<bool> {
        let name = streams::of(family).name;
        let stream = self
            .jetstream()
            .get_stream_no_info(name)
            .await
            .map_err(|error| log_error(name, error))?;
        let looking = async {
            match stream.get_last_raw_message_by_subject(filter).await {
                Ok(_) => Ok(true),
                Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(false),
                Err(error) => Err(log_error(name, error)),
            }
        };
        let needed = api("STREAM.MSG.GET", name);
        self.or_denied(&needed, looking).await
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
    let info = consumer.cached_info();
    let (backlog, name) = (info.num_pending, info.name.clone());
    let messages = consumer
        .messages()
        .await
        .map_err(|error| log_error(stream, error))?;
    Ok(Follow {
        messages,
        what: stream.to_owned(),
        backlog,
        jetstream: jetstream.clone(),
        consumer: name,
    })
}

fn looked_up(message: &async_nats::jetstream::message::StreamMessage) -> Entry {
    let get = |name: &'static str| Some(message.headers.get(name)?.as_str());
    let read = Envelope::read(&message.subject, get, &message.payload);
    Entry {
        sequence: message.sequence,
        pending: 0,
        fact: read.map(|(envelope, fact)| Logged {
            envelope,
            fact,
            sequence: message.sequence,
            pending: 0,
            origin: trace::extract(&message.headers),
            redrive: trace::redrive(&message.headers),
        }),
    }
}

/// A message and its place in the log.
struct Placed {
    message: async_nats::Message,
    sequence: u64,
    pending: u64,
}

impl Placed {
    fn new(message: async_nats::jetstream::Message) -> Result<Self> {
        let info = message
            .info()
            .map_err(|error| log_error("the message's place", error))?;
        let (sequence, pending) = (info.stream_sequence, info.pending);
        Ok(Self {
            message: message.message,
            sequence,
            pending,
        })
    }

    fn header(&self, name: &str) -> Option<&str> {
        let headers = self.message.headers.as_ref()?;
        headers.get(name).map(async_nats::HeaderValue::as_str)
    }

    fn entry(&self) -> Entry {
        let Self {
            sequence, pending, ..
        } = *self;
        let get = |name: &'static str| self.header(name);
        let read = Envelope::read(&self.message.subject, get, &self.message.payload);
        let fact = read.map(|(envelope, fact)| {
            let headers = self.message.headers.as_ref();
            Logged {
                envelope,
                fact,
                sequence,
                pending,
                origin: headers.map(trace::extract).unwrap_or_default(),
                redrive: headers.and_then(trace::redrive),
            }
        });
        Entry {
            sequence,
            pending,
            fact,
        }
    }

    fn unread(self) -> Unread {
        let header = |name: &&str| self.header(name).map(str::to_owned);
        Unread {
            sequence: self.sequence,
            headers: Envelope::HEADERS.iter().map(header).collect(),
            subject: self.message.subject.to_string(),
            payload: self.message.payload,
        }
    }
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
