//! The platform's FLAC files: what is written is what is read.

#![allow(
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "helpers of tests count as code outside of tests"
)]

use std::io::Cursor;

use colloquy_audio::{AudioError, FlacReader, FlacWriter};

/// Reproducible noise with some structure.
fn samples(count: usize) -> Vec<i16> {
    let mut state = 1_u32;
    (0..count)
        .map(|n| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = (state >> 20) as i16 - 2_048;
            let tone = ((n as f32 * 0.05).sin() * 20_000.0) as i16;
            if n % 9_000 < 50 {
                [i16::MIN, i16::MAX][n % 2]
            } else {
                tone.saturating_add(noise)
            }
        })
        .collect()
}

fn write(channels: usize, pcm: &[i16], slice: usize) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    let mut writer = FlacWriter::new(&mut file, 16_000, channels).unwrap();
    for block in pcm.chunks(slice * channels) {
        writer.write_interleaved(block).unwrap();
    }
    assert_eq!(writer.finish().unwrap(), (pcm.len() / channels) as u64);
    file.into_inner()
}

#[test]
fn every_channel_count_comes_back_bit_exact() {
    for channels in 1..=8 {
        for frames in [1, 15, 16, 4_095, 4_096, 4_097, 20_000] {
            let pcm = samples(frames * channels);
            let mut reader = FlacReader::new(Cursor::new(write(channels, &pcm, 777))).unwrap();
            assert_eq!(
                (reader.channels(), reader.frames()),
                (channels, frames as u64)
            );
            assert_eq!(reader.sample_rate_hz(), 16_000);
            let mut back = Vec::new();
            while let Some(block) = reader.next_block().unwrap() {
                back.extend_from_slice(block);
            }
            assert!(back == pcm, "{channels} channels, {frames} frames differ");
        }
    }
}

/// Signals at the edges of the format, by name.
fn hard_signals(frames: usize) -> Vec<(&'static str, Vec<[i16; 2]>)> {
    let noise: Vec<i16> = {
        let mut state = 7_u64;
        let mut next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 48) as i16
        };
        (0..2 * frames).map(|_| next()).collect()
    };
    let of = |f: &dyn Fn(usize) -> [i16; 2]| (0..frames).map(f).collect::<Vec<_>>();
    let (least, most) = (i16::MIN, i16::MAX);
    vec![
        ("silence", of(&|_| [0, 0])),
        ("constant", of(&|_| [least, most])),
        ("noise", of(&|n| [noise[2 * n], noise[2 * n + 1]])),
        ("the same twice", of(&|n| [noise[n], noise[n]])),
        ("opposite", of(&|n| [noise[n], noise[n].saturating_neg()])),
        (
            "squares",
            of(&|n| {
                if n % 2 == 0 {
                    [least, most]
                } else {
                    [most, least]
                }
            }),
        ),
        (
            "one loud",
            of(&|n| [0, if n == frames / 2 { least } else { 0 }]),
        ),
        (
            "words",
            of(&|n| [if n / 700 % 3 == 0 { noise[n] >> 8 } else { 0 }, 1]),
        ),
        ("ramp", of(&|n| [n as i16, (n as i16).wrapping_mul(3)])),
    ]
}

#[test]
fn hard_signals_come_back_and_never_grow() {
    for frames in [
        1, 2, 3, 4, 5, 6, 7, 8, 9, 17, 64, 100, 4_095, 4_096, 4_100, 9_000,
    ] {
        for (name, pairs) in hard_signals(frames) {
            let pcm = pairs.as_flattened();
            let mut planar = Cursor::new(Vec::new());
            let mut writer = FlacWriter::new(&mut planar, 16_000, 2).unwrap();
            let [left, right] = [0, 1].map(|c| pairs.iter().map(|p| p[c]).collect::<Vec<_>>());
            writer.write_planar(&[left, right]).unwrap();
            writer.finish().unwrap();
            let file = write(2, pcm, 313);
            assert!(file == planar.into_inner(), "{name}: planar differs");
            let mut reader = FlacReader::new(Cursor::new(&file)).unwrap();
            let mut back = Vec::new();
            while let Some(block) = reader.next_block().unwrap() {
                back.extend_from_slice(block);
            }
            assert!(back == pcm, "{name}, {frames} frames differ");
            // As it is, with a head of up to 20 bytes for each block of 4,096.
            let most = 8_300 + pcm.len() * 2 + (frames / 4_096 + 1) * 20;
            assert!(file.len() < most, "{name}: {} bytes", file.len());
        }
    }
}

