//! Keeps what the broker itself gave up on.
//!
//! A message that kills every process which receives it never reaches the kit's own count of
//! attempts. The broker stops delivering it after [`streams::MAX_DELIVER`] times and publishes an
//! advisory without the message; the stream ADVISORIES keeps that, and every instance of the
//! service turns such advisories into dead letters, so that nothing ends silently.

use async_nats::Message;
use colloquy_contract::{facts::Family, streams};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use crate::{
    Bus, Result,
    error::chain,
    pull::Puller,
    settle::{Settlement, Ticket},
};

use super::PULL_PAUSE;

/// What a service's dead letter says then.
const REASON: &str = "the broker gave up: the service died or lost its connection at each delivery";

/// The broker's advisory, as far as we read it (`io.nats.jetstream.advisory.v1.max_deliver`).
#[derive(Debug, Deserialize)]
struct Advisory {
    stream_seq: u64,
    deliveries: u32,
}

/// Turns advisories about one service's consumer into dead letters.
pub(super) struct Captor {
    pub(super) bus: Bus,
    pub(super) service: &'static str,
    pub(super) family: Family,
}

impl Captor {
    /// Runs until told to drain. Trouble is logged and tried again.
    pub(super) async fn run(self, drain: CancellationToken) {
        let mut puller = Puller::new(
            self.bus.client().clone(),
            streams::ADVISORIES.name,
            self.service,
            1,
        );
        while !drain.is_cancelled() {
            let pulled = tokio::select! {
                biased;
                () = drain.cancelled() => break,
                pulled = puller.next(1) => pulled,
            };
            let captured = match pulled {
                Ok(message) => self.capture(message).await,
                Err(error) => Err(error),
            };
            if let Err(error) = captured {
                tracing::warn!(
                    service = self.service,
                    error = chain(&error),
                    "what the broker gave up on cannot be kept yet; trying again"
                );
                tokio::select! {
                    () = drain.cancelled() => {}
                    () = tokio::time::sleep(PULL_PAUSE) => {}
                }
            }
        }
        puller.close().await;
    }

    async fn capture(&self, message: Message) -> Result<()> {
        let Some(reply) = message.reply.clone() else {
            return Ok(());
        };
        // Dropped on an error, which hands the advisory back.
        let ticket = Ticket::new(&self.bus, reply, self.service, streams::ADVISORIES.name);
        match serde_json::from_slice::<Advisory>(&message.payload) {
            Ok(advisory) => {
                let (sequence, tries) = (advisory.stream_seq, advisory.deliveries);
                self.bus
                    .bury_fact(self.service, self.family, sequence, tries, REASON)
                    .await?;
                ticket.settle(Settlement::Ack).await
            }
            Err(error) => {
                tracing::error!(service = self.service, %error, "an advisory cannot be read");
                ticket.settle(Settlement::Term).await
            }
        }
    }
}
