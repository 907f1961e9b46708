//! What the default model hears in the sample calls: every digit has its time, every word is its
//! speaker's, and nothing goes in circles.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests"
)]

use std::{collections::HashMap, fs, path::Path};

use colloquy_assets::{Cache, Manifest};
use colloquy_contract::transcript::{Transcript, Word};
use colloquy_decode::audio::{Limits, decode_file};
use colloquy_testkit::plain;
use colloquy_transcribe::{
    FlacRecording,
    engine::{Engine, EngineOptions, Request},
};
use serde::Deserialize;

/// Digits whose times are near the truth, of all.
const DIGITS_IN_TIME: f64 = 0.95;
/// How near.
const NEAR_MS: u64 = 200;
/// Words on the channel of who said them, of those that were heard at all.
const RIGHT_SPEAKER: f64 = 0.97;
/// Words in a row may occur so often.
const MOST_REPEATS: usize = 3;

#[derive(Deserialize)]
struct Truth {
    file: String,
    channels: Vec<serde_json::Value>,
    turns: Vec<Turn>,
    entities: Vec<Entity>,
}

#[derive(Deserialize)]
struct Turn {
    channel: u16,
    words: Vec<Said>,
}

#[derive(Deserialize)]
struct Entity {
    #[serde(rename = "type")]
    kind: String,
    channel: u16,
    words: Vec<Said>,
}

#[derive(Deserialize)]
struct Said {
    text: String,
    start_ms: u64,
}

fn digit(text: &str) -> Option<char> {
    const NAMES: [&str; 10] = [
        "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
    ];
    let word = plain(text);
    let value = match word.as_str() {
        "oh" => Some(0),
        name => NAMES.iter().position(|known| known == &name),
    };
    value.and_then(|value| char::from_digit(u32::try_from(value).ok()?, 10))
}

/// The digits that a channel's words hold, with the times of their own.
fn digits(words: &[&Word]) -> Vec<(char, Option<u64>)> {
    let mut found = Vec::new();
    for word in words {
        let written: Vec<char> = word.text.chars().filter(char::is_ascii_digit).collect();
        match written.as_slice() {
            [] => found.extend(digit(&word.text).map(|digit| (digit, Some(word.start_ms)))),
            [one] => found.push((*one, Some(word.start_ms))),
            several => {
                for (at, &digit) in several.iter().enumerate() {
                    found.push((digit, word.digit_starts_ms.get(at).copied()));
                }
            }
        }
    }
    found
}

/// How far from where it was said each digit of `said` was heard, in order; `None` if it was not.
fn heard_apart(said: &[(char, u64)], heard: &[(char, Option<u64>)]) -> Vec<Option<u64>> {
    const WINDOW_MS: u64 = 1_500;
    let mut from = 0;
    said.iter()
        .map(|&(digit, start)| {
            let near = |&(other, time): &(char, Option<u64>)| {
                other == digit && time.is_some_and(|time| time.abs_diff(start) <= WINDOW_MS)
            };
            let at = heard[from..].iter().position(near)? + from;
            from = at + 1;
            heard[at].1.map(|time| time.abs_diff(start))
        })
        .collect()
}

fn most_repeats(text: &str) -> usize {
    let words: Vec<String> = text.split_whitespace().map(plain).collect();
    let mut counts = HashMap::new();
    for row in words.windows(4) {
        *counts.entry(row).or_insert(0) += 1;
    }
    counts.into_values().max().unwrap_or(0)
}

#[derive(Default)]
struct Tally {
    digits: usize,
    in_time: usize,
    timed: usize,
    right: usize,
    wrong: usize,
}

