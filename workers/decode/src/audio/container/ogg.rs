//! Ogg: only the first page. That the end-of-stream page is there, the demuxer tells by itself.

use std::io::{Read, Seek};

use super::{Layout, NO_HEADER, read_at};
use crate::audio::DecodeError;
use crate::audio::probe::Kind;

/// Length of a page header without its segment table, and where its checksum is.
const PAGE_HEADER: usize = 27;
const CHECKSUM: usize = 22;
/// Where an `OpusHead` has its channel mapping family.
const MAPPING_FAMILY: usize = 18;

pub(super) fn inspect<R: Read + Seek>(input: &mut R, len: u64) -> Result<Layout, DecodeError> {
    let mut page = read_at(input, 0, 1_024)?;
    let segments = usize::from(*page.get(PAGE_HEADER - 1).ok_or(NO_HEADER)?);
    let at = PAGE_HEADER + segments;
    let table = page.get(PAGE_HEADER..at).ok_or(NO_HEADER)?;
    let end = at
        + table
            .iter()
            .map(|&lacing| usize::from(lacing))
            .sum::<usize>();
    let packet = page.get(at..).ok_or(NO_HEADER)?;
    if packet.starts_with(b"Speex   ") {
        return Err(DecodeError::UnsupportedCodec {
            container: "ogg",
            detail: "Speex",
        });
    }
    let mut layout = Layout::new(Kind::Ogg, 0, len);
    // Only what the page says it holds is the packet.
    let packet = packet.get(..end - at).unwrap_or_default();
    let is_unordered = packet.starts_with(b"OpusHead") && packet.get(MAPPING_FAMILY) == Some(&255);
    if is_unordered {
        // Channels without positions. The demuxer wants positions, which nobody here reads, so it
        // is shown family 1, whose header is otherwise the same.
        page.truncate(end);
        page[at + MAPPING_FAMILY] = 1;
        page[CHECKSUM..CHECKSUM + 4].fill(0);
        let checksum = checksum(&page);
        page[CHECKSUM..CHECKSUM + 4].copy_from_slice(&checksum.to_le_bytes());
        layout.start = end as u64;
        layout.prefix = page;
    }
    Ok(layout)
}

/// The CRC-32 of Ogg: polynomial 0x04C11DB7, nothing reflected or inverted.
fn checksum(page: &[u8]) -> u32 {
    page.iter().fold(0, |crc: u32, &byte| {
        (0..8).fold(crc ^ u32::from(byte) << 24, |crc, _| {
            if crc >> 31 == 1 {
                crc << 1 ^ 0x04C1_1DB7
            } else {
                crc << 1
            }
        })
    })
}