#[test]
fn planes_of_different_length_are_refused() {
    let mut writer = FlacWriter::new(Cursor::new(Vec::new()), 16_000, 2).unwrap();
    assert!(writer.write_planar(&[&[1_i16, 2][..], &[3][..]]).is_err());
    assert!(writer.write_planar(&[[1_i16, 2]]).is_err());
    assert!(FlacWriter::new(Cursor::new(Vec::new()), 0, 1).is_err());
    assert!(FlacWriter::new(Cursor::new(Vec::new()), 1 << 20, 1).is_err());
}

#[test]
fn a_file_begins_where_the_writer_is() {
    let mut file = Cursor::new(b"before".to_vec());
    file.set_position(6);
    let mut writer = FlacWriter::new(&mut file, 16_000, 1).unwrap();
    writer.write_interleaved(&[5; 5_000]).unwrap();
    writer.finish().unwrap();
    let bytes = file.into_inner();
    assert!(bytes.starts_with(b"beforefLaC"));
    let mut reader = FlacReader::new(Cursor::new(&bytes[6..])).unwrap();
    assert_eq!(reader.next_block().unwrap().unwrap(), [5; 4_096]);
}

#[test]
fn seeking_lands_on_the_frame() {
    let pcm = samples(16_000 * 150 * 2);
    let mut reader = FlacReader::new(Cursor::new(write(2, &pcm, 1_000))).unwrap();
    for frame in [
        0, 1, 4_095, 4_096, 959_999, 960_000, 1_000_003, 2_399_999, 5,
    ] {
        reader.seek(frame as u64).unwrap();
        assert_eq!(reader.position(), frame as u64);
        let block = reader.next_block().unwrap().unwrap();
        assert!(
            block == &pcm[frame * 2..frame * 2 + block.len()],
            "frame {frame}"
        );
    }
    assert!(matches!(
        reader.seek(2_400_000),
        Err(AudioError::PastEnd { .. })
    ));
}

#[test]
fn planes_hold_the_channels() {
    let mut reader = FlacReader::new(Cursor::new(write(2, &[1, -2, 3, -4], 2))).unwrap();
    let mut planes = Vec::new();
    assert_eq!(reader.next_planar(&mut planes).unwrap(), 2);
    assert_eq!(
        planes,
        [
            [1.0 / 32_768.0, 3.0 / 32_768.0],
            [-2.0 / 32_768.0, -4.0 / 32_768.0]
        ]
    );
    assert_eq!(reader.next_planar(&mut planes).unwrap(), 0);
}

#[test]
fn a_shortened_recording_is_an_error() {
    let mut bytes = write(1, &samples(100_000), 4_096);
    bytes.truncate(bytes.len() / 2);
    let mut reader = FlacReader::new(Cursor::new(bytes)).unwrap();
    let error = loop {
        match reader.next_block() {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the end was accepted"),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, AudioError::Damaged { .. }), "{error}");
}

#[test]
fn nonsense_is_refused() {
    let mut file = Cursor::new(Vec::new());
    assert!(matches!(
        FlacWriter::new(&mut file, 16_000, 9),
        Err(AudioError::Channels { channels: 9 })
    ));
    let mut writer = FlacWriter::new(&mut file, 16_000, 2).unwrap();
    assert!(matches!(
        writer.write_interleaved(&[1]),
        Err(AudioError::PartialFrame { .. })
    ));
    assert!(matches!(writer.finish(), Err(AudioError::NoFrames)));
    assert!(FlacReader::new(Cursor::new(b"RIFF".to_vec())).is_err());
}
