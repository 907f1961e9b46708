//! What each service reacts to, states and touches: the map from which the AsyncAPI document, the
//! consumers and the broker's permissions are made.
//!
//! A service that does what it does not declare here is refused by the broker, if that was given
//! the permissions of `colloquy contract permissions`.

use crate::{
    artifact::Bucket,
    control,
    facts::{ConversationFact, FactInput, FactType, Family},
    search,
    streams::{self, KvSpec},
};

/// How a service comes to the facts it reacts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// Not at all: it reacts to requests from outside.
    Nothing,
    /// Through its durable consumer, which shares the facts among its instances.
    Consumer,
    /// From the log itself, from a place it keeps with what it makes of the facts. Each instance
    /// reads all of its share.
    Log,
}

/// How a service uses a key-value bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KvUse {
    /// It reads.
    Read,
    /// It reads and writes.
    Write,
}

/// A service, as the others know it.
#[derive(Debug, Clone, Copy)]
pub struct ServiceSpec {
    /// Its name: its durable consumer's, the source of its facts, its stage in a conversation.
    pub name: &'static str,
    /// What it does, for people.
    pub description: &'static str,
    /// How it reads.
    pub reading: Reading,
    /// The facts it reacts to.
    pub reacts: &'static [FactType],
    /// The facts it states, those of giving up aside.
    pub states: &'static [FactType],
    /// Whether it looks up what is in the log besides.
    pub history: &'static [Family],
    /// Buckets whose artifacts it reads.
    pub reads: &'static [Bucket],
    /// Buckets that it puts artifacts into.
    pub writes: &'static [Bucket],
    /// Key-value buckets it uses.
    pub kv: &'static [(&'static KvSpec, KvUse)],
    /// Whether it lists, redrives and discards dead letters for people.
    pub dead_letters: bool,
    /// Subjects of requests that it answers.
    pub serves: &'static [&'static str],
    /// Subjects of requests that it makes.
    pub asks: &'static [&'static str],
}

impl ServiceSpec {
    /// A service that only reacts.
    const fn reacting(
        name: &'static str,
        description: &'static str,
        reacts: &'static [FactType],
        states: &'static [FactType],
    ) -> Self {
        Self {
            name,
            description,
            reading: Reading::Consumer,
            reacts,
            states,
            history: &[],
            reads: &[],
            writes: &[],
            kv: &[],
            dead_letters: false,
            serves: &[],
            asks: &[],
        }
    }

    /// Families of the facts it reacts to, each once.
    pub fn families(&self) -> Vec<Family> {
        let mut families = Vec::new();
        for fact in self.reacts {
            if !families.contains(&fact.family()) {
                families.push(fact.family());
            }
        }
        families
    }
}

const VAULT: &[Bucket] = &[Bucket::Vault];
const OPEN: &[Bucket] = &[Bucket::Open];

