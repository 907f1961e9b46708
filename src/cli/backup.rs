//! `colloquy backup` and `colloquy restore`: all that the broker holds, as files and back.

use std::path::PathBuf;

use clap::Args;
use colloquy_bus::backup::{self, StreamBackup};

use super::{options::BrokerOptions, say};

/// Options of `colloquy backup`.
#[derive(Debug, Args)]
pub(crate) struct Backup {
    /// A folder that is not there yet. It will hold recordings and transcripts as they were said:
    /// keep it as you keep the vault
    folder: PathBuf,

    /// Compare the files of a backup that is there with their digests instead
    #[arg(long)]
    verify: bool,

    #[command(flatten)]
    broker: BrokerOptions,
}

impl Backup {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        if self.verify {
            let found = backup::verify(&self.folder).await?;
            say(format!("{} is whole", said(&found, &self.folder)));
            return Ok(());
        }
        let bus = self.broker.connect("colloquy-backup").await?;
        let written = backup::write(&bus, &self.folder, |stream| say(line(stream))).await;
        bus.close().await;
        say(format!("{} is written", said(&written?, &self.folder)));
        Ok(())
    }
}

/// Options of `colloquy restore`.
#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// The folder of a backup
    folder: PathBuf,

    #[command(flatten)]
    broker: BrokerOptions,
}

impl Restore {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let bus = self.broker.connect("colloquy-restore").await?;
        let replicas = Some(self.broker.storage().replicas);
        let restored = backup::restore(&bus, &self.folder, replicas, |stream| say(line(stream)));
        let restored = restored.await;
        bus.close().await;
        say(format!(
            "{} is restored\n\
             now: 'colloquy streams apply', start the gateway and the workers, 'colloquy rebuild \
             progress', then 'colloquy audit'",
            said(&restored?, &self.folder)
        ));
        Ok(())
    }
}

fn line(stream: &StreamBackup) -> String {
    format!(
        "{:<20} {:>10} messages {:>14} bytes",
        stream.stream, stream.messages, stream.archive_bytes
    )
}

fn said(backup: &backup::Backup, folder: &std::path::Path) -> String {
    let bytes: u64 = backup
        .streams
        .iter()
        .map(|stream| stream.archive_bytes)
        .sum();
    format!(
        "{}: {} streams, {bytes} bytes, as of {:.0}",
        folder.display(),
        backup.streams.len(),
        backup.begun_at
    )
}
