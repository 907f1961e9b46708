//! `colloquy gateway`: the HTTP gateway alone.

use clap::Args;
use colloquy_runtime::lifecycle::Lifecycle;

use super::{
    Process,
    options::{BrokerOptions, GatewayArgs},
    say,
};
use crate::roles;

/// Options of `colloquy gateway`.
#[derive(Debug, Args)]
pub(crate) struct GatewayCommand {
    #[command(flatten)]
    broker: BrokerOptions,
    #[command(flatten)]
    gateway: GatewayArgs,
}

impl GatewayCommand {
    pub(crate) async fn run(self, process: Process) -> anyhow::Result<()> {
        let bus = self.broker.connect("colloquy-gateway").await?;
        let mut lifecycle = Lifecycle::new();
        self.broker.watch_certificates(&mut lifecycle)?;
        let listening = roles::start_gateway(
            &bus,
            self.gateway.room(),
            &self.gateway,
            process.metrics,
            &mut lifecycle,
        )
        .await?;
        say(format!("the gateway listens on {listening}"));
        let result = lifecycle.run().await;
        bus.close().await;
        Ok(result?)
    }
}
