//! How conversations end, to a system of the operator's choice.

use colloquy_bus::worker::{Context, Failure, Policy, Service};
use colloquy_contract::{
    Fact, FactType,
    facts::{
        ConversationErased, ConversationFailed, ConversationIndexed, ConversationRejected,
        FactInput,
    },
    services,
};
use serde_json::{Value, json};

use crate::{endpoint::Endpoint, policy};

/// The end of a conversation. None of them holds personal data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConversationEnd {
    /// It can be searched.
    Indexed(ConversationIndexed),
    /// It cannot be used.
    Rejected(ConversationRejected),
    /// A service gave up on it.
    Failed(ConversationFailed),
    /// Everything personal about it is gone.
    Erased(ConversationErased),
}

impl FactInput for ConversationEnd {
    const TYPES: &'static [FactType] = &[
        FactType::ConversationIndexed,
        FactType::ConversationRejected,
        FactType::ConversationFailed,
        FactType::ConversationErased,
    ];

    fn from_fact(fact: Fact) -> Option<Self> {
        match fact {
            Fact::ConversationIndexed(data) => Some(Self::Indexed(data)),
            Fact::ConversationRejected(data) => Some(Self::Rejected(data)),
            Fact::ConversationFailed(data) => Some(Self::Failed(data)),
            Fact::ConversationErased(data) => Some(Self::Erased(data)),
            _ => None,
        }
    }
}

impl ConversationEnd {
    /// Whether it is one. A service that states nothing stands beside the conversation's way: that
    /// it gave up, as we may ourselves, ends nothing.
    fn is_end(&self) -> bool {
        match self {
            Self::Failed(data) => {
                services::find(&data.stage).is_none_or(|service| !service.states.is_empty())
            }
            Self::Indexed(_) | Self::Rejected(_) | Self::Erased(_) => true,
        }
    }

    /// What is told of it; each field is named, so that one that is added is let out on purpose.
    fn told(&self) -> Value {
        match self {
            Self::Indexed(data) => json!({ "turns": data.turns }),
            Self::Rejected(data) => json!({
                "stage": data.stage,
                "code": data.code,
                "reason": data.reason,
            }),
            Self::Failed(data) => json!({
                "stage": data.stage,
                "error": data.error,
                "attempts": data.attempts,
                "dead_letter": data.dead_letter,
            }),
            Self::Erased(data) => json!({ "artifacts": data.artifacts }),
        }
    }
}

/// Tells a system of the operator's choice how conversations end.
#[derive(Debug)]
pub struct WebhooksService {
    endpoint: Option<Endpoint>,
}

impl WebhooksService {
    /// A service that tells this endpoint; without one it lets conversations pass, and says so in
    /// the log now.
    pub fn new(endpoint: Option<Endpoint>) -> Self {
        match &endpoint {
            Some(endpoint) => {
                tracing::info!(host = endpoint.host(), "ends of conversations are told");
            }
            None => {
                tracing::info!("no webhook is configured: ends of conversations are told to none");
            }
        }
        Self { endpoint }
    }
}

impl Service for WebhooksService {
    const NAME: &'static str = "webhooks";
    type Input = ConversationEnd;

    fn policy(&self) -> Policy {
        policy()
    }

    async fn handle(&self, end: ConversationEnd, context: &Context) -> Result<Vec<Fact>, Failure> {
        if let Some(endpoint) = self.endpoint.as_ref().filter(|_| end.is_end()) {
            endpoint.deliver(&context.envelope, end.told()).await?;
        }
        Ok(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_beside_the_way_is_no_end() {
        let failed = |stage: &str| {
            ConversationEnd::Failed(ConversationFailed {
                stage: stage.to_owned(),
                error: "it broke".to_owned(),
                attempts: 6,
                dead_letter: 1,
            })
        };
        for stage in ["decode", "index", "a-service-beside-the-platform"] {
            assert!(failed(stage).is_end(), "{stage}");
        }
        for stage in ["webhooks", "progress"] {
            assert!(!failed(stage).is_end(), "{stage}");
        }
    }
}
