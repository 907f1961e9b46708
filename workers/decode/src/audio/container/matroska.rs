//! WebM and Matroska: EBML elements. Finds cut files, encryption, and the padding of the last
//! block.

use std::io::{BufReader, Read, Seek, SeekFrom};

use super::{Announced, Layout, NO_HEADER, Trim, read_at};
use crate::audio::DecodeError;
use crate::audio::probe::Kind;

/// Elements looked at: 6 hours of 20 ms blocks in groups, and as much again.
const MAX_ELEMENTS: usize = 8_000_000;
/// Info and Tracks are read whole.
const MAX_HEADER_BYTES: u64 = 1 << 20;

const SEGMENT: u32 = 0x1853_8067;
const INFO: u32 = 0x1549_A966;
const TRACKS: u32 = 0x1654_AE6B;
const CLUSTER: u32 = 0x1F43_B675;
const BLOCK_GROUP: u32 = 0xA0;
const BLOCK: u32 = 0xA1;
const SIMPLE_BLOCK: u32 = 0xA3;
const DISCARD_PADDING: u32 = 0x75A2;
const TIMESTAMP_SCALE: u32 = 0x2A_D7B1;
const DURATION: u32 = 0x4489;
const CONTENT_ENCRYPTION: [u8; 2] = [0x50, 0x35];
const CONTENT_ENCODING: [u8; 2] = [0x62, 0x40];

pub(super) fn inspect<R: Read + Seek>(input: &mut R, len: u64) -> Result<Layout, DecodeError> {
    let mut layout = Layout::new(Kind::Matroska, 0, len);
    let mut headers = Vec::new();
    walk(input, len, &mut layout, &mut headers)?;
    if headers.is_empty() {
        return Err(NO_HEADER);
    }
    for (id, at, size) in headers {
        let body = read_at(input, at, size as usize)?;
        if id == INFO {
            if let Some(seconds) = info_seconds(&body) {
                layout.announced = Announced::Seconds(seconds);
            }
        } else if is_encrypted(&body) {
            return Err(DecodeError::Encrypted {
                what: "a copy-protected (DRM) WebM file",
            });
        }
    }
    Ok(layout)
}

/// Walks all elements of the segment, descending into clusters and block groups only.
fn walk<R: Read + Seek>(
    input: &mut R,
    len: u64,
    layout: &mut Layout,
    headers: &mut Vec<(u32, u64, u64)>,
) -> Result<(), DecodeError> {
    input.seek(SeekFrom::Start(0)).map_err(DecodeError::Read)?;
    let mut reader = BufReader::with_capacity(1 << 16, input);
    let mut at = 0_u64;
    for _ in 0..MAX_ELEMENTS {
        if at == len {
            return Ok(());
        }
        let Some((id, size, header)) = element(&mut reader)? else {
            break;
        };
        at += header;
        match (id, size) {
            (SEGMENT | CLUSTER | BLOCK_GROUP, size) => {
                if size.is_some_and(|size| at.saturating_add(size) > len) {
                    layout.missing = Some("its audio data is cut off");
                }
                continue;
            }
            (_, None) => break,
            (INFO | TRACKS, Some(size)) if size <= MAX_HEADER_BYTES => {
                headers.push((id, at, size));
            }
            (BLOCK | SIMPLE_BLOCK, _) => layout.trim = Trim::Nothing,
            (DISCARD_PADDING, Some(size @ 1..=8)) => {
                let mut bytes = [0; 8];
                let bytes = &mut bytes[..size as usize];
                if reader.read_exact(bytes).is_err() {
                    break;
                }
                at += size;
                let nanoseconds = bytes
                    .iter()
                    .fold(0_u64, |n, &byte| n << 8 | u64::from(byte));
                layout.trim = Trim::Tail(nanoseconds as f64 / 1e9);
                continue;
            }
            _ => {}
        }
        let size = size.unwrap_or(0);
        at = at.saturating_add(size);
        if at > len {
            break;
        }
        reader
            .seek_relative(size as i64)
            .map_err(DecodeError::Read)?;
    }
    layout.missing = Some("its audio data is cut off");
    Ok(())
}

/// Id, size (`None`: unknown) and header length of the next element; `None` at the end or where
/// there is no element.
fn element<R: Read>(reader: &mut R) -> Result<Option<(u32, Option<u64>, u64)>, DecodeError> {
    let Some((id, id_bytes)) = number(reader, 4, false)? else {
        return Ok(None);
    };
    let Some((size, size_bytes)) = number(reader, 8, true)? else {
        return Ok(None);
    };
    let unknown = size == (1 << (7 * size_bytes)) - 1;
    Ok(Some((
        id as u32,
        (!unknown).then_some(size),
        id_bytes + size_bytes,
    )))
}

/// A variable-length number and its length.
fn number<R: Read>(
    reader: &mut R,
    max_bytes: u32,
    strip_marker: bool,
) -> Result<Option<(u64, u64)>, DecodeError> {
    let mut byte = [0];
    let mut next = |reader: &mut R| match reader.read_exact(&mut byte) {
        Ok(()) => Ok(Some(byte[0])),
        Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => Ok(None),
        Err(e) => Err(DecodeError::Read(e)),
    };
    let Some(first) = next(reader)? else {
        return Ok(None);
    };
    let bytes = first.leading_zeros() + 1;
    if bytes > max_bytes {
        return Ok(None);
    }
    let marker = if strip_marker {
        0x80_u8 >> (bytes - 1)
    } else {
        0
    };
    let mut value = u64::from(first & !marker);
    for _ in 1..bytes {
        let Some(byte) = next(reader)? else {
            return Ok(None);
        };
        value = value << 8 | u64::from(byte);
    }
    Ok(Some((value, u64::from(bytes))))
}

/// Duration in an Info element.
fn info_seconds(body: &[u8]) -> Option<f64> {
    let (mut scale, mut ticks, mut rest) = (1_000_000_u64, None, body);
    while let Some((id, Some(size), _)) = element(&mut rest).ok().flatten() {
        let value = rest.get(..usize::try_from(size).ok()?)?;
        rest = &rest[size as usize..];
        match id {
            TIMESTAMP_SCALE if size <= 8 => {
                scale = value.iter().fold(0, |n, &byte| n << 8 | u64::from(byte));
            }
            DURATION => {
                let single = value.try_into().map(|b| f64::from(f32::from_be_bytes(b)));
                let double = value.try_into().map(f64::from_be_bytes);
                ticks = single.ok().or(double.ok());
            }
            _ => {}
        }
    }
    ticks
        .map(|ticks| ticks * scale as f64 / 1e9)
        .filter(|s| s.is_finite() && *s >= 0.0)
}

/// Whether a Tracks element holds a ContentEncoding with a ContentEncryption.
fn is_encrypted(tracks: &[u8]) -> bool {
    let find = |bytes: &[u8], id: &[u8; 2]| bytes.windows(2).position(|pair| pair == id);
    find(tracks, &CONTENT_ENCODING)
        .and_then(|at| find(&tracks[at..], &CONTENT_ENCRYPTION))
        .is_some_and(|distance| distance < 64)
}
