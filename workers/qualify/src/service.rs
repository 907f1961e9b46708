//! The service: an anonymized conversation is measured.

use std::sync::Arc;

use colloquy_bus::worker::{Context, Failure, Service};
use colloquy_contract::{
    Fact,
    facts::{ConversationAnonymized, ConversationQualified},
    transcript::Transcript,
};

use crate::Qualifier;

/// The service.
pub struct QualifyService {
    qualifier: Arc<Qualifier>,
}

impl QualifyService {
    /// A service that measures with this qualifier.
    pub fn new(qualifier: Qualifier) -> Self {
        Self {
            qualifier: Arc::new(qualifier),
        }
    }
}

impl Service for QualifyService {
    const NAME: &'static str = "qualify";
    type Input = ConversationAnonymized;

    async fn handle(
        &self,
        anonymized: ConversationAnonymized,
        context: &Context,
    ) -> Result<Vec<Fact>, Failure> {
        let transcript: Transcript = context.read_document(&anonymized.transcript).await?;
        let qualifier = self.qualifier.clone();
        let analysis = context
            .blocking(move |_| qualifier.qualify(&transcript))
            .await?;
        Ok(vec![
            ConversationQualified {
                call: anonymized.call,
                duration_ms: anonymized.duration_ms,
                language: anonymized.language,
                transcript: anonymized.transcript,
                audio: anonymized.audio,
                analysis,
            }
            .into(),
        ])
    }
}
