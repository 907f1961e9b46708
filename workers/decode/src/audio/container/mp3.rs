//! MP3 and ADTS: frames without a container, tags around them, and the Xing, Info or VBRI header
//! that some encoders put in the first frame.

use std::io::{Read, Seek};

use super::{Announced, Layout, Trim, be_u32, flac, le_u32, read_at};
use crate::audio::DecodeError;
use crate::audio::probe::Kind;

/// Junk before the first frame that is tolerated.
const MAX_JUNK: usize = 128 << 10;
/// The end of the file is judged by this much; it holds at least 20 frames.
const TAIL_BYTES: usize = 64 << 10;
/// Tags in front of, or behind, the audio.
const MAX_TAGS: usize = 16;

/// What an MPEG audio frame header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Header {
    /// Version, layer and sample rate: the same in all frames of a file.
    signature: u32,
    frame_bytes: usize,
    frames: u64,
    version_1: bool,
    mono: bool,
}

/// Reads tags, the first frame and the last frame of an MP3 or ADTS file.
pub(super) fn inspect<R: Read + Seek>(input: &mut R, len: u64) -> Result<Layout, DecodeError> {
    let start = skip_id3v2(input, len)?;
    let end = strip_trailing_tags(input, start, len)?;
    let head = read_at(input, start, MAX_JUNK)?;
    if head.is_empty() {
        return Err(DecodeError::Empty);
    }
    if head.starts_with(b"fLaC") {
        return flac::inspect(input, start, len);
    }
    let tail_at = end.saturating_sub(TAIL_BYTES as u64).max(start);
    let tail = read_at(input, tail_at, (end - tail_at) as usize)?;
    if looks_like_adts(&head) {
        let mut layout = Layout::new(Kind::Adts, start, end);
        layout.missing = ends_in_a_partial_frame(&tail, adts_frame);
        return Ok(layout);
    }
    let Some(first) = find_frames(&head) else {
        return Err(DecodeError::NotAudio {
            looks_like: "data of an unknown kind",
        });
    };
    let header = parse(&head[first..]).ok_or(DecodeError::Corrupt {
        detail: "no MP3 frame",
    })?;
    let mut layout = Layout::new(Kind::Mp3, start + first as u64, end);
    if let Some(packets) = announced_packets(&head[first..], &header) {
        layout.announced = Announced::Packets {
            packets,
            frames_each: header.frames,
        };
        layout.trim = Trim::Header;
    }
    let same = |bytes: &[u8]| {
        parse(bytes)
            .filter(|h| h.signature == header.signature)
            .map(|h| h.frame_bytes)
    };
    layout.missing = ends_in_a_partial_frame(&tail, same);
    Ok(layout)
}

/// Offset of the first frame: one that two more follow, or that ends exactly with `bytes`.
pub(crate) fn find_frames(bytes: &[u8]) -> Option<usize> {
    (0..bytes.len().min(MAX_JUNK)).find(|&at| {
        let Some(header) = parse(&bytes[at..]) else {
            return false;
        };
        let same = |bytes: &[u8]| {
            parse(bytes)
                .filter(|h| h.signature == header.signature)
                .map(|h| h.frame_bytes)
        };
        let (frames, end) = chain(&bytes[at..], same);
        frames >= 3 || (frames >= 1 && end == Some(bytes.len() - at))
    })
}

/// Whether `bytes` begin with two ADTS (raw AAC) frames.
pub(crate) fn looks_like_adts(bytes: &[u8]) -> bool {
    let (frames, end) = chain(bytes, adts_frame);
    frames >= 2 || (frames == 1 && end == Some(bytes.len()))
}

/// Follows up to four frames; returns how many are whole and, if the next one is no frame, where.
fn chain(bytes: &[u8], frame: impl Fn(&[u8]) -> Option<usize>) -> (usize, Option<usize>) {
    let mut at = 0;
    for frames in 0..4 {
        match bytes.get(at..).and_then(&frame) {
            Some(length) if at + length <= bytes.len() => at += length,
            Some(_) => return (frames, None),
            None => return (frames, Some(at)),
        }
    }
    (4, None)
}

/// Follows the frames in the last part of a file to its end.
fn ends_in_a_partial_frame(
    tail: &[u8],
    frame: impl Fn(&[u8]) -> Option<usize>,
) -> Option<&'static str> {
    let first = (0..tail.len()).find(|&at| chain(&tail[at..], &frame).0 >= 3)?;
    let mut at = first;
    // Each step moves on by a frame, so this ends.
    while let Some(length) = tail.get(at..).and_then(&frame) {
        at += length;
    }
    let rest = tail.len() as i64 - at as i64;
    // One to three bytes of a header cannot be told from junk, unless they begin like one.
    let stub = (1..4).contains(&rest) && tail.get(at) == Some(&0xFF);
    (rest < 0 || stub).then_some("its last frame is cut off")
}

