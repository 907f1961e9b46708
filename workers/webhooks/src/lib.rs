//! Tells systems outside what happened, by signed webhook.
//!
//! [`CrmService`] tells the customer-relations system of new accounts, [`WebhooksService`] tells a
//! system of the operator's choice how conversations end. Messages are signed and repeated as the
//! [Standard Webhooks](https://www.standardwebhooks.com) specification says, so receivers can use
//! its libraries.
//!
//! Promises:
//!
//! - **Every fact is delivered at least once, under one id.** `webhook-id` is the fact's id: a
//!   repetition, after a crash or a lost answer, has the same, and the body is the same to the byte.
//! - **A receiver that is away costs little.** Attempts are spread over hours; after a few failures
//!   in a row a circuit breaker answers for it, until one attempt tells that it is back.
//! - **What is refused for good is kept.** A fact that the receiver refuses becomes a dead letter,
//!   which can be redriven.
//! - **Webhooks about conversations hold no personal data**; those to the customer-relations
//!   system hold what was entered at the sign-up, and go to that one address only.
//!
//! Redirects are not followed, so that nothing leaves for another address than the one configured.

#![warn(missing_docs)]

mod crm;
mod endpoint;
mod ends;
mod signature;

pub use crm::CrmService;
pub use endpoint::{Endpoint, EndpointError, EndpointOptions, Limits};
pub use ends::{ConversationEnd, WebhooksService};
pub use signature::{Secret, SecretError};

use std::time::Duration;

use colloquy_bus::worker::Policy;

/// How both services are run: receivers are away for hours, not minutes.
fn policy() -> Policy {
    Policy {
        attempts: 20,
        retry_ceiling: Duration::from_secs(1_800),
        deadline: Duration::from_secs(60),
        ..Policy::default()
    }
}
