//! `colloquy worker NAME…`: one or more workers, each scaled and restarted on its own.

use std::net::SocketAddr;

use clap::Args;
use colloquy_runtime::lifecycle::Lifecycle;

use super::{
    Process,
    options::{BrokerOptions, WorkerArgs},
};
use crate::roles::{self, Worker};

/// Options of `colloquy worker`.
#[derive(Debug, Args)]
pub(crate) struct WorkerCommand {
    /// The workers to run
    #[arg(required = true, value_name = "NAME")]
    names: Vec<Worker>,

    /// Address for /livez, /readyz and /metrics [default: none]
    #[arg(long, env = "COLLOQUY_HEALTH", value_name = "ADDRESS")]
    health: Option<SocketAddr>,

    #[command(flatten)]
    broker: BrokerOptions,
    #[command(flatten)]
    workers: WorkerArgs,
}

impl WorkerCommand {
    /// `service.name` of the process: its worker's, or the platform's for several.
    pub(crate) fn service_name(&self) -> String {
        match self.names.as_slice() {
            [one] => format!("colloquy-{}", one.name()),
            _ => "colloquy-workers".to_owned(),
        }
    }

    pub(crate) async fn run(self, process: Process) -> anyhow::Result<()> {
        let bus = self.broker.connect(&self.service_name()).await?;
        let mut lifecycle = Lifecycle::new();
        self.broker.watch_certificates(&mut lifecycle)?;
        roles::start_workers(&self.names, &bus, &self.workers, &mut lifecycle).await?;
        if let Some(address) = self.health {
            roles::start_health(&bus, address, process.metrics, &mut lifecycle).await?;
        }
        let result = lifecycle.run().await;
        bus.close().await;
        Ok(result?)
    }
}
