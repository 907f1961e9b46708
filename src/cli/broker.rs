//! The broker of a platform that runs on one machine: an embedded one, or one that is there.

use std::path::Path;

use anyhow::Context;
use colloquy_bus::{
    Bus, Room,
    embedded::{EmbeddedBroker, EmbeddedOptions},
    provision,
};

use super::options::Identity;

/// Name of our connection, as the broker shows it.
const CONNECTION: &str = "colloquy";

/// A connected, provisioned broker; embedded or not.
pub(crate) struct Broker {
    pub(crate) bus: Bus,
    /// What is known of its room besides what it tells.
    pub(crate) room: Room,
    embedded: Option<EmbeddedBroker>,
}

impl Broker {
    /// Connects to the broker at `url`, or runs one with its data in `data` and at most `room` for
    /// it.
    pub(crate) async fn start(
        url: Option<String>,
        identity: &Identity,
        room: Room,
        data: &Path,
    ) -> anyhow::Result<Self> {
        let (options, room, embedded) = match url {
            Some(url) => (identity.connect_options(url, CONNECTION), room, None),
            None => {
                let program = colloquy_assets::nats_server()
                    .context("a running broker can be used with --nats instead")?;
                std::fs::create_dir_all(data)?;
                // The broker reads its own paths from another working folder's point of view.
                let data = std::path::absolute(data.join("nats"))?;
                let options = EmbeddedOptions { program, data };
                let broker = EmbeddedBroker::start_limited(options, room.limit_bytes).await?;
                let room = broker.room().clone();
                (broker.connect_options(CONNECTION), room, Some(broker))
            }
        };
        // An embedded one syncs before each acknowledgement.
        let group_commit = embedded.is_some() || identity.group_commit();
        let bus = Bus::connect(options).await?.with_group_commit(group_commit);
        provision::apply(&bus, identity.storage()).await?;
        Ok(Self {
            bus,
            room,
            embedded,
        })
    }

    /// Closes the connection and stops an embedded broker.
    pub(crate) async fn stop(self) {
        self.bus.close().await;
        if let Some(embedded) = self.embedded {
            embedded.stop().await;
        }
    }
}
