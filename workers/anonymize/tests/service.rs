//! The service at a real broker, under its own user: what it reads, stores and states, and that
//! nothing can be seen of a conversation that cannot be anonymized.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::{
    f64::consts::TAU,
    io::Cursor,
    ops::Range,
    path::Path,
    sync::{Arc, Mutex},
};

use colloquy_anonymize::{
    AnonymizeService, Redactor,
    policy::{Policies, PolicyBook},
    proof::{Hearing, Listener},
};
use colloquy_audio::{FlacReader, FlacWriter, OpusReader, SAMPLE_RATE_HZ};
use colloquy_contract::{
    Bucket, Fact, FactType, Scope,
    entities::{Entities, Mention},
    facts::{CallInfo, ConversationAnonymized, ConversationTagged, Verified},
    transcript::{Role, Transcript, Turn, Word},
};
use colloquy_testkit::{Kit, conversation};
use serde_json::json;
use tokio_util::sync::CancellationToken;

const RATE: usize = SAMPLE_RATE_HZ as usize;
const DURATION_MS: u64 = 4_000;

/// What stands for the voice, and what the service puts in its place, in hertz.
const VOICE: f64 = 300.0;
const TONE: f64 = 1_000.0;

/// Hears the same each time, but for the first times, for each of which it is told what.
#[derive(Debug, Default)]
struct Ears {
    first: Mutex<Vec<Turn>>,
    always: Option<Turn>,
}

impl Listener for Ears {
    fn model(&self) -> String {
        "ears".to_owned()
    }

    fn hear<'a>(
        &'a self,
        recording: &'a Path,
        language: Option<&'a str>,
        _cancel: &'a CancellationToken,
    ) -> Hearing<'a> {
        assert!(recording.is_file());
        assert_eq!(language, Some("en"));
        let heard = self.first.lock().unwrap().pop().or(self.always.clone());
        let turns = heard.into_iter().collect();
        Box::pin(async {
            Ok(Transcript {
                turns,
                ..transcript()
            })
        })
    }
}

/// One word, heard at this place.
fn heard_word(text: &str, start_ms: u64, end_ms: u64) -> Turn {
    let word = Word {
        text: text.to_owned(),
        start_ms,
        end_ms,
        confidence: 1.0,
        digit_starts_ms: Vec::new(),
    };
    Turn::new(0, Role::Unknown, vec![word]).unwrap()
}

/// A service that follows this policy, with these ears.
fn service(policy: &str, ears: Ears) -> AnonymizeService {
    let redactor = Redactor::new(Arc::new(|_| Entities::default())).with_listener(Arc::new(ears));
    let policies = Policies::parse(policy, None).unwrap();
    AnonymizeService::new(redactor, PolicyBook::of(policies))
}

fn call() -> CallInfo {
    let said = json!({
        "received_at": "2026-05-19T11:06:00Z",
        "agent": "agent-31",
        "channel_roles": ["customer"],
        "labels": { "topic": "estimate" },
    });
    serde_json::from_value(said).unwrap()
}

/// Half a second for each word: the name is said from 1.0 to 2.0 s.
fn transcript() -> Transcript {
    let said = "This is Susan Parker. Hello, Frank!";
    let words = said.split(' ').zip(0..).map(|(text, at)| Word {
        text: text.to_owned(),
        start_ms: at * 500,
        end_ms: (at + 1) * 500,
        confidence: 1.0,
        digit_starts_ms: Vec::new(),
    });
    Transcript {
        version: Transcript::VERSION,
        language: "en".to_owned(),
        duration_ms: DURATION_MS,
        model: "test".to_owned(),
        channels: vec![Role::Customer],
        turns: vec![Turn::new(0, Role::Customer, words.collect()).unwrap()],
    }
}

/// One mention, of these characters of the transcript.
fn entities(start: usize, end: usize) -> Entities {
    let mention = Mention {
        entity_type: "PERSON".to_owned(),
        turn: 0,
        start,
        end,
        text: "Susan Parker".to_owned(),
        value: "susan parker".to_owned(),
        score: 0.9,
        recognizer: "test".to_owned(),
    };
    Entities {
        version: Entities::VERSION,
        mentions: vec![mention],
    }
}

/// Where the name stands.
fn fitting() -> Entities {
    entities(8, 20)
}

fn recording() -> Vec<u8> {
    let frames = DURATION_MS as usize * RATE / 1_000;
    let samples: Vec<i16> = (0..frames)
        .map(|n| (8_000.0 * (TAU * VOICE * n as f64 / RATE as f64).sin()) as i16)
        .collect();
    let mut file = Cursor::new(Vec::new());
    let mut writer = FlacWriter::new(&mut file, SAMPLE_RATE_HZ, 1).unwrap();
    writer.write_interleaved(&samples).unwrap();
    writer.finish().unwrap();
    file.into_inner()
}

