//! `colloquy up`: the whole platform on this machine.

use clap::Args;
use colloquy_bus::Bus;
use colloquy_gateway::keys;
use colloquy_runtime::lifecycle::Lifecycle;

use super::{
    Process,
    broker::Broker,
    options::{GatewayArgs, Identity, WorkerArgs},
    say,
};
use crate::roles;

/// The account that calls posted with the first key belong to.
pub(crate) const DEFAULT_ACCOUNT: &str = "default";

/// Options of `colloquy up`.
#[derive(Debug, Args)]
pub(crate) struct Up {
    /// Use the broker at this address instead of running one
    #[arg(
        long = "nats",
        env = "COLLOQUY_NATS_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    nats: Option<String>,

    #[command(flatten)]
    identity: Identity,
    #[command(flatten)]
    gateway: GatewayArgs,
    #[command(flatten)]
    workers: WorkerArgs,
}

impl Up {
    pub(crate) async fn run(self, process: Process) -> anyhow::Result<()> {
        // What is wrong with the gateway's certificate is said before anything is started.
        self.gateway.identity()?;
        let mut lifecycle = Lifecycle::new();
        if let Some(url) = &self.nats {
            self.identity.watch_certificates(url, &mut lifecycle)?;
        }
        let broker = Broker::start(
            self.nats,
            &self.identity,
            self.gateway.room(),
            &self.workers.data,
        )
        .await?;
        let listening = roles::start_all(
            &broker.bus,
            broker.room.clone(),
            &self.gateway,
            &self.workers,
            process.metrics,
            &mut lifecycle,
        )
        .await?;
        if let Some(secret) = first_key(&broker.bus).await? {
            say(format!("API key, shown this once: {secret}"));
        }
        say(format!("Colloquy is up: {listening}"));
        let result = lifecycle.run().await;
        broker.stop().await;
        Ok(result?)
    }
}

/// The key of a platform that has none yet.
pub(crate) async fn first_key(bus: &Bus) -> anyhow::Result<Option<String>> {
    if !keys::list(bus).await?.is_empty() {
        return Ok(None);
    }
    let key = keys::create(bus, &DEFAULT_ACCOUNT.parse()?, "first key").await?;
    Ok(Some(key.secret))
}
