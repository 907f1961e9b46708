//! The service: decoded audio becomes a transcript with word times.

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use colloquy_audio::FlacReader;
use colloquy_bus::worker::{Context, Failure, Policy, Service};
use colloquy_contract::{
    Bucket, Fact,
    facts::{ConversationDecoded, ConversationRejected, ConversationTranscribed},
    transcript::Transcript,
};

use crate::{
    engine::{Engine, EngineError, Request, Transcription},
    error::Cause,
    recording::{Blocks, Recording},
};

/// The service.
#[derive(Debug)]
pub struct TranscribeService {
    engine: Arc<Engine>,
}

impl TranscribeService {
    /// A service with this engine.
    pub const fn new(engine: Arc<Engine>) -> Self {
        Self { engine }
    }

    async fn transcribe(
        &self,
        path: PathBuf,
        request: Request,
        context: &Context,
    ) -> Result<Result<Transcription, EngineError>, Failure> {
        let engine = self.engine.clone();
        context
            .blocking(move |cancel| {
                let recording = FlacRecording::open(&path)?;
                engine.transcribe(&recording, &request, &|_| {}, cancel)
            })
            .await
    }
}

impl Service for TranscribeService {
    const NAME: &'static str = "transcribe";
    type Input = ConversationDecoded;

    fn policy(&self) -> Policy {
        Policy {
            // The engine takes turns batch by batch; a second one fetches and stores meanwhile.
            concurrency: 2,
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
            roles: decoded.call.channel_roles.clone(),
            vocabulary: None,
        };
        let Transcription {
            transcript,
            findings,
        } = match self.transcribe(path, request, context).await? {
            Ok(transcription) => transcription,
            Err(EngineError::Cancelled) => return Err(Failure::Cancelled),
            Err(error @ (EngineError::UnknownLanguage { .. } | EngineError::TooLarge { .. })) => {
                return Ok(vec![rejection(&error)]);
            }
            Err(error) => return Err(Failure::retry(error)),
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

/// The platform's FLAC as a recording that can be read again and again.
struct FlacRecording<'a> {
    path: &'a Path,
    channels: usize,
}

impl<'a> FlacRecording<'a> {
    fn open(path: &'a Path) -> Result<Self, EngineError> {
        let channels = reader(path)
            .map_err(|source| EngineError::ReadRecording { source })?
            .channels();
        Ok(Self { path, channels })
    }
}

fn reader(path: &Path) -> Result<FlacReader<'static>, Cause> {
    Ok(FlacReader::new(File::open(path)?)?)
}

impl Recording for FlacRecording<'_> {
    fn channels(&self) -> usize {
        self.channels
    }

    fn open(&self) -> Result<Box<dyn Blocks + '_>, Cause> {
        Ok(Box::new(FlacBlocks(reader(self.path)?)))
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
