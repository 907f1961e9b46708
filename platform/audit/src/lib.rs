//! Proves from log, artifacts, read models and dead letters that nothing was lost or doubled.
//!
//! What an audit promises:
//!
//! - It writes nothing. What it keeps for itself lies in a folder that goes when it ends.
//! - It is made for a live system. Whatever looks wrong is looked up again, one thing at a time,
//!   after a settle time, twice; only what is wrong each time is a finding.
//! - It needs bounded memory. Everything is read once and laid aside on disk, in parts of about
//!   [`FACTS_AT_ONCE`] facts; then one part after the other is put together and judged.
//!
//! What is in memory at once, whatever the log holds:
//!
//! - A part while it is judged. Per conversation: facts without data 8 x 112 bytes, references
//!   6 x 48, the fold of its facts (two references, call, measurements) 3,000, objects 6 x 120,
//!   entry 80, holdings 150, tables 300; together about 5.5 kB, so about 13 MB with seven facts a
//!   conversation. A larger log has more parts, not larger ones.
//! - The blocks in which parts are written: 8 MiB for each of at most three that are written at the
//!   same time.
//! - While chunks are counted, a page of the broker's table of them: 100,000 ids, which the client
//!   library holds twice from the second page on, about 40 MB.
//!
//! The bench `tests/memory.rs` measures it.

mod aside;
mod collect;
mod facts;
mod index;
mod judge;
mod objects;
mod parts;
mod recheck;
mod report;
mod spill;
mod story;
mod survey;
mod sweep;

use std::{io, time::Duration};

use colloquy_bus::{Bus, BusError};
use jiff::Timestamp;

use recheck::Recheck;
use survey::{Reach, Survey};

pub use report::{
    AccountCounts, BucketCounts, ConversationCounts, DeadLetterCounts, Extent, Finding,
    FindingKind, IndexCounts, IndexState, LogRead, MAX_LISTED, ProgressCounts, REPORT_VERSION,
    Report,
};
pub use sweep::{SweepOptions, SweepReport, sweep};

/// Facts that are put together in memory at once, about.
pub const FACTS_AT_ONCE: u64 = 16_384;

/// How an audit is made.
#[derive(Debug, Clone)]
pub struct AuditOptions {
    /// How long an object may be there before a fact references it.
    pub grace: Duration,
    /// How long a conversation may be in work.
    pub in_flight: Duration,
    /// Pause before what looks wrong is looked at again.
    pub settle: Duration,
    /// Whether every artifact's content is read and hashed.
    pub deep: bool,
    /// Whether the index is asked.
    pub index: bool,
}

impl Default for AuditOptions {
    fn default() -> Self {
        Self {
            grace: Duration::from_secs(3600),
            in_flight: Duration::from_secs(24 * 3600),
            settle: Duration::from_secs(3),
            deep: false,
            index: true,
        }
    }
}

/// Why an audit could not be done.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The broker did not answer as it should.
    #[error("the audit could not be done: the broker could not be read")]
    Bus(#[from] BusError),
    /// The folder for temporary files cannot be used.
    #[error("the audit could not be done: its temporary files cannot be used; is the disk full?")]
    Scratch(#[from] io::Error),
}

/// Result of an audit's steps.
pub type Result<T> = std::result::Result<T, AuditError>;

/// Audits everything.
///
/// # Errors
/// If it could not be done: the broker went away for longer than the retries last, or there is no
/// room for temporary files.
pub async fn audit(bus: &Bus, options: &AuditOptions) -> Result<Report> {
    let folder = tempfile::tempdir()?;
    let mut report = Report {
        version: REPORT_VERSION,
        started_at: Timestamp::now(),
        deep: options.deep,
        ..Report::default()
    };
    let mut survey = Survey::begin(bus, options, folder.path(), Reach::Everything).await?;
    survey.conversations(&mut report).await?;
    survey.accounts(&mut report).await?;
    let (suspects, index, nodes) = survey.finish()?;
    report.looked_at_again = suspects.count();
    let recheck = Recheck::new(bus, options, folder.path(), nodes).await?;
    recheck.run(suspects, &mut report).await?;
    if options.index {
        recheck.index(&index, &mut report).await?;
    } else {
        report.index.state = IndexState::Skipped;
    }
    report.clean = report.findings_total == 0;
    report.finished_at = Timestamp::now();
    Ok(report)
}
