//! The service with a speech server, at a real broker under its own user.

use std::{io::Cursor, sync::Arc};

use colloquy_audio::{FlacWriter, SAMPLE_RATE_HZ};
use colloquy_contract::{
    Bucket, Fact, FactType,
    facts::{CallInfo, ConversationDecoded, SourceAudio},
    transcript::{Role, Transcript},
    vocabulary::Vocabulary,
};
use colloquy_testkit::{Kit, conversation};
use colloquy_transcribe::{TranscribeService, Vocabularies};
use serde_json::json;

use super::{
    engine, options,
    server::{Reply, Server, spoken},
    voice,
};

fn flac() -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    let mut writer = FlacWriter::new(&mut file, SAMPLE_RATE_HZ, 1).unwrap();
    writer.write_interleaved(&voice(0, 15)).unwrap();
    writer.finish().unwrap();
    file.into_inner()
}

fn call() -> CallInfo {
    let said = json!({
        "received_at": "2026-05-19T11:06:00Z", "channel_roles": ["agent"], "language": "en",
    });
    serde_json::from_value(said).unwrap()
}

#[tokio::test]
async fn a_call_is_transcribed_with_its_vocabulary_once_the_server_knows_the_key() {
    let server = Server::start(|received| {
        if received.number < 3 {
            Reply::Status(401, json!({}))
        } else {
            spoken(received, "w")
        }
    })
    .await;
    let kit = Kit::with_permissions(1).await;
    let vocabularies = "default = [\"Other\"]\n[accounts]\nacme = [\"Acme\", \"Zoë\"]";
    let service = TranscribeService::remote(Arc::new(engine(options(&server))))
        .with_vocabularies(Vocabularies::parse(vocabularies).unwrap());
    let transcribe = kit.run(Arc::new(service)).await;
    let scope = conversation();
    assert_eq!(scope.account().to_string(), "acme");
    let vocabulary = Vocabulary {
        version: Vocabulary::VERSION,
        salt: "salt".to_owned(),
        terms: vec!["Zoë".to_owned(), "Gizmo".to_owned()],
    };
    let document = serde_json::to_vec(&vocabulary).unwrap();
    let store = |media, content: Vec<u8>| kit.store(Bucket::Vault, &scope, media, content);
    let decoded = ConversationDecoded {
        call: call(),
        audio: store("audio/flac", flac()).await,
        duration_ms: 15_000,
        channels: 1,
        source: SourceAudio {
            container: "wave".to_owned(),
            codec: "pcm_mulaw".to_owned(),
            sample_rate_hz: 8_000,
        },
        vocabulary: Some(store(Vocabulary::MEDIA_TYPE, document).await),
    };
    kit.state(&scope, decoded).await;
    kit.facts_until(&scope, FactType::ConversationTranscribed)
        .await;
    transcribe.drain().await;

    let received = server.received();
    assert_eq!(received.len(), 4);
    assert!(
        received
            .iter()
            .all(|one| one.field("prompt") == Some("Zoë, Gizmo, Acme"))
    );
    assert_eq!(kit.dead_letters().await, 0);
    let history = kit.history(&scope).await;
    let Fact::ConversationTranscribed(fact) = &history[1].fact else {
        panic!("{history:?}")
    };
    assert_eq!(fact.model, "whisper-1");
    let transcript: Transcript =
        serde_json::from_slice(&kit.content(&fact.transcript).await).unwrap();
    assert_eq!(transcript.channels, [Role::Agent]);
    assert!(transcript.word_count() > 5);
}
