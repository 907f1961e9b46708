//! Processing a conversation again, knowingly: after a better model, or a mended service.

use colloquy_contract::{FactType, Scope};
use jiff::Timestamp;
use tracing::Instrument;

use crate::{Bus, Result};

/// Source of facts that people state anew.
const SOURCE: &str = "operator";

/// A fact that was stated anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restated {
    /// The fact.
    pub fact: FactType,
    /// Its new revision, which everything that follows from it has too.
    pub revision: u32,
}

impl Bus {
    /// States the newest of these facts about one thing anew, with the next revision, so that the
    /// service which reacts to it and all after it do their work again. What they stated before
    /// stays in the log and is superseded. `None` if the thing has no such fact.
    pub async fn reprocess(&self, scope: &Scope, from: &[FactType]) -> Result<Option<Restated>> {
        let history = self.history(scope).await?;
        let newest = history
            .iter()
            .filter(|logged| from.contains(&logged.envelope.fact_type))
            .max_by_key(|logged| (logged.envelope.revision, logged.sequence));
        let Some(original) = newest else {
            return Ok(None);
        };
        let highest = history.iter().map(|logged| logged.envelope.revision).max();
        let revision = highest.unwrap_or_default() + 1;
        let envelope = original.envelope.revise(SOURCE, revision, Timestamp::now());
        let span = original.reprocess_span();
        self.state(&envelope, &original.fact)
            .instrument(span)
            .await?;
        Ok(Some(Restated {
            fact: envelope.fact_type,
            revision,
        }))
    }
}
