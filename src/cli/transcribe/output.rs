//! Where transcripts go: standard output, or a file for each.

use std::{
    io::{self, Write},
    path::Path,
};

use anyhow::{Context, anyhow};
use colloquy_formats::json::{self, Document};
use colloquy_transcribe::engine::Transcription;
use serde::Serialize;

use super::{
    Form,
    plan::{self, Item, Sink},
    work::Trouble,
};

/// The output of all recordings.
#[derive(Debug)]
pub(super) struct Output<'a> {
    sink: &'a Sink,
    /// Whether several recordings share it.
    shared: bool,
    /// Recordings written so far.
    written: usize,
}

/// The JSON document of a recording: the transcript's, with where it comes from.
#[derive(Debug, Serialize)]
struct Named<'a> {
    file: &'a str,
    #[serde(flatten)]
    document: Document,
}

impl<'a> Output<'a> {
    pub(super) const fn new(sink: &'a Sink, recordings: usize) -> Self {
        Self {
            sink,
            shared: recordings > 1,
            written: 0,
        }
    }

    /// Writes what came of a recording.
    pub(super) fn write(
        &mut self,
        item: &Item,
        transcription: &Transcription,
    ) -> Result<(), Trouble> {
        match self.sink {
            Sink::StandardOutput(form) => self.print(*form, item, transcription)?,
            Sink::Folder { force, .. } => {
                for (target, form) in &item.targets {
                    let text = written(*form, item, transcription, false)?;
                    store(target, *force, &text)?;
                }
            }
        }
        self.written += 1;
        Ok(())
    }

    fn print(&self, form: Form, item: &Item, transcription: &Transcription) -> Result<(), Trouble> {
        let mut text = written(form, item, transcription, self.shared)?;
        if self.shared && form == Form::Txt {
            let gap = if self.written > 0 { "\n" } else { "" };
            text.insert_str(0, &format!("{gap}==> {} <==\n", item.source));
        }
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())
            .and_then(|()| out.flush())
            .context("the transcript cannot be written to standard output")
            .map_err(Trouble::Everything)
    }
}

/// The text of a form. A JSON document is one line if several share the stream.
fn written(
    form: Form,
    item: &Item,
    Transcription {
        transcript,
        findings,
    }: &Transcription,
    shared: bool,
) -> anyhow::Result<String> {
    Ok(match form {
        Form::Txt | Form::All => colloquy_formats::text(transcript),
        Form::Srt => colloquy_formats::srt(transcript),
        Form::Vtt => colloquy_formats::vtt(transcript),
        Form::Json => {
            let mut document = Document::new(transcript);
            for channel in &mut document.channels {
                let at = channel.channel;
                channel.copy_of = findings.copy_of.get(at).copied().flatten();
                channel.speech = findings.speech_ms.get(at).copied().map(json::seconds);
            }
            let file = &item.source.name();
            let named = Named { file, document };
            let text = if shared {
                serde_json::to_string(&named)
            } else {
                serde_json::to_string_pretty(&named)
            };
            text? + "\n"
        }
    })
}

/// Writes a file that appears whole or not at all.
fn store(target: &Path, force: bool, text: &str) -> anyhow::Result<()> {
    let folder = target.parent().unwrap_or(Path::new("."));
    let problem = || format!("{} cannot be written", target.display());
    let mut options = tempfile::Builder::new();
    options.prefix(".colloquy-");
    // As any file that is made by a command, within what the umask allows.
    #[cfg(unix)]
    options.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = options.tempfile_in(folder).with_context(problem)?;
    file.write_all(text.as_bytes()).with_context(problem)?;
    let kept = if force {
        file.persist(target)
    } else {
        file.persist_noclobber(target)
    };
    match kept {
        Ok(_) => Ok(()),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
            Err(anyhow!(plan::exists(target)))
        }
        Err(error) => Err(error.error).with_context(problem),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_only_by_force() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("call.txt");
        store(&target, false, "one").unwrap();
        let refused = store(&target, false, "two").unwrap_err();
        assert!(refused.to_string().contains("--force"), "{refused}");
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "one");
        store(&target, true, "three").unwrap();
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "three");
        let left = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, 1);
    }
}
