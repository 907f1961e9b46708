//! Where something stands in the log, and how much.

use std::time::Duration;

use async_nats::jetstream::consumer::{DeliverPolicy, pull};
use colloquy_contract::{facts::Family, streams};
use tokio_util::sync::CancellationToken;

use super::{READING, log_error, reading_from};
use crate::{
    Bus, BusError, Result,
    denied::{api, apis},
    error::chain,
};

/// Pause before a broker that did not answer is asked again.
const LOG_PAUSE: Duration = Duration::from_secs(1);

/// How long the first fact from a time on may take to come.
const FIRST_TIMEOUT: Duration = Duration::from_secs(10);

impl Bus {
    /// How many messages match the filters from a stream sequence on.
    pub async fn waiting(
        &self,
        family: Family,
        filters: Vec<String>,
        from_sequence: u64,
    ) -> Result<u64> {
        self.count(family, reading_from(filters, from_sequence))
            .await
    }

    /// The sequence from which on everything was stored at or after a time.
    pub async fn sequence_since(&self, family: Family, time: jiff::Timestamp) -> Result<u64> {
        let name = streams::of(family).name;
        // Taken first: whatever is stored from here on is later than the time, or is counted.
        let last = self.last_sequence(family).await?;
        let start_time = async_nats::datetime::parse_rfc3339(&time.to_string())
            .map_err(|error| log_error(name, error))?;
        let config = pull::OrderedConfig {
            deliver_policy: DeliverPolicy::ByStartTime { start_time },
            headers_only: true,
            ..pull::OrderedConfig::default()
        };
        let mut follow = self.open(name, config).await?;
        if follow.backlog() == 0 {
            return Ok(last + 1);
        }
        let first = tokio::time::timeout(FIRST_TIMEOUT, follow.next_message());
        let first = first.await.map_err(|_| BusError::TimedOut {
            what: "reading the log from a time",
            limit: FIRST_TIMEOUT,
        })?;
        Ok(first?.sequence)
    }

    /// The sequence of the newest message of a family's stream; 0 if there is none.
    pub async fn last_sequence(&self, family: Family) -> Result<u64> {
        self.last_sequence_of(streams::of(family).name).await
    }

    /// The same of any stream.
    pub(crate) async fn last_sequence_of(&self, name: &str) -> Result<u64> {
        let looking = async {
            let stream = self.jetstream().get_stream(name).await;
            stream.map_err(|error| log_error(name, error))
        };
        let needed = api("STREAM.INFO", name);
        let stream = self.or_denied(&needed, looking).await?;
        Ok(stream.cached_info().state.last_sequence)
    }

    /// The same, once the broker can say it; `None` if `stop` fires before.
    pub async fn await_last_sequence(
        &self,
        family: Family,
        stop: &CancellationToken,
    ) -> Option<u64> {
        loop {
            match self.last_sequence(family).await {
                Ok(last) => return Some(last),
                Err(error) => {
                    let error = chain(&error);
                    tracing::warn!(error, "the log cannot be read; trying again");
                }
            }
            tokio::select! {
                () = stop.cancelled() => return None,
                () = tokio::time::sleep(LOG_PAUSE) => {}
            }
        }
    }

    /// Whether any message matches the filter. One round trip.
    pub async fn stands(&self, family: Family, filter: &str) -> Result<bool> {
        let name = streams::of(family).name;
        let needed = api("STREAM.MSG.GET", name);
        let last = self.or_denied(&needed, self.last_on(name, filter)).await?;
        Ok(last.is_some())
    }

    async fn count(&self, family: Family, config: pull::OrderedConfig) -> Result<u64> {
        let name = streams::of(family).name;
        let stream = self.stream_of(name).await?;
        let creating = async {
            let created = stream.create_consumer(config).await;
            created.map_err(|error| log_error(name, error))
        };
        let needed = apis(READING, name);
        let consumer = self.or_denied(&needed, creating).await?;
        let info = consumer.cached_info();
        let waiting = info.num_pending;
        // The broker drops it by itself after a while if this is lost.
        let _ = stream.delete_consumer(&info.name).await;
        Ok(waiting)
    }
}
