//! Mutated recordings of every container and codec: none panics, hangs, takes much memory or makes
//! more than the limits allow. A test file of its own, because it counts the memory of the process
//! and replaces its panic hook.
//!
//! The short form is a few thousand cases; `make fuzz-decode` runs for as long as it is told. A case
//! depends on the seed and its number alone, so that it can be run again by itself:
//!
//! `COLLOQUY_FUZZ_SEED=1 COLLOQUY_FUZZ_CASE=4711 cargo test --workspace --test mutations`

#![allow(
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "helpers of tests count as code outside of tests"
)]

#[path = "../common/mod.rs"]
mod common;
mod mutate;
mod watch;

use std::collections::BTreeMap;
use std::io::Cursor;
use std::time::{Duration, Instant};

use colloquy_audio::SAMPLE_RATE_HZ;
use colloquy_decode::audio::{DecodeError, Decoded, Limits, decode};
use common::*;
use mutate::{Random, mutate};
use watch::Watch;

/// Cases of the short form.
const SHORT_CASES: u64 = 3_000;
/// Longest recording that is accepted, so that a header which promises hours takes no time.
const MAX_SECONDS: u64 = 10;
/// What a decoder may allocate beyond its input. The largest that is not a lie: 8 channels of
/// 192 kHz need 4 MiB in the resampler, and the output, which is in memory here, 3 MiB.
const MAX_BYTES: usize = 48 << 20;

/// What a run is told by its environment.
struct Plan {
    seed: u64,
    first: u64,
    cases: u64,
    until: Option<Instant>,
}

impl Plan {
    fn read() -> Self {
        let number = |name: &str| {
            let value = std::env::var(name).ok()?;
            Some(
                value
                    .parse::<u64>()
                    .unwrap_or_else(|_| panic!("{name}: {value}")),
            )
        };
        let case = number("COLLOQUY_FUZZ_CASE");
        let seconds = number("COLLOQUY_FUZZ_SECONDS");
        Self {
            seed: number("COLLOQUY_FUZZ_SEED").unwrap_or(42),
            first: case.unwrap_or(0),
            cases: match (case, seconds) {
                (Some(_), _) => 1,
                (None, Some(_)) => u64::MAX,
                (None, None) => SHORT_CASES,
            },
            until: seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds)),
        }
    }

    fn over(&self) -> bool {
        self.until.is_some_and(|until| Instant::now() > until)
    }
}

/// A recording of every container and codec.
fn recordings() -> Vec<(String, Vec<u8>)> {
    let samples = tones(8_000, 2, 4_000);
    let wav = |tag, bits, extensible| Wav {
        tag,
        channels: 2,
        rate: 8_000,
        bits,
        extensible,
    };
    let mut files: Vec<(String, Vec<u8>)> = vec![
        ("s16.wav".into(), wav16(8_000, 2, &samples)),
        ("u8.wav".into(), wav(1, 8, false).bytes(&[100; 4_000])),
        ("s24.wav".into(), wav(1, 24, true).bytes(&[3; 12_000])),
        ("f32.wav".into(), wav(3, 32, false).bytes(&[60; 16_000])),
        ("f64.wav".into(), wav(3, 64, true).bytes(&[63; 32_000])),
        ("alaw.wav".into(), wav(6, 8, false).bytes(&[0xD5; 4_000])),
        ("mulaw.wav".into(), wav(7, 8, false).bytes(&[0x80; 4_000])),
        ("fixed.flac".into(), flac(8_000, 2, &samples)),
        (
            "eight.flac".into(),
            flac(16_000, 8, &tones(16_000, 8, 5_000)),
        ),
        ("five.opus".into(), ogg_opus(5, &tones(16_000, 5, 8_000))),
    ];
    let fixtures = FIXTURES
        .iter()
        .map(|name| ((*name).to_owned(), fixture(name)));
    files.extend(fixtures);
    files
}

