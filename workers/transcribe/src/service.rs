//! The service: decoded audio becomes a transcript with word times.

use std::{
    cell::Cell,
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use colloquy_audio::{AudioError, FlacReader};
use colloquy_bus::worker::{Context, Failure, Policy, Service};
use colloquy_contract::{
    Bucket, Fact,
    facts::{ConversationDecoded, ConversationRejected, ConversationTranscribed},
    transcript::{Role, Transcript},
    vocabulary::Vocabulary,
};

use crate::{
    engine::{Engine, EngineError, Request, Transcription},
    error::Cause,
    recording::{Blocks, Recording},
    remote::{RemoteEngine, RemoteError},
    terms::{Vocabularies, prompt},
};

/// How often a long transcription says how far it is.
const SAY_EVERY: Duration = Duration::from_secs(30);

/// The service.
#[derive(Debug)]
pub struct TranscribeService {
    speech: Speech,
    vocabularies: Vocabularies,
    roles: Vec<Role>,
}

/// What understands speech.
#[derive(Debug)]
enum Speech {
    Local(Arc<Engine>),
    Remote(Arc<RemoteEngine>),
}

impl TranscribeService {
    /// A service with this engine.
    pub fn new(engine: Arc<Engine>) -> Self {
        Self {
            speech: Speech::Local(engine),
            vocabularies: Vocabularies::default(),
            roles: Vec::new(),
        }
    }

    /// A service that has a server understand speech.
    pub fn remote(engine: Arc<RemoteEngine>) -> Self {
        Self {
            speech: Speech::Remote(engine),
            vocabularies: Vocabularies::default(),
            roles: Vec::new(),
        }
    }

    /// The same, with names and terms to expect in the calls of each account.
    #[must_use]
    pub fn with_vocabularies(self, vocabularies: Vocabularies) -> Self {
        Self {
            vocabularies,
            ..self
        }
    }

    /// The same, with who is on which channel of a call that does not say so and has as many.
    #[must_use]
    pub fn with_roles(self, roles: Vec<Role>) -> Self {
        Self { roles, ..self }
    }

    /// Who is on which channel: as the call says, or else as this platform's calls are recorded.
    fn roles_of(&self, decoded: &ConversationDecoded) -> Vec<Role> {
        let said = &decoded.call.channel_roles;
        let usual = said.is_empty() && self.roles.len() == usize::from(decoded.channels);
        if usual { &self.roles } else { said }.clone()
    }

    /// The names and terms to expect: those of the call, from the vault, and of its account.
    async fn vocabulary(
        &self,
        decoded: &ConversationDecoded,
        context: &Context,
    ) -> Result<Option<String>, Failure> {
        let call = match &decoded.vocabulary {
            Some(reference) => {
                let document: Vocabulary = context.read_document(reference).await?;
                document.terms
            }
            None => Vec::new(),
        };
        let account = self.vocabularies.of(context.scope().account());
        Ok(prompt(&call, account))
    }

    async fn transcribe(
        &self,
        path: PathBuf,
        request: Request,
        context: &Context,
    ) -> Result<Heard, Failure> {
        match &self.speech {
            Speech::Local(engine) => {
                let engine = engine.clone();
                let transcribed = context.blocking(move |cancel| {
                    let recording = FlacRecording::open(&path)?;
                    engine.transcribe(&recording, &request, &say_progress(), cancel)
                });
                transcribed.await?.map_or_else(not_heard, Heard::it)
            }
            Speech::Remote(engine) => {
                let recording = match FlacRecording::open(&path) {
                    Ok(recording) => Arc::new(recording),
                    Err(error) => return not_heard(error),
                };
                let transcribed = engine.transcribe(recording, &request, &context.cancel);
                transcribed.await.map_or_else(not_heard_there, Heard::it)
            }
        }
    }
}

/// What became of a recording.
enum Heard {
    Words(Box<Transcription>),
    /// It cannot be used.
    Rejected(Box<Fact>),
}

impl Heard {
    #[allow(
        clippy::unnecessary_wraps,
        reason = "stands beside those that tell failures"
    )]
    fn it(transcription: Transcription) -> Result<Self, Failure> {
        Ok(Self::Words(Box::new(transcription)))
    }
}

/// What a failure of an engine means for the recording.
fn not_heard(error: EngineError) -> Result<Heard, Failure> {
    match error {
        EngineError::Cancelled => Err(Failure::Cancelled),
        EngineError::UnknownLanguage { .. } | EngineError::TooLarge { .. } => {
            Ok(Heard::Rejected(Box::new(rejection(&error))))
        }
        EngineError::ReadRecording { ref source } if is_damage(source.as_ref()) => {
            Err(Failure::permanent(error))
        }
        error => Err(Failure::retry(error)),
    }
}

