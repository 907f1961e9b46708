//! Subjects: one per conversation (or account) and fact.
//!
//! `conversations.<partition>.<account>.<conversation>.<fact>` and `accounts.<account>.<fact>`.
//! That gives a conversation's history by one filter, its erasure by one purge, and idempotent
//! publishing for good: a fact is stated once if its subject may hold one message.

use std::{fmt, str::FromStr, sync::LazyLock};

use crate::{
    facts::{FactType, Family},
    ids::{AccountId, ConversationId, IdError},
};

/// Number of partitions that conversations are spread over. Changing it breaks every deployment.
pub const PARTITIONS: u8 = 64;

/// The partition of a conversation, 0 to 63.
///
/// It is the CRC-32 (ISO-HDLC) of the id's 16 bytes modulo [`PARTITIONS`]: stable over time,
/// platforms and languages. It is computed nowhere else.
pub fn partition(conversation: ConversationId) -> u8 {
    let hash = crc32fast::hash(conversation.as_uuid().as_bytes());
    u8::try_from(hash % u32::from(PARTITIONS)).unwrap_or(0)
}

/// What a fact is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Scope {
    /// A conversation of an account.
    Conversation {
        /// The owner.
        account: AccountId,
        /// The conversation.
        conversation: ConversationId,
    },
    /// An account itself.
    Account {
        /// The account.
        account: AccountId,
    },
}

impl Scope {
    /// The account it belongs to.
    pub const fn account(&self) -> &AccountId {
        match self {
            Self::Conversation { account, .. } | Self::Account { account } => account,
        }
    }

    /// The conversation, if it is about one.
    pub const fn conversation(&self) -> Option<ConversationId> {
        match self {
            Self::Conversation { conversation, .. } => Some(*conversation),
            Self::Account { .. } => None,
        }
    }

    /// The id that all its facts have in common (CloudEvents `correlationid`).
    pub fn correlation(&self) -> String {
        match self {
            Self::Conversation { conversation, .. } => conversation.to_string(),
            Self::Account { account } => account.to_string(),
        }
    }

    /// The filter that matches all its facts.
    pub fn history_filter(&self) -> String {
        format!("{}.>", self.prefix())
    }

    /// Its subjects without the fact: `conversations.<partition>.<account>.<conversation>`.
    pub fn prefix(&self) -> String {
        match self {
            Self::Conversation {
                account,
                conversation,
            } => {
                format!(
                    "conversations.{}.{account}.{conversation}",
                    partition(*conversation)
                )
            }
            Self::Account { account } => format!("accounts.{account}"),
        }
    }
}

/// The subject of one fact.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Subject {
    /// What it is about.
    pub scope: Scope,
    /// What it says.
    pub fact: FactType,
}

impl Subject {
    /// The subject of a fact about `scope`; `None` if they do not belong together.
    pub fn new(scope: Scope, fact: FactType) -> Option<Self> {
        let fits = matches!(
            (&scope, fact.family()),
            (Scope::Conversation { .. }, Family::Conversation)
                | (Scope::Account { .. }, Family::Account)
        );
        fits.then_some(Self { scope, fact })
    }

    /// The filter that matches this type of fact of everything and everyone.
    pub fn filter(fact: FactType) -> String {
        template(fact)
            .replace("{partition}", "*")
            .replace("{account}", "*")
            .replace("{conversation}", "*")
    }

    /// The filter that matches this type of conversation fact in one partition.
    pub fn partition_filter(fact: FactType, partition: u8) -> String {
        format!("conversations.{partition}.*.*.{}", fact.token())
    }
}

/// First token of the subjects of redriven facts.
pub const REDRIVES: &str = "redrives";

/// The subject of a fact that is given to one service again: `redrives.<service>.<subject>`. Only
/// that service reads it; it is the same fact, with the same id.
pub fn redrive(service: &str, subject: &str) -> String {
    format!("{REDRIVES}.{service}.{subject}")
}

/// The subject that a redriven fact had at first; any other subject as it is.
pub fn redriven_from(subject: &str) -> &str {
    subject
        .strip_prefix(REDRIVES)
        .and_then(|rest| rest.strip_prefix('.'))
        .and_then(|rest| rest.split_once('.'))
        .map_or(subject, |(_service, original)| original)
}

