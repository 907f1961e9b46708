//! Dead letters: what a service gave up on is kept whole; people list it, show it, give it back or
//! drop it.
//!
//! - A redriven message goes to the service that gave up on it, and to no other: it is the same
//!   fact with the same id on `redrives.<service>.<subject>`, so what follows from it is stated
//!   once however often it is redriven.
//! - It carries its history: every dead letter that it was, with error, attempts and time.
//! - A dead letter is removed only after the log has acknowledged the redriven message. A crash in
//!   between is noticed at the next redrive, which then only removes.

mod keep;

use std::time::Duration;

use async_nats::{
    HeaderMap,
    jetstream::{
        consumer::pull,
        message::PublishMessage,
        stream::{LastRawMessageErrorKind, RawMessageErrorKind},
    },
};
use colloquy_contract::{
    AccountId, FactType, Scope, Subject,
    services::{self, Reading},
    streams,
    subject::{self, REDRIVES},
};
use futures::StreamExt;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tracing::{Instrument, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::{Bus, BusError, Result, log::reading_from, provision, time::timestamp, trace};

/// Headers that a dead letter has besides those of the message it copies.
pub(crate) mod header {
    /// The service that gave up.
    pub(crate) const SERVICE: &str = "Colloquy-Service";
    /// Why, outermost error first.
    pub(crate) const ERROR: &str = "Colloquy-Error";
    /// How often it tried.
    pub(crate) const ATTEMPTS: &str = "Colloquy-Attempts";
    /// Subject that the message came on.
    pub(crate) const SUBJECT: &str = "Colloquy-Subject";
    /// Stream that keeps the message.
    pub(crate) const STREAM: &str = "Colloquy-Stream";
    /// Its sequence there.
    pub(crate) const SEQUENCE: &str = "Colloquy-Sequence";
    /// What the message was before it was redriven: the dead letters, oldest first, as JSON.
    pub(crate) const HISTORY: &str = "Colloquy-History";
    /// Of a redriven message: the dead letter that it was.
    pub(crate) const DEAD_LETTER: &str = "Colloquy-Dead-Letter";
}

/// Most dead letters that one listing looks at.
const MAX_SCANNED: usize = 1_000_000;

/// How long nothing may come of a listing before it looks whether anything is to come, and how often
/// in a row.
const LULL: Duration = Duration::from_secs(2);
const MAX_LULLS: u32 = 5;

/// Most earlier dead letters that a message carries.
const MAX_HISTORY: usize = 16;

/// Longest error text in a history, in characters.
const MAX_HISTORY_ERROR: usize = 400;

/// What a service gave up on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeadLetter {
    /// Its sequence in the stream DEADLETTERS: its number.
    pub sequence: u64,
    /// The service that gave up.
    pub service: String,
    /// Why, outermost error first.
    pub error: String,
    /// How often it tried.
    pub attempts: u32,
    /// When it gave up.
    pub at: Timestamp,
    /// Subject of the message.
    pub subject: String,
    /// Stream that the message is in.
    pub stream: String,
    /// Its sequence there.
    pub stream_sequence: u64,
    /// Its id, if it is a CloudEvent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What it was before, oldest first.
    pub history: Vec<Earlier>,
    /// Trace that its publisher wrote, as W3C `traceparent`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
}

/// An earlier time that the same message was a dead letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Earlier {
    /// Its number then.
    pub sequence: u64,
    /// Why.
    pub error: String,
    /// How often the service had tried.
    pub attempts: u32,
    /// When it had given up.
    pub at: Timestamp,
    /// When it was redriven.
    pub redriven_at: Timestamp,
}

impl DeadLetter {
    /// What the message is about, if it is on the subject of a fact.
    pub fn scope(&self) -> Option<Scope> {
        Some(self.subject.parse::<Subject>().ok()?.scope)
    }

    /// What the message says, if it is on the subject of a fact.
    pub fn fact(&self) -> Option<FactType> {
        Some(self.subject.parse::<Subject>().ok()?.fact)
    }
}

