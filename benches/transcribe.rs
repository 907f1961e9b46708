//! How fast, how rightly and in how much memory recordings are transcribed, beside its peers.
//!
//! `make bench-transcribe` runs it. Two roles in one program: without `--serve` it hands over to
//! `benches/peers/compare.py`, which measures; with it, it is our side of the comparison, a process
//! of its own that answers one line of JSON with another one:
//!
//! ```text
//!                                     <- {"load_seconds": 0.1}
//! {"decode": "call.mp3"}              <- {"seconds": 0.1, "audio_seconds": 48.0, "channels": 2}
//! {"transcribe": true}                <- {"seconds": 1.1, "texts": ["left", "right"], "words": 90, …}
//! ```
//!
//! Memory and processor time are read from outside, for all tools in the same way.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench prints its result"
)]

use std::{
    env,
    io::{self, BufRead, Write},
    num::NonZeroUsize,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::Instant,
};

use colloquy_contract::transcript::Transcript;
use colloquy_decode::audio::{Limits, decode_file};
use colloquy_transcribe::{
    FlacRecording,
    engine::{Engine, EngineOptions, Request},
};
use serde::Deserialize;
use serde_json::{Value, json};

/// As in the program, whose memory is to be known.
#[path = "../src/memory.rs"]
mod memory;

/// What one line asks for: to decode a file, or to transcribe the one that was decoded last.
#[derive(Deserialize)]
struct Order {
    decode: Option<PathBuf>,
}

/// What our side is started with.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Setup {
    model: PathBuf,
    threads: NonZeroUsize,
    beam_size: NonZeroUsize,
    batch_size: Option<NonZeroUsize>,
    language: Option<String>,
}

fn decode(input: &Path, output: &Path) -> Value {
    let start = Instant::now();
    let decoded = decode_file(input, output, &Limits::default(), &|| false).unwrap();
    json!({
        "seconds": start.elapsed().as_secs_f64(),
        "audio_seconds": decoded.frames as f64 / 16_000.0,
        "channels": decoded.channels,
    })
}

fn texts(transcript: &Transcript) -> Vec<String> {
    let of_channel = |channel: usize| {
        let turns = transcript.turns.iter();
        let its = turns.filter(|turn| usize::from(turn.channel) == channel);
        its.map(|turn| turn.text.as_str())
            .collect::<Vec<_>>()
            .join(" ")
    };
    (0..transcript.channels.len()).map(of_channel).collect()
}

fn transcribe(engine: &Engine, path: &Path, request: &Request) -> Value {
    let start = Instant::now();
    let recording = FlacRecording::open(path).unwrap();
    let done = engine
        .transcribe(&recording, request, &|_| {}, &|| false)
        .unwrap();
    let seconds = start.elapsed().as_secs_f64();
    let turns = done.transcript.turns.iter();
    let mixed: Vec<_> = turns.map(|turn| turn.text.as_str()).collect();
    json!({
        "seconds": seconds,
        "texts": texts(&done.transcript),
        "mixed": mixed.join(" "),
        "words": done.transcript.word_count(),
        "findings": format!("{:?}", done.findings),
    })
}

fn say(line: &Value) {
    println!("{line}");
    io::stdout().flush().unwrap();
}

fn serve(setup: Setup) {
    let start = Instant::now();
    let defaults = EngineOptions::default();
    let options = EngineOptions {
        threads: Some(setup.threads),
        beam_size: setup.beam_size,
        batch_size: setup.batch_size.unwrap_or(defaults.batch_size),
        ..defaults
    };
    let engine = Engine::load(&setup.model, &options).unwrap();
    say(&json!({"load_seconds": start.elapsed().as_secs_f64()}));
    let request = Request {
        language: setup.language,
        ..Request::default()
    };
    let folder = tempfile::tempdir().unwrap();
    let audio = folder.path().join("audio.flac");
    for line in io::stdin().lock().lines() {
        let order: Order = serde_json::from_str(&line.unwrap()).unwrap();
        say(&match order.decode {
            Some(input) => decode(&input, &audio),
            None => transcribe(&engine, &audio, &request),
        });
    }
}

/// Hands over to the script that measures, with this program as our side.
fn compare(arguments: &[String]) -> ExitCode {
    let python = env::var("COLLOQUY_PEER_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers/compare.py");
    let status = Command::new(&python)
        .arg(script)
        .arg("--ours")
        .arg(env::current_exe().unwrap())
        .args(arguments)
        .status();
    match status {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            println!("bench: cannot start {python}: {error}; set COLLOQUY_PEER_PYTHON");
            ExitCode::FAILURE
        }
    }
}

fn main() -> ExitCode {
    memory::keep_freed();
    // Cargo says `--bench` to every bench.
    let arguments: Vec<String> = env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    match arguments.as_slice() {
        [serving, setup] if serving == "--serve" => {
            serve(serde_json::from_str(setup).unwrap());
            ExitCode::SUCCESS
        }
        _ => compare(&arguments),
    }
}
