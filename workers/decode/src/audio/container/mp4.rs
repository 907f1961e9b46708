//! MP4, M4A and QuickTime: boxes. Finds cut files, encryption, and the edit list that says how
//! much of the encoder's delay to skip.

use std::io::{Read, Seek};

use super::{Announced, Layout, NO_HEADER, Trim, be_u32, be_u64, read_at};
use crate::audio::DecodeError;
use crate::audio::probe::Kind;

/// Boxes looked at in one file; a fragmented recording has two for each fragment.
const MAX_BOXES: usize = 200_000;
/// The index of a 6-hour recording has about 5 MiB.
const MAX_INDEX_BYTES: u64 = 64 << 20;

#[derive(Default)]
struct Track {
    is_audio: bool,
    is_encrypted: bool,
    timescale: u32,
    /// Length of the samples in `timescale` units.
    duration: u64,
    /// First edit that is not empty: length in movie units, start in `timescale` units.
    edit: Option<(u64, u64)>,
}

pub(super) fn inspect<R: Read + Seek>(input: &mut R, len: u64) -> Result<Layout, DecodeError> {
    let mut layout = Layout::new(Kind::Mp4, 0, len);
    let (mut index, mut has_data, mut at) = (None, false, 0);
    for _ in 0..MAX_BOXES {
        if at >= len {
            break;
        }
        let head = read_at(input, at, 16)?;
        let Some((name, header, size)) = box_header(&head, len - at) else {
            layout.missing = Some("it ends within a box");
            break;
        };
        if size > len - at {
            layout.missing = Some("its audio data is cut off");
        }
        match &name {
            b"moov" if layout.missing.is_some() => return Err(NO_HEADER),
            b"moov" if size > MAX_INDEX_BYTES => {
                return Err(DecodeError::Corrupt {
                    detail: "the MP4 index is impossibly large",
                });
            }
            b"moov" => index = Some(read_at(input, at + header, (size - header) as usize)?),
            b"mdat" => has_data = true,
            _ => {}
        }
        at = at.saturating_add(size);
    }
    let Some(index) = index else {
        return Err(DecodeError::Truncated {
            missing: "its index (moov), which a recorder writes last, is missing",
            announced_seconds: None,
            found_seconds: None,
        });
    };
    if !has_data {
        layout.missing = Some("its audio data (mdat) is missing");
    }
    apply_index(&index, &mut layout)?;
    Ok(layout)
}

/// Name, length of the header and whole length of a box.
fn box_header(head: &[u8], left: u64) -> Option<([u8; 4], u64, u64)> {
    let name = *head.get(4..)?.first_chunk::<4>()?;
    let (header, size) = match be_u32(head, 0)? {
        0 => (8, left),
        1 => (16, be_u64(head, 8)?),
        size => (8, u64::from(size)),
    };
    (size >= header).then_some((name, header, size))
}

/// The boxes directly within `bytes`; ends at the first that does not fit.
fn boxes(bytes: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (name, header, size) = box_header(rest, rest.len() as u64)?;
        let body = rest.get(header as usize..usize::try_from(size).ok()?)?;
        rest = &rest[size as usize..];
        Some((name, body))
    })
    .take(MAX_BOXES)
}

fn child<'a>(bytes: &'a [u8], name: &[u8; 4]) -> Option<&'a [u8]> {
    boxes(bytes)
        .find(|(found, _)| found == name)
        .map(|(_, body)| body)
}

