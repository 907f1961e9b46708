//! The service at a real broker, under its own user, with a real model on the beginning of a sample
//! call: what it reads, stores and states.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::{
    fs,
    io::Cursor,
    num::NonZeroUsize,
    path::Path,
    sync::{Arc, LazyLock},
};

use colloquy_assets::{Cache, Manifest};
use colloquy_audio::{FlacWriter, Resampler, SAMPLE_RATE_HZ, quantize};
use colloquy_contract::{
    Bucket, Fact, FactType, Scope,
    facts::{CallInfo, ConversationDecoded, ConversationTranscribed, SourceAudio},
    transcript::{Role, Transcript},
};
use colloquy_testkit::{Kit, conversation, plain, types};
use colloquy_transcribe::{
    TranscribeService,
    engine::{Engine, EngineOptions},
};
use serde_json::json;

const MODEL: &str = "whisper-tiny.en";

/// Sample rate of the call, how much of it is heard, and what is said in that.
const CALL_RATE_HZ: u32 = 8_000;
const SECONDS: usize = 8;
const SAID: [(u16, &str); 2] = [(0, "miller road garage"), (1, "is my car")];

static ENGINE: LazyLock<Arc<Engine>> = LazyLock::new(|| {
    let manifest = Manifest::embedded().expect("the asset manifest");
    let cache = Cache::locate().expect("the asset cache");
    let folder = cache.folder(manifest.get(MODEL).expect("the model in the manifest"));
    let options = EngineOptions {
        name: Some(MODEL.to_owned()),
        // Threads that wait for each other lose time where other tests have the cores.
        threads: Some(NonZeroUsize::MIN),
        ..EngineOptions::default()
    };
    let engine = Engine::load(&folder, &options).unwrap_or_else(|error| {
        panic!("{error}\nThis test needs the model {MODEL}: run deploy/setup.sh")
    });
    Arc::new(engine)
});

fn service() -> TranscribeService {
    TranscribeService::new(ENGINE.clone())
}

/// A sample of G.711's mu-law.
fn expand(byte: u8) -> f32 {
    let code = !byte;
    let exponent = (code >> 4) & 7;
    let magnitude = (((i32::from(code & 15) << 3) + 132) << exponent) - 132;
    let sample = if code & 0x80 == 0 {
        magnitude
    } else {
        -magnitude
    };
    sample as f32 / 32_768.0
}

/// The beginning of a sample call as the platform keeps audio: the agent's channel, the customer's.
static AUDIO: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/samples");
    let file = fs::read(samples.join("auto-repair.wav")).expect("the sample call");
    let chunk = file.windows(4).position(|name| name == b"data").unwrap();
    let data = &file[chunk + 8..][..2 * SECONDS * CALL_RATE_HZ as usize];
    let channels = [0, 1].map(|channel| -> Vec<f32> {
        let bytes = data.iter().skip(channel).step_by(2);
        bytes.map(|&byte| expand(byte)).collect()
    });
    let mut resampler = Resampler::new(CALL_RATE_HZ, SAMPLE_RATE_HZ, 2).unwrap();
    let mut planes = [Vec::new(), Vec::new()];
    resampler.push(&channels, &mut planes).unwrap();
    resampler.finish(&mut planes).unwrap();
    let [agent, customer] = planes;
    let frames = agent.into_iter().zip(customer);
    let samples: Vec<i16> = frames
        .flat_map(|(agent, customer)| [quantize(agent), quantize(customer)])
        .collect();
    let mut flac = Cursor::new(Vec::new());
    let mut writer = FlacWriter::new(&mut flac, SAMPLE_RATE_HZ, 2).unwrap();
    writer.write_interleaved(&samples).unwrap();
    writer.finish().unwrap();
    flac.into_inner()
});

fn call(language: &str) -> CallInfo {
    let said = json!({
        "received_at": "2026-05-19T11:06:00Z",
        "agent": "agent-31",
        "channel_roles": ["agent", "customer"],
        "labels": { "topic": "estimate" },
        "language": language,
    });
    serde_json::from_value(said).unwrap()
}

/// The recording, and the fact that tells of it.
async fn decoded(kit: &Kit, scope: &Scope, language: &str) -> ConversationDecoded {
    of_audio(kit, scope, language, AUDIO.as_slice()).await
}

async fn of_audio(kit: &Kit, scope: &Scope, language: &str, audio: &[u8]) -> ConversationDecoded {
    ConversationDecoded {
        call: call(language),
        audio: kit.store(Bucket::Vault, scope, "audio/flac", audio).await,
        duration_ms: 1_000 * SECONDS as u64,
        channels: 2,
        source: SourceAudio {
            container: "wav".to_owned(),
            codec: "pcm_mulaw".to_owned(),
            sample_rate_hz: CALL_RATE_HZ,
        },
        vocabulary: None,
    }
}

