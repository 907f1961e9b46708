//! The facts: what happened, in the past tense, immutable, versioned and small.
//!
//! A fact's data carries its version in the field `version`. Additive changes keep the version;
//! anything else makes a new one, and [`FactData::upcast`] lifts the old. The golden files in
//! `tests/golden/` keep every version readable.

mod account;
mod conversation;

use std::{fmt, str::FromStr};

use schemars::{JsonSchema, Schema};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

pub use account::*;
pub use conversation::*;

/// Whether a fact belongs to a conversation or to an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// `conversations.<partition>.<account>.<conversation>.<fact>`
    Conversation,
    /// `accounts.<account>.<fact>`
    Account,
}

/// What each type of fact says of itself.
pub trait FactData: Serialize + DeserializeOwned + JsonSchema + Into<Fact> {
    /// Its type.
    const TYPE: FactType;
    /// The version of the data that this type writes.
    const VERSION: u16;

    /// Lifts data of an older version to the next one; there are none yet for version 1.
    fn upcast(version: u16, _data: Value) -> Result<Value, DataError> {
        Err(DataError::UnknownVersion {
            fact: Self::TYPE,
            version,
            newest: Self::VERSION,
        })
    }
}

/// Which facts a service can be handed: one type of fact, or a choice of them.
pub trait FactInput: Sized + Send + 'static {
    /// The types it reacts to.
    const TYPES: &'static [FactType];

    /// The input, if the fact is one of [`Self::TYPES`].
    fn from_fact(fact: Fact) -> Option<Self>;
}

/// Why data is not a fact that this program can read.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// No such fact.
    #[error("unknown fact type '{0}'; is the writer newer than this reader?")]
    UnknownType(String),
    /// The `version` field is missing or not a number.
    #[error("the data of {fact} has no version number")]
    NoVersion {
        /// The fact.
        fact: FactType,
    },
    /// A version this program does not know.
    #[error("{fact} has version {version}, this program reads up to {newest}; update it first")]
    UnknownVersion {
        /// The fact.
        fact: FactType,
        /// The version found.
        version: u16,
        /// The newest version known.
        newest: u16,
    },
    /// The data does not fit its version.
    #[error("the data of {fact} does not fit its version")]
    Malformed {
        /// The fact.
        fact: FactType,
        /// What does not fit.
        source: serde_json::Error,
    },
}

macro_rules! facts {
    ($($name:ident = $text:literal, $token:literal, $family:ident, v $version:literal;)*) => {
        /// The types of facts.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum FactType {
            $(#[doc = concat!("`", $text, "`")] $name,)*
        }

        impl FactType {
            /// Every type.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The type as in the envelope, such as `conversation.decoded`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The last token of its subject, such as `decoded`.
            pub const fn token(self) -> &'static str {
                match self { $(Self::$name => $token,)* }
            }

            /// What it belongs to.
            pub const fn family(self) -> Family {
                match self { $(Self::$name => Family::$family,)* }
            }

            /// The version of its data that this program writes.
            pub const fn version(self) -> u16 {
                match self { $(Self::$name => $version,)* }
            }

            /// JSON Schema (2020-12) of its data, without the `version` field.
            pub(crate) fn data_schema(self) -> Schema {
                match self { $(Self::$name => schemars::schema_for!($name),)* }
            }
        }

        /// Any fact.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Fact {
            $(#[doc = concat!("`", $text, "`")] $name($name),)*
        }

        impl Fact {
            /// Its type.
            pub const fn fact_type(&self) -> FactType {
                match self { $(Self::$name(_) => FactType::$name,)* }
            }

            /// Its data as JSON, version included.
            pub fn to_json(&self) -> Result<Vec<u8>, DataError> {
                match self { $(Self::$name(data) => encode(data),)* }
            }

            /// Reads the data of a fact of this type, whatever its version.
            pub fn from_json(fact_type: FactType, json: &[u8]) -> Result<Self, DataError> {
                match fact_type { $(FactType::$name => decode::<$name>(json).map(Self::$name),)* }
            }
        }

        $(
            impl FactData for $name {
                const TYPE: FactType = FactType::$name;
                const VERSION: u16 = $version;
            }

            impl From<$name> for Fact {
                fn from(data: $name) -> Self {
                    Self::$name(data)
                }
            }

            impl FactInput for $name {
                const TYPES: &'static [FactType] = &[FactType::$name];

                fn from_fact(fact: Fact) -> Option<Self> {
                    match fact { Fact::$name(data) => Some(data), _ => None }
                }
            }
        )*
    };
}

