//! Specifications of the streams and buckets, in JetStream's terms.
//!
//! The contract owns them; the provisioner (`colloquy streams apply`, or the gateway and workers
//! of a single-process platform at start) makes the broker agree. Every stream is a file-backed
//! limits stream that discards new messages when it is full: nothing accepted is ever dropped.

use std::time::Duration;

use crate::{
    artifact::Bucket,
    facts::{FactType, Family},
};

/// A stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamSpec {
    /// Its name.
    pub name: &'static str,
    /// What it keeps, for people.
    pub description: &'static str,
    /// The subjects it captures.
    pub subjects: &'static [&'static str],
    /// Largest message, headers included, in bytes.
    pub max_message_bytes: i32,
}

/// Largest fact in bytes. Facts are small; heavy things travel by reference.
pub const MAX_FACT_BYTES: i32 = 256 * 1024;

/// How long the broker remembers message ids. The permanent guard against duplicates is the
/// expected last sequence of the fact's own subject; this window only saves a round trip.
pub const DUPLICATE_WINDOW: Duration = Duration::from_secs(120);

/// The log of conversations.
pub const CONVERSATIONS: StreamSpec = StreamSpec {
    name: "CONVERSATIONS",
    description: "Facts about conversations",
    subjects: &["conversations.>", "redrives.*.conversations.>"],
    max_message_bytes: MAX_FACT_BYTES,
};

/// The log of sign-ups and accounts.
pub const ACCOUNTS: StreamSpec = StreamSpec {
    name: "ACCOUNTS",
    description: "Facts about accounts",
    subjects: &["accounts.>", "redrives.*.accounts.>"],
    max_message_bytes: MAX_FACT_BYTES,
};

/// Full copies of messages that a service gave up on: `deadletters.<service>.<subject>`.
pub const DEADLETTERS: StreamSpec = StreamSpec {
    name: "DEADLETTERS",
    description: "Full copies of messages that a service gave up on",
    subjects: &["deadletters.>"],
    max_message_bytes: 2 * MAX_FACT_BYTES,
};

/// The broker's word that a message was delivered too often, for workers that crash in a loop.
pub const ADVISORIES: StreamSpec = StreamSpec {
    name: "ADVISORIES",
    description: "Advisories of messages delivered too often",
    subjects: &["$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.>"],
    max_message_bytes: MAX_FACT_BYTES,
};

/// How long the broker waits for a settlement or a sign of life before it delivers again.
pub const ACK_WAIT: Duration = Duration::from_secs(30);

/// Deliveries after which the broker itself gives up on a message. The worker kit gives up long
/// before; this ends messages that kill every process which receives them, and the advisory that
/// the broker then publishes becomes a dead letter.
pub const MAX_DELIVER: i64 = 64;

/// Deliveries that may be under way in all instances of a service.
pub const MAX_ACK_PENDING: i64 = 10_000;

/// Every stream.
pub const ALL: [StreamSpec; 4] = [CONVERSATIONS, ACCOUNTS, DEADLETTERS, ADVISORIES];

/// The stream that keeps facts of this family.
pub const fn of(family: Family) -> &'static StreamSpec {
    match family {
        Family::Conversation => &CONVERSATIONS,
        Family::Account => &ACCOUNTS,
    }
}

/// The stream that keeps facts of this type.
pub const fn of_fact(fact: FactType) -> &'static StreamSpec {
    of(fact.family())
}

/// The object buckets, one per trust zone.
pub const OBJECT_BUCKETS: [Bucket; 2] = Bucket::ALL;

/// A key-value bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KvSpec {
    /// Its name.
    pub name: &'static str,
    /// What it keeps, for people.
    pub description: &'static str,
    /// How long an entry lives; forever where absent.
    pub max_age: Option<Duration>,
}

/// Read model behind status and lists: `<account>.<day>.<conversation>`.
pub const PROGRESS: KvSpec = KvSpec {
    name: "progress",
    description: "Read model: where each conversation stands",
    max_age: None,
};

/// Unique e-mail addresses and accounts.
pub const ACCOUNT_DIRECTORY: KvSpec = KvSpec {
    name: "accounts",
    description: "Which account has which e-mail address",
    max_age: None,
};

/// API keys by their hash.
pub const API_KEYS: KvSpec = KvSpec {
    name: "keys",
    description: "API keys by their hash",
    max_age: None,
};

/// Password hashes by account.
pub const CREDENTIALS: KvSpec = KvSpec {
    name: "credentials",
    description: "Password hashes by account",
    max_age: None,
};

/// `Idempotency-Key`s seen by the gateway.
pub const IDEMPOTENCY: KvSpec = KvSpec {
    name: "idempotency",
    description: "What each Idempotency-Key stood for",
    max_age: Some(Duration::from_secs(7 * 24 * 3600)),
};

/// Every key-value bucket.
pub const KV_BUCKETS: [KvSpec; 5] = [
    PROGRESS,
    ACCOUNT_DIRECTORY,
    API_KEYS,
    CREDENTIALS,
    IDEMPOTENCY,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subject::Subject;

    #[test]
    fn every_fact_has_a_stream() {
        for &fact in FactType::ALL {
            let first = Subject::filter(fact).split('.').next().unwrap().to_owned();
            let subjects = [format!("{first}.>"), format!("redrives.*.{first}.>")];
            assert_eq!(of_fact(fact).subjects, subjects);
        }
    }
}