/// Recording, transcript and entities, and the fact that tells of them.
async fn tagged(kit: &Kit, scope: &Scope, entities: &Entities) -> ConversationTagged {
    let vault = Bucket::Vault;
    let transcript = serde_json::to_vec(&transcript()).unwrap();
    let entities = serde_json::to_vec(entities).unwrap();
    ConversationTagged {
        call: call(),
        audio: kit.store(vault, scope, "audio/flac", recording()).await,
        duration_ms: DURATION_MS,
        transcript: kit
            .store(vault, scope, Transcript::MEDIA_TYPE, transcript)
            .await,
        language: "en".to_owned(),
        entities: kit
            .store(vault, scope, Entities::MEDIA_TYPE, entities)
            .await,
        counts: [("PERSON".to_owned(), 1)].into(),
    }
}

/// The samples of an Ogg Opus file of one channel.
fn heard(file: &[u8]) -> Vec<f32> {
    let mut reader = OpusReader::new(Cursor::new(file)).unwrap();
    let mut samples = Vec::new();
    while let Some(block) = reader.next_block().unwrap() {
        samples.extend(block.iter().map(|&sample| f32::from(sample) / 32_768.0));
    }
    samples
}

/// How loud a frequency is in a stretch of milliseconds.
fn level(samples: &[f32], hertz: f64, stretch: Range<usize>) -> f64 {
    let stretch = &samples[stretch.start * RATE / 1_000..stretch.end * RATE / 1_000];
    let (mut real, mut imaginary) = (0.0, 0.0);
    for (n, &sample) in stretch.iter().enumerate() {
        let angle = TAU * hertz * n as f64 / RATE as f64;
        real += f64::from(sample) * angle.cos();
        imaginary += f64::from(sample) * angle.sin();
    }
    2.0 * real.hypot(imaginary) / stretch.len() as f64
}

#[tokio::test]
async fn a_conversation_is_freed_of_a_name() {
    let kit = Kit::with_permissions(1).await;
    let anonymize = kit
        .run(Arc::new(service("name = \"one\"", Ears::default())))
        .await;
    let scope = conversation();
    let cause = tagged(&kit, &scope, &fitting()).await;
    kit.state(&scope, cause).await;
    let fact = FactType::ConversationAnonymized;
    let facts = kit.facts_until(&scope, fact).await;
    assert_eq!(facts, [FactType::ConversationTagged, fact]);
    anonymize.drain().await;

    let history = kit.history(&scope).await;
    let (first, second) = (&history[0].envelope, &history[1].envelope);
    assert_eq!(second.source, "anonymize");
    assert_eq!(second.cause.as_ref(), Some(&first.id));
    let Fact::ConversationAnonymized(anonymized) = &history[1].fact else {
        panic!("{facts:?}")
    };
    let (text, audio) = (anonymized.transcript.clone(), anonymized.audio.clone());
    let expected = ConversationAnonymized {
        call: call(),
        duration_ms: DURATION_MS,
        language: "en".to_owned(),
        transcript: text.clone(),
        audio: audio.clone(),
        redactions: [("PERSON".to_owned(), 1)].into(),
        // The name, and 120 ms before and 180 ms after it.
        redacted_ms: 1_300,
        policy: anonymized.policy.clone(),
        verified: Some(Verified {
            mode: "removed".to_owned(),
            stretches: 1,
            // With what is said around it.
            heard_ms: 3_680,
            rounds: 1,
            model: "ears".to_owned(),
        }),
    };
    assert_eq!(*anonymized, expected);
    let policy = expected.policy.unwrap();
    assert_eq!(
        (policy.version.len(), policy.name.as_deref()),
        (12, Some("one"))
    );

    assert_eq!(text.media_type, Transcript::MEDIA_TYPE);
    let document: Transcript = serde_json::from_slice(&kit.content(&text).await).unwrap();
    assert_eq!(document.turns[0].text, "This is [PERSON_1]. Hello, Frank!");

    assert_eq!(audio.media_type, "audio/ogg; codecs=opus");
    let samples = heard(&kit.content(&audio).await);
    for (stretch, voice, tone) in [
        (200..800, 0.2, 0.0),
        (950..2_100, 0.0, 0.1),
        (2_300..3_900, 0.2, 0.0),
    ] {
        for (hertz, least) in [(VOICE, voice), (TONE, tone)] {
            let level = level(&samples, hertz, stretch.clone());
            let is_there = if least > 0.0 {
                level > least / 2.0
            } else {
                level < 0.01
            };
            assert!(is_there, "{hertz} Hz at {stretch:?} ms: {level}");
        }
    }
    // Both of them can be seen, and nothing else.
    assert_eq!((text.bucket, audio.bucket), (Bucket::Open, Bucket::Open));
    let mut names = vec![text.name, audio.name];
    names.sort();
    assert_eq!(kit.stored(Bucket::Open).await, names);
}

#[tokio::test]
async fn what_is_delivered_again_is_anonymized_once() {
    let kit = Kit::with_permissions(2).await;
    let scope = conversation();
    let cause = tagged(&kit, &scope, &fitting()).await;
    let service = service("", Ears::default());
    let facts = kit.delivered_again(service, &scope, cause).await;
    let expected = [
        FactType::ConversationTagged,
        FactType::ConversationAnonymized,
    ];
    assert_eq!(facts, expected);
    // The same transcript and the same recording each time.
    assert_eq!(kit.stored(Bucket::Open).await.len(), 2);
}

