//! Bad input is told apart, with a code and a sentence; it never panics, hangs or passes.

#![allow(
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "helpers of tests count as code outside of tests"
)]

mod common;

use std::time::Duration;

use colloquy_decode::audio::{DecodeError, Limits};
use common::*;

fn code(input: &[u8]) -> &'static str {
    match run(input) {
        Ok(_) => "ok",
        Err(error) => {
            assert!(error.is_bad_input(), "{error}");
            error.code()
        }
    }
}

#[test]
fn things_that_are_no_recordings() {
    let pdf = b"%PDF-1.7 and so on".to_vec();
    let zip = b"PK\x03\x04\x14\0\0\0\x08\0".to_vec();
    let locked_zip = b"PK\x03\x04\x14\0\x01\0\x08\0".to_vec();
    let html = b"\n<!DOCTYPE html><title>502 Bad Gateway</title>".to_vec();
    let cases: [(&[u8], &str); 14] = [
        (b"", "empty"),
        (&pdf, "not_audio"),
        (&zip, "not_audio"),
        (&locked_zip, "encrypted"),
        (&html, "not_audio"),
        (b"\x89PNG\r\n\x1a\n....", "not_audio"),
        (b"{\"error\": \"no such call\"}", "not_audio"),
        ("h\u{e9}llo, this is a letter".as_bytes(), "not_audio"),
        (b"-----BEGIN PGP MESSAGE-----\n", "encrypted"),
        (b"\x85\x01\x0c\x03aaaaaaaaaaaaaaaa", "encrypted"),
        (b"#!AMR\n<\x08", "unsupported_format"),
        (b"RF64\xff\xff\xff\xffWAVE", "unsupported_format"),
        (&[7; 5_000], "not_audio"),
        (b"RIFF\x04\0\0\0WAVE", "truncated"),
    ];
    for (bytes, want) in cases {
        assert_eq!(
            code(bytes),
            want,
            "{:?}",
            String::from_utf8_lossy(&bytes[..bytes.len().min(20)])
        );
    }
}

#[test]
fn errors_say_what_to_do_and_hold_no_content() {
    let error = run(b"\n<!DOCTYPE html><title>secret").unwrap_err();
    assert_eq!(
        error.to_string(),
        "this is a web page (HTML), perhaps an error page, not an audio recording; \
         send the recording itself"
    );
    let whole = wav16(8_000, 1, &tones(8_000, 1, 80_000));
    let error = run(&whole[..44 + 40_000]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the recording is incomplete: its audio data is cut off (10.0 s announced, 2.5 s found); \
         send the whole file again"
    );
}

#[test]
fn cut_recordings_are_told() {
    let samples = tones(16_000, 1, 160_000);
    let mut files: Vec<(String, Vec<u8>)> = vec![
        ("wav".into(), wav16(16_000, 1, &samples)),
        ("flac".into(), flac(16_000, 1, &samples)),
        ("opus".into(), ogg_opus(1, &samples)),
    ];
    files.extend(
        FIXTURES
            .iter()
            .map(|name| ((*name).to_owned(), fixture(name))),
    );
    for (name, file) in files {
        for percent in [20, 50, 77, 90, 97] {
            let cut = &file[..file.len() * percent / 100];
            let got = code(cut);
            // Without a header that says the length, a cut between two frames is not visible.
            let invisible = matches!(name.as_str(), "no_header.mp3" | "raw.aac") && got == "ok";
            assert!(
                got == "truncated" || invisible,
                "{name} at {percent} %: {got}"
            );
        }
    }
}

#[test]
fn a_cut_mp3_without_a_header_is_told_by_its_last_frame() {
    let file = fixture("no_header.mp3");
    let mut told = 0;
    for less in 1..40 {
        match run(&file[..file.len() - less]) {
            Err(DecodeError::Truncated {
                found_seconds: Some(found),
                ..
            }) => {
                assert!(found > 0.9);
                told += 1;
            }
            other => panic!("{less}: {:?}", other.map(|o| o.0.frames)),
        }
    }
    assert_eq!(told, 39);
}

