//! Dead letters: what a service gave up on is kept whole; people list it, show it, give it back or
//! drop it.
//!
//! - A redriven message goes to the service that gave up on it, and to no other: it is the same
//!   fact with the same id on `redrives.<service>.<subject>`, so what follows from it is stated
//!   once however often it is redriven.
//! - It carries its history: every dead letter that it was, with error, attempts and time.
//! - A dead letter is removed only after the log has acknowledged the redriven message. A crash in
//!   between is noticed at the next redrive, which then only removes.

mod keep;
mod letter;
mod list;
mod redrive;

use async_nats::HeaderMap;

use crate::{BusError, log::log_error};

pub use letter::{DeadLetter, DeadLetterFilter, Earlier};
pub use redrive::Redriven;

/// Headers that a dead letter has besides those of the message it copies.
pub(crate) mod header {
    /// The service that gave up.
    pub(crate) const SERVICE: &str = "Colloquy-Service";
    /// Why, outermost error first.
    pub(crate) const ERROR: &str = "Colloquy-Error";
    /// How often it tried.
    pub(crate) const ATTEMPTS: &str = "Colloquy-Attempts";
    /// Subject that the message came on.
    pub(crate) const SUBJECT: &str = "Colloquy-Subject";
    /// Stream that keeps the message.
    pub(crate) const STREAM: &str = "Colloquy-Stream";
    /// Its sequence there.
    pub(crate) const SEQUENCE: &str = "Colloquy-Sequence";
    /// What the message was before it was redriven: the dead letters, oldest first, as JSON.
    pub(crate) const HISTORY: &str = "Colloquy-History";
    /// Of a redriven message: the dead letter that it was.
    pub(crate) const DEAD_LETTER: &str = "Colloquy-Dead-Letter";
}

fn get<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(async_nats::HeaderValue::as_str)
}

fn failed<E>(source: E) -> BusError
where
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    log_error("the dead letters", source)
}
