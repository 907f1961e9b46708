//! WAV: RIFF chunks.

use std::io::{Read, Seek};

use super::{Announced, Layout, NO_HEADER, le_u16, le_u32, read_at};
use crate::audio::DecodeError;
use crate::audio::probe::Kind;

/// Chunks before the audio in any sane file: a handful.
const MAX_CHUNKS: usize = 1_000;

/// MS ADPCM with its coefficients has 50.
const MAX_FORMAT_BYTES: u32 = 1_024;

struct Format {
    channels: u16,
    sample_rate_hz: u32,
    bytes_per_second: u32,
    block_bytes: u64,
    /// Whether a block holds many frames.
    is_adpcm: bool,
    /// The whole chunk body.
    body: Vec<u8>,
}

pub(super) fn inspect<R: Read + Seek>(input: &mut R, len: u64) -> Result<Layout, DecodeError> {
    let riff_bytes = le_u32(&read_at(input, 0, 12)?, 4).ok_or(NO_HEADER)?;
    let mut format = None;
    let mut at = 12;
    for _ in 0..MAX_CHUNKS {
        let header = read_at(input, at, 8)?;
        let (Some(name), Some(size)) = (header.get(..4), le_u32(&header, 4)) else {
            break;
        };
        match name {
            b"fmt " => format = Some(read_format(input, at + 8, size)?),
            b"data" => {
                let format = format.ok_or(DecodeError::Corrupt {
                    detail: "the WAV file does not state its format before its audio",
                })?;
                return data(&format, at, size, riff_bytes, len);
            }
            _ => {}
        }
        // Chunks are padded to an even length.
        at += 8 + u64::from(size) + u64::from(size & 1);
    }
    if at >= len {
        Err(NO_HEADER)
    } else {
        Err(DecodeError::NoAudioTrack { container: "wav" })
    }
}

fn read_format<R: Read + Seek>(input: &mut R, at: u64, size: u32) -> Result<Format, DecodeError> {
    let mut bytes = read_at(input, at, size.min(MAX_FORMAT_BYTES) as usize)?;
    let (Some(tag), Some(channels), Some(sample_rate_hz), Some(bytes_per_second), Some(block)) = (
        le_u16(&bytes, 0),
        le_u16(&bytes, 2),
        le_u32(&bytes, 4),
        le_u32(&bytes, 8),
        le_u16(&bytes, 12),
    ) else {
        return Err(NO_HEADER);
    };
    if size < 16 || channels == 0 || block == 0 {
        return Err(DecodeError::Corrupt {
            detail: "the WAV file states an impossible format",
        });
    }
    if let Some(detail) = unsupported(tag) {
        return Err(DecodeError::UnsupportedCodec {
            container: "wav",
            detail,
        });
    }
    if tag != 1 && bytes.len() == 16 {
        // The size of the extension, which old writers leave out.
        bytes.extend([0, 0]);
    }
    let (block_bytes, body, is_adpcm) = (u64::from(block), bytes, matches!(tag, 2 | 0x11));
    Ok(Format {
        channels,
        sample_rate_hz,
        bytes_per_second,
        block_bytes,
        is_adpcm,
        body,
    })
}

/// Codecs seen in WAV files that are not decoded.
fn unsupported(tag: u16) -> Option<&'static str> {
    match tag {
        1 | 2 | 3 | 6 | 7 | 0x11 | 0xFFFE => None,
        0x22 => Some("TrueSpeech"),
        0x31 => Some("GSM 6.10"),
        0x40 | 0x45 | 0x64 => Some("G.726"),
        0x42 | 0x111 => Some("G.723"),
        0x50 | 0x55 => Some("MPEG audio in WAV"),
        0x65 | 0x28F => Some("G.722"),
        0x83 | 0x123 => Some("G.729"),
        0x160..=0x163 => Some("Windows Media"),
        _ => Some("an unknown WAV codec"),
    }
}

/// A header without the chunks that carry no sound and the sizes that are often wrong.
fn header(format: &Format, data_bytes: u32) -> Vec<u8> {
    let mut header = b"RIFF".to_vec();
    // "Unknown", which demuxers take as: to the end.
    header.extend(u32::MAX.to_le_bytes());
    header.extend(b"WAVEfmt ");
    header.extend((format.body.len() as u32).to_le_bytes());
    header.extend(&format.body);
    if format.body.len() % 2 == 1 {
        header.push(0);
    }
    header.extend(b"data");
    header.extend(data_bytes.to_le_bytes());
    header
}

/// The data chunk at `at`: compares what it announces with what is there.
fn data(
    format: &Format,
    at: u64,
    size: u32,
    riff_bytes: u32,
    len: u64,
) -> Result<Layout, DecodeError> {
    let there = len.saturating_sub(at + 8);
    // Recorders that cannot seek leave the sizes at 0 or at the highest number.
    let streamed = size == u32::MAX || (size == 0 && there > 0 && u64::from(riff_bytes) + 8 < len);
    let announced = if streamed { there } else { u64::from(size) };
    let seconds = |bytes: u64| match format.bytes_per_second {
        0 => None,
        rate => Some(bytes as f64 / f64::from(rate)),
    };
    // A lost padding byte is no matter; a lost frame is, and any part of an ADPCM block.
    let tolerated = if format.is_adpcm {
        1
    } else {
        format.block_bytes - 1
    };
    if there + tolerated < announced {
        return Err(DecodeError::Truncated {
            missing: "its audio data is cut off",
            announced_seconds: seconds(announced),
            found_seconds: seconds(there),
        });
    }
    let usable = announced.min(there).min(u64::from(u32::MAX) - 1);
    let usable = (usable - usable % format.block_bytes) as u32;
    if usable == 0 {
        return Err(DecodeError::Empty);
    }
    let mut layout = Layout::new(Kind::Wav, at + 8, at + 8 + u64::from(usable));
    layout.prefix = header(format, usable);
    layout.announced = seconds(announced).map_or(Announced::Nothing, Announced::Seconds);
    layout.declared = Some((usize::from(format.channels), format.sample_rate_hz));
    Ok(layout)
}