/// Every service of the platform, in the order of a conversation's way.
pub const ALL: &[ServiceSpec] = &[
    ServiceSpec {
        reading: Reading::Nothing,
        history: &[Family::Conversation, Family::Account],
        reads: OPEN,
        writes: VAULT,
        kv: &[
            (&streams::PROGRESS, KvUse::Read),
            (&streams::API_KEYS, KvUse::Write),
            (&streams::CREDENTIALS, KvUse::Write),
            (&streams::IDEMPOTENCY, KvUse::Write),
        ],
        dead_letters: true,
        asks: &[search::SUBJECT],
        ..ServiceSpec::reacting(
            "gateway",
            "The HTTP API: takes recordings and sign-ups, serves results",
            &[],
            &[
                FactType::ConversationReceived,
                FactType::ConversationErasureRequested,
                FactType::AccountSignupRequested,
            ],
        )
    },
    ServiceSpec {
        reads: VAULT,
        writes: VAULT,
        ..ServiceSpec::reacting(
            "decode",
            "Recordings to 16 kHz audio, or a rejection",
            &[FactType::ConversationReceived],
            &[
                FactType::ConversationDecoded,
                FactType::ConversationRejected,
            ],
        )
    },
    ServiceSpec {
        reads: VAULT,
        writes: VAULT,
        ..ServiceSpec::reacting(
            "transcribe",
            "Speech to words with times",
            &[FactType::ConversationDecoded],
            &[
                FactType::ConversationTranscribed,
                FactType::ConversationRejected,
            ],
        )
    },
    ServiceSpec {
        reads: VAULT,
        writes: VAULT,
        ..ServiceSpec::reacting(
            "tag",
            "Names, numbers and places in transcripts",
            &[FactType::ConversationTranscribed],
            &[FactType::ConversationTagged],
        )
    },
    ServiceSpec {
        reads: VAULT,
        writes: OPEN,
        ..ServiceSpec::reacting(
            "anonymize",
            "Transcripts and audio without personal data",
            &[FactType::ConversationTagged],
            &[FactType::ConversationAnonymized],
        )
    },
    ServiceSpec {
        reads: OPEN,
        ..ServiceSpec::reacting(
            "qualify",
            "Talk statistics, categories, sentiment",
            &[FactType::ConversationAnonymized],
            &[FactType::ConversationQualified],
        )
    },
    ServiceSpec {
        reading: Reading::Log,
        history: &[Family::Conversation],
        reads: OPEN,
        serves: &[
            search::SUBJECT,
            control::INDEX_HOLDINGS,
            control::INDEX_REBUILD,
            control::INDEX_STATE,
        ],
        ..ServiceSpec::reacting(
            "index",
            "The search index, and the answers to searches",
            &[
                FactType::ConversationQualified,
                FactType::ConversationErasureRequested,
                FactType::ConversationErased,
            ],
            &[FactType::ConversationIndexed],
        )
    },
    ServiceSpec {
        kv: &[(&streams::PROGRESS, KvUse::Write)],
        ..ServiceSpec::reacting(
            "progress",
            "The read model behind status and lists",
            ConversationFact::TYPES,
            &[],
        )
    },
    ServiceSpec {
        kv: &[(&streams::ACCOUNT_DIRECTORY, KvUse::Write)],
        ..ServiceSpec::reacting(
            "accounts",
            "Sign-ups to accounts with a unique e-mail address",
            &[FactType::AccountSignupRequested],
            &[FactType::AccountCreated, FactType::AccountSignupRejected],
        )
    },
    ServiceSpec::reacting(
        "notify",
        "Welcome e-mails",
        &[FactType::AccountCreated],
        &[FactType::AccountWelcomed],
    ),
    ServiceSpec::reacting(
        "crm",
        "New accounts to the customer-relations system, by signed webhook",
        &[FactType::AccountCreated],
        &[],
    ),
    ServiceSpec::reacting(
        "webhooks",
        "Ends of conversations to the systems around, by signed webhook",
        &[
            FactType::ConversationIndexed,
            FactType::ConversationRejected,
            FactType::ConversationFailed,
            FactType::ConversationErased,
        ],
        &[],
    ),
    ServiceSpec {
        reading: Reading::Log,
        serves: &[control::WAREHOUSE_REBUILD, control::WAREHOUSE_STATE],
        ..ServiceSpec::reacting(
            "warehouse",
            "Every fact as a row in Parquet files, without personal data",
            FactType::ALL,
            &[],
        )
    },
];

/// The service of this name.
pub fn find(name: &str) -> Option<&'static ServiceSpec> {
    ALL.iter().find(|service| service.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_facts_have_an_author() {
        for service in ALL {
            assert_eq!(
                ALL.iter()
                    .filter(|other| other.name == service.name)
                    .count(),
                1
            );
            // A durable consumer reads one stream.
            if service.reading == Reading::Consumer {
                assert_eq!(service.families().len(), 1, "{}", service.name);
            }
        }
        for fact in FactType::ALL {
            let authors = ALL
                .iter()
                .filter(|service| service.states.contains(fact))
                .count();
            match fact {
                // Every service may give up; nothing erases yet.
                FactType::ConversationFailed | FactType::ConversationErased => {
                    assert_eq!(authors, 0, "{fact}");
                }
                _ => assert!(authors >= 1, "{fact} is stated by nobody"),
            }
        }
    }
}
