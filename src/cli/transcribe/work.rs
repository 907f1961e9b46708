//! The work itself: one recording after the other is decoded, transcribed and written.

use std::{
    fs::File,
    io::{self, BufWriter, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use anyhow::{Context, anyhow};
use colloquy_decode::audio::{DecodeError, Decoded, decode};
use colloquy_transcribe::{
    FlacRecording,
    engine::{Engine, EngineError, Transcription},
};

use super::{
    output::Output,
    plan::{Item, Plan, Source},
    progress::{Progress, Step},
};
use crate::cli::recordings::{limits, open};

/// Bytes that are written at once.
const WRITE_BYTES: usize = 256 << 10;

/// How many recordings came to which end.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tally {
    pub(super) done: usize,
    pub(super) failed: usize,
}

/// Why a recording is not transcribed.
#[derive(Debug)]
pub(super) enum Trouble {
    /// For a reason of its own.
    Recording(anyhow::Error),
    /// For one that all others share.
    Everything(anyhow::Error),
    /// We were told to stop.
    Stopped,
}

impl From<anyhow::Error> for Trouble {
    fn from(error: anyhow::Error) -> Self {
        Self::Recording(error)
    }
}

impl From<DecodeError> for Trouble {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::Cancelled => Self::Stopped,
            DecodeError::Write(source) => Self::Everything(anyhow!(source).context(
                "the decoded audio cannot be written; make room, or name another folder with --temp",
            )),
            other => Self::Recording(other.into()),
        }
    }
}

impl From<EngineError> for Trouble {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Cancelled => Self::Stopped,
            EngineError::UnknownLanguage { .. }
            | EngineError::NoTokenizer { .. }
            | EngineError::Vocabulary { .. } => Self::Everything(error.into()),
            other => Self::Recording(other.into()),
        }
    }
}

/// All that is to be done, and who is told.
#[derive(Debug)]
pub(super) struct Work {
    plan: Plan,
    scratch: PathBuf,
    cancel: Arc<AtomicBool>,
    progress: Progress,
}

impl Work {
    pub(super) fn new(
        plan: Plan,
        scratch: PathBuf,
        cancel: &Arc<AtomicBool>,
        progress: Progress,
    ) -> Self {
        Self {
            plan,
            scratch,
            cancel: cancel.clone(),
            progress,
        }
    }

    /// Does it, to the end or until it is told to stop.
    pub(super) fn run(self) -> anyhow::Result<Tally> {
        let mut tally = Tally::default();
        let engine = match self.plan.items.iter().any(|item| item.refused.is_none()) {
            true => Some(self.load()?),
            false => None,
        };
        let count = self.plan.items.len();
        let mut output = Output::new(&self.plan.sink, count);
        for (item, number) in self.plan.items.iter().zip(1..) {
            let step = self.progress.step(&item.source, number, count);
            let result = match (&item.refused, &engine) {
                (None, Some(engine)) => self.transcribe(engine, item, &step, &mut output),
                (refused, _) => Err(anyhow!(refused.clone().unwrap_or_default()).into()),
            };
            match result {
                Ok(()) => tally.done += 1,
                Err(Trouble::Recording(error)) => {
                    step.failed(&error);
                    tally.failed += 1;
                }
                Err(Trouble::Everything(error)) => return Err(error),
                Err(Trouble::Stopped) => return Ok(tally),
            }
        }
        self.progress.end(tally);
        Ok(tally)
    }

    fn load(&self) -> anyhow::Result<Engine> {
        self.progress.loading(&self.plan.model);
        Ok(Engine::load(&self.plan.model, &self.plan.options)?)
    }

    fn transcribe(
        &self,
        engine: &Engine,
        item: &Item,
        step: &Step<'_>,
        output: &mut Output<'_>,
    ) -> Result<(), Trouble> {
        // Removed with its decoded audio before the next recording's is made.
        let folder = tempfile::tempdir_in(&self.scratch)
            .context("no folder for decoded audio can be made")
            .map_err(Trouble::Everything)?;
        let audio = folder.path().join("audio.flac");
        let decoded = self.decode(&item.source, folder.path(), &audio, step)?;
        self.plan.speech.check_channels(decoded.channels)?;
        step.decoded(&decoded);
        let recording = FlacRecording::open(&audio)?;
        let transcription = engine.transcribe(
            &recording,
            &self.plan.request,
            &|share| step.heard(share),
            &|| self.is_stopped(),
        )?;
        self.write(item, &transcription, step, output)
    }

    fn write(
        &self,
        item: &Item,
        transcription: &Transcription,
        step: &Step<'_>,
        output: &mut Output<'_>,
    ) -> Result<(), Trouble> {
        if self.is_stopped() {
            return Err(Trouble::Stopped);
        }
        // The bar and the text may be on the same terminal.
        step.finished();
        output.write(item, transcription)?;
        step.done(transcription);
        Ok(())
    }

    fn decode(
        &self,
        source: &Source,
        folder: &Path,
        audio: &Path,
        step: &Step<'_>,
    ) -> Result<Decoded, Trouble> {
        let input = open(source.path(), folder, &|| self.is_stopped())?;
        let size = input.metadata().map_err(DecodeError::Read)?.len();
        let at = AtomicU64::new(0);
        let cancel = || {
            step.decoding(at.load(Ordering::Relaxed), size);
            self.is_stopped()
        };
        let output = File::create(audio).map_err(DecodeError::Write)?;
        let mut output = BufWriter::with_capacity(WRITE_BYTES, output);
        let decoded = decode(Watched { input, at: &at }, &mut output, &limits(), &cancel)?;
        output.flush().map_err(DecodeError::Write)?;
        Ok(decoded)
    }

    fn is_stopped(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }
}

/// A file that tells how far it was read.
struct Watched<'a> {
    input: File,
    at: &'a AtomicU64,
}

impl Read for Watched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        self.at.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

impl Seek for Watched<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = self.input.seek(to)?;
        self.at.store(at, Ordering::Relaxed);
        Ok(at)
    }
}
