//! Removes what nothing refers to: objects that no fact references, chunks that no object has.
//!
//! Each is verified against the log or the bucket immediately before it is removed, and removed
//! only as it was looked at; what is referenced by then, or was stored again, stays. Doing it again
//! is harmless, and so is being killed in between: what is left is found by the next sweep.

use std::time::Duration;

use colloquy_bus::Bus;
use serde::Serialize;

use crate::{
    AuditOptions, Report, Result,
    collect::StrayChunks,
    objects::{orphan, unclaimed},
    spill::Spilled,
    survey::{Reach, Survey, Suspect},
};

/// Stray chunks that one listing of the objects decides about.
const STRAY_AT_ONCE: usize = 100_000;

/// How to sweep.
#[derive(Debug, Clone, Copy)]
pub struct SweepOptions {
    /// How old something must be. Longer than the longest upload stands still, or an upload that
    /// is under way is taken for an orphan.
    pub grace: Duration,
    /// Whether to remove, or only to say what would be.
    pub remove: bool,
}

/// What was swept, or would be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct SweepReport {
    /// Whether it was removed.
    pub removed: bool,
    /// Objects that no fact references.
    pub objects: u64,
    /// Their bytes.
    pub object_bytes: u64,
    /// Ids under which chunks lie that no object has.
    pub stray: u64,
    /// Their chunks.
    pub stray_chunks: u64,
    /// What looked like an orphan and was not any more.
    pub kept: u64,
}

/// Removes orphans older than the grace time, or says which there are.
///
/// # Errors
/// If the broker could not be read or written; what was removed by then is gone for good reason.
pub async fn sweep(bus: &Bus, options: SweepOptions) -> Result<SweepReport> {
    let folder = tempfile::tempdir()?;
    let audit = AuditOptions {
        grace: options.grace,
        index: false,
        ..AuditOptions::default()
    };
    let mut ignored = Report::default();
    let mut survey = Survey::begin(bus, &audit, folder.path(), Reach::Orphans).await?;
    survey.conversations(&mut ignored).await?;
    let (suspects, ..) = survey.finish()?;
    let mut report = SweepReport {
        removed: options.remove,
        ..SweepReport::default()
    };
    objects(bus, options, &suspects, &mut report).await?;
    chunks(bus, options, &suspects, &mut report).await?;
    Ok(report)
}

async fn objects(
    bus: &Bus,
    options: SweepOptions,
    suspects: &Spilled<Suspect>,
    report: &mut SweepReport,
) -> Result<()> {
    for suspect in suspects.read(0)? {
        let Suspect::Object { zone, name } = suspect? else {
            continue;
        };
        let Some(object) = orphan(bus, zone, &name, options.grace).await? else {
            report.kept += 1;
            continue;
        };
        if options.remove && !bus.remove_object(zone.bucket(), &object).await? {
            report.kept += 1;
            continue;
        }
        report.objects += 1;
        report.object_bytes += object.size_bytes;
    }
    Ok(())
}

async fn chunks(
    bus: &Bus,
    options: SweepOptions,
    suspects: &Spilled<Suspect>,
    report: &mut SweepReport,
) -> Result<()> {
    let mut batch = Vec::new();
    for suspect in suspects.read(0)? {
        if let Suspect::Chunks(stray) = suspect? {
            batch.push(stray);
        }
        if batch.len() == STRAY_AT_ONCE {
            remove_stray(bus, options, std::mem::take(&mut batch), report).await?;
        }
    }
    remove_stray(bus, options, batch, report).await
}

async fn remove_stray(
    bus: &Bus,
    options: SweepOptions,
    batch: Vec<StrayChunks>,
    report: &mut SweepReport,
) -> Result<()> {
    let looked_at = batch.len() as u64;
    let stray = unclaimed(bus, batch, options.grace).await?;
    report.kept += looked_at - stray.len() as u64;
    for (chunks, held) in stray {
        report.stray += 1;
        report.stray_chunks += if options.remove {
            let bucket = chunks.zone.bucket();
            bus.remove_chunks(bucket, &chunks.nuid, held.sequence)
                .await?
        } else {
            held.count
        };
    }
    Ok(())
}
