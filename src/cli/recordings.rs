//! What the commands that read recordings by themselves share: how speech is understood, what a
//! person is told, how standard input is taken, and how a signal ends the work.

use std::{
    fs::File,
    io::{self, Read, Seek, Write},
    num::NonZeroUsize,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::ensure;
use clap::Args;
use colloquy_contract::transcript::Role;
use colloquy_decode::audio::{DecodeError, Limits};
use colloquy_formats::language;

use super::options::{SpeechModel, role_names};

/// How long what computes may take to end by itself after a signal, before it is left behind.
pub(super) const STOP_PATIENCE: Duration = Duration::from_millis(800);

/// Exit codes of processes that a signal ended, as shells have them.
pub(super) const INTERRUPTED: u8 = 128 + 2;
pub(super) const TERMINATED: u8 = 128 + 15;

/// The largest recording: a day, which the engine takes at most, of four channels of 48 kHz WAV.
pub(super) const MAX_INPUT_BYTES: u64 = 32 << 30;

/// The longest recording.
const MAX_DURATION: Duration = Duration::from_secs(24 * 3_600);

/// Bytes of a stream that are copied between two looks at whether to stop.
const COPY_BYTES: usize = 256 << 10;

/// How speech is understood.
#[derive(Debug, Args)]
pub(super) struct SpeechArgs {
    #[command(flatten, next_help_heading = "Speech")]
    pub(super) model: SpeechModel,

    /// Language spoken, such as en or german; without one it is detected for each recording
    #[arg(long, help_heading = "Speech")]
    language: Option<String>,

    /// Who speaks on each channel: agent, customer or unknown, separated by commas
    #[arg(
        long,
        value_name = "ROLE,…",
        value_delimiter = ',',
        value_parser = role_names(),
        hide_possible_values = true,
        help_heading = "Speech"
    )]
    pub(super) roles: Vec<Role>,

    /// Threads of the speech model [default: all cores]
    #[arg(long, env = "COLLOQUY_MODEL_THREADS", help_heading = "Resources")]
    pub(super) threads: Option<NonZeroUsize>,
}

/// How much a person is told.
#[derive(Debug, Args)]
pub(super) struct ToldArgs {
    /// Write nothing but the result and errors
    #[arg(long, short, conflicts_with = "verbose", help_heading = "Output")]
    pub(super) quiet: bool,

    /// Tell each step, also where there is no terminal for a progress bar
    #[arg(long, short, help_heading = "Output")]
    pub(super) verbose: bool,
}

impl SpeechArgs {
    /// The code of the language, if one was given.
    pub(super) fn language(&self) -> Option<String> {
        self.language.as_deref().and_then(language_code)
    }

    /// Refuses a recording that has other channels than roles were given for.
    pub(super) fn check_channels(&self, channels: usize) -> anyhow::Result<()> {
        let roles = self.roles.len();
        ensure!(
            roles == 0 || roles == channels,
            "it has {channels} channel{}, and --roles names {roles}; name one role per channel, or \
             leave --roles out",
            if channels == 1 { "" } else { "s" }
        );
        Ok(())
    }
}

/// The code of a language given as code or name. One that has no name here is left to the model.
fn language_code(given: &str) -> Option<String> {
    if given.eq_ignore_ascii_case("auto") {
        return None;
    }
    Some(language::code(given).map_or_else(|| given.trim().to_lowercase(), str::to_owned))
}

/// What is decoded at most.
pub(super) fn limits() -> Limits {
    Limits {
        max_duration: MAX_DURATION,
        max_input_bytes: MAX_INPUT_BYTES,
        ..Limits::default()
    }
}

/// Refuses to read standard input twice.
pub(super) fn check_inputs(files: &[PathBuf]) -> anyhow::Result<()> {
    let inputs = files.iter().filter(|file| is_input(file)).count();
    ensure!(
        inputs <= 1,
        "- is given {inputs} times, and there is one standard input"
    );
    Ok(())
}

/// Whether a name stands for standard input.
pub(super) fn is_input(file: &Path) -> bool {
    file.as_os_str() == "-"
}

/// Opens what can be read from its start again: a file as it is, and of anything else, such as a
/// pipe, a copy in this folder. Standard input is `-`.
pub(super) fn open(
    input: &Path,
    folder: &Path,
    is_stopped: &dyn Fn() -> bool,
) -> Result<File, DecodeError> {
    if is_input(input) {
        return spool(io::stdin().lock(), folder, is_stopped);
    }
    let file = File::open(input).map_err(DecodeError::Read)?;
    match file.metadata().is_ok_and(|found| found.is_file()) {
        true => Ok(file),
        false => spool(file, folder, is_stopped),
    }
}

fn spool(
    mut stream: impl Read,
    folder: &Path,
    is_stopped: &dyn Fn() -> bool,
) -> Result<File, DecodeError> {
    let mut copy = tempfile::tempfile_in(folder).map_err(DecodeError::Write)?;
    let mut block = vec![0; COPY_BYTES];
    let mut bytes = 0;
    loop {
        let read = match stream.read(&mut block) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(DecodeError::Read(error)),
        };
        bytes += read as u64;
        if is_stopped() {
            return Err(DecodeError::Cancelled);
        }
        if bytes > MAX_INPUT_BYTES {
            let max_bytes = MAX_INPUT_BYTES;
            return Err(DecodeError::TooLarge { bytes, max_bytes });
        }
        copy.write_all(&block[..read]).map_err(DecodeError::Write)?;
    }
    copy.rewind().map_err(DecodeError::Read)?;
    Ok(copy)
}

/// Why a file cannot be read, if that can be seen without opening it. Of standard input nothing can.
pub(super) fn unusable(file: &Path) -> Option<String> {
    if is_input(file) {
        return None;
    }
    match file.metadata() {
        Err(error) => Some(format!("it cannot be opened ({error}); check its name")),
        Ok(found) if found.is_dir() => Some("it is a folder; name the files in it".to_owned()),
        Ok(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_are_codes_or_names() {
        assert_eq!(language_code("German").as_deref(), Some("de"));
        assert_eq!(language_code("EN").as_deref(), Some("en"));
        assert_eq!(language_code("tlh").as_deref(), Some("tlh"));
        assert_eq!(language_code("auto"), None);
    }

    #[test]
    fn standard_input_is_read_once() {
        let files = |names: &[&str]| names.iter().map(PathBuf::from).collect::<Vec<_>>();
        assert!(check_inputs(&files(&["-", "a.wav"])).is_ok());
        assert!(check_inputs(&files(&["-", "-"])).is_err());
    }

    #[test]
    fn what_is_no_file_is_refused_unopened() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(unusable(Path::new("-")), None);
        assert!(unusable(folder.path()).unwrap().contains("folder"));
        assert!(unusable(&folder.path().join("-")).unwrap().contains("name"));
    }

    #[test]
    fn a_stream_can_be_read_twice_and_given_up() {
        let folder = tempfile::tempdir().unwrap();
        let mut copy = spool(&b"RIFF"[..], folder.path(), &|| false).unwrap();
        let mut read = String::new();
        copy.read_to_string(&mut read).unwrap();
        assert_eq!(read, "RIFF");
        let stopped = spool(&b"RIFF"[..], folder.path(), &|| true);
        assert!(matches!(stopped, Err(DecodeError::Cancelled)));
    }
}
