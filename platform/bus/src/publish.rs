//! Stating facts: once for good, acknowledged, with bounded retries.
//!
//! A fact's subject may hold one message of each revision, guarded by
//! `Nats-Expected-Last-Subject-Sequence`. If the one that stands there has our id, we have stated it
//! before. If it has a higher revision, ours is superseded and need not be stated. If it has a lower
//! one, ours follows it. If it has the same one and another id, somebody stated something else, and
//! that is a conflict. Unlike the broker's duplicate window this holds for as long as the
//! log does. A fact that may be stated again (`conversation.failed`, after it was redriven) is
//! guarded by the sequence of the last one instead.

mod commit;

use std::time::{Duration, Instant};

use async_nats::{
    HeaderMap, HeaderName,
    header::{NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, NATS_EXPECTED_STREAM, NATS_MESSAGE_ID},
    jetstream::{
        context::{PublishError, PublishErrorKind},
        message::PublishMessage,
        stream::LastRawMessageErrorKind,
    },
};
use bytes::Bytes;
use colloquy_contract::{
    Envelope, Fact, FactType, Scope,
    envelope::{EnvelopeError, FIRST_REVISION, header},
    facts::FactData,
    streams,
    subject::{SubjectError, template},
};
use jiff::Timestamp;
use tracing::{Instrument, Span};

use commit::Entry;
pub(crate) use commit::Rows;

use crate::{Bus, BusError, Result, connect::ACK_TIMEOUT, metrics::error_type, trace};

/// How often a publish is tried before the caller is told.
const PUBLISH_ATTEMPTS: u32 = 5;

/// JetStream's code for a wrong expected sequence on a replicated stream.
const WRONG_LAST_SEQUENCE_CONSTANT: u64 = 10_164;

/// A fact that stands in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stated {
    /// Its sequence in the stream.
    pub sequence: u64,
    /// Whether it stood there before.
    pub repeated: bool,
}

impl Bus {
    /// States a fact that no other fact caused.
    ///
    /// For the same `id` it is one fact, however often it is stated; see [`Bus::state`].
    pub async fn state_first<D: FactData>(
        &self,
        service: &str,
        scope: Scope,
        data: D,
    ) -> Result<Stated> {
        let envelope = Envelope::first(service, scope, D::TYPE, Timestamp::now());
        self.state(&envelope, &data.into()).await
    }

    /// States a fact: `Ok` once the stream has acknowledged it, now or earlier.
    ///
    /// # Errors
    /// [`BusError::Conflict`] if its subject holds another fact; [`BusError::Publish`] if there was
    /// no acknowledgement in time, in which case stating it again is safe.
    pub async fn state(&self, envelope: &Envelope, fact: &Fact) -> Result<Stated> {
        let subject = envelope
            .subject()
            .ok_or(EnvelopeError::Subject(SubjectError::Shape))?
            .to_string();
        let template = template(envelope.fact_type);
        let span = tracing::info_span!(
            "publish",
            otel.name = format!("publish {template}"),
            otel.kind = "producer",
            messaging.system = "nats",
            messaging.operation.name = "publish",
            messaging.operation.type = "send",
            messaging.destination.name = %subject,
            messaging.destination.template = template,
            messaging.message.id = %envelope.id,
            messaging.message.conversation_id = envelope.scope.correlation(),
            error.r#type = tracing::field::Empty,
            otel.status_code = tracing::field::Empty,
        );
        let started = Instant::now();
        let payload = Bytes::from(fact.to_json().map_err(EnvelopeError::Data)?);
        let message = Outgoing {
            subject: &subject,
            payload,
            envelope,
            span: &span,
            stream: streams::of_fact(envelope.fact_type).name,
        };
        let needs = |denied: &str| {
            let looked_up = || denied.strip_prefix("$JS.API.STREAM.MSG.GET.");
            denied == subject || looked_up() == Some(message.stream)
        };
        let stating = self.state_until_acknowledged(&message);
        let stating = self.denials().unless(needs, stating);
        let stated = stating.instrument(span.clone()).await;
        let error = stated.as_ref().err().map(error_type);
        trace::ended(&span, error);
        self.meters().stated(template, started, error);
        stated
    }

    async fn state_until_acknowledged(&self, message: &Outgoing<'_>) -> Result<Stated> {
        let fact_type = message.envelope.fact_type;
        let revision = message.envelope.revision;
        let mut expected = 0;
        let mut attempt = 1;
        loop {
            match self.publish_once(message, expected).await {
                Ok(stated) => return Ok(stated),
                Err(error) if is_conflict(&error) => {
                    let standing = match self.last_on_subject(message).await {
                        Ok(standing) => standing,
                        // A leader may be elected just now.
                        Err(error) if attempt < PUBLISH_ATTEMPTS => {
                            tracing::warn!(%fact_type, attempt, %error, "what stands there is unknown; trying again");
                            pause(attempt).await;
                            attempt += 1;
                            continue;
                        }
                        Err(error) => return Err(error),
                    };
                    match standing {
                        // Ours, or a newer revision that supersedes it.
                        Some(standing)
                            if standing.id == message.envelope.id.to_string()
                                || standing.revision > revision =>
                        {
                            return Ok(Stated {
                                sequence: standing.sequence,
                                repeated: true,
                            });
                        }
                        Some(standing) if standing.revision < revision || may_repeat(fact_type) => {
                            expected = standing.sequence;
                        }
                        Some(_) => {
                            return Err(BusError::Conflict {
                                what: fact_type.to_string(),
                            });
                        }
                        // It was purged in between.
                        None => expected = 0,
                    }
                    if attempt == PUBLISH_ATTEMPTS {
                        return Err(publish_error(fact_type.as_str(), attempt, error));
                    }
                }
                Err(error) if attempt == PUBLISH_ATTEMPTS || !is_transient(&error) => {
                    return Err(publish_error(fact_type.as_str(), attempt, error));
                }
                Err(error) => {
                    tracing::warn!(%fact_type, attempt, %error, "no acknowledgement; trying again");
                    pause(attempt).await;
                }
            }
            attempt += 1;
        }
    }