#[test]
fn announced_and_found_seconds() {
    let file = flac(16_000, 1, &tones(16_000, 1, 160_000));
    match run(&file[..file.len() / 2]) {
        Err(DecodeError::Truncated {
            announced_seconds,
            found_seconds,
            ..
        }) => {
            assert_eq!(announced_seconds, Some(10.0));
            assert!((3.0..7.0).contains(&found_seconds.unwrap()));
        }
        other => panic!("{:?}", other.map(|o| o.0.frames)),
    }
}

#[test]
fn limits_are_kept() {
    let file = wav16(16_000, 2, &tones(16_000, 2, 64_000));
    let limits = Limits::default;
    let cases = [
        (
            Limits {
                max_duration: Duration::from_secs(2),
                ..limits()
            },
            "too_long",
        ),
        (
            Limits {
                max_input_bytes: 1_000,
                ..limits()
            },
            "too_large",
        ),
        (
            Limits {
                max_channels: 1,
                ..limits()
            },
            "too_many_channels",
        ),
        (
            Limits {
                max_sample_rate_hz: 8_000,
                ..limits()
            },
            "unsupported_sample_rate",
        ),
    ];
    for (limits, want) in cases {
        assert_eq!(run_with(&file, &limits).unwrap_err().code(), want);
    }
    let slow = wav16(4_000, 1, &tones(4_000, 1, 4_000));
    assert_eq!(code(&slow), "unsupported_sample_rate");
    let wide = wav16(16_000, 9, &[0; 900]);
    assert_eq!(code(&wide), "too_many_channels");
}

#[test]
fn unknown_codecs_are_named() {
    let mut gsm = wav16(8_000, 1, &[0; 1_000]);
    gsm[20] = 0x31;
    let error = run(&gsm).unwrap_err();
    assert_eq!(error.code(), "unsupported_codec");
    assert!(error.to_string().contains("GSM 6.10"), "{error}");
}

#[test]
fn protected_mp4_is_encrypted() {
    let mut file = fixture("moov_last.m4a");
    let at = file.windows(4).rposition(|w| w == b"mp4a").unwrap();
    file[at..at + 4].copy_from_slice(b"enca");
    assert_eq!(code(&file), "encrypted");
}

/// What mutated recordings have found; each once ended in a panic.
#[test]
fn lies_in_headers_are_told() {
    // An Ogg page that says it holds half of the Opus header in it.
    let mut opus = ogg_opus(5, &tones(16_000, 5, 8_000));
    for said in [0, 8, 18] {
        opus[27] = said;
        assert!(
            matches!(code(&opus), "corrupt" | "truncated" | "unsupported_codec"),
            "{said}"
        );
    }
    // Floats that are no numbers, or too large for any calculation: silence, and clipped.
    for bits in [f32::NAN, f32::INFINITY, f32::MAX, -f32::MAX] {
        let format = Wav {
            tag: 3,
            channels: 1,
            rate: 8_000,
            bits: 32,
            extensible: false,
        };
        let data: Vec<u8> = (0..8_000)
            .flat_map(|n| (if n == 4_000 { bits } else { 0.25 }).to_le_bytes())
            .collect();
        let (decoded, _) = run(&format.bytes(&data)).unwrap();
        assert_eq!(
            (decoded.frames, decoded.corrupt_packets),
            (16_000, 0),
            "{bits}"
        );
    }
}

#[test]
fn a_valid_file_without_samples_is_empty() {
    assert_eq!(code(&wav16(16_000, 1, &[])), "empty");
}

#[test]
fn one_damaged_packet_becomes_silence_and_many_are_refused() {
    let samples = tones(16_000, 1, 16_000 * 60);
    let file = flac(16_000, 1, &samples);
    let mut scratched = file.clone();
    let middle = file.len() / 2;
    for byte in &mut scratched[middle..middle + 20] {
        *byte ^= 0x5A;
    }
    let (decoded, output) = run(&scratched).unwrap();
    assert!(
        (1..=2).contains(&decoded.corrupt_packets),
        "{}",
        decoded.corrupt_packets
    );
    let got = read(&output);
    assert_eq!(got.len(), samples.len());
    assert!(got[..400_000] == samples[..400_000] && got[560_000..] == samples[560_000..]);
    let mut shredded = file;
    let step = shredded.len() / 60;
    for at in (9_000..shredded.len()).step_by(step) {
        shredded[at] ^= 0xFF;
    }
    assert!(matches!(code(&shredded), "corrupt" | "truncated"));
}