facts! {
    ConversationReceived = "conversation.received", "received", Conversation, v 1;
    ConversationDecoded = "conversation.decoded", "decoded", Conversation, v 1;
    ConversationRejected = "conversation.rejected", "rejected", Conversation, v 1;
    ConversationTranscribed = "conversation.transcribed", "transcribed", Conversation, v 1;
    ConversationTagged = "conversation.tagged", "tagged", Conversation, v 1;
    ConversationAnonymized = "conversation.anonymized", "anonymized", Conversation, v 1;
    ConversationQualified = "conversation.qualified", "qualified", Conversation, v 1;
    ConversationIndexed = "conversation.indexed", "indexed", Conversation, v 1;
    ConversationFailed = "conversation.failed", "failed", Conversation, v 1;
    ConversationErasureRequested =
        "conversation.erasure_requested", "erasure_requested", Conversation, v 1;
    ConversationErased = "conversation.erased", "erased", Conversation, v 1;
    AccountSignupRequested = "account.signup_requested", "signup_requested", Account, v 1;
    AccountCreated = "account.created", "created", Account, v 1;
    AccountSignupRejected = "account.signup_rejected", "signup_rejected", Account, v 1;
    AccountWelcomed = "account.welcomed", "welcomed", Account, v 1;
}

/// Any fact about a conversation: the input of services that follow all of them.
#[derive(Debug, Clone, PartialEq)]
pub struct ConversationFact(pub Fact);

impl FactInput for ConversationFact {
    const TYPES: &'static [FactType] = &[
        FactType::ConversationReceived,
        FactType::ConversationDecoded,
        FactType::ConversationRejected,
        FactType::ConversationTranscribed,
        FactType::ConversationTagged,
        FactType::ConversationAnonymized,
        FactType::ConversationQualified,
        FactType::ConversationIndexed,
        FactType::ConversationFailed,
        FactType::ConversationErasureRequested,
        FactType::ConversationErased,
    ];

    fn from_fact(fact: Fact) -> Option<Self> {
        (fact.fact_type().family() == Family::Conversation).then_some(Self(fact))
    }
}

impl fmt::Display for FactType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for FactType {
    type Err = DataError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .iter()
            .copied()
            .find(|fact| fact.as_str() == text)
            .ok_or_else(|| DataError::UnknownType(text.to_owned()))
    }
}

const VERSION_FIELD: &str = "version";

fn encode<D: FactData>(data: &D) -> Result<Vec<u8>, DataError> {
    let malformed = |source| DataError::Malformed {
        fact: D::TYPE,
        source,
    };
    let mut value = serde_json::to_value(data).map_err(malformed)?;
    if let Value::Object(fields) = &mut value {
        fields.insert(VERSION_FIELD.to_owned(), D::VERSION.into());
    }
    serde_json::to_vec(&value).map_err(malformed)
}

fn decode<D: FactData>(json: &[u8]) -> Result<D, DataError> {
    let malformed = |source| DataError::Malformed {
        fact: D::TYPE,
        source,
    };
    let mut value: Value = serde_json::from_slice(json).map_err(malformed)?;
    let mut version = value
        .get(VERSION_FIELD)
        .and_then(Value::as_u64)
        .and_then(|version| u16::try_from(version).ok())
        .ok_or(DataError::NoVersion { fact: D::TYPE })?;
    if version == 0 || version > D::VERSION {
        return Err(DataError::UnknownVersion {
            fact: D::TYPE,
            version,
            newest: D::VERSION,
        });
    }
    while version < D::VERSION {
        value = D::upcast(version, value)?;
        version += 1;
    }
    serde_json::from_value(value).map_err(malformed)
}
