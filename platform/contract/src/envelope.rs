//! The envelope: CloudEvents 1.0 in binary mode over message headers.
//!
//! Formats: the CloudEvents specification 1.0.2, its NATS protocol binding, and its distributed
//! tracing extension. Header values are percent-encoded where they are not printable ASCII; ours
//! always are.

use jiff::Timestamp;

use crate::{
    facts::{DataError, Fact, FactType},
    ids::{FactId, IdError},
    subject::{Scope, Subject, SubjectError, redriven_from},
};

/// Names of the headers.
pub mod header {
    /// CloudEvents version, `1.0`.
    pub const SPEC_VERSION: &str = "ce-specversion";
    /// The fact's id.
    pub const ID: &str = "ce-id";
    /// Who stated it, `/colloquy/<service>`.
    pub const SOURCE: &str = "ce-source";
    /// The fact's type.
    pub const TYPE: &str = "ce-type";
    /// When it was stated, RFC 3339.
    pub const TIME: &str = "ce-time";
    /// The conversation or account it is about.
    pub const SUBJECT: &str = "ce-subject";
    /// Schema of the data, `urn:colloquy:<type>:<version>`.
    pub const DATA_SCHEMA: &str = "ce-dataschema";
    /// Extension: the fact that caused this one.
    pub const CAUSATION: &str = "ce-causationid";
    /// Extension: which statement of this fact it is, from 1; absent for the first.
    pub const REVISION: &str = "ce-revision";
    /// Extension: the id that all facts about the same thing share.
    pub const CORRELATION: &str = "ce-correlationid";
    /// Extension: W3C trace context of the publish span.
    pub const TRACE_PARENT: &str = "ce-traceparent";
    /// Extension: W3C trace state.
    pub const TRACE_STATE: &str = "ce-tracestate";
    /// Media type of the data.
    pub const CONTENT_TYPE: &str = "content-type";
}

/// Everything about a fact but its data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// The fact's id.
    pub id: FactId,
    /// The service that stated it.
    pub source: String,
    /// When.
    pub time: Timestamp,
    /// What it is about.
    pub scope: Scope,
    /// What it says.
    pub fact_type: FactType,
    /// The fact that caused it; none for a first fact.
    pub cause: Option<FactId>,
    /// Which statement of this fact it is: 1, or more after somebody had the conversation
    /// processed again. A higher one supersedes the lower ones.
    pub revision: u32,
}

