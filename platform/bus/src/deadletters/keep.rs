//! Keeping what a service gave up on: whole, with the reason, once.

use async_nats::{
    HeaderMap, Message,
    jetstream::{
        message::PublishMessage,
        stream::{DirectGetErrorKind, RawMessageErrorKind},
    },
};
use colloquy_contract::{
    Envelope, FactType,
    facts::{ConversationFailed, Family},
    streams,
    subject::redriven_from,
};
use jiff::Timestamp;
use opentelemetry::KeyValue;

use super::{failed, header};
use crate::{Bus, BusError, Result, log::log_error, metrics::GROUP, worker::Delivered};

/// Longest error text in a header, in bytes.
const MAX_ERROR_BYTES: usize = 4_000;

/// How often the copy is tried before the message is handed back.
const COPY_ATTEMPTS: u32 = 3;

impl Bus {
    /// Gives up on a fact that a service read from the log itself, outside the worker kit: keeps a
    /// full copy and states `conversation.failed`. Returns the copy's sequence; `None` if the fact
    /// is not in the log any more, because it was erased.
    ///
    /// `reason` must hold no personal data.
    pub async fn bury_fact(
        &self,
        service: &'static str,
        family: Family,
        sequence: u64,
        attempts: u32,
        reason: &str,
    ) -> Result<Option<u64>> {
        let stream = streams::of(family).name;
        let log = self.stream_of(stream).await?;
        let kept = match log.get_raw_message(sequence).await {
            Ok(kept) => kept,
            Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => return Ok(None),
            Err(error) => return Err(log_error(stream, error)),
        };
        let message = Message {
            subject: kept.subject,
            reply: None,
            length: kept.payload.len(),
            payload: kept.payload,
            headers: Some(kept.headers),
            status: None,
            description: None,
        };
        let get = |name: &'static str| {
            message
                .headers
                .as_ref()?
                .get(name)
                .map(async_nats::HeaderValue::as_str)
        };
        let envelope = Envelope::read(&message.subject, get, &message.payload)
            .ok()
            .map(|(read, _)| read);
        let delivered = Delivered {
            stream: stream.to_owned(),
            sequence,
            attempt: attempts,
        };
        self.give_up(service, &message, envelope.as_ref(), &delivered, reason)
            .await
            .map(Some)
    }

    /// Keeps a full copy, then states the end of the conversation: in that order, each
    /// acknowledged before the next. Returns the copy's sequence.
    pub(crate) async fn give_up(
        &self,
        service: &'static str,
        message: &Message,
        envelope: Option<&Envelope>,
        delivered: &Delivered,
        reason: &str,
    ) -> Result<u64> {
        tracing::error!(
            service,
            attempt = delivered.attempt,
            error = reason,
            "giving up; the message becomes a dead letter"
        );
        let dead_letter = self.bury(service, message, delivered, reason).await?;
        let labels = [KeyValue::new(GROUP, service)];
        self.meters().dead_letters.add(1, &labels);
        // A failure to handle a failure ends here, or it would never end.
        let Some(envelope) = envelope.filter(|envelope| {
            envelope.scope.conversation().is_some()
                && envelope.fact_type != FactType::ConversationFailed
        }) else {
            return Ok(dead_letter);
        };
        let failed = ConversationFailed {
            stage: service.to_owned(),
            error: reason.to_owned(),
            attempts: delivered.attempt,
            dead_letter,
        };
        let follows = envelope.give_up(service, dead_letter, Timestamp::now());
        self.state(&follows, &failed.into()).await?;
        Ok(dead_letter)
    }

    /// Keeps a full copy of a message and returns its sequence. Copying it again, after a crash in
    /// between, adds no second copy.
    async fn bury(
        &self,
        service: &str,
        message: &Message,
        delivered: &Delivered,
        error: &str,
    ) -> Result<u64> {
        let original = redriven_from(&message.subject);
        let subject = format!("deadletters.{service}.{original}");
        if let Some(kept) = self.kept(&subject, delivered).await? {
            return Ok(kept);
        }
        let mut headers = copied_headers(message);
        headers.insert(header::SERVICE, service);
        headers.insert(header::ERROR, printable(error).as_str());
        headers.insert(header::ATTEMPTS, delivered.attempt.to_string().as_str());
        headers.insert(header::SUBJECT, original);
        headers.insert(header::STREAM, delivered.stream.as_str());
        headers.insert(header::SEQUENCE, delivered.sequence.to_string().as_str());
        let id = format!("{service}-{}-{}", delivered.stream, delivered.sequence);
        let publish = PublishMessage::build()
            .headers(headers)
            .payload(message.payload.clone())
            .message_id(id);
        let mut attempt = 1;
        loop {
            match self.send(subject.clone(), publish.clone()).await {
                Ok(ack) => return Ok(ack.sequence),
                Err(source) if attempt == COPY_ATTEMPTS => {
                    let what = "a dead letter".to_owned();
                    return Err(BusError::Publish {
                        what,
                        attempts: attempt,
                        source: source.into(),
                    });
                }
                Err(_) => attempt += 1,
            }
        }
    }
}

impl Bus {
    /// The copy of a delivery that is kept already.
    async fn kept(&self, subject: &str, delivered: &Delivered) -> Result<Option<u64>> {
        let stream = self.stream_of(streams::DEADLETTERS.name).await?;
        // By its subject: a service may look at its own dead letters only. A replica that lags
        // behind is made up for by the message's id.
        let last = match stream.direct_get_last_for_subject(subject).await {
            Ok(last) => last,
            Err(error) if error.kind() == DirectGetErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let says = |name, expected: &str| {
            last.headers
                .get(name)
                .is_some_and(|value| value.as_str() == expected)
        };
        let same = says(header::STREAM, &delivered.stream)
            && says(header::SEQUENCE, &delivered.sequence.to_string());
        Ok(same.then_some(last.sequence))
    }
}

/// The message's headers without the conditions of its publish: they do not hold for the copy.
fn copied_headers(message: &Message) -> HeaderMap {
    let mut copied = HeaderMap::new();
    let headers = message.headers.iter().flat_map(HeaderMap::iter);
    for (name, values) in headers {
        if name.to_string().to_ascii_lowercase().starts_with("nats-") {
            continue;
        }
        for value in values {
            copied.append(name.clone(), value.clone());
        }
    }
    copied
}

/// A header value has no line breaks and a bounded length.
fn printable(text: &str) -> String {
    let mut line = String::new();
    for c in text.chars() {
        if line.len() + c.len_utf8() > MAX_ERROR_BYTES {
            break;
        }
        line.push(if c.is_control() { ' ' } else { c });
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_texts_fit_a_header() {
        assert_eq!(printable("a\r\nb"), "a  b");
        assert_eq!(printable(&"é".repeat(9_000)).len(), MAX_ERROR_BYTES);
    }
}
