//! The service: a transcript's names, numbers and places are found.

use std::{collections::BTreeMap, sync::Arc};

use colloquy_bus::worker::{Context, Failure, Service};
use colloquy_contract::{
    Bucket, Fact,
    entities::Entities,
    facts::{ConversationTagged, ConversationTranscribed},
    transcript::Transcript,
};

use colloquy_entities::Recognizers;

/// The service.
#[derive(Debug, Clone)]
pub struct TagService {
    recognizers: Arc<Recognizers>,
}

impl TagService {
    /// A service that finds what these recognizers find.
    pub fn new(recognizers: Arc<Recognizers>) -> Self {
        Self { recognizers }
    }
}

impl Service for TagService {
    const NAME: &'static str = "tag";
    type Input = ConversationTranscribed;

    async fn handle(
        &self,
        transcribed: ConversationTranscribed,
        context: &Context,
    ) -> Result<Vec<Fact>, Failure> {
        let transcript: Transcript = context.read_document(&transcribed.transcript).await?;
        let recognizers = Arc::clone(&self.recognizers);
        let entities = context
            .blocking(move |_| recognizers.recognize(&transcript))
            .await?;
        let mut counts = BTreeMap::new();
        for mention in &entities.mentions {
            *counts.entry(mention.entity_type.clone()).or_default() += 1;
        }
        let document = context
            .write_document(Bucket::Vault, Entities::MEDIA_TYPE, &entities)
            .await?;
        Ok(vec![
            ConversationTagged {
                call: transcribed.call,
                audio: transcribed.audio,
                duration_ms: transcribed.duration_ms,
                transcript: transcribed.transcript,
                language: transcribed.language,
                entities: document,
                counts,
            }
            .into(),
        ])
    }
}
