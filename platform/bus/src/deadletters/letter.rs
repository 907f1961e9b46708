//! What is known of a dead letter without its data, and which of them somebody means.

use async_nats::HeaderMap;
use colloquy_contract::{AccountId, FactType, Scope, Subject, envelope};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{get, header};

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

    /// The subjects that they lie on.
    pub(super) fn subjects(&self) -> Vec<String> {
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

/// What the headers of a dead letter say; `None` if they are not those of one.
pub(super) fn read(sequence: u64, at: Timestamp, headers: &HeaderMap) -> Option<DeadLetter> {
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
        id: text(envelope::header::ID),
        history: history(headers),
        traceparent: text(envelope::header::TRACE_PARENT),
    })
}

fn history(headers: &HeaderMap) -> Vec<Earlier> {
    get(headers, header::HISTORY)
        .and_then(|json| serde_json::from_str(json).ok())
        .unwrap_or_default()
}