#[tokio::test]
async fn a_call_is_transcribed() {
    let kit = Kit::with_permissions(1).await;
    let transcribe = kit.run(Arc::new(service())).await;
    let scope = conversation();
    let cause = decoded(&kit, &scope, "en").await;
    kit.state(&scope, cause.clone()).await;
    let fact = FactType::ConversationTranscribed;
    let facts = kit.facts_until(&scope, fact).await;
    assert_eq!(facts, [FactType::ConversationDecoded, fact]);
    transcribe.drain().await;

    let history = kit.history(&scope).await;
    let (first, second) = (&history[0].envelope, &history[1].envelope);
    assert_eq!(second.source, "transcribe");
    assert_eq!(second.cause.as_ref(), Some(&first.id));
    let Fact::ConversationTranscribed(transcribed) = &history[1].fact else {
        panic!("{facts:?}")
    };
    let reference = transcribed.transcript.clone();
    assert_eq!(reference.bucket, Bucket::Vault);
    assert_eq!(reference.media_type, Transcript::MEDIA_TYPE);
    let document: Transcript = serde_json::from_slice(&kit.content(&reference).await).unwrap();
    let expected = ConversationTranscribed {
        call: call("en"),
        audio: cause.audio.clone(),
        duration_ms: 1_000 * SECONDS as u64,
        transcript: reference.clone(),
        language: "en".to_owned(),
        model: MODEL.to_owned(),
        words: document.word_count() as u32,
    };
    assert_eq!(*transcribed, expected);

    assert_eq!(document.duration_ms, 1_000 * SECONDS as u64);
    assert_eq!(document.channels, [Role::Agent, Role::Customer]);
    for (channel, said) in SAID {
        let turns = document.turns.iter().filter(|turn| turn.channel == channel);
        let heard: String = turns.map(|turn| plain(&turn.text)).collect();
        assert!(heard.contains(&plain(said)), "channel {channel}: {heard}");
    }
    // Transcripts as they were spoken lie in the vault and nowhere else.
    let mut names = vec![cause.audio.name, reference.name];
    names.sort();
    assert_eq!(kit.stored(Bucket::Vault).await, names);
    assert_eq!(kit.stored(Bucket::Open).await, [""; 0]);
}

#[tokio::test]
async fn what_is_delivered_again_is_transcribed_once() {
    let kit = Kit::with_permissions(2).await;
    let scope = conversation();
    let cause = decoded(&kit, &scope, "en").await;
    let service = service();
    let facts = kit.delivered_again(service, &scope, cause).await;
    let expected = [
        FactType::ConversationDecoded,
        FactType::ConversationTranscribed,
    ];
    assert_eq!(facts, expected);
    // The recording, and the same transcript each time.
    assert_eq!(kit.stored(Bucket::Vault).await.len(), 2);
}

#[tokio::test]
async fn a_language_that_the_model_does_not_know_is_rejected() {
    let kit = Kit::with_permissions(3).await;
    let transcribe = kit.run(Arc::new(service())).await;
    let scope = conversation();
    let cause = decoded(&kit, &scope, "de").await;
    kit.state(&scope, cause).await;
    let fact = FactType::ConversationRejected;
    let facts = kit.facts_until(&scope, fact).await;
    assert_eq!(facts, [FactType::ConversationDecoded, fact]);
    transcribe.drain().await;
    let history = kit.history(&scope).await;
    let Fact::ConversationRejected(rejected) = &history[1].fact else {
        panic!("{facts:?}")
    };
    let (stage, code) = (rejected.stage.as_str(), rejected.code.as_str());
    assert_eq!((stage, code), ("transcribe", "unknown_language"));
    assert!(rejected.reason.contains("de"), "{}", rejected.reason);
    assert_eq!(kit.stored(Bucket::Vault).await.len(), 1);
    assert_eq!(kit.dead_letters().await, 0);
}

#[tokio::test]
async fn a_call_that_names_no_roles_has_the_usual_ones_of_as_many_channels() {
    let kit = Kit::with_permissions(4).await;
    let usual = vec![Role::Customer, Role::Agent];
    let transcribe = kit.run(Arc::new(service().with_roles(usual.clone()))).await;
    let scope = conversation();
    let mut cause = decoded(&kit, &scope, "en").await;
    cause.call.channel_roles.clear();
    kit.state(&scope, cause).await;
    kit.facts_until(&scope, FactType::ConversationTranscribed)
        .await;
    transcribe.drain().await;
    let history = kit.history(&scope).await;
    let Fact::ConversationTranscribed(transcribed) = &history[1].fact else {
        panic!("{:?}", types(&history))
    };
    let document = kit.content(&transcribed.transcript).await;
    let document: Transcript = serde_json::from_slice(&document).unwrap();
    assert_eq!(document.channels, usual);
}

#[tokio::test]
async fn a_damaged_recording_is_given_up_at_once() {
    let kit = Kit::with_permissions(5).await;
    let transcribe = kit.run(Arc::new(service())).await;
    let scope = conversation();
    let mut audio = AUDIO.clone();
    let middle = audio.len() / 2;
    audio[middle..middle + 4_096].fill(0x55);
    let cause = of_audio(&kit, &scope, "en", &audio).await;
    kit.state(&scope, cause).await;
    let letter = kit.the_dead_letter("transcribe", &scope).await;
    transcribe.drain().await;
    assert!(letter.error.contains("recording"), "{}", letter.error);
}
