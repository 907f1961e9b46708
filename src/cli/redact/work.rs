//! The work itself: one file after the other is read, redacted, proved and written.

use std::{
    fs::File,
    io::{self, BufWriter, Read, Seek, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, bail};
use colloquy_anonymize::{
    Job, Outcome, Redactor,
    policy::Policy,
    proof::{Hearing, Listener},
    text::{Recognize, Treatment, redact_plain},
};
use colloquy_contract::transcript::Transcript;
use colloquy_decode::audio::{DecodeError, decode};
use colloquy_transcribe::{
    FlacRecording,
    engine::{Engine, EngineOptions, Request},
};
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use super::{Redact, TranscriptForm, output, told::Told};
use crate::{
    cli::recordings::{is_input, limits, open, unusable},
    engines::Speech,
};

/// The largest text. It is read whole.
const MAX_TEXT_BYTES: u64 = 64 << 20;

/// What of a file tells whether it is a text.
const LOOKED_AT_BYTES: usize = 4_096;

/// All that is to be done.
pub(super) struct Work {
    command: Redact,
    policy: Arc<Policy>,
    scratch: PathBuf,
    told: Told,
    cancel: CancellationToken,
    recognize: OnceCell<Recognize>,
    speech: OnceCell<Speech>,
}

/// The speech engine as somebody who listens.
#[derive(Debug)]
struct Ears(Speech, String);

impl Listener for Ears {
    fn model(&self) -> String {
        self.1.clone()
    }

    fn hear<'a>(
        &'a self,
        recording: &'a Path,
        language: Option<&'a str>,
        cancel: &'a CancellationToken,
    ) -> Hearing<'a> {
        Box::pin(self.0.hear(recording, language, cancel))
    }
}

impl Work {
    pub(super) fn new(
        command: Redact,
        policy: Arc<Policy>,
        scratch: &Path,
        told: Told,
        cancel: CancellationToken,
    ) -> Self {
        Self {
            command,
            policy,
            scratch: scratch.to_owned(),
            told,
            cancel,
            recognize: OnceCell::new(),
            speech: OnceCell::new(),
        }
    }

    /// Does it; returns how many files failed.
    pub(super) async fn run(self) -> anyhow::Result<usize> {
        let mut failed = 0;
        // What all files need is found out before the first.
        self.recognize().await?;
        for input in &self.command.files {
            let name = match is_input(input) {
                true => "standard input".to_owned(),
                false => input.display().to_string(),
            };
            let folder = tempfile::tempdir_in(&self.scratch)
                .context("no folder for decoded audio can be made")?;
            if let Err(error) = self.one(input, &name, folder.path()).await {
                if self.cancel.is_cancelled() {
                    bail!("interrupted");
                }
                self.told.failed(&name, &error);
                failed += 1;
            }
        }
        Ok(failed)
    }

    async fn one(&self, input: &Path, name: &str, folder: &Path) -> anyhow::Result<()> {
        if let Some(trouble) = unusable(input) {
            bail!(trouble);
        }
        let mut file = open(input, folder, &|| self.cancel.is_cancelled())?;
        let mut start = Vec::new();
        Read::by_ref(&mut file)
            .take(LOOKED_AT_BYTES as u64)
            .read_to_end(&mut start)
            .context("it cannot be read")?;
        file.rewind().context("it cannot be read")?;
        if is_text(&start) {
            self.text(input, name, file).await
        } else {
            self.recording(input, name, file, folder).await
        }
    }

    async fn text(&self, input: &Path, name: &str, file: File) -> anyhow::Result<()> {
        let target = self.target(input, None)?;
        let mut text = String::new();
        file.take(MAX_TEXT_BYTES + 1)
            .read_to_string(&mut text)
            .context("it is neither a recording nor a text in UTF-8; convert it")?;
        if text.len() as u64 > MAX_TEXT_BYTES {
            bail!("it has more than {} MiB; split it", MAX_TEXT_BYTES >> 20);
        }
        self.told.step(name, "redacting");
        let (recognize, policy) = (self.recognize().await?.clone(), self.policy.clone());
        let account = self.command.account.clone();
        let redacted = tokio::task::spawn_blocking(move || {
            let treatment = Treatment {
                policy: &policy,
                account: account.as_str(),
            };
            redact_plain(&text, &treatment, &recognize)
        })
        .await??;
        self.told.text(name, &redacted.counts);
        output::store(
            target.as_deref(),
            self.command.force,
            &mut redacted.text.as_bytes(),
        )
    }

    async fn recording(
        &self,
        input: &Path,
        name: &str,
        file: File,
        folder: &Path,
    ) -> anyhow::Result<()> {
        let extension = self.policy.audio.format.extension();
        let target = self.target(input, Some(extension))?;
        let beside = self.transcript_target(input, target.as_deref())?;
        if target.is_none() && io::IsTerminal::is_terminal(&io::stdout()) {
            bail!("a recording is not written to a terminal; name a file with --output");
        }
        let audio = folder.join("audio.flac");
        self.decode(name, file, &audio).await?;
        let transcript = self.transcribe(name, &audio).await?;
        self.told.step(name, "redacting and listening");
        let recognize = self.recognize().await?.clone();
        let (read, heard) = (recognize.clone(), transcript.clone());
        let entities = tokio::task::spawn_blocking(move || read(&heard)).await?;
        let redacted = folder.join("redacted");
        let job = Job {
            transcript,
            entities: Arc::new(entities),
            input: audio,
            output: redacted.clone(),
            folder: folder.to_owned(),
            account: self.command.account.clone(),
            policy: self.policy.clone(),
        };
        let speech = self.speech().await?.clone();
        let model = job.transcript.model.clone();
        let redactor = Redactor::new(recognize).with_listener(Arc::new(Ears(speech, model)));
        let outcome = redactor.redact(&job, &self.cancel).await?;
        let mut redacted = File::open(&redacted).context("the redacted recording is gone")?;
        output::store(target.as_deref(), self.command.force, &mut redacted)?;
        if let (Some(form), Some(beside)) = (self.command.transcript, beside) {
            let text = written(form, &outcome)?;
            output::store(Some(&beside), self.command.force, &mut text.as_bytes())?;
        }
        self.told.recording(name, &outcome);
        Ok(())
    }

