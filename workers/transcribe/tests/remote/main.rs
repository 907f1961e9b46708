//! The engine that asks a server, against a real HTTP server.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod server;
mod service;
mod trouble;

use std::{
    fs,
    path::Path,
    sync::{Arc, LazyLock, Once},
    time::Duration,
};

use colloquy_audio::{Resampler, SAMPLE_RATE_HZ, quantize};
use colloquy_bus::CancellationToken;
use colloquy_contract::transcript::{Role, Turn, WordTimes};
use colloquy_transcribe::{
    engine::{Pcm, Request, Transcription},
    remote::{Key, RemoteEngine, RemoteError, RemoteLimits, RemoteOptions, SoundFormat},
};

use server::{Received, Server, segments_only, spoken};

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Samples in a frame of the survey; uploads are made of whole frames.
const FRAME: usize = 256;

/// A sample of G.711's mu-law.
fn expand(byte: u8) -> f32 {
    let code = !byte;
    let magnitude = (((i32::from(code & 15) << 3) + 132) << ((code >> 4) & 7)) - 132;
    let sample = if code & 0x80 == 0 {
        magnitude
    } else {
        -magnitude
    };
    sample as f32 / 32_768.0
}

/// A sample call: the agent's channel and the customer's, at 16 kHz.
static CALL: LazyLock<[Vec<i16>; 2]> = LazyLock::new(|| {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/samples");
    let file = fs::read(samples.join("auto-repair.wav")).expect("the sample call");
    let data = &file[file.windows(4).position(|name| name == b"data").unwrap() + 8..];
    let channels = [0, 1].map(|channel| -> Vec<f32> {
        let bytes = data.iter().skip(channel).step_by(2);
        bytes.map(|&byte| expand(byte)).collect()
    });
    let shortest = channels.iter().map(Vec::len).min().unwrap();
    let channels = channels.map(|samples| samples[..shortest].to_vec());
    let mut resampler = Resampler::new(8_000, SAMPLE_RATE_HZ, 2).unwrap();
    let mut planes = [Vec::new(), Vec::new()];
    resampler.push(&channels, &mut planes).unwrap();
    resampler.finish(&mut planes).unwrap();
    planes.map(|plane| plane.into_iter().map(quantize).collect())
});

/// The first seconds of one of its channels.
fn voice(channel: usize, seconds: usize) -> Vec<i16> {
    CALL[channel][..seconds * 16_000].to_vec()
}

/// How long the agent speaks alone: one upload.
const SECONDS: usize = 12;

fn monologue() -> Arc<Pcm> {
    Arc::new(Pcm::new(vec![voice(0, SECONDS)]))
}

/// Limits at which tests do not wait for long.
fn limits() -> RemoteLimits {
    RemoteLimits {
        retry_after: Duration::from_millis(10),
        pause: Duration::from_millis(300),
        settings_pause: Duration::from_millis(300),
        answer: PATIENCE,
        patience: PATIENCE,
        ..RemoteLimits::default()
    }
}

fn options(server: &Server) -> RemoteOptions {
    RemoteOptions {
        limits: limits(),
        ..RemoteOptions::new(server.url(), "whisper-1")
    }
}

fn engine(options: RemoteOptions) -> RemoteEngine {
    static TLS: Once = Once::new();
    TLS.call_once(|| {
        rustls::crypto::ring::default_provider()
            .install_default()
            .expect("the first provider");
    });
    RemoteEngine::new(options).unwrap()
}

fn english() -> Request {
    Request {
        language: Some("en".to_owned()),
        ..Request::default()
    }
}

async fn transcribe(
    engine: &RemoteEngine,
    recording: Arc<Pcm>,
    request: &Request,
) -> Result<Transcription, RemoteError> {
    let cancel = CancellationToken::new();
    let transcribing = engine.transcribe(recording, request, &cancel);
    tokio::time::timeout(2 * PATIENCE, transcribing)
        .await
        .expect("it ends")
}

/// For each frame of an upload, its place in the channel; panics if one is not there in order.
fn places(upload: &[i16], channel: &[i16]) -> Vec<usize> {
    let mut next = 0;
    upload
        .chunks_exact(FRAME)
        .map(|frame| {
            let all = channel.chunks_exact(FRAME).enumerate().skip(next);
            let found = all.into_iter().find(|(_, known)| *known == frame);
            let (at, _) = found.expect("every frame of an upload is one of the channel, in order");
            next = at + 1;
            at
        })
        .collect()
}

fn is_of(received: &Received, channel: &[i16]) -> bool {
    let middle = received.samples.len() / FRAME / 2 * FRAME;
    let frame = &received.samples[middle..middle + FRAME];
    channel.chunks_exact(FRAME).any(|known| known == frame)
}

