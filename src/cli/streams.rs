//! `colloquy streams`: the broker's streams, buckets and consumers.

use std::time::Duration;

use anyhow::bail;
use clap::{Args, Subcommand};
use colloquy_bus::provision::{self, Finding};

use super::{options::BrokerOptions, say};

/// Options of `colloquy streams`.
#[derive(Debug, Args)]
pub(crate) struct Streams {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    broker: BrokerOptions,
}

#[derive(Debug, Clone, Copy, Subcommand)]
enum Action {
    /// Create what is missing and update what differs; refuse what can lose data
    Apply {
        /// How long to wait for a broker that is not there yet, or whose servers have no leader
        #[arg(
            long,
            env = "COLLOQUY_WAIT",
            value_name = "SECONDS",
            default_value_t = provision::USUAL_PATIENCE.as_secs()
        )]
        wait: u64,
    },
    /// Say what differs and what can lose data; change nothing, fail if there is any
    Check,
}

impl Streams {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let patience = match self.action {
            Action::Apply { wait } => Duration::from_secs(wait),
            Action::Check => Duration::ZERO,
        };
        let connecting = self.broker.connect_within("colloquy-streams", patience);
        let bus = connecting.await?;
        let storage = self.broker.storage();
        let done = match self.action {
            Action::Apply { .. } => provision::apply_within(&bus, storage, patience).await,
            Action::Check => provision::check(&bus, storage).await,
        };
        bus.close().await;
        let findings = done?;
        for finding in &findings {
            say(line(finding));
        }
        match self.action {
            Action::Check if !findings.is_empty() => {
                bail!("{} differences from the contract", findings.len())
            }
            Action::Apply { .. } if !findings.is_empty() => {
                say(format!("{} mended", findings.len()))
            }
            _ => {}
        }
        say("streams, buckets and consumers agree with the contract");
        Ok(())
    }
}

fn line(finding: &Finding) -> String {
    let severity = format!("{:?}", finding.severity).to_lowercase();
    format!("{severity:<8}  {finding}")
}
