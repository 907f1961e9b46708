//! Whatever was stated about one thing.

use std::time::Duration;

use async_nats::jetstream::message::StreamMessage;
use colloquy_contract::{Envelope, Scope, facts::Family, streams};

use super::{Entry, Logged};
use crate::{Bus, BusError, Result, denied::api, trace};

/// Most facts that a history may have; a conversation has about a dozen.
const MAX_HISTORY: usize = 1_000;

/// How long a history may take to read.
const HISTORY_TIMEOUT: Duration = Duration::from_secs(10);

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
            let filter = scope.history_filter();
            let mut found: Vec<Entry> = Vec::new();
            let mut from = 1;
            while found.len() < MAX_HISTORY {
                let Some(message) = self.next_on(name, &filter, from).await? else {
                    break;
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
}

const fn family(scope: &Scope) -> Family {
    match scope {
        Scope::Conversation { .. } => Family::Conversation,
        Scope::Account { .. } => Family::Account,
    }
}

fn looked_up(message: &StreamMessage) -> Entry {
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