fn words(turns: &[Turn]) -> Vec<(u16, &str, u64, u64)> {
    let words = turns
        .iter()
        .flat_map(|turn| turn.words.iter().map(|word| (turn.channel, word)));
    words
        .map(|(channel, word)| (channel, word.text.as_str(), word.start_ms, word.end_ms))
        .collect()
}

#[tokio::test]
async fn what_a_leg_carries_of_the_other_is_said_once() {
    const DELAY: usize = 1_280;
    const FAINTER: i16 = 20;
    let server = Server::start(|received| spoken(received, "w")).await;
    // One sentence: the server's words have no pauses.
    let loud = voice(0, 5);
    let late = std::iter::repeat_n(0, DELAY).chain(loud.iter().map(|sample| sample / FAINTER));
    let echo = late.take(loud.len()).collect();
    let recording = Arc::new(Pcm::new(vec![loud, echo]));
    let heard = transcribe(&engine(options(&server)), recording, &english())
        .await
        .unwrap();
    assert_eq!(server.received().len(), 2, "both legs carry a voice");
    let found = words(&heard.transcript.turns);
    assert!(!found.is_empty());
    assert!(found.iter().all(|(channel, ..)| *channel == 0), "{found:?}");
}

#[tokio::test]
async fn one_channel_goes_up_as_it_is_and_comes_back_in_words() {
    let server = Server::start(|received| spoken(received, "w")).await;
    let mut options = options(&server);
    options.key = Some(Key::new("sk-secret").unwrap());
    let engine = engine(options);
    let request = Request {
        language: Some("en".to_owned()),
        roles: vec![Role::Agent],
        vocabulary: Some("Zoë Müller, Gizmo".to_owned()),
    };
    let heard = transcribe(&engine, monologue(), &request).await.unwrap();

    let received = server.received();
    let [upload] = &received[..] else {
        panic!("{} uploads", received.len())
    };
    assert_eq!(upload.authorization.as_deref(), Some("Bearer sk-secret"));
    for (field, value) in [
        ("model", "whisper-1"),
        ("language", "en"),
        ("prompt", "Zoë Müller, Gizmo"),
        ("response_format", "verbose_json"),
    ] {
        assert_eq!(upload.field(field), Some(value));
    }
    let granularities = &upload.fields["timestamp_granularities[]"];
    assert_eq!(granularities, &["word", "segment"]);
    assert_eq!(
        (upload.file_name.as_str(), upload.media_type.as_str()),
        ("audio.flac", "audio/flac")
    );
    assert!(
        upload.file_bytes < upload.samples.len() * 2,
        "it is compressed"
    );

    let channel = voice(0, SECONDS);
    let places = places(&upload.samples, &channel);
    let transcript = &heard.transcript;
    let found = words(&transcript.turns);
    assert_eq!(found.len(), upload.seconds().floor() as usize);
    for (at, (_, text, start_ms, end_ms)) in found.iter().enumerate() {
        assert_eq!(text.trim_end_matches(['.', ',']), format!("w{at}"));
        // Half a second of an upload may reach over a joint.
        let sample = at * 16_000 + 4_000;
        let expected = places[sample / FRAME] * FRAME + sample % FRAME;
        assert_eq!(*start_ms, (expected as u64).div_ceil(16));
        assert!(end_ms > start_ms);
    }
    assert!(
        found.last().unwrap().1.ends_with('.'),
        "punctuation of the text"
    );
    assert!(
        transcript
            .turns
            .iter()
            .all(|turn| turn.word_times == WordTimes::Exact)
    );
    assert!(transcript.turns.iter().all(|turn| turn.role == Role::Agent));
    assert_eq!(
        (transcript.language.as_str(), transcript.model.as_str()),
        ("en", "whisper-1")
    );
    assert_eq!(transcript.duration_ms, 1_000 * SECONDS as u64);
    assert_eq!((heard.findings.windows, heard.findings.estimated), (1, 0));
}

