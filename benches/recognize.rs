//! How fast entities are recognized: characters of call text per second, one thread.
//!
//! The text is the sample calls' ground truth, taken as one long call.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench prints its result"
)]

use std::{fs, path::Path, time::Instant};

use colloquy_contract::transcript::{Role, Transcript, Turn, Word};
use colloquy_entities::Recognizers;
use serde_json::Value;

/// How often the sample calls are repeated within the one call.
const REPETITIONS: u64 = 20;

/// Runs; the median is shown.
const RUNS: usize = 9;

fn turns(call: &Value, offset_ms: u64) -> impl Iterator<Item = Turn> + '_ {
    call["turns"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(move |turn| {
            let channel = u16::try_from(turn["channel"].as_u64().unwrap()).unwrap();
            let start_ms = offset_ms + turn["start_ms"].as_u64().unwrap();
            let words = turn["text"]
                .as_str()
                .unwrap()
                .split_whitespace()
                .map(|text| Word {
                    text: text.to_owned(),
                    start_ms,
                    end_ms: start_ms + 200,
                    confidence: 1.0,
                    digit_starts_ms: Vec::new(),
                });
            Turn::new(channel, Role::Unknown, words.collect())
        })
}

fn long_call() -> Transcript {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/samples");
    let calls: Vec<Value> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .map(|path| serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap())
        .collect();
    let mut call = Transcript {
        version: Transcript::VERSION,
        language: "en".to_owned(),
        duration_ms: 0,
        model: "bench".to_owned(),
        channels: vec![Role::Unknown; 2],
        turns: Vec::new(),
    };
    for _ in 0..REPETITIONS {
        for sample in &calls {
            call.turns.extend(turns(sample, call.duration_ms));
            call.duration_ms += sample["duration_ms"].as_u64().unwrap();
        }
    }
    call
}

fn main() {
    let recognizers = Recognizers::new(None);
    let call = long_call();
    let characters: usize = call
        .turns
        .iter()
        .map(|turn| turn.text.chars().count())
        .sum();
    let mut seconds: Vec<f64> = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            let mentions = recognizers.recognize(&call).mentions.len();
            assert!(mentions > 0);
            start.elapsed().as_secs_f64()
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    let median = seconds[RUNS / 2];
    let rate = characters as f64 / median;
    println!("recognize: {characters} characters in {median:.4} s (median of {RUNS}), {rate:.0}/s");
}
