//! Recordings made in the test itself.
#![allow(dead_code, reason = "each test file uses some of these")]

use std::io::Cursor;

use colloquy_audio::{FlacReader, FlacWriter, OpusWriter};
use colloquy_decode::audio::{DecodeError, Decoded, Limits, decode};

/// Two tones, different in each channel, interleaved.
pub(crate) fn tones(rate: u32, channels: usize, frames: usize) -> Vec<i16> {
    (0..frames * channels)
        .map(|n| {
            let (frame, channel) = (n / channels, n % channels);
            let t = std::f64::consts::TAU * frame as f64 / f64::from(rate);
            let value = (t * (300.0 + 70.0 * channel as f64)).sin() + (t * 1_100.0).sin() * 0.5;
            (value * 12_000.0) as i16
        })
        .collect()
}

pub(crate) struct Wav {
    pub(crate) tag: u16,
    pub(crate) channels: u16,
    pub(crate) rate: u32,
    pub(crate) bits: u16,
    pub(crate) extensible: bool,
}

impl Wav {
    pub(crate) fn pcm16(rate: u32, channels: u16) -> Self {
        Self {
            tag: 1,
            channels,
            rate,
            bits: 16,
            extensible: false,
        }
    }

    pub(crate) fn bytes(&self, data: &[u8]) -> Vec<u8> {
        let block = self.channels * self.bits / 8;
        let mut format = Vec::new();
        format.extend((if self.extensible { 0xFFFE } else { self.tag }).to_le_bytes());
        format.extend(self.channels.to_le_bytes());
        format.extend(self.rate.to_le_bytes());
        format.extend((self.rate * u32::from(block)).to_le_bytes());
        format.extend(block.to_le_bytes());
        format.extend(self.bits.to_le_bytes());
        if self.extensible {
            format.extend(22_u16.to_le_bytes());
            format.extend(self.bits.to_le_bytes());
            format.extend(((1_u32 << self.channels) - 1).to_le_bytes());
            format.extend(self.tag.to_le_bytes());
            format.extend([0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71]);
        }
        let mut file = b"RIFF".to_vec();
        file.extend((20 + format.len() as u32 + data.len() as u32).to_le_bytes());
        file.extend(b"WAVEfmt ");
        file.extend((format.len() as u32).to_le_bytes());
        file.extend(format);
        file.extend(b"data");
        file.extend((data.len() as u32).to_le_bytes());
        file.extend(data);
        file
    }
}

pub(crate) fn wav16(rate: u32, channels: u16, samples: &[i16]) -> Vec<u8> {
    let data: Vec<u8> = samples.iter().flat_map(|s| s.to_le_bytes()).collect();
    Wav::pcm16(rate, channels).bytes(&data)
}

pub(crate) fn flac(rate: u32, channels: usize, samples: &[i16]) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    let mut writer = FlacWriter::new(&mut file, rate, channels).unwrap();
    writer.write_interleaved(samples).unwrap();
    writer.finish().unwrap();
    file.into_inner()
}

pub(crate) fn ogg_opus(channels: usize, samples: &[i16]) -> Vec<u8> {
    let mut writer = OpusWriter::new(Vec::new(), channels, 24_000).unwrap();
    writer.write_i16(samples).unwrap();
    writer.finish().unwrap().1
}

pub(crate) fn fixture(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/");
    std::fs::read(format!("{folder}{name}")).unwrap()
}

pub(crate) const FIXTURES: [&str; 21] = [
    "ima_adpcm.wav",
    "ms_adpcm.wav",
    "pcm.aiff",
    "mono_8k.mp3",
    "stereo_44k.mp3",
    "no_header.mp3",
    "moov_last.m4a",
    "moov_first.m4a",
    "raw.aac",
    "lossless.m4a",
    "vorbis.ogg",
    "vorbis_8k.ogg",
    "opus.ogg",
    "opus.webm",
    "lpc.flac",
    "flac.oga",
    "vorbis.webm",
    "aac.mka",
    "flac.mka",
    "mp3.mka",
    "opus.mp4",
];

pub(crate) fn run(input: &[u8]) -> Result<(Decoded, Vec<u8>), DecodeError> {
    run_with(input, &Limits::default())
}

pub(crate) fn run_with(input: &[u8], limits: &Limits) -> Result<(Decoded, Vec<u8>), DecodeError> {
    let mut output = Cursor::new(Vec::new());
    let decoded = decode(Cursor::new(input), &mut output, limits, &|| false)?;
    Ok((decoded, output.into_inner()))
}

/// The samples of a decoded file, interleaved.
pub(crate) fn read(file: &[u8]) -> Vec<i16> {
    let mut reader = FlacReader::new(Cursor::new(file)).unwrap();
    assert_eq!(reader.sample_rate_hz(), 16_000);
    let mut samples = Vec::new();
    while let Some(block) = reader.next_block().unwrap() {
        samples.extend_from_slice(block);
    }
    samples
}

/// Signal to noise in dB of one channel against the tones it was made from, sampled at 16 kHz.
pub(crate) fn snr(decoded: &[i16], reference: &[i16]) -> f64 {
    assert_eq!(decoded.len(), reference.len());
    let inner = reference.len() / 8..reference.len() * 7 / 8;
    let (mut signal, mut noise) = (0.0, 1e-9);
    for n in inner {
        let (a, b) = (f64::from(decoded[n]), f64::from(reference[n]));
        signal += b * b;
        noise += (a - b) * (a - b);
    }
    10.0 * (signal / noise).log10()
}