/// The template of a fact's subjects, for spans and documents: ids stand in braces.
pub fn template(fact: FactType) -> &'static str {
    static TEMPLATES: LazyLock<Vec<(FactType, String)>> = LazyLock::new(|| {
        let shape = |fact: FactType| match fact.family() {
            Family::Conversation => "conversations.{partition}.{account}.{conversation}",
            Family::Account => "accounts.{account}",
        };
        let entry = |&fact: &FactType| (fact, format!("{}.{}", shape(fact), fact.token()));
        FactType::ALL.iter().map(entry).collect()
    });
    TEMPLATES
        .iter()
        .find(|(known, _)| *known == fact)
        .map_or("", |(_, template)| template)
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.scope.prefix(), self.fact.token())
    }
}

/// Why a text is not a subject of a fact.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SubjectError {
    /// Its shape or its last token is unknown.
    #[error("not the subject of a known fact")]
    Shape,
    /// An id in it is malformed.
    #[error("an id in the subject is malformed")]
    Id(#[from] IdError),
    /// The partition is not the conversation's.
    #[error("the subject is in another partition than its conversation")]
    Partition,
}

impl FromStr for Subject {
    type Err = SubjectError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let tokens: Vec<&str> = text.split('.').collect();
        let find = |family: Family, token: &str| {
            FactType::ALL
                .iter()
                .copied()
                .find(|fact| fact.family() == family && fact.token() == token)
                .ok_or(SubjectError::Shape)
        };
        match tokens.as_slice() {
            ["conversations", number, account, conversation, token] => {
                let fact = find(Family::Conversation, token)?;
                let account = account.parse()?;
                let conversation = conversation.parse()?;
                if number.parse() != Ok(partition(conversation)) {
                    return Err(SubjectError::Partition);
                }
                Ok(Self {
                    scope: Scope::Conversation {
                        account,
                        conversation,
                    },
                    fact,
                })
            }
            ["accounts", account, token] => {
                let fact = find(Family::Account, token)?;
                Ok(Self {
                    scope: Scope::Account {
                        account: account.parse()?,
                    },
                    fact,
                })
            }
            _ => Err(SubjectError::Shape),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conversation() -> Scope {
        Scope::Conversation {
            account: "acme".parse().unwrap(),
            conversation: "0198c0de-7f7f-7b3a-9d55-3f8a6c1e2b4d".parse().unwrap(),
        }
    }

    #[test]
    fn subjects_round_trip() {
        for &fact in FactType::ALL {
            let scope = match fact.family() {
                Family::Conversation => conversation(),
                Family::Account => Scope::Account {
                    account: "acme".parse().unwrap(),
                },
            };
            let subject = Subject::new(scope, fact).unwrap();
            assert_eq!(subject.to_string().parse(), Ok(subject));
        }
    }

    #[test]
    fn the_partition_of_a_known_id_never_changes() {
        let subject = Subject::new(conversation(), FactType::ConversationDecoded).unwrap();
        assert_eq!(
            subject.to_string(),
            "conversations.31.acme.0198c0de-7f7f-7b3a-9d55-3f8a6c1e2b4d.decoded"
        );
    }

    #[test]
    fn a_redriven_fact_has_its_first_subject() {
        let subject = "accounts.acme.created";
        let again = redrive("notify", subject);
        assert_eq!(again, "redrives.notify.accounts.acme.created");
        assert_eq!(redriven_from(&again), subject);
        assert_eq!(redriven_from(subject), subject);
        assert_eq!(redriven_from("redrives.notify"), "redrives.notify");
    }

    #[test]
    fn what_is_no_subject_is_refused() {
        let id = "0198c0de-7f7f-7b3a-9d55-3f8a6c1e2b4d";
        for (bad, why) in [
            (
                format!("conversations.99.acme.{id}.decoded"),
                SubjectError::Partition,
            ),
            (
                format!("conversations.31.acme.{id}.created"),
                SubjectError::Shape,
            ),
            ("accounts.acme".to_owned(), SubjectError::Shape),
            (
                "accounts.ACME.created".to_owned(),
                SubjectError::Id(IdError::NotAccount),
            ),
        ] {
            assert_eq!(bad.parse::<Subject>(), Err(why), "{bad}");
        }
        assert_eq!(Subject::new(conversation(), FactType::AccountCreated), None);
    }

    #[test]
    fn partitions_are_even() {
        let mut counts = [0_u32; PARTITIONS as usize];
        for _ in 0..64_000 {
            counts[usize::from(partition(ConversationId::generate()))] += 1;
        }
        assert!(
            counts.iter().all(|&n| (700..1300).contains(&n)),
            "{counts:?}"
        );
    }
}
