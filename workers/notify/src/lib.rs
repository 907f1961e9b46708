//! Tells people outside what happened: the welcome e-mail of a new account.
//!
//! The e-mail has a `Message-ID` that follows from the fact, so that a repetition after a crash is
//! recognized as the same e-mail by the servers that deliver it.

#![warn(missing_docs)]

mod mail;

use colloquy_bus::worker::{Context, Failure, Policy, Service};
use colloquy_contract::{
    Fact,
    facts::{AccountCreated, AccountWelcomed},
};

pub use mail::{MailError, MailOptions, Mailer, Smtp};

/// The service.
#[derive(Debug)]
pub struct NotifyService {
    mailer: Mailer,
}

impl NotifyService {
    /// A service that sends through this mailer.
    pub const fn new(mailer: Mailer) -> Self {
        Self { mailer }
    }
}

impl Service for NotifyService {
    const NAME: &'static str = "notify";
    type Input = AccountCreated;

    fn policy(&self) -> Policy {
        // Mail servers are away for hours, not minutes.
        Policy {
            attempts: 20,
            retry_ceiling: std::time::Duration::from_secs(1_800),
            deadline: std::time::Duration::from_secs(60),
            ..Policy::default()
        }
    }

    async fn handle(
        &self,
        account: AccountCreated,
        context: &Context,
    ) -> Result<Vec<Fact>, Failure> {
        let id = context.envelope.id;
        let sent = self
            .mailer
            .welcome(&account.email, &account.name, &id.to_string())
            .await;
        let message_id = sent.map_err(|error| match error {
            MailError::Address | MailError::Refused(_) => Failure::permanent(error),
            MailError::Unreachable(_) | MailError::File(_) => Failure::retry(error),
        })?;
        let transport = self.mailer.transport_name().to_owned();
        Ok(vec![
            AccountWelcomed {
                transport,
                message_id,
            }
            .into(),
        ])
    }
}
