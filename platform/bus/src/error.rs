//! What can go wrong between us and the broker.

use std::{io, time::Duration};

use colloquy_contract::envelope::EnvelopeError;

/// Result of talking to the broker.
pub type Result<T> = std::result::Result<T, BusError>;

type Source = Box<dyn std::error::Error + Send + Sync>;

/// What can go wrong between us and the broker. The source has the broker's own words.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// No connection.
    #[error("cannot connect to the broker at {url}; is nats-server running there?")]
    Connect {
        /// Address without credentials.
        url: String,
        /// Why.
        source: Source,
    },
    /// The address or the credentials cannot be read.
    #[error("the broker settings are not usable: {0}")]
    Settings(String),
    /// A stream, bucket or consumer could not be made to agree with the contract.
    #[error("cannot provision {what}")]
    Provision {
        /// Which.
        what: String,
        /// Why.
        source: Source,
    },
    /// The broker's settings can lose data, and only a person can mend them.
    #[error("refused, because data could be lost; nothing was changed\n{reasons}")]
    Unsafe {
        /// Each with what to do, a line each.
        reasons: String,
    },
    /// A consumer or bucket of the contract is not there.
    #[error("{what} is not there; make it with 'colloquy streams apply'")]
    NotProvisioned {
        /// Which.
        what: String,
    },
    /// The broker does not let us.
    #[error(
        "the broker denied {subject}; give this user the permissions that \
         'colloquy contract permissions' prints"
    )]
    Denied {
        /// What was denied, such as `Publish to "accounts.acme.created"`.
        subject: String,
    },
    /// A fact could not be stored; it may or may not have been.
    #[error("no acknowledgement for {what} after {attempts} attempts")]
    Publish {
        /// Type of the fact, or the subject's first token.
        what: String,
        /// How often it was tried.
        attempts: u32,
        /// The last error.
        source: Source,
    },
    /// Another fact stands on the subject already.
    #[error("a different {what} was stated already; this one is not its repetition")]
    Conflict {
        /// Type of the fact.
        what: String,
    },
    /// A message could not be settled; it will be delivered again.
    #[error("the broker did not confirm the {kind} of a message")]
    Settle {
        /// `ack`, `nak` or `term`.
        kind: &'static str,
        /// Why.
        source: Source,
    },
    /// Messages could not be pulled.
    #[error("cannot pull from consumer {consumer}: {reason}")]
    Pull {
        /// The consumer.
        consumer: String,
        /// Why.
        reason: String,
    },
    /// A message on our subjects is not a fact.
    #[error("a message is not a readable fact")]
    Unreadable(#[from] EnvelopeError),
    /// The log could not be read.
    #[error("cannot read the log of {what}")]
    Log {
        /// Which part.
        what: String,
        /// Why.
        source: Source,
    },
    /// An artifact could not be stored.
    #[error("cannot store an artifact in {bucket}")]
    ArtifactWrite {
        /// The bucket.
        bucket: &'static str,
        /// Why.
        source: Source,
    },
    /// An artifact could not be read.
    #[error("cannot read an artifact from {bucket}")]
    ArtifactRead {
        /// The bucket.
        bucket: &'static str,
        /// Why.
        source: Source,
    },
    /// An artifact is not what its reference says.
    #[error("an artifact in {bucket} is damaged: expected {expected}, found {found}")]
    ArtifactDamaged {
        /// The bucket.
        bucket: &'static str,
        /// Size or digest of the reference.
        expected: String,
        /// Size or digest found.
        found: String,
    },
    /// More bytes than allowed.
    #[error("the content is larger than the limit of {limit_bytes} bytes")]
    TooLarge {
        /// The limit.
        limit_bytes: u64,
    },
    /// The reader of the content to be stored failed, not the broker.
    #[error("the content to store could not be read")]
    Content(#[source] io::Error),
    /// A key-value operation failed.
    #[error("cannot {operation} in key-value bucket {bucket}")]
    Kv {
        /// `get`, `create`, `update`, `list`.
        operation: &'static str,
        /// The bucket.
        bucket: String,
        /// Why.
        source: Source,
    },
    /// A value in a key-value bucket or a reply is not what this program reads.
    #[error("cannot read a value of {what}")]
    Value {
        /// Where it stands.
        what: String,
        /// Why.
        source: serde_json::Error,
    },
    /// A request had no answer.
    #[error("nobody answered on {what}")]
    NoAnswer {
        /// The subject's template.
        what: &'static str,
        /// Why.
        source: Source,
    },
    /// It took too long.
    #[error("{what} took longer than {limit:?}")]
    TimedOut {
        /// What did.
        what: &'static str,
        /// The limit.
        limit: Duration,
    },
    /// The embedded broker could not be run.
    #[error("cannot run the embedded broker: {reason}")]
    Embedded {
        /// What went wrong and what to do.
        reason: String,
    },
    /// A stream could not be saved to files, or made from them.
    #[error("cannot back up or restore stream {stream}")]
    Snapshot {
        /// The stream.
        stream: String,
        /// Why.
        source: Source,
    },
    /// A local file could not be used.
    #[error("cannot use a local file")]
    File(#[from] io::Error),
}

/// The messages of an error and its sources, outermost first, joined by colons.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    // Bounded: an error chain deeper than this says nothing more.
    for _ in 0..16 {
        let Some(source) = next else { break };
        text.push_str(": ");
        text.push_str(&source.to_string());
        next = source.source();
    }
    text
}
