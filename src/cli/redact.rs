//! `colloquy redact`: recordings and texts without personal data, on this machine, without a broker.
//!
//! What the command promises: what is written was redacted and proved as the policy says, or nothing
//! is written; a file that fails stops no other; an output appears whole or not at all and never
//! replaces one unless told to; nothing temporary, which holds what was said, stays behind.

mod output;
mod told;
mod work;

use std::{path::PathBuf, process::ExitCode, sync::Arc};

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use colloquy_anonymize::{
    audio::Format,
    policy::{Key, Policies, Policy, Verify},
};
use colloquy_contract::AccountId;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{
    options::EntityModel,
    recordings::{INTERRUPTED, STOP_PATIENCE, SpeechArgs, TERMINATED, ToldArgs, check_inputs},
};
use told::Told;
use work::Work;

const AFTER_HELP: &str = "\
Examples:
  colloquy redact call.mp3                       writes call.redacted.opus
  colloquy redact --transcript txt -o clean calls/*.wav
  colloquy redact --policy policy.toml --account acme chat.txt
  echo 'my name is Jane Smith' | colloquy redact -
  colloquy redact --policy policy.toml --check

Exit code: 0 all redacted, 1 some or all failed, 2 wrong usage, 130 interrupted.";

/// Options of `colloquy redact`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Redact {
    /// Recordings (WAV, MP3, FLAC, Ogg, WebM, M4A or AIFF) or texts; - is standard input
    #[arg(required_unless_present = "check", value_name = "FILE")]
    files: Vec<PathBuf>,

    /// What is redacted and how: a TOML file [default: the built-in policy]
    #[arg(
        long,
        env = "COLLOQUY_REDACTION_POLICY",
        value_name = "FILE",
        help_heading = "Policy"
    )]
    policy: Option<PathBuf>,

    /// File with the key of the policy's hashes
    #[arg(
        long,
        env = "COLLOQUY_REDACTION_KEY_FILE",
        value_name = "FILE",
        help_heading = "Policy"
    )]
    key_file: Option<PathBuf>,

    /// Account whose section of the policy holds
    #[arg(long, default_value = "default", help_heading = "Policy")]
    account: AccountId,

    /// Read the policy, say what it does, and redact nothing
    #[arg(long, conflicts_with = "files", help_heading = "Policy")]
    check: bool,

    /// How it is proved that nothing is left in a recording [default: what the policy says]
    #[arg(long, value_name = "MODE", help_heading = "Policy")]
    verify: Option<VerifyOption>,

    /// Where to: a file, or a folder [default: NAME.redacted.EXT beside a recording; standard output
    /// for a text]
    #[arg(long, short, value_name = "PATH", help_heading = "Output")]
    output: Option<PathBuf>,

    /// Form of redacted recordings [default: what the policy says]
    #[arg(long, help_heading = "Output")]
    format: Option<FormatOption>,

    /// Write the redacted transcript of each recording beside it, too
    #[arg(long, value_name = "FORM", help_heading = "Output")]
    transcript: Option<TranscriptForm>,

    /// Replace files
    #[arg(long, help_heading = "Output")]
    force: bool,

    #[command(flatten)]
    told: ToldArgs,

    #[command(flatten)]
    speech: SpeechArgs,

    #[command(flatten, next_help_heading = "Policy")]
    entity_model: EntityModel,

    /// Folder for decoded audio, at most 115 MB an hour and channel, three times over [default: the
    /// system's]
    #[arg(long, value_name = "FOLDER", help_heading = "Resources")]
    temp: Option<PathBuf>,
}

/// The form of a redacted recording.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum FormatOption {
    /// Ogg Opus
    Opus,
    /// Lossless
    Flac,
    /// For systems that take nothing else
    Wav,
}

/// How it is proved that nothing is left.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum VerifyOption {
    /// Not at all
    Off,
    /// What was cut is transcribed again, with what is around it
    Removed,
    /// All is transcribed again
    All,
}

/// A written form of a transcript.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum TranscriptForm {
    /// A line per turn, with time and speaker
    Txt,
    /// What OpenAI's API calls verbose_json
    Json,
    /// SubRip subtitles
    Srt,
    /// WebVTT subtitles
    Vtt,
}

impl Redact {
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
        let policy = self.read_policy()?;
        if self.check {
            return Ok(ExitCode::SUCCESS);
        }
        check_inputs(&self.files)?;
        if let Some(path) = &self.output
            && self.files.len() > 1
            && path.is_file()
        {
            bail!(
                "{} is a file, and there are several to write; name a folder",
                path.display()
            );
        }
        let temp = self.temp.clone().unwrap_or_else(std::env::temp_dir);
        let scratch = tempfile::Builder::new()
            .prefix("colloquy-redact-")
            .tempdir_in(&temp)
            .with_context(|| {
                let temp = temp.display();
                format!("no folder for decoded audio can be made in {temp}; name one with --temp")
            })?;
        let told = Told::new(self.told.quiet, self.told.verbose);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let cancel = CancellationToken::new();
        let work = Work::new(self, policy, scratch.path(), told.clone(), cancel.clone());
        let code = runtime.block_on(until_signal(work.run(), &cancel));
        told.clear();
        runtime.shutdown_timeout(STOP_PATIENCE);
        scratch
            .close()
            .context("the folder of decoded audio cannot be removed; remove it by hand")?;
        code
    }

    /// The account's policy, with what the command line says besides.
    fn read_policy(&self) -> anyhow::Result<Arc<Policy>> {
        let key = self.key_file.as_deref().map(Key::from_file).transpose()?;
        let policies = match &self.policy {
            Some(path) => Policies::from_file(path, key.as_ref())
                .with_context(|| format!("{} cannot be used", path.display()))?,
            None => Policies::parse("", key.as_ref())?,
        };
        if self.check {
            told::say_policy(self.policy.as_deref(), &policies, &self.account);
        }
        let mut policy = Policy::clone(policies.of(&self.account));
        if let Some(format) = self.format {
            policy.audio.format = match format {
                FormatOption::Opus => Format::Opus,
                FormatOption::Flac => Format::Flac,
                FormatOption::Wav => Format::Wav,
            };
        }
        if let Some(verify) = self.verify {
            policy.verify = match verify {
                VerifyOption::Off => Verify::Off,
                VerifyOption::Removed => Verify::Removed,
                VerifyOption::All => Verify::All,
            };
        }
        Ok(Arc::new(policy))
    }
}

/// Runs the work to its end, or until a signal.
async fn until_signal(
    work: impl Future<Output = anyhow::Result<usize>>,
    cancel: &CancellationToken,
) -> anyhow::Result<ExitCode> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut work = std::pin::pin!(work);
    let code = tokio::select! {
        failed = &mut work => {
            return Ok(match failed? {
                0 => ExitCode::SUCCESS,
                _ => ExitCode::FAILURE,
            });
        }
        _ = interrupt.recv() => INTERRUPTED,
        _ = terminate.recv() => TERMINATED,
    };
    cancel.cancel();
    let _ = tokio::time::timeout(STOP_PATIENCE, work).await;
    Ok(ExitCode::from(code))
}
