//! The facts of an account, from the sign-up to the welcome.
//!
//! A password never comes here: the gateway hashes it and keeps the hash in the KV bucket
//! `credentials`, under the account's id.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Somebody asked for an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AccountSignupRequested {
    /// The e-mail address to sign in with.
    pub email: String,
    /// The person's name.
    pub name: String,
    /// The company, where given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub company: Option<String>,
}

/// The account exists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AccountCreated {
    /// The e-mail address to sign in with; no other account has it.
    pub email: String,
    /// The person's name.
    pub name: String,
    /// The company, where given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub company: Option<String>,
}

/// The account was not created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AccountSignupRejected {
    /// A stable code, such as `email_taken`.
    pub code: String,
    /// What was wrong and what to do, for a person. No personal data.
    pub reason: String,
}

/// The welcome e-mail was handed over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AccountWelcomed {
    /// How: `smtp`, or `file` where no server is configured.
    pub transport: String,
    /// The `Message-ID` of the e-mail.
    pub message_id: String,
}
