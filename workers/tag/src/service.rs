//! The service: a transcript's names, numbers and places are found.

use std::collections::BTreeMap;

use colloquy_bus::worker::{Context, Failure, Service};
use colloquy_contract::{
    Bucket, Fact,
    entities::Entities,
    facts::{ConversationTagged, ConversationTranscribed},
    transcript::Transcript,
};

use colloquy_entities::recognize;

/// The service.
#[derive(Debug, Default)]
pub struct TagService;

impl Service for TagService {
    const NAME: &'static str = "tag";
    type Input = ConversationTranscribed;

    async fn handle(
        &self,
        transcribed: ConversationTranscribed,
        context: &Context,
    ) -> Result<Vec<Fact>, Failure> {
        let transcript: Transcript = context.read_document(&transcribed.transcript).await?;
        let entities = context.blocking(move |_| recognize(&transcript)).await?;
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
