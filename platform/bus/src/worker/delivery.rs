//! A delivery that waits for its turn.
//!
//! Promise: it is kept alive while it waits, and handed back if it is dropped unsettled.

use std::{future::Future, time::Duration};

use async_nats::Message;
use colloquy_contract::{Scope, Subject};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::settle::Ticket;

/// How often a sign of life is sent.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// Where a delivery stands in its stream and how often it was delivered.
#[derive(Debug, Clone)]
pub(crate) struct Delivered {
    pub(crate) stream: String,
    pub(crate) sequence: u64,
    pub(crate) attempt: u32,
}

/// A delivery that is ours to settle.
pub(super) struct Delivery {
    pub(super) message: Message,
    pub(super) subject: Option<Subject>,
    pub(super) ticket: Ticket,
    pub(super) delivered: Delivered,
    /// When the log acknowledged it.
    pub(super) stored_at: Timestamp,
}

impl Delivery {
    /// What it is about, if its subject says so.
    pub(super) fn scope(&self) -> Option<&Scope> {
        Some(&self.subject.as_ref()?.scope)
    }

    /// Waits for `turn` and keeps the delivery alive meanwhile; hands it back and is `None` if
    /// `cancel` fires first.
    pub(super) async fn wait_for<T>(
        self,
        turn: impl Future<Output = T>,
        cancel: &CancellationToken,
    ) -> Option<(Self, T)> {
        tokio::select! {
            biased;
            turn = turn => Some((self, turn)),
            // Dropped unsettled, the ticket hands the delivery back.
            () = cancel.cancelled() => None,
            () = self.ticket.keep_alive(KEEP_ALIVE) => None,
        }
    }
}
