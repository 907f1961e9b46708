//! What can go wrong in the transcription engine, and what to do about it.

use std::path::PathBuf;

/// The cause of an error, from another library.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why the engine could not load or could not transcribe.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The model folder lacks files.
    #[error(
        "the speech model folder {} lacks {}: run the asset set-up again, or name another folder",
        folder.display(),
        missing.join(", ")
    )]
    ModelIncomplete {
        /// The folder that was looked into.
        folder: PathBuf,
        /// The names of the missing files.
        missing: Vec<String>,
    },
    /// A file of the model folder could not be read or understood.
    #[error(
        "cannot read {file} of the speech model in {}: run the asset set-up again, or convert the \
         model anew with CTranslate2's converter",
        folder.display()
    )]
    ModelUnreadable {
        /// The folder of the model.
        folder: PathBuf,
        /// The file.
        file: String,
        /// What its reader says.
        source: Cause,
    },
    /// The inference library refused the model.
    #[error(
        "cannot load the speech model in {}: check that it is a CTranslate2 Whisper model and \
         that its compute type runs on this machine",
        folder.display()
    )]
    ModelLoad {
        /// The folder of the model.
        folder: PathBuf,
        /// What the inference library says.
        source: Cause,
    },
    /// The model has no such language.
    #[error(
        "the speech model {model} does not know the language `{language}`: ask for one it knows, \
         for none to have it detected, or use a multilingual model"
    )]
    UnknownLanguage {
        /// Name of the model.
        model: String,
        /// The language asked for.
        language: String,
    },
    /// A vocabulary was given, and the model folder has no tokenizer to write it in tokens.
    #[error(
        "cannot use a vocabulary with the speech model {model}: its folder lacks tokenizer.json"
    )]
    NoTokenizer {
        /// Name of the model.
        model: String,
    },
    /// The vocabulary could not be written in tokens.
    #[error("cannot write the vocabulary in tokens of the speech model {model}: shorten it")]
    Vocabulary {
        /// Name of the model.
        model: String,
        /// What the tokenizer says.
        source: Cause,
    },
    /// The recording could not be read.
    #[error("cannot read the recording's samples: decode it again")]
    ReadRecording {
        /// What the recording's reader says.
        source: Cause,
    },
    /// The recording is beyond what the engine is made for.
    #[error(
        "the recording has {channels} channels of {hours} h: at most {max_channels} channels of \
         {max_hours} h can be transcribed, so split it"
    )]
    TooLarge {
        /// How many channels it has.
        channels: usize,
        /// How many hours of it were read.
        hours: u64,
        /// The most channels.
        max_channels: usize,
        /// The most hours.
        max_hours: u64,
    },
    /// The inference library failed.
    #[error("cannot {operation} with the speech model: try again with a smaller batch")]
    Inference {
        /// What it was doing.
        operation: &'static str,
        /// What the inference library says.
        source: Cause,
    },
    /// The caller asked to stop.
    #[error("transcription was cancelled: hand the recording back to be transcribed again")]
    Cancelled,
}