#[tokio::test]
async fn speakers_stay_apart_and_the_language_is_found_once() {
    let server = Server::start(|received| {
        let name = if is_of(received, &CALL[0]) {
            "agent"
        } else {
            "customer"
        };
        spoken(received, name)
    })
    .await;
    let call = Arc::new(Pcm::new(CALL.to_vec()));
    let request = Request {
        roles: vec![Role::Agent, Role::Customer],
        ..Request::default()
    };
    let heard = transcribe(&engine(options(&server)), call, &request)
        .await
        .unwrap();
    let received = server.received();
    assert_eq!(received.len(), 2);
    assert_eq!(received[0].field("language"), None);
    assert_eq!(received[1].field("language"), Some("en"));
    assert!(
        received
            .iter()
            .all(|upload| upload.field("prompt").is_none())
    );
    assert!(received.iter().all(|upload| upload.authorization.is_none()));
    for turn in &heard.transcript.turns {
        let speaker = ["agent", "customer"][usize::from(turn.channel)];
        assert_eq!(turn.role.as_str(), speaker);
        assert!(turn.words.iter().all(|word| word.text.starts_with(speaker)));
    }
    for channel in [0, 1] {
        let of = |&(spoken, ..): &(u16, &str, u64, u64)| spoken == channel;
        let all = words(&heard.transcript.turns);
        let times: Vec<u64> = all
            .iter()
            .filter(|word| of(word))
            .map(|word| word.2)
            .collect();
        assert!(times.len() > 10 && times.is_sorted(), "channel {channel}");
    }
    assert_eq!(heard.transcript.language, "en");
}

#[tokio::test]
async fn a_copy_is_sent_once_and_silence_never() {
    let server = Server::start(|received| spoken(received, "w")).await;
    let engine = engine(options(&server));
    let voice = voice(0, 20);
    let copied = Arc::new(Pcm::new(vec![
        voice.clone(),
        voice.clone(),
        vec![0; 320_000],
    ]));
    let request = Request {
        roles: vec![Role::Agent, Role::Customer, Role::Agent],
        ..english()
    };
    let heard = transcribe(&engine, copied, &request).await.unwrap();
    assert_eq!(server.received().len(), 1);
    assert_eq!(heard.findings.copy_of, [None, Some(0), None]);
    assert_eq!(
        heard.transcript.channels,
        [Role::Unknown, Role::Unknown, Role::Agent]
    );
    assert!(heard.transcript.turns.iter().all(|turn| turn.channel == 0));
    let silent = Arc::new(Pcm::new(vec![vec![0; 320_000]; 2]));
    let heard = transcribe(&engine, silent, &Request::default())
        .await
        .unwrap();
    assert!(heard.transcript.turns.is_empty());
    assert_eq!(heard.transcript.language, "und");
    assert_eq!(server.received().len(), 1);
}

#[tokio::test]
async fn long_recordings_go_up_in_pieces_cut_at_pauses() {
    let server = Server::start(|received| spoken(received, "w")).await;
    let mut options = options(&server);
    options.limits.piece = Duration::from_secs(10);
    options.format = SoundFormat::Wav;
    let channel = CALL[0].clone();
    let recording = Arc::new(Pcm::new(vec![channel.clone()]));
    let heard = transcribe(&engine(options), recording, &english())
        .await
        .unwrap();
    let received = server.received();
    assert!(received.len() >= 3, "{}", received.len());
    assert_eq!(heard.findings.windows, received.len());
    let mut uploaded = Vec::new();
    for upload in &received {
        assert!(upload.seconds() <= 10.0, "{}", upload.seconds());
        assert_eq!(upload.media_type, "audio/wav");
        uploaded.push(places(&upload.samples, &channel));
    }
    uploaded.sort();
    assert!(uploaded.concat().is_sorted(), "no two overlap");
    let times: Vec<u64> = words(&heard.transcript.turns)
        .iter()
        .map(|word| word.2)
        .collect();
    assert!(times.is_sorted());
    let expected: f64 = received.iter().map(|upload| upload.seconds().floor()).sum();
    assert_eq!(times.len(), expected as usize);
}

#[tokio::test]
async fn a_server_without_word_times_gives_turns_that_say_so() {
    let server = Server::start(segments_only).await;
    let heard = transcribe(&engine(options(&server)), monologue(), &english())
        .await
        .unwrap();
    assert_eq!(heard.findings.estimated, 2);
    let turns = &heard.transcript.turns;
    let texts: Vec<&str> = turns.iter().map(|turn| turn.text.as_str()).collect();
    assert_eq!(texts, ["Good morning everybody.", "Thanks."]);
    for turn in turns {
        assert_eq!(turn.word_times, WordTimes::Estimated);
        assert_eq!(turn.start_ms, turn.words[0].start_ms);
        assert_eq!(turn.end_ms, turn.words.last().unwrap().end_ms);
        let joined: Vec<u64> = turn
            .words
            .iter()
            .flat_map(|word| [word.start_ms, word.end_ms])
            .collect();
        assert!(joined.is_sorted());
    }
    // Together they cover the speech.
    let covered = turns.last().unwrap().end_ms - turns[0].start_ms;
    assert!(covered >= heard.findings.speech_ms[0], "{covered}");
}
