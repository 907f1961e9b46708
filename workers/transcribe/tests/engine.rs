//! The engine with a real model, on sounds made here and on one of the project's sample calls.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::fs::File;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::LazyLock;

use colloquy_assets::{Cache, Manifest};
use colloquy_audio::FlacReader;
use colloquy_contract::transcript::{Role, Transcript, Word};
use colloquy_testkit::plain;
use colloquy_transcribe::engine::{
    Engine, EngineError, EngineOptions, Pcm, Request, Transcription,
};
use serde::Deserialize;

const MODEL: &str = "whisper-tiny.en";
const SECOND: usize = 16_000;

static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
    let manifest = Manifest::embedded().expect("the asset manifest");
    let cache = Cache::locate().expect("the asset cache");
    let folder = cache.folder(manifest.get(MODEL).expect("the model in the manifest"));
    let batch_size = NonZeroUsize::MIN.saturating_add(1);
    let name = Some(MODEL.to_owned());
    let options = EngineOptions {
        batch_size,
        name,
        ..EngineOptions::default()
    };
    Engine::load(&folder, &options).unwrap_or_else(|error| {
        panic!("{error}\nThis test needs the model {MODEL}: run deploy/setup.sh")
    })
});

fn transcribe(recording: &Pcm, request: &Request) -> Transcription {
    ENGINE
        .transcribe(recording, request, &|_| {}, &|| false)
        .expect("a transcript")
}

fn hear(channels: Vec<Vec<i16>>) -> Transcription {
    transcribe(&Pcm::new(channels), &Request::default())
}

/// A sample call and what is said in it.
struct Call {
    channels: Vec<Vec<i16>>,
    truth: Truth,
}

#[derive(Deserialize)]
struct Truth {
    turns: Vec<TrueTurn>,
}

#[derive(Deserialize)]
struct TrueTurn {
    channel: usize,
    words: Vec<TrueWord>,
}

#[derive(Deserialize)]
struct TrueWord {
    text: String,
    start_ms: u64,
    end_ms: u64,
}

static CALL: LazyLock<Call> = LazyLock::new(|| {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/samples");
    let file = File::open(samples.join("parcel-delivery.flac")).expect("the sample call");
    let mut reader = FlacReader::new(file).expect("a FLAC file");
    let mut channels = vec![Vec::new(); reader.channels()];
    let count = channels.len();
    while let Some(block) = reader.next_block().expect("samples") {
        for (at, &sample) in block.iter().enumerate() {
            channels[at % count].push(sample);
        }
    }
    let truth = File::open(samples.join("parcel-delivery.json")).expect("its ground truth");
    Call {
        channels,
        truth: serde_json::from_reader(truth).expect("ground truth"),
    }
});

fn words(transcript: &Transcript, channel: u16) -> Vec<&Word> {
    let turns = transcript
        .turns
        .iter()
        .filter(|turn| turn.channel == channel);
    turns.flat_map(|turn| &turn.words).collect()
}

/// Noise that is the same in every run.
fn noise(samples: usize, amplitude: i32) -> Vec<i16> {
    let mut state: u32 = 7;
    (0..samples)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (((state >> 16) as i32 - 32_768) * amplitude / 32_768) as i16
        })
        .collect()
}

/// Tones that change every half second, as of a telephone on hold.
fn tones(samples: usize) -> Vec<i16> {
    let notes = [440.0, 554.4, 659.3, 880.0, 659.3, 554.4];
    (0..samples)
        .map(|at| {
            let note: f64 = notes[at / (SECOND / 2) % notes.len()];
            let angle = std::f64::consts::TAU * note * at as f64 / SECOND as f64;
            (6_000.0 * (angle.sin() + 0.4 * (2.0 * angle).sin())) as i16
        })
        .collect()
}

#[test]
fn sounds_without_speech_give_no_words() {
    let silence = vec![0; 20 * SECOND];
    let found = hear(vec![silence, noise(20 * SECOND, 300), tones(20 * SECOND)]);
    assert_eq!(found.transcript.turns, []);
    assert_eq!(found.transcript.duration_ms, 20_000);
    assert_eq!(found.findings.copy_of, [None, None, None]);
    let nothing = hear(vec![Vec::new()]);
    assert_eq!(
        (
            nothing.transcript.duration_ms,
            nothing.transcript.turns.len()
        ),
        (0, 0)
    );
}

