//! Reads the structure of a recording before it is decoded: what it announces, whether all of it
//! is there, and which frames at its ends are not part of the recording.
//!
//! Nothing here reads sound, names or tags. Every walk is bounded by a number of elements.

pub(super) mod aiff;
pub(super) mod flac;
pub(super) mod matroska;
pub(super) mod mp3;
pub(super) mod mp4;
pub(super) mod ogg;
pub(super) mod wav;

use std::io::{ErrorKind, Read, Result as IoResult, Seek, SeekFrom};

use super::DecodeError;
use super::probe::Kind;

/// Structure of one recording.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) kind: Kind,
    /// The part of the file that the demuxer sees.
    pub(super) start: u64,
    pub(super) end: u64,
    /// A header made anew, which the demuxer sees in front of that part.
    pub(super) prefix: Vec<u8>,
    pub(super) announced: Announced,
    /// What is missing, if the structure already shows it.
    pub(super) missing: Option<&'static str>,
    pub(super) trim: Trim,
    /// Channels and sample rate, where known without the demuxer.
    pub(super) declared: Option<(usize, u32)>,
}

/// The length a container announces.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Announced {
    Nothing,
    /// Frames, exactly.
    Frames(u64),
    /// Packets of so many frames; one more or less is the writer's freedom.
    Packets {
        packets: u64,
        frames_each: u64,
    },
    /// About so long; for the error message only.
    Seconds(f64),
}

/// Frames that the encoder added.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Trim {
    /// What the decoder trims by itself, if anything.
    Nothing,
    /// The delay and length that the demuxer read from an MP3 header.
    Header,
    /// An MP4 edit list: start and length in seconds.
    Edit { skip: f64, keep: Option<f64> },
    /// Matroska's DiscardPadding of the last block, in seconds.
    Tail(f64),
}

impl Layout {
    fn new(kind: Kind, start: u64, end: u64) -> Self {
        let (announced, trim) = (Announced::Nothing, Trim::Nothing);
        Self {
            kind,
            start,
            end,
            prefix: Vec::new(),
            announced,
            missing: None,
            trim,
            declared: None,
        }
    }
}

/// Reads the structure of a file of the given kind.
pub(super) fn inspect<R: Read + Seek>(
    kind: Kind,
    input: &mut R,
    len: u64,
) -> Result<Layout, DecodeError> {
    match kind {
        Kind::Wav => wav::inspect(input, len),
        Kind::Aiff => aiff::inspect(input, len),
        Kind::Flac => flac::inspect(input, 0, len),
        Kind::Ogg => ogg::inspect(input, len),
        Kind::Mp3 | Kind::Adts => mp3::inspect(input, len),
        Kind::Mp4 => mp4::inspect(input, len),
        Kind::Matroska => matroska::inspect(input, len),
    }
}

/// The first bytes of the file.
pub(super) fn read_head<R: Read + Seek>(input: &mut R, len: usize) -> Result<Vec<u8>, DecodeError> {
    read_at(input, 0, len)
}

/// Reads up to `len` bytes at `offset`; fewer at the end of the file.
fn read_at<R: Read + Seek>(input: &mut R, offset: u64, len: usize) -> Result<Vec<u8>, DecodeError> {
    read_at_io(input, offset, len).map_err(DecodeError::Read)
}

fn read_at_io<R: Read + Seek>(input: &mut R, offset: u64, len: usize) -> IoResult<Vec<u8>> {
    input.seek(SeekFrom::Start(offset))?;
    let mut bytes = vec![0; len];
    let mut filled = 0;
    while filled < len {
        match input.read(&mut bytes[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

fn be_u32(bytes: &[u8], offset: usize) -> Option<u32> {
    bytes
        .get(offset..offset + 4)?
        .try_into()
        .ok()
        .map(u32::from_be_bytes)
}

fn be_u64(bytes: &[u8], offset: usize) -> Option<u64> {
    bytes
        .get(offset..offset + 8)?
        .try_into()
        .ok()
        .map(u64::from_be_bytes)
}

fn le_u16(bytes: &[u8], offset: usize) -> Option<u16> {
    bytes
        .get(offset..offset + 2)?
        .try_into()
        .ok()
        .map(u16::from_le_bytes)
}

fn le_u32(bytes: &[u8], offset: usize) -> Option<u32> {
    bytes
        .get(offset..offset + 4)?
        .try_into()
        .ok()
        .map(u32::from_le_bytes)
}

const NO_HEADER: DecodeError = DecodeError::Truncated {
    missing: "it ends within its header",
    announced_seconds: None,
    found_seconds: Some(0.0),
};
