//! How many tokens a second are read for entities, on one thread, beside Python spaCy.
//!
//! The texts are the sentences of the golden file, handed over in one call, as spaCy's are: some
//! sixteen tokens each, many of them numbers and names that come once. The first pass reads them with nothing remembered, the others
//! with their words known; the best of these counts. `COLLOQUY_PEER_PYTHON` is an interpreter with
//! spaCy (`benches/peers/setup.sh` prints one); without it, only ours is measured.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench prints its result"
)]

use std::env;
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use colloquy_ner::Ner;
use serde_json::Value;

/// Passes over the sentences.
const PASSES: usize = 5;

/// Times the sentences are in the long text.
const LONG: usize = 20;

/// What is asserted of the ratio when both are measured.
const WANTED: f64 = 10.0;

fn main() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/golden.jsonl");
    let lines = std::fs::read_to_string(&golden).unwrap();
    let lines = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let sentences = lines.filter(|line| line.get("e").is_some());
    let sentences: Vec<_> = sentences
        .map(|line| line["t"].as_str().unwrap().to_owned())
        .collect();

    let cache = colloquy_assets::Cache::locate().unwrap();
    let manifest = colloquy_assets::Manifest::embedded().unwrap();
    let folder = cache.require(&manifest, "spacy-en-core-web-md").unwrap();
    let start = Instant::now();
    let ner = Ner::load(&folder).unwrap();
    println!("colloquy loads in {:.2} s", start.elapsed().as_secs_f64());

    let texts: Vec<_> = sentences.iter().map(String::as_str).collect();
    let pass = || {
        let start = Instant::now();
        let found: usize = ner.entities_of(&texts).iter().map(Vec::len).sum();
        assert!(found > sentences.len());
        start.elapsed().as_secs_f64()
    };
    let cold = pass();
    let warm = (0..PASSES).map(|_| pass()).fold(f64::INFINITY, f64::min);
    let tokens: usize = sentences.iter().map(|text| ner.tokens(text).len()).sum();
    let start = Instant::now();
    for text in &texts {
        ner.entities(text);
    }
    let single = start.elapsed().as_secs_f64();
    let rate = |seconds: f64| tokens as f64 / seconds;
    println!(
        "colloquy: {tokens} tokens in {} texts; {:.0} tokens/s, {:.0} with nothing remembered, {:.0} one text at a time",
        sentences.len(),
        rate(warm),
        rate(cold),
        rate(single),
    );

    let text = texts.join("\n").repeat(LONG);
    let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    for threads in [1, threads] {
        let ner = ner.clone().on_threads(threads);
        let start = Instant::now();
        assert!(!ner.entities(&text).is_empty());
        let seconds = start.elapsed().as_secs_f64();
        let megabytes = text.len() as f64 / 1e6;
        println!(
            "one text of {megabytes:.1} MB, {threads} threads: {:.2} s/MB",
            seconds / megabytes
        );
    }

    let Ok(python) = env::var("COLLOQUY_PEER_PYTHON") else {
        println!("set COLLOQUY_PEER_PYTHON to measure spaCy as well");
        return;
    };
    let peer = peer(&python, &golden);
    let seconds = |key: &str| peer[key].as_f64().unwrap();
    assert_eq!(
        peer["tokens"].as_u64(),
        Some(tokens as u64),
        "both cut the same tokens"
    );
    println!(
        "spaCy {} loads in {:.2} s",
        peer["version"],
        seconds("load")
    );
    println!(
        "spaCy: {:.0} tokens/s, {:.0} with nothing remembered",
        rate(seconds("warm")),
        rate(seconds("cold"))
    );
    let ratio = seconds("warm") / warm;
    println!(
        "colloquy is {ratio:.1} times as fast, {:.1} with nothing remembered",
        seconds("cold") / cold
    );
    assert!(ratio >= WANTED, "{ratio:.1} times as fast, not {WANTED}");
}

/// Runs spaCy on one thread.
fn peer(python: &str, golden: &Path) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers/spacy_side.py");
    let mut command = Command::new(python);
    for variable in [
        "OMP_NUM_THREADS",
        "BLIS_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
    ] {
        command.env(variable, "1");
    }
    command.arg(script).arg(golden).arg(PASSES.to_string());
    command.args(env::var("COLLOQUY_PEER_MODEL").ok());
    let output = command.stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "spaCy failed");
    serde_json::from_slice(&output.stdout).unwrap()
}