#[tokio::test]
async fn entities_that_do_not_fit_are_a_dead_letter_and_nothing_can_be_seen() {
    let kit = Kit::with_permissions(3).await;
    let anonymize = kit.run(Arc::new(service("", Ears::default()))).await;
    let scope = conversation();
    let cause = tagged(&kit, &scope, &entities(0, 12)).await;
    kit.state(&scope, cause).await;
    let letter = kit.the_dead_letter("anonymize", &scope).await;
    anonymize.drain().await;
    assert_eq!(kit.stored(Bucket::Open).await, [""; 0]);
    assert!(letter.error.contains("check mention 0"), "{}", letter.error);
    assert!(!letter.error.contains("Susan"), "{}", letter.error);
}

/// What is stated of a conversation by this service, and the stored transcript and recording.
async fn anonymized(
    seed: u64,
    service: AnonymizeService,
) -> (Kit, ConversationAnonymized, Transcript, Vec<u8>) {
    let kit = Kit::with_permissions(seed).await;
    let anonymize = kit.run(Arc::new(service)).await;
    let scope = conversation();
    let cause = tagged(&kit, &scope, &fitting()).await;
    kit.state(&scope, cause).await;
    kit.facts_until(&scope, FactType::ConversationAnonymized)
        .await;
    anonymize.drain().await;
    let Fact::ConversationAnonymized(fact) = kit.history(&scope).await[1].fact.clone() else {
        panic!("it is not anonymized")
    };
    let text = kit.content(&fact.transcript).await;
    let audio = kit.content(&fact.audio).await;
    (
        kit,
        fact,
        serde_json::from_slice(&text).unwrap(),
        audio.to_vec(),
    )
}

#[tokio::test]
async fn what_is_still_heard_is_cut_with_more_around_it() {
    let ears = Ears {
        // Before the name, where the transcript has another word.
        first: Mutex::new(vec![heard_word("Susan,", 600, 900)]),
        always: None,
    };
    let (_kit, fact, text, _) = anonymized(4, service("", ears)).await;
    assert_eq!(text.turns[0].text, "This [PERSON_1]. Hello, Frank!");
    let verified = fact.verified.unwrap();
    assert_eq!((verified.rounds, verified.stretches), (2, 1));
    // From 200 ms before what was heard to 200 ms after the name, and the padding.
    assert_eq!(fact.redacted_ms, (2_000 + 200 + 180) - (600 - 200 - 120));
}

#[tokio::test]
async fn what_goes_on_being_heard_is_a_dead_letter_and_nothing_can_be_seen() {
    let kit = Kit::with_permissions(5).await;
    let ears = Ears {
        always: Some(heard_word("Parker", 1_200, 1_500)),
        ..Ears::default()
    };
    let anonymize = kit.run(Arc::new(service("", ears))).await;
    let scope = conversation();
    let cause = tagged(&kit, &scope, &fitting()).await;
    kit.state(&scope, cause).await;
    let letter = kit.the_dead_letter("anonymize", &scope).await;
    anonymize.drain().await;
    assert_eq!(kit.stored(Bucket::Open).await, [""; 0]);
    assert!(letter.error.contains("after 4 rounds"), "{}", letter.error);
    assert!(!letter.error.contains("Parker"), "{}", letter.error);
}

#[tokio::test]
async fn a_policy_says_form_and_proof_and_what_is_left() {
    let policy = r#"
        [default.audio]
        format = "flac"
        cover = "silence"
        [default.proof]
        verify = "all"
        [default.types]
        PERSON = { threshold = 0.95 }
    "#;
    let (_kit, fact, text, audio) = anonymized(6, service(policy, Ears::default())).await;
    assert_eq!(fact.audio.media_type, "audio/flac");
    let reader = FlacReader::new(Cursor::new(audio)).unwrap();
    assert_eq!(reader.frames(), DURATION_MS * RATE as u64 / 1_000);
    // It was not sure enough to be redacted.
    assert_eq!(text.turns[0].text, transcript().turns[0].text);
    assert_eq!((fact.redacted_ms, fact.redactions.len()), (0, 0));
    let verified = fact.verified.unwrap();
    assert_eq!((verified.mode.as_str(), verified.stretches), ("all", 0));
    assert_eq!(verified.heard_ms, DURATION_MS);

    let off = "[default.proof]\nverify = \"off\"\n[default.audio]\nformat = \"wav\"";
    let deaf = AnonymizeService::new(
        Redactor::new(Arc::new(|_| Entities::default())),
        PolicyBook::of(Policies::parse(off, None).unwrap()),
    );
    let (_kit, fact, ..) = anonymized(7, deaf).await;
    assert_eq!(
        (fact.audio.media_type.as_str(), fact.verified),
        ("audio/wav", None)
    );
}
