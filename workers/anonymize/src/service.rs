//! The service: transcript and recording are freed of what was tagged, and may be seen.

use std::{sync::Arc, time::Duration};

use colloquy_bus::worker::{Context, Failure, Policy, Service};
use colloquy_contract::{
    Bucket, Fact,
    entities::Entities,
    facts::{ConversationAnonymized, ConversationTagged},
    transcript::Transcript,
};

use crate::{
    audio::RedactError,
    policy::PolicyBook,
    proof::HearError,
    redactor::{Job, RedactionError, Redactor},
};

/// The service.
#[derive(Debug)]
pub struct AnonymizeService {
    redactor: Redactor,
    policies: PolicyBook,
}

impl AnonymizeService {
    /// A service that follows these policies.
    pub const fn new(redactor: Redactor, policies: PolicyBook) -> Self {
        Self { redactor, policies }
    }
}

/// What a failure means for the conversation. What does not depend on the moment is given up at
/// once: its message is kept, and nothing of it is shown.
fn failure(error: RedactionError) -> Failure {
    match error {
        RedactionError::Cancelled | RedactionError::Hear(HearError::Cancelled) => {
            Failure::Cancelled
        }
        error @ (RedactionError::Audio(RedactError::Read(_) | RedactError::Write(_))
        | RedactionError::Hear(HearError::Failed(_))
        | RedactionError::Broken) => Failure::retry(error),
        error => Failure::permanent(error),
    }
}

impl Service for AnonymizeService {
    const NAME: &'static str = "anonymize";
    type Input = ConversationTagged;

    fn policy(&self) -> Policy {
        Policy {
            concurrency: 2,
            // The proof may transcribe a whole recording, some times over.
            deadline: Duration::from_secs(4 * 3_600),
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
        let policies = self.policies.current();
        let policy = policies.of(context.scope().account()).clone();
        let format = policy.audio.format;
        let input = context.scratch("audio.flac")?;
        context.artifacts.get_file(&tagged.audio, &input).await?;
        let output = context.scratch(&format!("anonymized.{}", format.extension()))?;
        let job = Job {
            transcript: Arc::new(transcript),
            entities: Arc::new(entities),
            folder: input.parent().map(Into::into).unwrap_or_default(),
            input,
            output: output.clone(),
            account: context.scope().account().clone(),
            policy,
        };
        let redacted = self.redactor.redact(&job, &context.cancel).await;
        let outcome = redacted.map_err(failure)?;
        // Nothing goes into the open bucket before both are known to be free of personal data.
        let transcript = context
            .write_document(Bucket::Open, Transcript::MEDIA_TYPE, &outcome.transcript)
            .await?;
        let audio = context
            .artifacts
            .put_file(Bucket::Open, context.scope(), format.media_type(), &output)
            .await?;
        Ok(vec![
            ConversationAnonymized {
                call: tagged.call,
                duration_ms: tagged.duration_ms,
                language: tagged.language,
                transcript,
                audio,
                redactions: outcome.counts,
                redacted_ms: outcome.audio.redacted_ms,
                policy: Some(outcome.policy),
                verified: outcome.verified,
            }
            .into(),
        ])
    }
}
