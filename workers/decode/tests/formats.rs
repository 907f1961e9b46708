//! Every format comes out right: length, samples, levels.

#![allow(
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "helpers of tests count as code outside of tests"
)]

mod common;

use colloquy_decode::audio::{Level, Limits};
use common::*;

#[test]
fn sixteen_bit_16_khz_passes_bit_exact() {
    for channels in 1..=8 {
        let samples = tones(16_000, channels, 20_011);
        for file in [
            wav16(16_000, channels as u16, &samples),
            flac(16_000, channels, &samples),
        ] {
            let (decoded, output) = run(&file).unwrap();
            assert_eq!((decoded.channels, decoded.frames), (channels, 20_011));
            assert_eq!(decoded.output_bytes, output.len() as u64);
            assert!(
                read(&output) == samples,
                "{channels} channels, {}",
                decoded.source.container
            );
        }
    }
}

#[test]
fn every_pcm_width_is_the_same_sound() {
    let reference = tones(16_000, 1, 16_000);
    let encode = |tag: u16, bits: u16, sample: fn(i16) -> Vec<u8>| {
        let data: Vec<u8> = reference.iter().flat_map(|&s| sample(s)).collect();
        (
            Wav {
                tag,
                channels: 1,
                rate: 16_000,
                bits,
                extensible: false,
            },
            data,
        )
    };
    let files = [
        (
            encode(
                1,
                8,
                |s| vec![((i32::from(s) + 0x8080) >> 8).min(255) as u8],
            ),
            35.0,
            "pcm_u8",
        ),
        (
            encode(1, 24, |s| (i32::from(s) << 8).to_le_bytes()[..3].to_vec()),
            200.0,
            "pcm_s24le",
        ),
        (
            encode(1, 32, |s| (i32::from(s) << 16).to_le_bytes().to_vec()),
            200.0,
            "pcm_s32le",
        ),
        (
            encode(3, 32, |s| (f32::from(s) / 32_768.0).to_le_bytes().to_vec()),
            200.0,
            "pcm_f32le",
        ),
        (
            encode(3, 64, |s| (f64::from(s) / 32_768.0).to_le_bytes().to_vec()),
            200.0,
            "pcm_f64le",
        ),
        (encode(7, 8, |s| vec![mu_law(s)]), 30.0, "pcm_mulaw"),
        (encode(6, 8, |s| vec![a_law(s)]), 30.0, "pcm_alaw"),
    ];
    for ((wav, data), at_least, codec) in files {
        for extensible in [false, true] {
            let wav = Wav { extensible, ..wav };
            if extensible && matches!(wav.tag, 6 | 7) {
                continue;
            }
            let (decoded, output) = run(&wav.bytes(&data)).unwrap();
            let snr = snr(&read(&output), &reference);
            assert!(snr > at_least, "{codec}: {snr:.1} dB");
            assert_eq!((decoded.source.codec, decoded.duration_ms), (codec, 1_000));
        }
    }
}

/// G.711 mu-law, as in its reference.
fn mu_law(sample: i16) -> u8 {
    let sign = if sample < 0 { 0x80 } else { 0 };
    let magnitude = i32::from(sample).abs().min(32_635) + 0x84;
    let exponent = 7
        - (magnitude as u32 & 0x7F80)
            .leading_zeros()
            .saturating_sub(17)
            .min(7) as i32;
    let mantissa = (magnitude >> (exponent + 3)) & 15;
    !(sign | (exponent << 4) as u8 | mantissa as u8)
}

/// G.711 A-law, as in its reference.
fn a_law(sample: i16) -> u8 {
    let sign = if sample >= 0 { 0x80 } else { 0 };
    let magnitude = (i32::from(sample) >> 3).abs().min(4_095);
    let code = if magnitude < 32 {
        magnitude >> 1
    } else {
        let exponent = 27 - (magnitude as u32).leading_zeros() as i32;
        (exponent << 4) + ((magnitude >> exponent) & 15)
    };
    (code as u8 | sign) ^ 0x55
}

#[test]
fn any_rate_becomes_16_khz_at_the_right_time() {
    for rate in [
        8_000, 11_025, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000, 192_000,
    ] {
        let frames = rate as usize * 3 / 2 + 7;
        let file = wav16(rate, 2, &tones(rate, 2, frames));
        let (decoded, output) = run(&file).unwrap();
        let want = (frames as f64 * 16_000.0 / f64::from(rate)).round() as usize;
        assert_eq!(decoded.frames as usize, want, "{rate} Hz");
        let snr = snr(&read(&output), &tones(16_000, 2, want));
        assert!(snr > 75.0, "{rate} Hz: {snr:.1} dB");
    }
}

