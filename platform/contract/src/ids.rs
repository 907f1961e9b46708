//! Typed identifiers: one place, so that no id is ever mistaken for another.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Why a text is not an identifier.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum IdError {
    /// The text is not a UUID.
    #[error("a {kind} id is a UUID such as 0198c0de-7f7f-7b3a-9d55-3f8a6c1e2b4d")]
    NotUuid {
        /// Which id was expected.
        kind: &'static str,
    },
    /// The text is not a valid account id.
    #[error(
        "an account id has 1 to 63 characters of a-z, 0-9 and '-', and starts with one of a-z or 0-9"
    )]
    NotAccount,
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
        )]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// The id as a UUID.
            pub const fn as_uuid(&self) -> Uuid {
                self.0
            }
        }

        impl From<Uuid> for $name {
            fn from(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::try_parse(text).map(Self).map_err(|_| IdError::NotUuid { kind: $kind })
            }
        }
    };
}

uuid_id! {
    /// A conversation (one recorded call). A UUIDv7, so ids sort by the time of acceptance.
    ConversationId, "conversation"
}

uuid_id! {
    /// A fact. First facts have a UUIDv7; a derived fact's id is a UUIDv5 of what it derives from.
    FactId, "fact"
}

impl ConversationId {
    /// A new id for a conversation accepted now.
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }

    /// The day (UTC) of acceptance, read from the UUIDv7; the epoch for other UUID versions.
    pub fn day(&self) -> jiff::civil::Date {
        let seconds = self.0.get_timestamp().map_or(0, |time| time.to_unix().0);
        jiff::Timestamp::from_second(i64::try_from(seconds).unwrap_or(0))
            .unwrap_or(jiff::Timestamp::UNIX_EPOCH)
            .to_zoned(jiff::tz::TimeZone::UTC)
            .date()
    }
}

/// Namespace of derived fact ids: UUIDv5(DNS, "facts.colloquy").
const DERIVED_FACTS: Uuid = Uuid::from_u128(0x6f0b_5d53_5a0e_5d0c_9a0e_0d0f_3c11_a7e1);

impl FactId {
    /// A new id for a fact that no other fact caused.
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }

    /// The id of the fact of type `fact_type` that `service` states because of `cause`.
    ///
    /// The same three give the same id: handling a redelivery states the same fact again.
    pub fn derived(cause: FactId, service: &str, fact_type: &str) -> Self {
        let name = format!("{cause}/{service}/{fact_type}");
        Self(Uuid::new_v5(&DERIVED_FACTS, name.as_bytes()))
    }
}

/// A customer of the platform: the owner of conversations, users and API keys.
///
/// It is a token of subjects, so its alphabet is narrow: 1 to 63 of `a-z`, `0-9` and `-`.
#[derive(
    Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct AccountId(String);

impl AccountId {
    /// A new id, for an account that signs up now.
    pub fn generate() -> Self {
        Self(Uuid::now_v7().hyphenated().to_string())
    }

    /// The id as it stands in subjects.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AccountId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let legal = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
        let valid =
            (1..=63).contains(&text.len()) && text.bytes().all(legal) && !text.starts_with('-');
        if valid {
            Ok(Self(text.to_owned()))
        } else {
            Err(IdError::NotAccount)
        }
    }
}

impl TryFrom<String> for AccountId {
    type Error = IdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<AccountId> for String {
    fn from(id: AccountId) -> Self {
        id.0
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_ids_repeat_and_differ_by_each_part() {
        let cause = FactId::generate();
        let id = FactId::derived(cause, "decode", "conversation.decoded");
        assert_eq!(id, FactId::derived(cause, "decode", "conversation.decoded"));
        assert_ne!(
            id,
            FactId::derived(cause, "decode", "conversation.rejected")
        );
        assert_ne!(id, FactId::derived(cause, "other", "conversation.decoded"));
        assert_ne!(
            id,
            FactId::derived(FactId::generate(), "decode", "conversation.decoded")
        );
    }

    #[test]
    fn account_ids_are_subject_tokens() {
        for good in ["default", "a", "acme-2", &"x".repeat(63)] {
            assert!(good.parse::<AccountId>().is_ok(), "{good}");
        }
        for bad in ["", "-a", "A", "a.b", "a*", "a b", ">", &"x".repeat(64), "é"] {
            assert_eq!(bad.parse::<AccountId>(), Err(IdError::NotAccount), "{bad}");
        }
    }

    #[test]
    fn a_conversation_knows_its_day() {
        let id: ConversationId = "0198c0de-7f7f-7b3a-9d55-3f8a6c1e2b4d".parse().unwrap();
        assert_eq!(id.day(), jiff::civil::date(2025, 8, 19));
    }
}
