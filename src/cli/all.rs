//! `colloquy all`: the gateway and every worker in one process, against a broker.

use clap::Args;
use colloquy_runtime::lifecycle::Lifecycle;

use super::{
    Process,
    options::{BrokerOptions, GatewayArgs, WorkerArgs},
    say,
};
use crate::roles;

/// Options of `colloquy all`.
#[derive(Debug, Args)]
pub(crate) struct All {
    #[command(flatten)]
    broker: BrokerOptions,
    #[command(flatten)]
    gateway: GatewayArgs,
    #[command(flatten)]
    workers: WorkerArgs,
}

impl All {
    pub(crate) async fn run(self, process: Process) -> anyhow::Result<()> {
        // What is wrong with the gateway's certificate is said before anything is started.
        self.gateway.identity()?;
        let bus = self.broker.connect("colloquy-all").await?;
        colloquy_bus::provision::apply(&bus, self.broker.storage()).await?;
        let mut lifecycle = Lifecycle::new();
        self.broker.watch_certificates(&mut lifecycle)?;
        let listening = roles::start_all(
            &bus,
            self.gateway.room(),
            &self.gateway,
            &self.workers,
            process.metrics,
            &mut lifecycle,
        )
        .await?;
        say(format!("Colloquy is up: {listening}"));
        let result = lifecycle.run().await;
        bus.close().await;
        Ok(result?)
    }
}
