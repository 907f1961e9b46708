//! `colloquy artifacts`: what lies in the buckets.

use std::time::Duration;

use anyhow::ensure;
use clap::{Args, Subcommand};
use colloquy_audit::{SweepOptions, SweepReport};
use colloquy_bus::artifacts::STALL;

use super::{audit::time, options::BrokerOptions, say};

/// Options of `colloquy artifacts`.
#[derive(Debug, Args)]
pub(crate) struct Artifacts {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    broker: BrokerOptions,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Remove objects that no fact references and chunks that no object has
    Sweep(Sweep),
}

#[derive(Debug, Args)]
struct Sweep {
    /// How old they must be, such as 90m or 2d
    #[arg(long, default_value = "1h", value_parser = time, value_name = "DURATION")]
    grace: Duration,

    /// Only say what would be removed; the default
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,

    /// Remove them
    #[arg(long)]
    yes: bool,

    /// Write what was done as JSON
    #[arg(long)]
    json: bool,
}

impl Artifacts {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let Action::Sweep(sweep) = self.action;
        // An upload that stands still is given up after this time, and its fact follows at once.
        let shortest = STALL * 2;
        ensure!(
            sweep.grace >= shortest || !sweep.yes,
            "a grace time below {shortest:?} would take uploads under way for orphans; give a \
             longer one"
        );
        let bus = self.broker.connect("colloquy-artifacts").await?;
        let options = SweepOptions {
            grace: sweep.grace,
            remove: sweep.yes && !sweep.dry_run,
        };
        let swept = colloquy_audit::sweep(&bus, options).await;
        bus.close().await;
        let report = swept?;
        if sweep.json {
            say(serde_json::to_string_pretty(&report)?);
        } else {
            say(text(&report));
        }
        Ok(())
    }
}

fn text(report: &SweepReport) -> String {
    let done = if report.removed {
        "removed"
    } else {
        "would remove (with --yes)"
    };
    format!(
        "{done} {} objects of {} bytes and {} stray chunks of {} uploads; kept {} that were not \
         orphans any more",
        report.objects, report.object_bytes, report.stray_chunks, report.stray, report.kept
    )
}
