//! `colloquy audit`: proves that nothing was lost or doubled.

use std::{process::ExitCode, time::Duration};

use clap::Args;
use colloquy_audit::AuditOptions;
use colloquy_contract::period;

use super::{options::BrokerOptions, say};

/// Exit code where something is wrong.
const FINDINGS: u8 = 1;

/// Exit code where the audit could not be done.
const NOT_DONE: u8 = 2;

/// Options of `colloquy audit`.
#[derive(Debug, Args)]
#[command(after_help = "Exit code: 0 clean, 1 findings, 2 the audit could not be done.")]
pub(crate) struct Audit {
    /// Write the report as JSON
    #[arg(long)]
    json: bool,

    /// How long an object may be there before a fact references it, such as 90m or 2d
    #[arg(long, default_value = "1h", value_parser = time, value_name = "DURATION")]
    grace: Duration,

    /// How long a conversation may be in work
    #[arg(long, default_value = "24h", value_parser = time, value_name = "DURATION")]
    in_flight: Duration,

    /// Pause before what looks wrong is looked at again
    #[arg(long, default_value = "3s", value_parser = time, value_name = "DURATION")]
    settle: Duration,

    /// Read every artifact's content and hash it
    #[arg(long)]
    deep: bool,

    /// Leave the search index out
    #[arg(long)]
    without_index: bool,

    #[command(flatten)]
    broker: BrokerOptions,
}

impl Audit {
    /// Audits and says what it found; whether it found nothing.
    pub(crate) async fn run(self) -> anyhow::Result<bool> {
        let bus = self.broker.connect("colloquy-audit").await?;
        let options = AuditOptions {
            grace: self.grace,
            in_flight: self.in_flight,
            settle: self.settle,
            deep: self.deep,
            index: !self.without_index,
        };
        let audited = colloquy_audit::audit(&bus, &options).await;
        bus.close().await;
        let report = audited?;
        if self.json {
            say(serde_json::to_string_pretty(&report)?);
        } else {
            say(&report);
        }
        Ok(report.clean)
    }
}

/// The exit code of an audit.
pub(crate) fn exit_code(result: &anyhow::Result<bool>) -> ExitCode {
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(FINDINGS),
        Err(_) => ExitCode::from(NOT_DONE),
    }
}

/// A time such as `90s`, `30m`, `1h 30m` or `2d`.
pub(super) fn time(text: &str) -> Result<Duration, &'static str> {
    period::parse(text).ok_or("a time is such as 90s, 30m, 2h or 7d")
}
