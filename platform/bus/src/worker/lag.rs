//! How much a service has before it: its consumer's own figures, asked for now and then.
//!
//! Every instance tells the whole consumer's. One question each [`EVERY`] is nothing to a broker,
//! and a service may ask about its own consumer anyway.

use std::time::Duration;

use rand::Rng;
use tokio_util::sync::CancellationToken;

use crate::{Bus, error::chain, provision};

/// How often the broker is asked.
const EVERY: Duration = Duration::from_secs(15);

/// Within which the first question comes, so that instances that start together ask apart.
const FIRST_WITHIN: Duration = Duration::from_secs(3);

/// Tells the lag of a service until told to stop. That the broker does not answer is no trouble:
/// then nothing is told.
pub(super) async fn watch(
    bus: Bus,
    stream: &'static str,
    service: &'static str,
    stop: CancellationToken,
) {
    let mut pause = rand::rng().random_range(Duration::ZERO..FIRST_WITHIN);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        pause = EVERY;
        match provision::consumer(&bus, stream, service).await {
            Ok(Some(info)) => {
                let ack_pending = u64::try_from(info.num_ack_pending).unwrap_or(u64::MAX);
                bus.meters()
                    .lag(service, stream, info.num_pending, Some(ack_pending));
            }
            Ok(None) => {}
            Err(error) => {
                let error = chain(&error);
                tracing::debug!(service, error, "the broker does not tell the lag");
            }
        }
    }
}
