//! Mutated recordings of every format. A test file of its own, because it silences the panic hook
//! of the process: a panic inside a decoder is contained, and not worth a backtrace each here.

#![allow(
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "helpers of tests count as code outside of tests"
)]

mod common;

use std::time::{Duration, Instant};

use colloquy_decode::audio::Limits;
use common::*;

/// A small generator with a fixed seed, so that failures can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit.max(1)
    }
}

#[test]
fn mutated_recordings_never_panic_hang_or_pass_wrongly() {
    let samples = tones(8_000, 2, 4_000);
    let mut files: Vec<(String, Vec<u8>)> = vec![
        ("wav".into(), wav16(8_000, 2, &samples)),
        ("flac".into(), flac(8_000, 2, &samples)),
        ("opus5".into(), ogg_opus(5, &tones(16_000, 5, 8_000))),
    ];
    files.extend(
        FIXTURES
            .iter()
            .map(|name| ((*name).to_owned(), fixture(name))),
    );
    let limits = Limits {
        max_duration: Duration::from_secs(10),
        ..Limits::default()
    };
    let mut random = Random(42);
    for (name, file) in files {
        for round in 0..150 {
            let mut bytes = file.clone();
            // Mostly the header, where a byte does most.
            let reach = if round % 3 == 0 {
                bytes.len()
            } else {
                bytes.len().min(600)
            };
            for _ in 0..=random.below(4) {
                let at = random.below(reach);
                bytes[at] = match random.below(4) {
                    0 => 0,
                    1 => 0xFF,
                    2 => bytes[at] ^ (1 << random.below(8)),
                    _ => random.below(256) as u8,
                };
            }
            if random.below(4) == 0 {
                bytes.truncate(random.below(bytes.len()));
            }
            let started = Instant::now();
            std::panic::set_hook(Box::new(|_| {}));
            let result = run_with(&bytes, &limits);
            let _ = std::panic::take_hook();
            assert!(
                started.elapsed() < Duration::from_secs(120), // a hang, not a busy machine
                "{name} round {round} is slow"
            );
            match result {
                Ok((decoded, output)) => {
                    assert!(decoded.duration_ms <= 11_000, "{name} round {round}");
                    assert_eq!(
                        read(&output).len() as u64,
                        decoded.frames * decoded.channels as u64
                    );
                }
                Err(error) => assert!(error.is_bad_input(), "{name} round {round}: {error:?}"),
            }
        }
    }
}