/// Whether a recording will be no better the next time: its bytes are those that were stored.
fn is_damage(error: &(dyn std::error::Error + Send + Sync + 'static)) -> bool {
    let error = error.downcast_ref();
    error.is_some_and(|error| !matches!(error, AudioError::Read(_)))
}

/// The same of a server. Only what it refuses while it takes other recordings is given up at once;
/// what was its own fault has been waited for long enough to hand the recording back.
fn not_heard_there(error: RemoteError) -> Result<Heard, Failure> {
    match error {
        RemoteError::Recording(error) => not_heard(error),
        RemoteError::Cancelled => Err(Failure::Cancelled),
        RemoteError::Refused { .. } => Err(Failure::permanent(error)),
        error => Err(Failure::retry(error)),
    }
}

impl Service for TranscribeService {
    const NAME: &'static str = "transcribe";
    type Input = ConversationDecoded;

    fn policy(&self) -> Policy {
        Policy {
            concurrency: match self.speech {
                // It takes turns batch by batch; a second one fetches and stores meanwhile.
                Speech::Local(_) => 2,
                // Its own limit of requests is what counts; short calls leave it room.
                Speech::Remote(_) => 4,
            },
            deadline: Duration::from_secs(4 * 3_600),
            ..Policy::default()
        }
    }

    async fn handle(
        &self,
        decoded: ConversationDecoded,
        context: &Context,
    ) -> Result<Vec<Fact>, Failure> {
        let path = context.scratch("audio.flac")?;
        context.artifacts.get_file(&decoded.audio, &path).await?;
        let request = Request {
            language: decoded.call.language.clone(),
            roles: self.roles_of(&decoded),
            vocabulary: self.vocabulary(&decoded, context).await?,
        };
        let Transcription {
            transcript,
            findings,
        } = match self.transcribe(path, request, context).await? {
            Heard::Words(transcription) => *transcription,
            Heard::Rejected(fact) => return Ok(vec![*fact]),
        };
        tracing::debug!(?findings, "transcribed");
        let words = u32::try_from(transcript.word_count()).unwrap_or(u32::MAX);
        let document = context
            .write_document(Bucket::Vault, Transcript::MEDIA_TYPE, &transcript)
            .await?;
        Ok(vec![
            ConversationTranscribed {
                call: decoded.call,
                audio: decoded.audio,
                duration_ms: decoded.duration_ms,
                transcript: document,
                language: transcript.language,
                model: transcript.model,
                words,
            }
            .into(),
        ])
    }
}

fn rejection(error: &EngineError) -> Fact {
    ConversationRejected {
        stage: TranscribeService::NAME.to_owned(),
        code: match error {
            EngineError::TooLarge { .. } => "too_long",
            _ => "unknown_language",
        }
        .to_owned(),
        reason: error.to_string(),
    }
    .into()
}

/// Hears the share done of a transcription, and logs it now and then.
fn say_progress() -> impl Fn(f32) {
    let said = Cell::new(Instant::now());
    move |share| {
        if said.get().elapsed() >= SAY_EVERY {
            said.set(Instant::now());
            tracing::info!(percent = (share * 100.0).round(), "transcribing");
        }
    }
}

/// The platform's FLAC as a recording that can be read again and again.
#[derive(Debug)]
pub struct FlacRecording {
    path: PathBuf,
    channels: usize,
}

impl FlacRecording {
    /// The recording in a file that the decode worker made.
    ///
    /// # Errors
    /// When the file cannot be opened or is no such FLAC.
    pub fn open(path: &Path) -> Result<Self, EngineError> {
        let channels = reader(path)
            .map_err(|source| EngineError::ReadRecording { source })?
            .channels();
        let path = path.to_owned();
        Ok(Self { path, channels })
    }
}

fn reader(path: &Path) -> Result<FlacReader<'static>, Cause> {
    Ok(FlacReader::new(File::open(path)?)?)
}

impl Recording for FlacRecording {
    fn channels(&self) -> usize {
        self.channels
    }

    fn open(&self) -> Result<Box<dyn Blocks + '_>, Cause> {
        Ok(Box::new(FlacBlocks(reader(&self.path)?)))
    }
}

struct FlacBlocks(FlacReader<'static>);

impl Blocks for FlacBlocks {
    fn next_block(&mut self, block: &mut Vec<i16>) -> Result<bool, Cause> {
        let Some(samples) = self.0.next_block()? else {
            return Ok(false);
        };
        block.clear();
        block.extend_from_slice(samples);
        Ok(true)
    }
}
