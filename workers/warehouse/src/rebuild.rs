//! A generation that is read anew beside the one that serves.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use colloquy_bus::Bus;
use colloquy_contract::{control::RebuildFrom, facts::Family};

use crate::{
    Result,
    feed::BatchLimits,
    generation::{Places, Shared, lock},
    ingest::{Feeding, blocking},
    store::{Store, remove},
};

/// Longest time until what was read is committed: the end of a rebuild waits for that.
const COMMIT_INTERVAL: Duration = Duration::from_millis(500);

/// A generation that is read anew beside the one that serves. It goes on until it has caught up;
/// then it takes the other's place, or is discarded.
pub(crate) struct Rebuild {
    pub(crate) generation: Shared,
    pub(crate) feeding: Feeding,
}

impl Rebuild {
    /// Takes over the files that lie before the beginning, and reads on from there.
    pub(crate) async fn begin(
        bus: &Bus,
        store: &Arc<Store>,
        serving: &Shared,
        from: RebuildFrom,
        max_batch: usize,
    ) -> Result<Self> {
        let bounds = bounds(bus, from).await?;
        let (store, serving) = (store.clone(), serving.clone());
        let next = blocking(move || store.successor(&lock(&serving), bounds)).await?;
        let generation = Arc::new(Mutex::new(next));
        let limits = BatchLimits {
            facts: max_batch,
            interval: COMMIT_INTERVAL,
        };
        let feeding = Feeding::start(bus, &generation, limits, None);
        Ok(Self {
            generation,
            feeding,
        })
    }

    /// Removes what was read.
    pub(crate) async fn discard(self) -> Result<()> {
        drop(self.feeding);
        // The lock waits for a commit that is under way.
        blocking(move || remove(&lock(&self.generation).path)).await
    }
}

/// The last places that may be taken over.
async fn bounds(bus: &Bus, from: RebuildFrom) -> Result<Places> {
    Ok(match from {
        RebuildFrom::Start => Places::default(),
        RebuildFrom::Sequence(sequence) => Places {
            conversations: sequence.saturating_sub(1),
            accounts: u64::MAX,
        },
        RebuildFrom::Time(time) => {
            let before = async |family| {
                let since = bus.sequence_since(family, time).await?;
                Ok::<_, colloquy_bus::BusError>(since.saturating_sub(1))
            };
            Places {
                conversations: before(Family::Conversation).await?,
                accounts: before(Family::Account).await?,
            }
        }
    })
}
