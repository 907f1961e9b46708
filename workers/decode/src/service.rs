//! The service: a received recording becomes decoded audio, or a rejection with a reason.

use colloquy_bus::worker::{Context, Failure, Policy, Service};
use colloquy_contract::{
    Bucket, Fact,
    facts::{ConversationDecoded, ConversationReceived, ConversationRejected, SourceAudio},
};

use crate::audio::{DecodeError, Decoded, Limits, decode_file};

/// Media type of what it makes.
const FLAC: &str = "audio/flac";

/// The service.
#[derive(Debug, Default)]
pub struct DecodeService {
    limits: Limits,
}

impl DecodeService {
    /// A service that refuses recordings beyond these limits.
    pub const fn new(limits: Limits) -> Self {
        Self { limits }
    }

    async fn decode(&self, context: &Context) -> Result<Result<Decoded, DecodeError>, Failure> {
        let (input, output) = (context.scratch("input")?, context.scratch("output.flac")?);
        let limits = self.limits.clone();
        context
            .blocking(move |cancel| decode_file(&input, &output, &limits, cancel))
            .await
    }
}

impl Service for DecodeService {
    const NAME: &'static str = "decode";
    type Input = ConversationReceived;

    fn policy(&self) -> Policy {
        Policy {
            concurrency: 2,
            ..Policy::default()
        }
    }

    async fn handle(
        &self,
        received: ConversationReceived,
        context: &Context,
    ) -> Result<Vec<Fact>, Failure> {
        context
            .artifacts
            .get_file(&received.recording, &context.scratch("input")?)
            .await?;
        let decoded = match self.decode(context).await? {
            Ok(decoded) => decoded,
            Err(DecodeError::Cancelled) => return Err(Failure::Cancelled),
            Err(error) if error.is_bad_input() => return Ok(vec![rejection(&error)]),
            Err(error) => return Err(Failure::retry(error)),
        };
        let output = context.scratch("output.flac")?;
        let audio = context
            .artifacts
            .put_file(Bucket::Vault, context.scope(), FLAC, &output)
            .await?;
        let source = SourceAudio {
            container: decoded.source.container.to_owned(),
            codec: decoded.source.codec.to_owned(),
            sample_rate_hz: decoded.source.sample_rate_hz,
        };
        let channels = u16::try_from(decoded.channels).unwrap_or(u16::MAX);
        let duration_ms = decoded.duration_ms;
        let call = received.call;
        Ok(vec![
            ConversationDecoded {
                call,
                audio,
                duration_ms,
                channels,
                source,
                vocabulary: received.vocabulary,
            }
            .into(),
        ])
    }
}

fn rejection(error: &DecodeError) -> Fact {
    ConversationRejected {
        stage: DecodeService::NAME.to_owned(),
        code: error.code().to_owned(),
        reason: error.to_string(),
    }
    .into()
}
