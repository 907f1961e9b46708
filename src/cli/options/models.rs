//! What understands speech and finds names: models on this machine, or a server.

use std::{
    num::NonZeroUsize,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;
use clap::{Args, ValueEnum};
use colloquy_assets::{Cache, Manifest};
use colloquy_entities::Recognizers;
use colloquy_ner::Ner;
use colloquy_transcribe::remote::{Key, RemoteOptions, SoundFormat};

/// What understands speech on this machine.
#[derive(Debug, Clone, Args)]
pub(crate) struct SpeechModel {
    /// Speech model: the name of an asset, or a folder with a CTranslate2 Whisper model
    #[arg(long, env = "COLLOQUY_MODEL", default_value = "whisper-base")]
    model: String,
}

impl SpeechModel {
    /// What it is called: its asset, or its folder without where that is.
    pub(crate) fn name(&self) -> String {
        let name = Path::new(&self.model).file_name();
        name.map_or_else(
            || self.model.clone(),
            |name| name.to_string_lossy().into_owned(),
        )
    }

    /// Where its files are.
    pub(crate) fn folder(&self) -> anyhow::Result<PathBuf> {
        model_folder(&self.model)
    }
}

/// What finds people, places and organizations.
#[derive(Debug, Clone, Args)]
pub(crate) struct EntityModel {
    /// Model of people, places and organizations: the name of an asset, or a folder with a spaCy
    /// model; none is patterns only, which find less
    #[arg(
        long = "entity-model",
        env = "COLLOQUY_ENTITY_MODEL",
        default_value = Self::USUAL,
        value_name = "MODEL"
    )]
    name: String,
}

impl EntityModel {
    /// The asset that is used where nothing is said.
    pub(crate) const USUAL: &'static str = "spacy-en-core-web-md";

    /// The model of a name.
    pub(crate) fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
        }
    }

    /// Loads the recognizers. Only `none` goes without a model.
    pub(crate) fn load(&self) -> anyhow::Result<Recognizers> {
        if self.name == "none" {
            return Ok(Recognizers::new(None));
        }
        let folder = model_folder(&self.name)?;
        Ok(Recognizers::new(Some(Ner::load(&folder)?)))
    }
}

/// A server that understands speech, in the place of a model on this machine.
#[derive(Debug, Clone, Args)]
pub(crate) struct SpeechServerArgs {
    /// Speech server with OpenAI's API, such as https://api.openai.com/v1; without one, the speech
    /// model runs here
    #[arg(
        long,
        env = "COLLOQUY_SPEECH_URL",
        value_name = "URL",
        requires = "speech_model"
    )]
    speech_url: Option<String>,

    /// Model of the speech server, such as whisper-1
    #[arg(
        long,
        env = "COLLOQUY_SPEECH_MODEL",
        value_name = "NAME",
        requires = "speech_url"
    )]
    speech_model: Option<String>,

    /// File with the key of the speech server
    #[arg(
        long,
        env = "COLLOQUY_SPEECH_KEY_FILE",
        value_name = "FILE",
        requires = "speech_url",
        conflicts_with = "speech_key"
    )]
    speech_key_file: Option<PathBuf>,

    /// Key of the speech server; better by file or environment, for others see command lines
    #[arg(
        long,
        env = "COLLOQUY_SPEECH_KEY",
        hide_env_values = true,
        value_name = "KEY",
        requires = "speech_url"
    )]
    speech_key: Option<String>,

    /// What is uploaded to the speech server
    #[arg(long, env = "COLLOQUY_SPEECH_FORMAT", default_value = "flac")]
    speech_format: SpeechFormatOption,

    /// Longest upload to the speech server in seconds; longer recordings are cut at pauses
    #[arg(
        long,
        env = "COLLOQUY_SPEECH_PIECE_SECONDS",
        value_name = "SECONDS",
        default_value_t = 300
    )]
    speech_piece_seconds: u64,

    /// Largest upload to the speech server in megabytes
    #[arg(
        long,
        env = "COLLOQUY_SPEECH_UPLOAD_MB",
        value_name = "MB",
        default_value_t = 24
    )]
    speech_upload_mb: u64,

    /// Requests to the speech server at once
    #[arg(
        long,
        env = "COLLOQUY_SPEECH_PARALLEL",
        value_name = "NUMBER",
        default_value_t = NonZeroUsize::MIN.saturating_add(3)
    )]
    speech_parallel: NonZeroUsize,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum SpeechFormatOption {
    /// Half the size
    Flac,
    /// For servers that read nothing else
    Wav,
}

impl SpeechServerArgs {
    /// The speech server, if there is one.
    pub(crate) fn server(&self) -> anyhow::Result<Option<RemoteOptions>> {
        let (Some(url), Some(model)) = (&self.speech_url, &self.speech_model) else {
            return Ok(None);
        };
        let mut options = RemoteOptions::new(url, model);
        options.key = match (&self.speech_key_file, &self.speech_key) {
            (Some(path), _) => Some(Key::from_file(path)?),
            (None, Some(key)) => Some(Key::new(key)?),
            (None, None) => None,
        };
        options.format = match self.speech_format {
            SpeechFormatOption::Flac => SoundFormat::Flac,
            SpeechFormatOption::Wav => SoundFormat::Wav,
        };
        options.limits.piece = Duration::from_secs(self.speech_piece_seconds);
        options.limits.upload_bytes = self.speech_upload_mb.saturating_mul(1_000_000);
        options.limits.parallel = self.speech_parallel;
        Ok(Some(options))
    }
}

/// The folder of a model: a folder as it is, or an asset of that name.
fn model_folder(model: &str) -> anyhow::Result<PathBuf> {
    let folder = PathBuf::from(model);
    if folder.is_dir() {
        return Ok(folder);
    }
    let folder = Cache::locate()?.require(&Manifest::embedded()?, model);
    folder.with_context(|| format!("'{model}' is neither a folder nor an asset that is there"))
}