#[test]
fn a_call_is_written_down_with_the_times_of_its_words() {
    let request = Request {
        roles: vec![Role::Agent, Role::Customer],
        ..Request::default()
    };
    let found = transcribe(&Pcm::new(CALL.channels.clone()), &request);
    let transcript = found.transcript;
    assert_eq!(
        (transcript.language.as_str(), transcript.model.as_str()),
        ("en", MODEL)
    );
    for channel in [0, 1] {
        let heard = words(&transcript, channel);
        let truth = CALL
            .truth
            .turns
            .iter()
            .filter(|turn| turn.channel == usize::from(channel));
        let said: Vec<&TrueWord> = truth.flat_map(|turn| &turn.words).collect();
        // Numbers are said in words and written in digits, so not every word can be found.
        let found = said.iter().filter(|word| is_heard(word, &heard)).count();
        assert!(
            found * 10 >= said.len() * 7,
            "{found} of {} on {channel}",
            said.len()
        );
        for word in said {
            assert!(
                heard.iter().any(|other| overlap(word, other)),
                "nothing at {}",
                word.start_ms
            );
        }
    }
    assert!(transcript.turns.len() >= 4);
    for turn in &transcript.turns {
        let role = if turn.channel == 0 {
            Role::Agent
        } else {
            Role::Customer
        };
        assert_eq!(turn.role, role);
        assert!(turn.words.iter().all(|word| word.start_ms < word.end_ms));
        assert!(
            turn.words
                .windows(2)
                .all(|pair| pair[0].end_ms <= pair[1].start_ms)
        );
        assert!(
            turn.words
                .iter()
                .all(|word| (0.0..=1.0).contains(&word.confidence))
        );
    }
    assert!(transcript.turns.is_sorted_by_key(|turn| turn.start_ms));
}

/// Whether a word was written down at about the time it was said.
fn is_heard(said: &TrueWord, heard: &[&Word]) -> bool {
    let text = plain(&said.text);
    let near = |word: &&&Word| word.start_ms.abs_diff(said.start_ms) < 400;
    heard
        .iter()
        .filter(near)
        .any(|word| plain(&word.text) == text)
}

fn overlap(said: &TrueWord, heard: &Word) -> bool {
    heard.start_ms < said.end_ms + 200 && said.start_ms < heard.end_ms + 200
}

#[test]
fn a_mono_call_stored_as_stereo_is_written_down_once() {
    let voice = &CALL.channels[0];
    let quieter = voice.iter().map(|sample| sample / 2).collect();
    let request = Request {
        roles: vec![Role::Agent, Role::Customer],
        ..Request::default()
    };
    let found = transcribe(&Pcm::new(vec![voice.clone(), quieter]), &request);
    assert_eq!(found.findings.copy_of, [None, Some(0)]);
    assert_eq!(found.transcript.channels, [Role::Unknown, Role::Unknown]);
    assert!(!found.transcript.turns.is_empty());
    assert!(found.transcript.turns.iter().all(|turn| turn.channel == 0));
}

#[test]
fn a_silent_channel_gives_no_words_and_the_same_call_the_same_transcript() {
    let voice = CALL.channels[1].clone();
    let call = Pcm::new(vec![vec![0; voice.len()], voice]);
    let (first, second) = std::thread::scope(|scope| {
        let both = [(), ()].map(|()| scope.spawn(|| transcribe(&call, &Request::default())));
        let [first, second] = both.map(|thread| thread.join().expect("no panic"));
        (first, second)
    });
    assert_eq!(first, second);
    assert!(!first.transcript.turns.is_empty());
    assert!(first.transcript.turns.iter().all(|turn| turn.channel == 1));
}

#[test]
fn a_vocabulary_is_taken_and_an_unknown_language_refused() {
    let call = Pcm::new(vec![CALL.channels[0].clone()]);
    let request = Request {
        vocabulary: Some("Colloquy, JetStream".to_owned()),
        ..Request::default()
    };
    assert!(!transcribe(&call, &request).transcript.turns.is_empty());
    let request = Request {
        language: Some("de".to_owned()),
        ..Request::default()
    };
    let refused = ENGINE.transcribe(&call, &request, &|_| {}, &|| false);
    assert!(matches!(refused, Err(EngineError::UnknownLanguage { .. })));
}

#[test]
fn cancelling_is_heeded_between_batches() {
    let long: Vec<i16> = CALL.channels[0]
        .iter()
        .copied()
        .cycle()
        .take(300 * SECOND)
        .collect();
    let batches = std::cell::Cell::new(0);
    let counted = |_| batches.set(batches.get() + 1);
    let stopped = ENGINE.transcribe(
        &Pcm::new(vec![long]),
        &Request::default(),
        &counted,
        &|| batches.get() > 0,
    );
    assert!(matches!(stopped, Err(EngineError::Cancelled)));
    assert_eq!(batches.get(), 1);
}
