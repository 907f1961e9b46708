//! What is said in the recordings, and who writes it down.
//!
//! A speech model would take all of the machine. In its place stands a service of the same name
//! that reads the decoded audio and writes a transcript that follows from the conversation's id.
//! All other services are the real ones.

use colloquy_bus::worker::{Context, Failure, Service};
use colloquy_contract::{
    Bucket, Fact,
    facts::{ConversationDecoded, ConversationTranscribed},
    transcript::{Role, Transcript, Turn, Word},
};

/// Stands in for the speech model.
#[derive(Debug)]
pub struct StandIn;

/// Letters of a conversation's own word: enough that no two are the same.
const WORD_LETTERS: usize = 14;

impl Service for StandIn {
    const NAME: &'static str = "transcribe";
    type Input = ConversationDecoded;

    async fn handle(
        &self,
        decoded: ConversationDecoded,
        context: &Context,
    ) -> Result<Vec<Fact>, Failure> {
        // As a model would, it needs the whole recording; what is damaged is found out here.
        context.artifacts.get_bytes(&decoded.audio).await?;
        let transcript = transcript(&context.scope().correlation(), decoded.duration_ms);
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

/// The same conversation says the same, whoever writes it down and how often.
fn transcript(conversation: &str, duration_ms: u64) -> Transcript {
    let said = format!(
        "hello my name is Maria Lopez and my number is 415-555-0132 please cancel the contract {}",
        own_word(conversation)
    );
    let texts: Vec<_> = said.split(' ').collect();
    let step = duration_ms / (texts.len() as u64 + 1);
    let words = texts.iter().zip(1..).map(|(text, place)| Word {
        text: (*text).to_owned(),
        start_ms: place * step,
        end_ms: place * step + step,
        confidence: 0.9,
        digit_starts_ms: Vec::new(),
    });
    let turn = Turn::new(0, Role::Customer, words.collect()).expect("there are words");
    Transcript {
        version: Transcript::VERSION,
        language: "en".to_owned(),
        duration_ms,
        model: "stand-in".to_owned(),
        channels: vec![Role::Customer],
        turns: vec![turn],
    }
}

/// A word that is said in this conversation only. Letters alone: nobody takes it for a number.
pub fn own_word(conversation: &str) -> String {
    let letters = conversation
        .chars()
        .rev()
        .filter_map(|c| c.to_digit(16))
        .filter_map(|digit| char::from_u32(u32::from('a') + digit));
    letters.take(WORD_LETTERS).collect()
}

/// Half a second of a tone as a WAV file, small and of its own for each number.
pub fn recording(number: u64) -> Vec<u8> {
    const RATE: u32 = 8_000;
    const SAMPLES: u32 = RATE / 2;
    let mut file = Vec::with_capacity(44 + 2 * SAMPLES as usize);
    file.extend_from_slice(b"RIFF");
    file.extend_from_slice(&(36 + 2 * SAMPLES).to_le_bytes());
    file.extend_from_slice(b"WAVEfmt ");
    file.extend_from_slice(&16_u32.to_le_bytes());
    file.extend_from_slice(&[1, 0, 1, 0]); // PCM, one channel
    file.extend_from_slice(&RATE.to_le_bytes());
    file.extend_from_slice(&(2 * RATE).to_le_bytes());
    file.extend_from_slice(&[2, 0, 16, 0]); // bytes of a frame, bits of a sample
    file.extend_from_slice(b"data");
    file.extend_from_slice(&(2 * SAMPLES).to_le_bytes());
    let period = 20 + i16::try_from(number % 40).unwrap_or(0);
    let mut phase = 0;
    for _ in 0..SAMPLES {
        phase = (phase + 1) % period;
        file.extend_from_slice(&(phase * 200).to_le_bytes());
    }
    file
}
