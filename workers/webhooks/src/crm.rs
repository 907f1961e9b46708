//! New accounts, to the customer-relations system.

use colloquy_bus::worker::{Context, Failure, Policy, Service};
use colloquy_contract::{Fact, facts::AccountCreated};
use serde_json::json;

use crate::{endpoint::Endpoint, policy};

/// Tells the customer-relations system of new accounts.
#[derive(Debug)]
pub struct CrmService {
    endpoint: Option<Endpoint>,
}

impl CrmService {
    /// A service that tells this endpoint; without one it lets accounts pass, and says so in the
    /// log now.
    pub fn new(endpoint: Option<Endpoint>) -> Self {
        match &endpoint {
            Some(endpoint) => {
                tracing::info!(host = endpoint.host(), "new accounts are told to the CRM");
            }
            None => tracing::info!("no CRM is configured: new accounts are told to none"),
        }
        Self { endpoint }
    }
}

impl Service for CrmService {
    const NAME: &'static str = "crm";
    type Input = AccountCreated;

    fn policy(&self) -> Policy {
        policy()
    }

    async fn handle(
        &self,
        account: AccountCreated,
        context: &Context,
    ) -> Result<Vec<Fact>, Failure> {
        if let Some(endpoint) = &self.endpoint {
            let data = json!({
                "email": account.email,
                "name": account.name,
                "company": account.company,
            });
            endpoint.deliver(&context.envelope, data).await?;
        }
        Ok(Vec::new())
    }
}