/// What became of the cases, by recording and outcome.
#[derive(Default)]
struct Report {
    cases: u64,
    outcomes: BTreeMap<&'static str, u64>,
    /// Panics of decoders, which [`decode`] contains, by their place.
    contained: BTreeMap<String, u64>,
    most_bytes: usize,
    slowest: Duration,
}

#[test]
fn mutated_recordings_never_panic_hang_or_pass_wrongly() {
    let plan = Plan::read();
    let files = recordings();
    let watch = Watch::start();
    let mut report = Report::default();
    let mut case = plan.first;
    while report.cases < plan.cases && !plan.over() {
        let mut random = Random::new(plan.seed, case);
        let (name, file) = &files[case as usize % files.len()];
        let other = &files[random.below(files.len())].1;
        let mut bytes = file.clone();
        mutate(&mut bytes, other, &mut random);
        let what = format!("seed {} case {case} ({name})", plan.seed);
        watch.begin(&what);
        let before = Instant::now();
        let result = run_counted(&bytes);
        watch.end();
        report.slowest = report.slowest.max(before.elapsed());
        check(&result, &watch.panics(), &mut report, &what);
        case += 1;
        report.cases += 1;
        if report.cases.is_multiple_of(20_000) {
            report.print();
        }
    }
    report.print();
    // Too few would mean that the corpus or the mutations are broken, and prove nothing.
    let decoded = report.outcomes.get("decoded").copied().unwrap_or_default();
    assert!(
        plan.cases == 1 || decoded * 50 > report.cases,
        "{decoded} were decoded"
    );
}

/// Result, output, and the most memory in use at once.
type Outcome = (Result<Decoded, DecodeError>, Vec<u8>, usize);

/// Decodes, and counts the memory that it takes.
fn run_counted(bytes: &[u8]) -> Outcome {
    let limits = Limits {
        max_duration: Duration::from_secs(MAX_SECONDS),
        ..Limits::default()
    };
    let mut output = Cursor::new(Vec::new());
    let before = watch::count_from_here();
    let result = decode(Cursor::new(bytes), &mut output, &limits, &|| false);
    let most = watch::peak().saturating_sub(before);
    (result, output.into_inner(), most)
}

fn check(
    (result, output, most_bytes): &Outcome,
    panics: &[String],
    report: &mut Report,
    what: &str,
) {
    // Finding out who called the standard library takes more memory than any decoder.
    if !panics.iter().any(|place| place.contains(" from ")) {
        report.most_bytes = report.most_bytes.max(*most_bytes);
        assert!(
            *most_bytes < MAX_BYTES,
            "{what}: {most_bytes} bytes at once"
        );
    }
    for place in panics {
        let names = [
            "workers/decode",
            "platform/audio",
            "colloquy_decode",
            "colloquy_audio",
        ];
        let ours = names.iter().any(|name| place.contains(name));
        assert!(!ours, "{what}: {place}");
        *report.contained.entry(place.clone()).or_default() += 1;
    }
    // A header, and at most what is not compressible at all.
    let channels = Limits::default().max_channels as u64;
    let most = 16_384 + (MAX_SECONDS + 2) * u64::from(SAMPLE_RATE_HZ) * channels * 3;
    assert!(
        output.len() as u64 <= most,
        "{what}: {} bytes",
        output.len()
    );
    let outcome = match result {
        Ok(decoded) => {
            assert!(decoded.duration_ms <= MAX_SECONDS * 1_000 + 1_000, "{what}");
            let samples = decoded.frames * decoded.channels as u64;
            assert_eq!(read(output).len() as u64, samples, "{what}");
            "decoded"
        }
        Err(error) => {
            assert!(error.is_bad_input(), "{what}: {error:?}");
            error.code()
        }
    };
    *report.outcomes.entry(outcome).or_default() += 1;
}

impl Report {
    fn print(&self) {
        println!(
            "{} cases: most memory {} KiB, slowest {:?}; {:?}; panics contained {:?}",
            self.cases,
            self.most_bytes >> 10,
            self.slowest,
            self.outcomes,
            self.contained
        );
    }
}
