//! Facts from a sequence on, and then as they are stated.

use async_nats::jetstream::{Context, consumer::pull};
use colloquy_contract::{Envelope, facts::Family, streams};
use futures::StreamExt;
use jiff::Timestamp;

use super::{Entry, Logged, READING, Unread, log_error, reading_from};
use crate::{Bus, Result, denied::apis, time::timestamp, trace};

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

    pub(crate) async fn next_message(&mut self) -> Result<Placed> {
        match self.messages.next().await {
            Some(Ok(message)) => Placed::new(message),
            Some(Err(error)) => Err(log_error(&self.what, error)),
            None => Err(log_error(&self.what, "the consumer ended")),
        }
    }
}

impl Bus {
    /// Facts that match the filters, from a stream sequence on, and then as they are stated.
    pub async fn follow(
        &self,
        family: Family,
        filters: Vec<String>,
        from_sequence: u64,
    ) -> Result<Follow> {
        let stream = streams::of(family).name;
        self.follow_stream(stream, filters, from_sequence).await
    }

    /// The same for any stream.
    pub(crate) async fn follow_stream(
        &self,
        stream: &str,
        filters: Vec<String>,
        from_sequence: u64,
    ) -> Result<Follow> {
        self.open(stream, reading_from(filters, from_sequence))
            .await
    }

    pub(super) async fn open(&self, stream: &str, config: pull::OrderedConfig) -> Result<Follow> {
        let needed = apis(READING, stream);
        let opening = open(self.jetstream(), stream, config);
        self.or_denied(&needed, opening).await
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

/// A message and its place in the log.
pub(crate) struct Placed {
    pub(crate) message: async_nats::Message,
    pub(crate) sequence: u64,
    pub(crate) pending: u64,
    /// When the stream took it.
    pub(crate) at: Timestamp,
}

impl Placed {
    fn new(message: async_nats::jetstream::Message) -> Result<Self> {
        let info = message
            .info()
            .map_err(|error| log_error("the message's place", error))?;
        let (sequence, pending) = (info.stream_sequence, info.pending);
        let at = timestamp(info.published);
        Ok(Self {
            message: message.message,
            sequence,
            pending,
            at,
        })
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let headers = self.message.headers.as_ref()?;
        headers.get(name).map(async_nats::HeaderValue::as_str)
    }

    pub(super) fn entry(&self) -> Entry {
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

    pub(super) fn unread(self) -> Unread {
        let header = |name: &&str| self.header(name).map(str::to_owned);
        Unread {
            sequence: self.sequence,
            headers: Envelope::HEADERS.iter().map(header).collect(),
            subject: self.message.subject.to_string(),
            payload: self.message.payload,
        }
    }
}