/// Which dead letters.
#[derive(Debug, Clone, Default)]
pub struct DeadLetterFilter {
    /// Of this service.
    pub service: Option<String>,
    /// Of this account.
    pub account: Option<AccountId>,
    /// Whose error holds this text, upper and lower case alike.
    pub error: Option<String>,
    /// That were given up on before this time.
    pub before: Option<Timestamp>,
    /// That were given up on at or after this time.
    pub since: Option<Timestamp>,
}

impl DeadLetterFilter {
    /// Whether a dead letter is one of those.
    pub fn matches(&self, letter: &DeadLetter) -> bool {
        let error = || letter.error.to_lowercase();
        let scope = || letter.scope();
        let of_account = |account| scope().is_some_and(|scope| scope.account() == account);
        self.service
            .as_ref()
            .is_none_or(|name| *name == letter.service)
            && self.account.as_ref().is_none_or(of_account)
            && self.before.is_none_or(|time| letter.at < time)
            && self.since.is_none_or(|time| letter.at >= time)
            && self
                .error
                .as_ref()
                .is_none_or(|text| error().contains(&text.to_lowercase()))
    }

    fn subjects(&self) -> Vec<String> {
        let service = self.service.as_deref().unwrap_or("*");
        match &self.account {
            None => vec![format!("deadletters.{service}.>")],
            Some(account) => vec![
                format!("deadletters.{service}.conversations.*.{account}.>"),
                format!("deadletters.{service}.accounts.{account}.>"),
            ],
        }
    }
}

/// What became of a redrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Redriven {
    /// The service gets it again.
    Done,
    /// It had been redriven before, and only its removal was missing.
    Before,
    /// There is no such dead letter: it was redriven or discarded.
    Gone,
}

impl Bus {
    /// Dead letters that match, by number, at most `limit` of those after number `after`.
    pub async fn dead_letters(
        &self,
        filter: &DeadLetterFilter,
        after: u64,
        limit: usize,
    ) -> Result<Vec<DeadLetter>> {
        let mut found = Vec::new();
        let config = pull::OrderedConfig {
            headers_only: true,
            ..reading_from(filter.subjects(), after + 1)
        };
        let consumer = self
            .jetstream()
            .create_consumer_on_stream(config, streams::DEADLETTERS.name)
            .await
            .map_err(failed)?;
        if consumer.cached_info().num_pending == 0 {
            return Ok(found);
        }
        let mut messages = consumer.messages().await.map_err(failed)?;
        let (mut seen, mut lulls) = (after, 0);
        for _ in 0..MAX_SCANNED {
            if found.len() >= limit {
                break;
            }
            let Ok(next) = tokio::time::timeout(LULL, messages.next()).await else {
                // What was still to come may have been redriven or discarded meanwhile.
                if !self.has_dead_letters(filter, seen).await? {
                    break;
                }
                lulls += 1;
                if lulls == MAX_LULLS {
                    return Err(failed("the broker delivers nothing"));
                }
                continue;
            };
            let Some(message) = next else {
                break;
            };
            let message = message.map_err(failed)?;
            let info = message.info().map_err(failed)?;
            let (sequence, pending) = (info.stream_sequence, info.pending);
            (seen, lulls) = (sequence, 0);
            let at = timestamp(info.published);
            let headers = message.headers.as_ref();
            let letter = headers.and_then(|headers| read(sequence, at, headers));
            found.extend(letter.filter(|letter| filter.matches(letter)));
            if pending == 0 {
                break;
            }
        }
        Ok(found)
    }

