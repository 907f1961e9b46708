//! How full the broker's storage is, so that ingest can stop while what is under way still has
//! room to come to its end.

use colloquy_contract::streams;

use crate::{Bus, BusError, Result, connect::object_stream};

/// The fullest store of the broker.
#[derive(Debug, Clone, PartialEq)]
pub struct Fullest {
    /// The stream, or `the account`.
    pub what: String,
    /// Share of its limit that is used, 0 to 1 and a little more.
    pub share: f64,
}

impl Bus {
    /// The store that is nearest to its limit: the account's, or that of a stream of the contract.
    /// `None` where nothing is limited.
    pub async fn fullest_store(&self) -> Result<Option<Fullest>> {
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| BusError::Log {
            what: "the broker's storage".to_owned(),
            source,
        };
        let account = self
            .jetstream()
            .query_account()
            .await
            .map_err(|error| failed(error.into()))?;
        let limit = account.limits.max_storage.unwrap_or(-1);
        let mut fullest = share(account.storage, limit).map(|share| Fullest {
            what: "the account".to_owned(),
            share,
        });
        let logs = streams::ALL.iter().map(|spec| spec.name.to_owned());
        let objects = streams::OBJECT_BUCKETS.into_iter().map(object_stream);
        for name in logs.chain(objects) {
            let stream = self
                .jetstream()
                .get_stream(&name)
                .await
                .map_err(|error| failed(error.into()))?;
            let info = stream.cached_info();
            let Some(share) = share(info.state.bytes, info.config.max_bytes) else {
                continue;
            };
            if fullest.as_ref().is_none_or(|known| known.share < share) {
                fullest = Some(Fullest { what: name, share });
            }
        }
        Ok(fullest)
    }
}

/// The share of a limit; `None` if there is none.
fn share(used: u64, limit: i64) -> Option<f64> {
    #[allow(
        clippy::cast_precision_loss,
        reason = "a share needs no more than 52 bits"
    )]
    (limit > 0).then(|| used as f64 / limit as f64)
}