/// Why a message is not a fact.
#[derive(Debug, thiserror::Error)]
pub enum EnvelopeError {
    /// A header is missing.
    #[error("the message has no '{0}' header; is it a CloudEvent in binary mode?")]
    Missing(&'static str),
    /// A header has a value that cannot be read.
    #[error("the '{0}' header cannot be read")]
    Unreadable(&'static str),
    /// An id is malformed.
    #[error("the message has a malformed id")]
    Id(#[from] IdError),
    /// The subject it came on is not one of a fact.
    #[error("the message came on a foreign subject")]
    Subject(#[from] SubjectError),
    /// Type and subject say different things.
    #[error("the message says it is {found}, its subject says {expected}")]
    Mismatch {
        /// What the subject says.
        expected: FactType,
        /// What the header says.
        found: FactType,
    },
    /// The data cannot be read.
    #[error("the data cannot be read")]
    Data(#[from] DataError),
}

const SOURCE_PREFIX: &str = "/colloquy/";

/// The revision of a fact that was stated once.
pub const FIRST_REVISION: u32 = 1;

impl Envelope {
    /// The headers that [`Envelope::read`] asks for.
    pub const HEADERS: &[&str] = &[
        header::SPEC_VERSION,
        header::ID,
        header::SOURCE,
        header::TYPE,
        header::TIME,
        header::CAUSATION,
        header::REVISION,
    ];

    /// The envelope of a first fact, caused by no other.
    pub fn first(source: &str, scope: Scope, fact_type: FactType, time: Timestamp) -> Self {
        let id = FactId::generate();
        Self {
            id,
            source: source.to_owned(),
            time,
            scope,
            fact_type,
            cause: None,
            revision: FIRST_REVISION,
        }
    }

    /// The envelope of a fact that `source` states because of this one.
    pub fn derive(&self, source: &str, fact_type: FactType, time: Timestamp) -> Self {
        Self {
            id: FactId::derived(self.id, source, fact_type.as_str()),
            source: source.to_owned(),
            time,
            scope: self.scope.clone(),
            fact_type,
            cause: Some(self.id),
            revision: self.revision,
        }
    }

    /// The envelope of the fact that `source` gave up on this one, as dead letter `dead_letter`.
    /// Giving up on it again, after it was redriven, is another fact.
    pub fn give_up(&self, source: &str, dead_letter: u64, time: Timestamp) -> Self {
        let fact_type = FactType::ConversationFailed;
        let name = format!("{fact_type}/{dead_letter}");
        Self {
            id: FactId::derived(self.id, source, &name),
            ..self.derive(source, fact_type, time)
        }
    }

    /// The envelope of the same fact stated anew, so that everything that follows from it is done
    /// again. `revision` must be higher than any that stands in the history.
    ///
    /// For the same revision it is the same fact, however often it is stated.
    pub fn revise(&self, source: &str, revision: u32, time: Timestamp) -> Self {
        let name = format!("{source}/{revision}");
        Self {
            id: FactId::derived(self.id, &name, self.fact_type.as_str()),
            source: source.to_owned(),
            time,
            scope: self.scope.clone(),
            fact_type: self.fact_type,
            cause: Some(self.id),
            revision,
        }
    }

    /// The subject it goes to; `None` if the fact is not about such a thing.
    pub fn subject(&self) -> Option<Subject> {
        Subject::new(self.scope.clone(), self.fact_type)
    }

    /// The headers, without trace context.
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let schema = format!(
            "urn:colloquy:{}:{}",
            self.fact_type,
            self.fact_type.version()
        );
        let mut headers = vec![
            (header::SPEC_VERSION, "1.0".to_owned()),
            (header::ID, self.id.to_string()),
            (header::SOURCE, format!("{SOURCE_PREFIX}{}", self.source)),
            (header::TYPE, self.fact_type.as_str().to_owned()),
            (header::TIME, self.time.to_string()),
            (header::SUBJECT, self.scope.correlation()),
            (header::DATA_SCHEMA, schema),
            (header::CORRELATION, self.scope.correlation()),
            (header::CONTENT_TYPE, "application/json".to_owned()),
        ];
        if let Some(cause) = self.cause {
            headers.push((header::CAUSATION, cause.to_string()));
        }
        if self.revision != FIRST_REVISION {
            headers.push((header::REVISION, self.revision.to_string()));
        }
        headers
    }

    /// Reads a message: its subject (a redriven fact's too), its headers by name, its data.
    pub fn read<'a>(
        subject: &str,
        get: impl Fn(&'static str) -> Option<&'a str>,
        data: &[u8],
    ) -> Result<(Self, Fact), EnvelopeError> {
        let need = |name| get(name).ok_or(EnvelopeError::Missing(name));
        if need(header::SPEC_VERSION)? != "1.0" {
            return Err(EnvelopeError::Unreadable(header::SPEC_VERSION));
        }
        let Subject {
            scope,
            fact: expected,
        } = redriven_from(subject).parse()?;
        let found: FactType = need(header::TYPE)?.parse()?;
        if found != expected {
            return Err(EnvelopeError::Mismatch { expected, found });
        }
        let envelope = Self {
            id: need(header::ID)?.parse()?,
            source: need(header::SOURCE)?
                .strip_prefix(SOURCE_PREFIX)
                .ok_or(EnvelopeError::Unreadable(header::SOURCE))?
                .to_owned(),
            time: need(header::TIME)?
                .parse()
                .map_err(|_| EnvelopeError::Unreadable(header::TIME))?,
            scope,
            fact_type: found,
            cause: get(header::CAUSATION).map(str::parse).transpose()?,
            revision: get(header::REVISION).map_or(Ok(FIRST_REVISION), |revision| {
                revision
                    .parse()
                    .map_err(|_| EnvelopeError::Unreadable(header::REVISION))
            })?,
        };
        Ok((envelope, Fact::from_json(found, data)?))
    }
}