fn parse(bytes: &[u8]) -> Option<Header> {
    const BIT_RATES: [[u16; 14]; 5] = [
        [
            32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448,
        ],
        [
            32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384,
        ],
        [
            32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320,
        ],
        [
            32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256,
        ],
        [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
    ];
    let word = be_u32(bytes, 0)?;
    if word >> 21 != 0x7FF {
        return None;
    }
    let (version, layer) = (word >> 19 & 3, word >> 17 & 3);
    let (rate_index, bit_rate_index) = (word >> 10 & 3, word >> 12 & 15);
    if version == 1 || layer == 0 || rate_index == 3 || matches!(bit_rate_index, 0 | 15) {
        return None;
    }
    let version_1 = version == 3;
    let halvings = match version {
        3 => 0,
        2 => 1,
        _ => 2,
    };
    let rate = [44_100_usize, 48_000, 32_000][rate_index as usize] >> halvings;
    let row = match (version_1, layer) {
        (true, 3) => 0,
        (true, 2) => 1,
        (true, _) => 2,
        (false, 3) => 3,
        (false, _) => 4,
    };
    let bits = usize::from(BIT_RATES[row][bit_rate_index as usize - 1]) * 1_000;
    let padding = (word >> 9 & 1) as usize;
    let (frames, frame_bytes) = match (layer, version_1) {
        (3, _) => (384, (12 * bits / rate + padding) * 4),
        (1, false) => (576, 72 * bits / rate + padding),
        _ => (1_152, 144 * bits / rate + padding),
    };
    let (signature, mono) = (word & 0xFFFE_0C00, word >> 6 & 3 == 3);
    Some(Header {
        signature,
        frame_bytes,
        frames,
        version_1,
        mono,
    })
}

fn adts_frame(bytes: &[u8]) -> Option<usize> {
    let head: &[u8; 7] = bytes.first_chunk()?;
    let sync = head[0] == 0xFF && head[1] & 0xF6 == 0xF0 && head[2] >> 2 & 15 < 13;
    let length =
        (usize::from(head[3] & 3) << 11) | (usize::from(head[4]) << 3) | usize::from(head[5] >> 5);
    (sync && length > 7).then_some(length)
}

/// MPEG frames that a Xing, Info or VBRI header announces.
fn announced_packets(frame: &[u8], header: &Header) -> Option<u64> {
    let side_info = match (header.version_1, header.mono) {
        (true, false) => 32,
        (true, true) | (false, false) => 17,
        (false, true) => 9,
    };
    let xing = frame.get(4 + side_info..)?;
    if xing.starts_with(b"Xing") || xing.starts_with(b"Info") {
        let has_count = be_u32(xing, 4)? & 1 == 1;
        return be_u32(xing, 8).filter(|_| has_count).map(u64::from);
    }
    let vbri = frame.get(36..)?;
    if vbri.starts_with(b"VBRI") {
        be_u32(vbri, 14).map(u64::from)
    } else {
        None
    }
}

fn skip_id3v2<R: Read + Seek>(input: &mut R, len: u64) -> Result<u64, DecodeError> {
    let mut at = 0;
    for _ in 0..MAX_TAGS {
        let head = read_at(input, at, 10)?;
        let &[b'I', b'D', b'3', _, _, flags, a, b, c, d] = head.as_slice() else {
            break;
        };
        let size = [a, b, c, d]
            .iter()
            .fold(0_u64, |size, byte| size << 7 | u64::from(byte & 0x7F));
        let footer = if flags & 0x10 == 0 { 0 } else { 10 };
        at = (at + 10 + size + footer).min(len);
    }
    Ok(at)
}

/// The end of the audio, without ID3v1, Lyrics3 and APE tags behind it.
fn strip_trailing_tags<R: Read + Seek>(
    input: &mut R,
    start: u64,
    len: u64,
) -> Result<u64, DecodeError> {
    let mut end = len;
    for _ in 0..MAX_TAGS {
        let at = end.saturating_sub(128).max(start);
        let tail = read_at(input, at, (end - at) as usize)?;
        let tag_bytes = trailing_tag(&tail).filter(|&bytes| bytes <= end - start);
        match tag_bytes {
            Some(bytes) => end -= bytes,
            None => break,
        }
    }
    Ok(end)
}

/// Length of the tag that `tail`, the last 128 bytes, ends with.
fn trailing_tag(tail: &[u8]) -> Option<u64> {
    if tail.len() == 128 && tail.starts_with(b"TAG") {
        return Some(128);
    }
    if let Some(footer) = tail.len().checked_sub(32).and_then(|at| tail.get(at..))
        && footer.starts_with(b"APETAGEX")
    {
        let header = if footer[23] & 0x80 == 0 { 0 } else { 32 };
        return le_u32(footer, 12).map(|size| u64::from(size) + header);
    }
    let lyrics = tail.strip_suffix(b"LYRICS200")?;
    let size = std::str::from_utf8(lyrics.get(lyrics.len().checked_sub(6)?..)?).ok()?;
    size.parse::<u64>().ok().map(|size| size + 15)
}