    async fn publish_once(
        &self,
        message: &Outgoing<'_>,
        expected: u64,
    ) -> std::result::Result<Stated, PublishError> {
        let entry = Entry {
            subject: message.subject.to_owned(),
            headers: message.headers(expected),
            payload: message.payload.clone(),
        };
        let acknowledged = match self.rows() {
            Some(rows) => rows.of(message.stream).publish(self, entry).await?,
            None => commit::publish_single(self, entry).await?,
        };
        Ok(Stated {
            sequence: acknowledged.sequence,
            repeated: acknowledged.duplicate,
        })
    }

    async fn last_on_subject(&self, message: &Outgoing<'_>) -> Result<Option<Standing>> {
        let unreadable = |source| BusError::Log {
            what: "the fact's subject".to_owned(),
            source,
        };
        let stream = self.jetstream().get_stream_no_info(message.stream).await;
        let stream = stream.map_err(|error| unreadable(error.into()))?;
        match stream
            .get_last_raw_message_by_subject(message.subject)
            .await
        {
            Ok(message) => {
                let get = |name: &str| message.headers.get(name).map(|value| value.as_str());
                Ok(Some(Standing {
                    id: get(header::ID).unwrap_or_default().to_owned(),
                    revision: get(header::REVISION)
                        .and_then(|revision| revision.parse().ok())
                        .unwrap_or(FIRST_REVISION),
                    sequence: message.sequence,
                }))
            }
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
            Err(error) => Err(unreadable(error.into())),
        }
    }

    /// Publishes and awaits the stream's acknowledgement, within [`ACK_TIMEOUT`].
    pub(crate) async fn send(
        &self,
        subject: String,
        publish: PublishMessage,
    ) -> std::result::Result<async_nats::jetstream::publish::PublishAck, PublishError> {
        let publishing = async { self.jetstream().send_publish(subject, publish).await?.await };
        tokio::time::timeout(ACK_TIMEOUT, publishing)
            .await
            .unwrap_or_else(|_| Err(PublishError::new(PublishErrorKind::TimedOut)))
    }
}

struct Outgoing<'a> {
    subject: &'a str,
    payload: Bytes,
    envelope: &'a Envelope,
    span: &'a Span,
    stream: &'static str,
}

impl Outgoing<'_> {
    /// Its headers, with the guard that its subject stands at `expected`. Made for each attempt:
    /// there is seldom another, and a copy kept for it would cost as much.
    fn headers(&self, expected: u64) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in self.envelope.headers() {
            headers.insert(HeaderName::from_static(name), value);
        }
        trace::inject(self.span, &mut headers);
        headers.insert(NATS_MESSAGE_ID, self.envelope.id.to_string());
        headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, expected.to_string());
        headers.insert(NATS_EXPECTED_STREAM, self.stream);
        headers
    }
}

/// Whether a fact may be stated several times for the same conversation.
const fn may_repeat(fact: FactType) -> bool {
    matches!(fact, FactType::ConversationFailed)
}

/// Whether something else stood on the subject than what was expected.
pub(crate) fn is_conflict(error: &PublishError) -> bool {
    match error.kind() {
        PublishErrorKind::WrongLastSequence => true,
        PublishErrorKind::Other => api_code(error) == Some(WRONG_LAST_SEQUENCE_CONSTANT),
        _ => false,
    }
}

/// Waits before the attempt behind this one.
async fn pause(attempt: u32) {
    tokio::time::sleep(Duration::from_millis(100) * 2_u32.pow(attempt)).await;
}

/// A stream that is missing for a moment (leader election) looks as if it did not exist.
fn is_transient(error: &PublishError) -> bool {
    match error.kind() {
        PublishErrorKind::TimedOut
        | PublishErrorKind::BrokenPipe
        | PublishErrorKind::MaxAckPending
        | PublishErrorKind::StreamNotFound => true,
        // 429 too many requests, 503 unavailable, such as "insufficient resources".
        PublishErrorKind::Other => {
            api_error(error).is_some_and(|error| matches!(error.code(), 429 | 503))
        }
        _ => false,
    }
}

fn api_error(error: &PublishError) -> Option<&async_nats::jetstream::Error> {
    std::error::Error::source(error)?.downcast_ref()
}

fn api_code(error: &PublishError) -> Option<u64> {
    api_error(error).map(|error| error.error_code().0)
}

fn publish_error<E>(what: &str, attempts: u32, source: E) -> BusError
where
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    BusError::Publish {
        what: what.to_owned(),
        attempts,
        source: source.into(),
    }
}

/// The last message on a subject.
struct Standing {
    id: String,
    revision: u32,
    sequence: u64,
}
