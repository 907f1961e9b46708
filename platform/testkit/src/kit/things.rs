//! What facts are about.

use colloquy_bus::log::Logged;
use colloquy_contract::{AccountId, ConversationId, FactType, Scope};

/// A new conversation of the account `acme`.
pub fn conversation() -> Scope {
    Scope::Conversation {
        account: "acme".parse().expect("an account id"),
        conversation: ConversationId::generate(),
    }
}

/// A new account.
pub fn account() -> Scope {
    Scope::Account {
        account: AccountId::generate(),
    }
}

/// The types of facts.
pub fn types(history: &[Logged]) -> Vec<FactType> {
    let facts = history.iter();
    facts.map(|logged| logged.envelope.fact_type).collect()
}
