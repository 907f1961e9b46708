//! The service: transcript and recording are freed of what was tagged, and may be seen.

use std::{
    fs::File,
    io::{BufReader, BufWriter, Write},
    path::Path,
};

use colloquy_bus::worker::{Context, Failure, Policy, Service};
use colloquy_contract::{
    Bucket, Fact,
    entities::Entities,
    facts::{ConversationAnonymized, ConversationTagged},
    transcript::Transcript,
};

use crate::{
    Cut,
    audio::{self, AudioPolicy, RedactError, Redacted},
    text,
};

/// Name of the redacted recording among the files of an attempt.
const REDACTED: &str = "redacted.opus";

/// The service.
#[derive(Debug, Default)]
pub struct AnonymizeService {
    policy: AudioPolicy,
}

impl AnonymizeService {
    /// A service that cuts audio by this policy.
    pub const fn new(policy: AudioPolicy) -> Self {
        Self { policy }
    }

    async fn redact(&self, cuts: Vec<Cut>, context: &Context) -> Result<Redacted, Failure> {
        let (input, output) = (context.scratch("audio.flac")?, context.scratch(REDACTED)?);
        let policy = self.policy;
        context
            .blocking(move |_| redact_file(&input, &output, &cuts, &policy))
            .await?
            .map_err(|error| match error {
                RedactError::Read(_) | RedactError::Write(_) => Failure::retry(error),
                error => Failure::permanent(error),
            })
    }
}

impl Service for AnonymizeService {
    const NAME: &'static str = "anonymize";
    type Input = ConversationTagged;

    fn policy(&self) -> Policy {
        Policy {
            concurrency: 2,
            ..Policy::default()
        }
    }

    async fn handle(
        &self,
        tagged: ConversationTagged,
        context: &Context,
    ) -> Result<Vec<Fact>, Failure> {
        let transcript: Transcript = context.read_document(&tagged.transcript).await?;
        let entities: Entities = context.read_document(&tagged.entities).await?;
        let anonymized = text::anonymize(&transcript, &entities).map_err(Failure::permanent)?;
        context
            .artifacts
            .get_file(&tagged.audio, &context.scratch("audio.flac")?)
            .await?;
        let redacted = self.redact(anonymized.cuts, context).await?;
        // Nothing goes into the open bucket before both are known to be free of personal data.
        let transcript = context
            .write_document(Bucket::Open, Transcript::MEDIA_TYPE, &anonymized.transcript)
            .await?;
        let audio = context
            .artifacts
            .put_file(
                Bucket::Open,
                context.scope(),
                audio::MEDIA_TYPE,
                &context.scratch(REDACTED)?,
            )
            .await?;
        Ok(vec![
            ConversationAnonymized {
                call: tagged.call,
                duration_ms: tagged.duration_ms,
                language: tagged.language,
                transcript,
                audio,
                redactions: anonymized.counts,
                redacted_ms: redacted.redacted_ms,
            }
            .into(),
        ])
    }
}

fn redact_file(
    input: &Path,
    output: &Path,
    cuts: &[Cut],
    policy: &AudioPolicy,
) -> Result<Redacted, RedactError> {
    let read = |source| RedactError::Read(colloquy_audio::AudioError::Read(source));
    let write = |source| RedactError::Write(colloquy_audio::AudioError::Write(source));
    let input = BufReader::new(File::open(input).map_err(read)?);
    let mut output = BufWriter::new(File::create(output).map_err(write)?);
    let redacted = audio::redact(input, &mut output, cuts, policy)?;
    output.flush().map_err(write)?;
    Ok(redacted)
}