#[test]
fn every_fixture_has_its_exact_length_and_sound() {
    for name in FIXTURES {
        let (decoded, output) = run(&fixture(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        // ADPCM ends with a whole block; MP3 and ADTS without a header, and some writers of
        // Matroska, do not say what they pad.
        let slack = match name {
            "ima_adpcm.wav" | "ms_adpcm.wav" => 260,
            "no_header.mp3" | "raw.aac" => 240,
            "vorbis.webm" | "aac.mka" | "mp3.mka" => 130,
            "vorbis_8k.ogg" | "vorbis.ogg" => 1,
            _ => 1,
        };
        let off = decoded.duration_ms as i64 - 1_100;
        assert!(
            (0..=slack).contains(&off) || off == -1,
            "{name}: {off} ms off"
        );
        assert_eq!(decoded.corrupt_packets, 0, "{name}");
        let samples = read(&output);
        // The 440 Hz tone is there, in every channel, and loud.
        for channel in 0..decoded.channels {
            let plane: Vec<f64> = samples
                .iter()
                .skip(channel)
                .step_by(decoded.channels)
                .map(|&s| f64::from(s))
                .collect();
            let plane = &plane[4_000..12_000];
            let (mut s, mut c, mut energy) = (0.0, 0.0, 0.0);
            for (n, x) in plane.iter().enumerate() {
                let t = std::f64::consts::TAU * 440.0 * n as f64 / 16_000.0;
                s += x * t.sin();
                c += x * t.cos();
                energy += x * x;
            }
            let share = 2.0 * (s * s + c * c) / plane.len() as f64 / energy;
            assert!(
                (0.4..0.6).contains(&share),
                "{name}: {share:.2} of the energy at 440 Hz"
            );
            assert!(decoded.levels[channel].rms_dbfs > -35.0, "{name}");
        }
    }
}

#[test]
fn encoder_delay_is_cut_so_that_sounds_stay_in_time() {
    // All fixtures begin with the same phase; find it by the first quarter second.
    for name in [
        "stereo_44k.mp3",
        "mono_8k.mp3",
        "moov_last.m4a",
        "moov_first.m4a",
        "opus.ogg",
        "opus.webm",
        "vorbis.ogg",
    ] {
        let (decoded, output) = run(&fixture(name)).unwrap();
        let samples = read(&output);
        let plane: Vec<f64> = samples
            .iter()
            .step_by(decoded.channels)
            .map(|&s| f64::from(s))
            .collect();
        let (mut s, mut c) = (0.0, 0.0);
        for (n, x) in plane.iter().enumerate().skip(1_600).take(14_400) {
            let t = std::f64::consts::TAU * 440.0 * n as f64 / 16_000.0;
            s += x * t.sin();
            c += x * t.cos();
        }
        let milliseconds = c.atan2(s) / std::f64::consts::TAU / 0.44;
        assert!(milliseconds.abs() < 0.5, "{name}: {milliseconds:.2} ms off");
    }
}

#[test]
fn opus_of_every_channel_count_keeps_its_length() {
    for channels in 1..=8 {
        let samples = tones(16_000, channels, 16_123);
        let (decoded, output) = run(&ogg_opus(channels, &samples)).unwrap();
        assert_eq!(
            (decoded.channels, decoded.frames, decoded.source.codec),
            (channels, 16_123, "opus")
        );
        assert_eq!(read(&output).len(), samples.len());
    }
}

#[test]
fn streamed_headers_without_sizes_are_read_to_the_end() {
    let samples = tones(16_000, 1, 5_000);
    for (riff, data) in [(u32::MAX, u32::MAX), (0, 0), (36, 0)] {
        let mut file = wav16(16_000, 1, &samples);
        file[4..8].copy_from_slice(&riff.to_le_bytes());
        file[40..44].copy_from_slice(&data.to_le_bytes());
        assert!(read(&run(&file).unwrap().1) == samples, "{riff} {data}");
    }
}

#[test]
fn a_wrong_riff_size_does_no_harm() {
    let samples = tones(16_000, 1, 5_000);
    let mut file = wav16(16_000, 1, &samples);
    file[4..8].copy_from_slice(&100_u32.to_le_bytes());
    file.extend(b"LIST\x04\0\0\0INFO");
    assert!(read(&run(&file).unwrap().1) == samples);
}

#[test]
fn levels_tell_a_silent_channel() {
    let samples: Vec<i16> = tones(16_000, 1, 16_000)
        .into_iter()
        .flat_map(|sample| [sample, 0])
        .collect();
    let (decoded, _) = run(&wav16(16_000, 2, &samples)).unwrap();
    assert!(!decoded.levels[0].is_silent() && decoded.levels[1].is_silent());
    assert_eq!(decoded.levels[1].rms_dbfs, Level::SILENCE_DBFS);
    assert!(
        (decoded.levels[0].rms_dbfs + 10.8).abs() < 0.3,
        "{:?}",
        decoded.levels[0]
    );
}

#[test]
fn tags_around_an_mp3_do_no_harm() {
    let mp3 = fixture("no_header.mp3");
    let plain = run(&mp3).unwrap();
    let mut tagged = b"ID3\x04\0\0\0\0\x01\x00".to_vec();
    tagged.extend([0; 128]);
    tagged.extend(&mp3);
    tagged.extend(b"TAG");
    tagged.extend([b' '; 125]);
    let (decoded, output) = run(&tagged).unwrap();
    assert_eq!((decoded.frames, output), (plain.0.frames, plain.1));
}

#[test]
fn cancelling_stops() {
    let file = wav16(8_000, 1, &tones(8_000, 1, 80_000));
    let mut output = std::io::Cursor::new(Vec::new());
    let asked = std::cell::Cell::new(0);
    let cancel = || {
        asked.set(asked.get() + 1);
        asked.get() > 3
    };
    let error = colloquy_decode::audio::decode(
        std::io::Cursor::new(file),
        &mut output,
        &Limits::default(),
        &cancel,
    );
    assert_eq!(error.unwrap_err().code(), "cancelled");
}
