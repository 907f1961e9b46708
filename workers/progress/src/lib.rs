//! Keeps the read model behind status, lists and live updates.
//!
//! Every conversation fact is folded into the entry of its conversation by compare-and-set, so
//! that any number of these workers share the load and order does not matter. What went wrong or
//! was lost is mended by [`rebuild`] from the log.

#![warn(missing_docs)]

mod rebuild;

use colloquy_bus::{
    Bus, Kv, Result,
    worker::{Context, Failure, Policy, Service},
};
use colloquy_contract::{Fact, facts::ConversationFact, progress::Progress, streams};

pub use rebuild::{Report, rebuild};

/// The service.
#[derive(Debug)]
pub struct ProgressService {
    entries: Kv,
}

impl ProgressService {
    /// Opens the read model.
    pub async fn new(bus: &Bus) -> Result<Self> {
        Ok(Self {
            entries: bus.kv(streams::PROGRESS.name).await?,
        })
    }
}

impl Service for ProgressService {
    const NAME: &'static str = "progress";
    type Input = ConversationFact;

    fn policy(&self) -> Policy {
        Policy {
            concurrency: 8,
            ..Policy::default()
        }
    }

    async fn handle(
        &self,
        ConversationFact(fact): ConversationFact,
        context: &Context,
    ) -> std::result::Result<Vec<Fact>, Failure> {
        let Some(conversation) = context.scope().conversation() else {
            return Ok(Vec::new());
        };
        let key = Progress::key(context.scope().account(), conversation);
        self.entries
            .update(&key, |present: Option<Progress>| {
                let mut progress = present.unwrap_or_else(|| Progress::new(conversation));
                progress.apply(&context.envelope, &fact).then_some(progress)
            })
            .await?;
        Ok(Vec::new())
    }
}
