//! Giving a dead letter back to the service that gave up on it, or dropping it.
//!
//! Promise: it is removed only when the log has acknowledged the redriven message, and however often
//! it is redriven, the service gets it once.

use async_nats::{
    HeaderMap,
    jetstream::{
        ErrorCode,
        message::PublishMessage,
        stream::{DeleteMessageErrorKind, LastRawMessageErrorKind},
    },
};
use colloquy_contract::{
    Subject,
    services::{self, Reading},
    streams,
    subject::{self, REDRIVES},
};
use jiff::Timestamp;
use serde::Serialize;
use tracing::{Instrument, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::{DeadLetter, Earlier, failed, get, header, letter::read};
use crate::{Bus, BusError, Result, provision, time::timestamp, trace};

/// Most earlier dead letters that a message carries.
const MAX_HISTORY: usize = 16;

/// Longest error text in a history, in characters.
const MAX_HISTORY_ERROR: usize = 400;

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
        let stream = self.stream_of(streams::DEADLETTERS.name).await?;
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

    /// Sequence and number of the newest dead letter that was redriven on this subject.
    async fn last_redrive(&self, stream: &str, subject: &str) -> Result<Option<(u64, u64)>> {
        let stream = self.stream_of(stream).await?;
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
