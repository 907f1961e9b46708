//! `colloquy transcribe`: recordings to text on this machine, without a broker.
//!
//! What the command promises: a recording that fails stops no other; an output appears whole or
//! not at all and never replaces one unless told to; an interrupt ends it within about a second,
//! and nothing temporary stays behind.

mod output;
mod plan;
mod progress;
mod work;

use std::{
    num::NonZeroUsize,
    path::PathBuf,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use anyhow::Context;
use clap::{Args, ValueEnum};
use colloquy_transcribe::engine::ComputeType;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::oneshot,
};

use super::recordings::{INTERRUPTED, STOP_PATIENCE, SpeechArgs, TERMINATED, ToldArgs};
use plan::Plan;
use progress::Progress;
use work::{Tally, Work};

const AFTER_HELP: &str = "\
Examples:
  colloquy transcribe call.mp3
  colloquy transcribe --roles agent,customer --format vtt,json --output texts calls/*.wav
  ffmpeg -i meeting.mkv -f wav - | colloquy transcribe --language german -

Exit code: 0 all transcribed, 1 some or all failed, 2 wrong usage, 130 interrupted.";

/// Options of `colloquy transcribe`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Transcribe {
    /// Recordings: WAV, MP3, FLAC, Ogg, WebM, M4A or AIFF; - is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    #[command(flatten)]
    speech: SpeechArgs,

    /// Names and terms to expect, separated by commas; @FILE reads them from a file
    #[arg(long, value_name = "TEXT", help_heading = "Speech")]
    vocabulary: Option<String>,

    /// Forms to write, separated by commas
    #[arg(
        long,
        value_name = "FORM,…",
        value_delimiter = ',',
        default_value = "txt",
        help_heading = "Output"
    )]
    format: Vec<Form>,

    /// Folder for one file per recording and form, named after the recording; without one, text
    /// goes to standard output
    #[arg(long, short, value_name = "FOLDER", help_heading = "Output")]
    output: Option<PathBuf>,

    /// Replace files of the output folder
    #[arg(long, requires = "output", help_heading = "Output")]
    force: bool,

    #[command(flatten)]
    told: ToldArgs,

    /// What the speech model computes with
    #[arg(
        long,
        value_name = "TYPE",
        default_value = "int8",
        help_heading = "Resources"
    )]
    compute_type: Compute,

    /// Texts that are followed at once: more find better words, and take longer
    #[arg(
        long,
        value_name = "NUMBER",
        default_value = "1",
        help_heading = "Resources"
    )]
    beam_size: NonZeroUsize,

    /// Stretches of speech that are transcribed at once: fewer take less memory, and longer
    #[arg(
        long,
        value_name = "NUMBER",
        default_value = "3",
        help_heading = "Resources"
    )]
    batch_size: NonZeroUsize,

    /// Folder for decoded audio, at most 115 MB an hour and channel [default: the system's]
    #[arg(long, value_name = "FOLDER", help_heading = "Resources")]
    temp: Option<PathBuf>,
}

/// A written form of a transcript.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// A line per turn, with time and speaker
    Txt,
    /// What OpenAI's API calls verbose_json, with channels and roles
    Json,
    /// SubRip subtitles
    Srt,
    /// WebVTT subtitles
    Vtt,
    /// All of them
    All,
}

/// What a speech model computes with.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Compute {
    /// Weights of 8 bits: fastest, at next to no loss
    Int8,
    /// 32-bit floating point
    Float32,
    /// The fastest that this machine can do
    Auto,
}

impl From<Compute> for ComputeType {
    fn from(compute: Compute) -> Self {
        match compute {
            Compute::Int8 => Self::Int8,
            Compute::Float32 => Self::Float32,
            Compute::Auto => Self::Auto,
        }
    }
}

/// How the work came to its end.
enum End {
    Done(Tally),
    Signalled(u8),
}

impl Transcribe {
    pub(crate) fn run(self) -> ExitCode {
        match self.start() {
            Ok(code) => code,
            Err(error) => {
                super::report(&error);
                ExitCode::FAILURE
            }
        }
    }

    fn start(self) -> anyhow::Result<ExitCode> {
        let progress = Progress::new(self.told.quiet, self.told.verbose);
        let temp = self.temp.clone().unwrap_or_else(std::env::temp_dir);
        let plan = Plan::of(self)?;
        let scratch = tempfile::Builder::new()
            .prefix("colloquy-transcribe-")
            .tempdir_in(&temp)
            .with_context(|| {
                let temp = temp.display();
                format!("no folder for decoded audio can be made in {temp}; name one with --temp")
            })?;
        let cancel = Arc::new(AtomicBool::new(false));
        let work = Work::new(plan, scratch.path().to_owned(), &cancel, progress.clone());
        let end = run_until_signal(work, &cancel);
        // Before the temporary folder goes: a bar would be drawn again over the prompt.
        progress.clear();
        scratch
            .close()
            .context("the folder of decoded audio cannot be removed; remove it by hand")?;
        Ok(match end? {
            End::Signalled(code) => ExitCode::from(code),
            End::Done(tally) if tally.failed == 0 => ExitCode::SUCCESS,
            End::Done(_) => ExitCode::FAILURE,
        })
    }
}

/// Runs the work in a thread of its own, for the speech model hears of no signal while it computes.
/// After a signal it is asked to end; if it does not in time, the process ends without it.
fn run_until_signal(work: Work, cancel: &AtomicBool) -> anyhow::Result<End> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let (sender, mut done) = oneshot::channel();
        std::thread::Builder::new()
            .name("transcribe".to_owned())
            .spawn(move || {
                let result = work.run();
                // After a signal nobody may be left to hear it.
                let _ = sender.send(result);
            })?;
        let code = tokio::select! {
            result = &mut done => {
                let broken = "the work broke off; what it said is above";
                return Ok(End::Done(result.context(broken)??));
            }
            _ = interrupt.recv() => INTERRUPTED,
            _ = terminate.recv() => TERMINATED,
        };
        cancel.store(true, Ordering::Relaxed);
        let _ = tokio::time::timeout(STOP_PATIENCE, done).await;
        Ok(End::Signalled(code))
    })
}