    async fn decode(&self, name: &str, file: File, to: &Path) -> anyhow::Result<()> {
        self.told.step(name, "decoding");
        let (to, cancel) = (to.to_owned(), self.cancel.clone());
        let decoded = tokio::task::spawn_blocking(move || {
            let output = File::create(&to).map_err(DecodeError::Write)?;
            let mut output = BufWriter::new(output);
            let decoded = decode(file, &mut output, &limits(), &|| cancel.is_cancelled())?;
            output.flush().map_err(DecodeError::Write)?;
            Ok::<_, DecodeError>(decoded)
        });
        let channels = decoded.await??.channels;
        self.command.speech.check_channels(channels)?;
        Ok(())
    }

    async fn transcribe(&self, name: &str, audio: &Path) -> anyhow::Result<Arc<Transcript>> {
        self.told.step(name, "transcribing");
        let Speech::Local(engine) = self.speech().await?.clone() else {
            bail!("there is no speech model");
        };
        let request = Request {
            language: self.command.speech.language(),
            roles: self.command.speech.roles.clone(),
            vocabulary: None,
        };
        let (audio, told, cancel) = (audio.to_owned(), self.told.clone(), self.cancel.clone());
        let heard = tokio::task::spawn_blocking(move || {
            let recording = FlacRecording::open(&audio)?;
            engine.transcribe(&recording, &request, &|share| told.share(share), &|| {
                cancel.is_cancelled()
            })
        });
        Ok(Arc::new(heard.await??.transcript))
    }

    fn target(&self, input: &Path, extension: Option<&str>) -> anyhow::Result<Option<PathBuf>> {
        let Redact { output, files, .. } = &self.command;
        let target = output::target(input, output.as_deref(), files.len() > 1, extension)?;
        output::may_write(target.as_deref(), self.command.force)?;
        Ok(target)
    }

    /// Where the transcript goes: beside the recording.
    fn transcript_target(
        &self,
        input: &Path,
        recording: Option<&Path>,
    ) -> anyhow::Result<Option<PathBuf>> {
        let Some(form) = self.command.transcript else {
            return Ok(None);
        };
        let Some(recording) = recording else {
            bail!("with --transcript, name a file for the recording with --output");
        };
        let target = recording.with_extension(form.extension());
        if target == input {
            bail!("the transcript would replace the input; name another --output");
        }
        output::may_write(Some(&target), self.command.force)?;
        Ok(Some(target))
    }

    async fn recognize(&self) -> anyhow::Result<&Recognize> {
        let load = || async {
            let model = self.command.entity_model.clone();
            let recognizers = tokio::task::spawn_blocking(move || model.load()).await??;
            let recognize: Recognize =
                Arc::new(move |transcript| recognizers.recognize(transcript));
            Ok(recognize)
        };
        self.recognize.get_or_try_init(load).await
    }

    async fn speech(&self) -> anyhow::Result<&Speech> {
        let load = || async {
            let folder = self.command.speech.model.folder()?;
            let options = EngineOptions {
                threads: self.command.speech.threads,
                name: Some(self.command.speech.model.name()),
                ..EngineOptions::default()
            };
            let engine =
                tokio::task::spawn_blocking(move || Engine::load(&folder, &options)).await??;
            Ok(Speech::Local(Arc::new(engine)))
        };
        self.speech.get_or_try_init(load).await
    }
}

impl TranscriptForm {
    const fn extension(self) -> &'static str {
        match self {
            Self::Txt => "txt",
            Self::Json => "json",
            Self::Srt => "srt",
            Self::Vtt => "vtt",
        }
    }
}

fn written(form: TranscriptForm, outcome: &Outcome) -> anyhow::Result<String> {
    let transcript = &outcome.transcript;
    Ok(match form {
        TranscriptForm::Txt => colloquy_formats::text(transcript),
        TranscriptForm::Srt => colloquy_formats::srt(transcript),
        TranscriptForm::Vtt => colloquy_formats::vtt(transcript),
        TranscriptForm::Json => {
            let document = colloquy_formats::json::Document::new(transcript);
            serde_json::to_string_pretty(&document)? + "\n"
        }
    })
}

/// Whether what begins so is a text: no format of a recording begins without a zero byte or what
/// is no UTF-8.
fn is_text(start: &[u8]) -> bool {
    let is_utf8 = match std::str::from_utf8(start) {
        Ok(_) => true,
        // The last character may be cut.
        Err(error) => error.error_len().is_none() && start.len() == LOOKED_AT_BYTES,
    };
    is_utf8 && !start.contains(&0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_recordings_are_told_apart() {
        assert!(is_text(b"") && is_text("Zo\u{eb}".as_bytes()));
        let cut = [vec![b'a'; LOOKED_AT_BYTES - 1], vec![0xc3]].concat();
        assert!(is_text(&cut) && !is_text(&cut[1..]));
        assert!(!is_text(b"RIFF\x24\0\0\0WAVE") && !is_text(b"\xff\xfb\x90d"));
    }
}