    /// Whether there is a dead letter after this number in the subjects of a filter.
    async fn has_dead_letters(&self, filter: &DeadLetterFilter, after: u64) -> Result<bool> {
        let stream = self
            .jetstream()
            .get_stream_no_info(streams::DEADLETTERS.name)
            .await
            .map_err(failed)?;
        for subject in filter.subjects() {
            match stream.get_last_raw_message_by_subject(&subject).await {
                Ok(last) if last.sequence > after => return Ok(true),
                Ok(_) => {}
                Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(false)
    }

    /// One dead letter and the data of its message, which may hold personal data; `None` if there
    /// is none of that number (any more).
    pub async fn dead_letter(&self, sequence: u64) -> Result<Option<(DeadLetter, Vec<u8>)>> {
        let Some(raw) = self.raw_dead_letter(sequence).await? else {
            return Ok(None);
        };
        let letter = read(sequence, timestamp(raw.time), &raw.headers);
        Ok(letter.map(|letter| (letter, raw.payload.to_vec())))
    }

    /// Gives a dead letter back to the service that gave up on it.
    ///
    /// # Errors
    /// [`BusError::NotProvisioned`] if no such service reads from the log any more: discard the
    /// dead letter, or have the conversation processed again from another stage.
    pub async fn redrive(&self, sequence: u64) -> Result<Redriven> {
        let Some(raw) = self.raw_dead_letter(sequence).await? else {
            return Ok(Redriven::Gone);
        };
        let at = timestamp(raw.time);
        let letter = read(sequence, at, &raw.headers).ok_or_else(|| failed("it is malformed"))?;
        self.reads_redrives(&letter).await?;
        let again = subject::redrive(&letter.service, &letter.subject);
        let standing = self.last_redrive(&letter.stream, &again).await?;
        if standing.is_some_and(|(_, number)| number == sequence) {
            self.discard(sequence).await?;
            return Ok(Redriven::Before);
        }
        let span = redrive_span(&letter);
        let mut headers = redriven_headers(&letter, &raw.headers)?;
        trace::inject_redrive(&span, &mut headers);
        let publish = PublishMessage::build()
            .headers(headers)
            .payload(raw.payload)
            .expected_last_subject_sequence(standing.map_or(0, |(last, _)| last))
            .expected_stream(&letter.stream);
        self.send(again, publish)
            .instrument(span)
            .await
            .map_err(|source| BusError::Publish {
                what: "a redriven fact".to_owned(),
                attempts: 1,
                source: source.into(),
            })?;
        self.discard(sequence).await?;
        Ok(Redriven::Done)
    }

    /// Drops a dead letter; `false` if there is none of that number.
    pub async fn discard(&self, sequence: u64) -> Result<bool> {
        use async_nats::jetstream::{ErrorCode, stream::DeleteMessageErrorKind};
        let stream = self
            .jetstream()
            .get_stream_no_info(streams::DEADLETTERS.name)
            .await
            .map_err(failed)?;
        match stream.delete_message(sequence).await {
            Ok(dropped) => Ok(dropped),
            Err(error) => match error.kind() {
                DeleteMessageErrorKind::JetStream(said)
                    if matches!(
                        said.error_code(),
                        ErrorCode::NO_MESSAGE_FOUND | ErrorCode::STREAM_MESSAGE_DELETE_FAILED
                    ) =>
                {
                    Ok(false)
                }
                _ => Err(failed(error)),
            },
        }
    }

    async fn raw_dead_letter(
        &self,
        sequence: u64,
    ) -> Result<Option<async_nats::jetstream::message::StreamMessage>> {
        let stream = self
            .jetstream()
            .get_stream_no_info(streams::DEADLETTERS.name)
            .await
            .map_err(failed)?;
        match stream.get_raw_message(sequence).await {
            Ok(raw) => Ok(Some(raw)),
            Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    /// Sequence and number of the newest dead letter that was redriven on this subject.
    async fn last_redrive(&self, stream: &str, subject: &str) -> Result<Option<(u64, u64)>> {
        let stream = self
            .jetstream()
            .get_stream_no_info(stream)
            .await
            .map_err(failed)?;
        match stream.get_last_raw_message_by_subject(subject).await {
            Ok(last) => {
                let number = get(&last.headers, header::DEAD_LETTER)
                    .and_then(|number| number.parse().ok())
                    .unwrap_or_default();
                Ok(Some((last.sequence, number)))
            }
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    /// Checks that somebody will read what is redriven.
    async fn reads_redrives(&self, letter: &DeadLetter) -> Result<()> {
        let follows =
            services::find(&letter.service).is_some_and(|service| service.reading == Reading::Log);
        if follows || provision::has_consumer(self, &letter.stream, &letter.service).await? {
            return Ok(());
        }
        Err(BusError::NotProvisioned {
            what: format!("the consumer of service {}", letter.service),
        })
    }
}

/// The span of giving a dead letter back; it links to whoever stated the fact.
fn redrive_span(letter: &DeadLetter) -> Span {
    let subject = letter.subject.parse::<Subject>().ok();
    let template = subject
        .as_ref()
        .map_or("", |subject| subject::template(subject.fact));
    let template = format!("{REDRIVES}.{}.{template}", letter.service);
    let conversation = subject.as_ref().map(|subject| subject.scope.correlation());
    let span = tracing::info_span!(
        "redrive",
        otel.name = format!("publish {template}"),
        otel.kind = "producer",
        messaging.system = "nats",
        messaging.operation.name = "publish",
        messaging.operation.type = "send",
        messaging.destination.template = template,
        messaging.message.id = letter.id.as_deref(),
        messaging.message.conversation_id = conversation,
    );
    if let Some(publisher) = letter.traceparent.as_deref().and_then(trace::linked) {
        span.add_link(publisher);
    }
    span
}

fn read(sequence: u64, at: Timestamp, headers: &HeaderMap) -> Option<DeadLetter> {
    let text = |name| get(headers, name).map(str::to_owned);
    Some(DeadLetter {
        sequence,
        service: text(header::SERVICE)?,
        error: text(header::ERROR).unwrap_or_default(),
        attempts: get(headers, header::ATTEMPTS)?.parse().ok()?,
        at,
        subject: text(header::SUBJECT)?,
        stream: text(header::STREAM)?,
        stream_sequence: get(headers, header::SEQUENCE)?.parse().ok()?,
        id: text(colloquy_contract::envelope::header::ID),
        history: history(headers),
        traceparent: text(colloquy_contract::envelope::header::TRACE_PARENT),
    })
}

fn history(headers: &HeaderMap) -> Vec<Earlier> {
    get(headers, header::HISTORY)
        .and_then(|json| serde_json::from_str(json).ok())
        .unwrap_or_default()
}

/// The message's own headers, with its history in place of what made it a dead letter.
fn redriven_headers(letter: &DeadLetter, headers: &HeaderMap) -> Result<HeaderMap> {
    let mut copied = HeaderMap::new();
    for (name, values) in headers.iter() {
        let text = name.to_string().to_ascii_lowercase();
        if text.starts_with("nats-") || text.starts_with("colloquy-") {
            continue;
        }
        for value in values {
            copied.append(name.clone(), value.clone());
        }
    }
    let mut history = letter.history.clone();
    history.push(Earlier {
        sequence: letter.sequence,
        error: letter.error.chars().take(MAX_HISTORY_ERROR).collect(),
        attempts: letter.attempts,
        at: letter.at,
        redriven_at: Timestamp::now(),
    });
    let surplus = history.len().saturating_sub(MAX_HISTORY);
    history.drain(..surplus);
    // Header values are ASCII; JSON can say everything in it.
    let json = ascii_json(&serde_json::to_string(&history).map_err(failed)?);
    copied.insert(header::HISTORY, json.as_str());
    copied.insert(header::DEAD_LETTER, letter.sequence.to_string().as_str());
    Ok(copied)
}

/// JSON with everything beyond ASCII escaped.
fn ascii_json(json: &str) -> String {
    let mut ascii = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_ascii() {
            ascii.push(c);
        } else {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                ascii.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    ascii
}

fn get<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(async_nats::HeaderValue::as_str)
}

fn failed<E>(source: E) -> BusError
where
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    BusError::Log {
        what: "the dead letters".to_owned(),
        source: source.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn histories_fit_headers() {
        assert_eq!(ascii_json("\"é😀\""), "\"\\u00e9\\ud83d\\ude00\"");
        let back: String = serde_json::from_str(&ascii_json("\"é😀\"")).unwrap();
        assert_eq!(back, "é😀");
    }
}