fn apply_index(moov: &[u8], layout: &mut Layout) -> Result<(), DecodeError> {
    let movie = child(moov, b"mvhd").and_then(times);
    let tracks = boxes(moov)
        .filter(|(name, _)| name == b"trak")
        .map(|(_, body)| track(body));
    let Some(track) = tracks.into_iter().find(|track| track.is_audio) else {
        return Err(DecodeError::NoAudioTrack { container: "mp4" });
    };
    if track.is_encrypted {
        return Err(DecodeError::Encrypted {
            what: "a copy-protected (DRM) MP4 file",
        });
    }
    if let Some((timescale, duration)) = movie.filter(|&(timescale, _)| timescale > 0) {
        layout.announced = Announced::Seconds(duration as f64 / f64::from(timescale));
    }
    let movie_scale = movie.map_or(0, |(timescale, _)| timescale);
    layout.trim = edit(&track, movie_scale);
    Ok(())
}

/// The frames the edit list keeps. Its length has the movie's coarse unit (often 1 ms), so it is
/// used only where it clearly means less than the rest of the samples.
fn edit(track: &Track, movie_scale: u32) -> Trim {
    let Some((length, start)) = track.edit else {
        return Trim::Nothing;
    };
    if track.timescale == 0 || movie_scale == 0 {
        return Trim::Nothing;
    }
    let unit = 1.0 / f64::from(movie_scale);
    let skip = start as f64 / f64::from(track.timescale);
    let rest = track.duration as f64 / f64::from(track.timescale) - skip;
    let length = length as f64 * unit;
    let keep = if track.duration == 0 {
        // A fragmented file: the samples are listed elsewhere.
        None
    } else if length > 0.0 && length < rest - 2.0 * unit {
        Some(length)
    } else {
        Some(rest)
    };
    Trim::Edit { skip, keep }
}

fn track(trak: &[u8]) -> Track {
    let mut track = Track::default();
    let Some(mdia) = child(trak, b"mdia") else {
        return track;
    };
    track.is_audio = child(mdia, b"hdlr").and_then(|body| body.get(8..12)) == Some(b"soun");
    if let Some((timescale, _)) = child(mdia, b"mdhd").and_then(times) {
        track.timescale = timescale;
    }
    if let Some(stbl) = child(mdia, b"minf").and_then(|minf| child(minf, b"stbl")) {
        track.duration = child(stbl, b"stts").map_or(0, sum_durations);
        // stsd: version, flags, count, then sample entries, which are boxes named by their codec.
        let entry = child(stbl, b"stsd").and_then(|body| body.get(12..16));
        track.is_encrypted = matches!(entry, Some(b"enca" | b"encv" | b"drms"));
    }
    track.edit = child(trak, b"edts")
        .and_then(|edts| child(edts, b"elst"))
        .and_then(first_edit);
    track
}

/// Timescale and duration of an mvhd or mdhd box.
fn times(body: &[u8]) -> Option<(u32, u64)> {
    match body.first()? {
        0 => Some((be_u32(body, 12)?, u64::from(be_u32(body, 16)?))),
        _ => Some((be_u32(body, 20)?, be_u64(body, 24)?)),
    }
}

/// Sum of an stts box: count and duration for each run of samples.
fn sum_durations(body: &[u8]) -> u64 {
    let runs = body.get(8..).unwrap_or_default().chunks_exact(8);
    runs.fold(0_u64, |sum, run| {
        let (count, each) = (be_u32(run, 0).unwrap_or(0), be_u32(run, 4).unwrap_or(0));
        sum.saturating_add(u64::from(count) * u64::from(each))
    })
}

fn first_edit(body: &[u8]) -> Option<(u64, u64)> {
    let version = *body.first()?;
    let count = be_u32(body, 4)?.min(16) as usize;
    let size = if version == 0 { 12 } else { 20 };
    body.get(8..)?
        .chunks_exact(size)
        .take(count)
        .find_map(|entry| {
            let (length, start) = if version == 0 {
                (
                    u64::from(be_u32(entry, 0)?),
                    i64::from(be_u32(entry, 4)? as i32),
                )
            } else {
                (be_u64(entry, 0)?, be_u64(entry, 8)? as i64)
            };
            // A start of -1 is an empty edit: a pause in front.
            u64::try_from(start).ok().map(|start| (length, start))
        })
}