impl Tally {
    fn count(&mut self, truth: &Truth, transcript: &Transcript) {
        let of_channel = |channel: u16| -> Vec<&Word> {
            let turns = transcript.turns.iter();
            let its = turns.filter(|turn| turn.channel == channel);
            its.flat_map(|turn| &turn.words).collect()
        };
        for entity in &truth.entities {
            if !matches!(entity.kind.as_str(), "CREDIT_CARD" | "PHONE_NUMBER") {
                continue;
            }
            let said: Vec<(char, u64)> = entity
                .words
                .iter()
                .filter_map(|word| Some((digit(&word.text)?, word.start_ms)))
                .collect();
            let apart = heard_apart(&said, &digits(&of_channel(entity.channel)));
            self.digits += said.len();
            self.timed += apart.iter().flatten().count();
            let near = apart.iter().flatten().filter(|&&ms| ms <= NEAR_MS);
            self.in_time += near.count();
        }
        if truth.channels.len() < 2 {
            return;
        }
        for turn in &transcript.turns {
            for word in &turn.words {
                let says = |channel_is: &dyn Fn(u16) -> bool| {
                    let turns = truth.turns.iter().filter(|turn| channel_is(turn.channel));
                    turns.flat_map(|turn| &turn.words).any(|said| {
                        plain(&said.text) == plain(&word.text)
                            && said.start_ms.abs_diff(word.start_ms) < 1_000
                    })
                };
                if says(&|channel| channel == turn.channel) {
                    self.right += 1;
                } else if says(&|channel| channel != turn.channel) {
                    self.wrong += 1;
                }
            }
        }
    }
}

#[test]
fn digits_have_their_times_words_their_speakers_and_nothing_goes_in_circles() {
    let manifest = Manifest::embedded().unwrap();
    let folder = Cache::locate()
        .unwrap()
        .folder(manifest.get("whisper-base").unwrap());
    let engine = Engine::load(&folder, &EngineOptions::default()).unwrap();
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/samples");
    let scratch = tempfile::tempdir().unwrap();
    let audio = scratch.path().join("audio.flac");
    let mut tally = Tally::default();
    let mut calls = 0;
    for file in fs::read_dir(&samples).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let truth: Truth = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        decode_file(
            &samples.join(&truth.file),
            &audio,
            &Limits::default(),
            &|| false,
        )
        .unwrap();
        let recording = FlacRecording::open(&audio).unwrap();
        let request = Request {
            language: Some("en".to_owned()),
            ..Request::default()
        };
        let heard = engine
            .transcribe(&recording, &request, &|_| {}, &|| false)
            .unwrap();
        for turn in &heard.transcript.turns {
            let ordered = turn.words.windows(2).all(|w| w[0].end_ms <= w[1].start_ms);
            let inside = turn.words.iter().all(|word| {
                word.start_ms >= turn.start_ms
                    && word.end_ms <= turn.end_ms
                    && word.start_ms < word.end_ms
            });
            assert!(ordered && inside, "{}: times go back or out", truth.file);
        }
        let text: Vec<&str> = heard
            .transcript
            .turns
            .iter()
            .map(|turn| turn.text.as_str())
            .collect();
        let repeats = most_repeats(&text.join(" "));
        assert!(repeats <= MOST_REPEATS, "{}: {repeats} times", truth.file);
        let before = (tally.digits, tally.in_time);
        tally.count(&truth, &heard.transcript);
        println!(
            "{}: {} of {} digits in time; {:?}",
            truth.file,
            tally.in_time - before.1,
            tally.digits - before.0,
            heard.findings
        );
        calls += 1;
    }
    assert!(calls > 5 && tally.digits > 50, "the samples are not there");
    println!(
        "{} digits, {} with a time of their own, {} within {NEAR_MS} ms; {} words on the right \
         channel, {} on the wrong one",
        tally.digits, tally.timed, tally.in_time, tally.right, tally.wrong
    );
    assert!(tally.in_time as f64 >= DIGITS_IN_TIME * tally.digits as f64);
    assert!(tally.right as f64 >= RIGHT_SPEAKER * (tally.right + tally.wrong) as f64);
}
