//! Looking dead letters up: those that match, or one with its data.
//!
//! Promise: a listing ends, also where what it was to see is redriven or discarded meanwhile.

use std::time::Duration;

use async_nats::jetstream::{
    consumer::pull,
    message::StreamMessage,
    stream::{LastRawMessageErrorKind, RawMessageErrorKind},
};
use colloquy_contract::streams;
use futures::StreamExt;

use super::{DeadLetter, DeadLetterFilter, failed, letter::read};
use crate::{Bus, Result, log::reading_from, time::timestamp};

/// Most dead letters that one listing looks at.
const MAX_SCANNED: usize = 1_000_000;

/// How long nothing may come of a listing before it looks whether anything is to come, and how often
/// in a row.
const LULL: Duration = Duration::from_secs(2);
const MAX_LULLS: u32 = 5;

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
        let stream = self.stream_of(streams::DEADLETTERS.name).await?;
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

    /// The same as it is kept.
    pub(super) async fn raw_dead_letter(&self, sequence: u64) -> Result<Option<StreamMessage>> {
        let stream = self.stream_of(streams::DEADLETTERS.name).await?;
        match stream.get_raw_message(sequence).await {
            Ok(raw) => Ok(Some(raw)),
            Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }
}
