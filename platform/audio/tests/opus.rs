//! Ogg Opus files: valid headers, the exact length, and the audio itself.

#![allow(
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "helpers of tests count as code outside of tests"
)]

use colloquy_audio::{AudioError, OpusWriter};
use opusic_c::{Channels, Decoder, SampleRate};

fn tone(frames: usize, channels: usize) -> Vec<f32> {
    (0..frames * channels)
        .map(|n| {
            let (frame, channel) = (n / channels, n % channels);
            0.5 * (std::f32::consts::TAU * (300.0 + 100.0 * channel as f32) * frame as f32
                / 16_000.0)
                .sin()
        })
        .collect()
}

fn encode(pcm: &[f32], channels: usize) -> Vec<u8> {
    let mut writer = OpusWriter::new(Vec::new(), channels, 24_000).unwrap();
    for block in pcm.chunks(1_000 * channels) {
        writer.write_f32(block).unwrap();
    }
    writer.finish().unwrap().1
}

struct Parsed {
    head: Vec<u8>,
    packets: Vec<Vec<u8>>,
    last_granule: u64,
}

fn parse(file: Vec<u8>) -> Parsed {
    let mut reader = ogg::PacketReader::new(std::io::Cursor::new(file));
    let head = reader.read_packet_expected().unwrap().data;
    assert!(
        reader
            .read_packet_expected()
            .unwrap()
            .data
            .starts_with(b"OpusTags")
    );
    let (mut packets, mut last_granule, mut ended) = (Vec::new(), 0, false);
    while let Some(packet) = reader.read_packet().unwrap() {
        assert!(!ended);
        last_granule = packet.absgp_page();
        ended = packet.last_in_stream();
        packets.push(packet.data);
    }
    assert!(ended, "no end-of-stream page");
    Parsed {
        head,
        packets,
        last_granule,
    }
}

#[test]
fn the_length_is_exact_for_every_channel_count() {
    for channels in 1..=8 {
        for frames in [1, 319, 320, 321, 16_000, 50_001] {
            let parsed = parse(encode(&tone(frames, channels), channels));
            let pre_skip = u64::from(u16::from_le_bytes([parsed.head[10], parsed.head[11]]));
            assert_eq!(parsed.last_granule - pre_skip, 3 * frames as u64);
            let decoded = parsed.packets.len() as u64 * 960;
            assert!(decoded >= parsed.last_granule && decoded < parsed.last_granule + 960);
            assert_eq!(usize::from(parsed.head[9]), channels);
            assert_eq!(parsed.head[18], if channels <= 2 { 0 } else { 255 });
        }
    }
}

#[test]
fn the_audio_survives_and_is_in_time() {
    let pcm = tone(32_000, 1);
    let parsed = parse(encode(&pcm, 1));
    let mut decoder = Decoder::new(Channels::Mono, SampleRate::Hz16000).unwrap();
    let mut decoded = Vec::new();
    for packet in &parsed.packets {
        let mut block = [0.0; 320];
        let frames = decoder
            .decode_float_to_slice(packet, &mut block, false)
            .unwrap();
        decoded.extend_from_slice(&block[..frames]);
    }
    let pre_skip = usize::from(u16::from_le_bytes([parsed.head[10], parsed.head[11]])) / 3;
    // The correlation is best within a few frames of where the header says the audio begins
    // (the decoder's own 16 kHz output filter may add up to a millisecond).
    let score = |shift: usize| -> f32 {
        (4_000..20_000)
            .map(|n| pcm[n] * decoded[n + shift])
            .sum::<f32>()
    };
    let best = (0..200)
        .max_by(|&a, &b| score(a).total_cmp(&score(b)))
        .unwrap();
    // The tone repeats every 53.3 frames.
    let off = (best as f32 - pre_skip as f32).rem_euclid(160.0 / 3.0);
    assert!(!(16.0..=37.0).contains(&off), "off by {off} frames");
    assert!(score(best) > 0.9 * pcm[4_000..20_000].iter().map(|x| x * x).sum::<f32>());
}

#[test]
fn nonsense_is_refused() {
    assert!(matches!(
        OpusWriter::new(Vec::new(), 0, 24_000),
        Err(AudioError::Channels { .. })
    ));
    assert!(
        OpusWriter::new(Vec::new(), 1, 24_000)
            .unwrap()
            .finish()
            .is_err()
    );
    let mut writer = OpusWriter::new(Vec::new(), 2, 24_000).unwrap();
    assert!(matches!(
        writer.write_i16(&[0]),
        Err(AudioError::PartialFrame { .. })
    ));
}
