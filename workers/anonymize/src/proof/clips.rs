//! What of a redacted recording is to be heard again, as a recording of its own.

use std::{
    fs::File,
    io::{BufReader, BufWriter, Write},
    path::{Path, PathBuf},
};

use colloquy_audio::{AudioError, FlacReader, FlacWriter, SAMPLE_RATE_HZ};

use crate::{
    Cut,
    audio::{self, Format, RedactError},
    policy::Verify,
};

/// What is heard before and after a stretch: enough words that what is left of one can be told.
const MARGIN_MS: u64 = 1_500;

/// Clips closer than this on one channel are one.
const JOIN_MS: u64 = 500;

/// Silence between clips, so that they are heard apart.
const GAP_MS: u64 = 1_000;

const FRAMES_PER_MS: u64 = SAMPLE_RATE_HZ as u64 / 1_000;

/// A part of the recording, and where it lies in what is heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Clip {
    /// What of the recording it is.
    part: Cut,
    /// Where it begins in what is heard.
    at_ms: u64,
}

impl Clip {
    fn len_ms(&self) -> u64 {
        self.part.end_ms - self.part.start_ms
    }
}

/// How what is heard lies in the recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Clips {
    /// It is the recording.
    All,
    /// Parts of it, one after the other on one channel.
    Parts(Parts),
}

/// Parts of a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parts(Vec<Clip>);

impl Clips {
    /// What of the recording is heard there: channel, start and end.
    pub(crate) fn place(&self, channel: u16, start_ms: u64, end_ms: u64) -> Option<Cut> {
        let clips = match self {
            Self::All => {
                return Some(Cut {
                    channel,
                    start_ms,
                    end_ms,
                });
            }
            Self::Parts(Parts(clips)) => clips,
        };
        let middle = start_ms.midpoint(end_ms);
        let behind = clips.partition_point(|clip| clip.at_ms <= middle);
        let clip = clips.get(behind.checked_sub(1)?)?;
        let within =
            |ms: u64| clip.part.start_ms + ms.saturating_sub(clip.at_ms).min(clip.len_ms());
        Some(Cut {
            channel: clip.part.channel,
            start_ms: within(start_ms),
            end_ms: within(end_ms),
        })
    }
}

/// A recording to listen to.
#[derive(Debug)]
pub(crate) struct Listened {
    /// Its file; none if there is nothing to hear.
    pub(crate) file: Option<PathBuf>,
    pub(crate) clips: Clips,
    /// How many stretches were cut.
    pub(crate) stretches: u32,
    /// How much of the recording is heard, summed over channels.
    pub(crate) heard_ms: u64,
}

/// Reads the redacted recording back, and makes in `folder` what is to be heard of it.
pub(crate) fn prepare(
    redacted: &Path,
    format: Format,
    stretches: &[Cut],
    expected: (usize, u64),
    verify: Verify,
    folder: &Path,
) -> Result<Listened, RedactError> {
    let whole = folder.join("redacted.flac");
    let found = decode(redacted, format, expected.0, &whole)?;
    if found != expected {
        return Err(RedactError::Length {
            frames: found.1,
            announced: expected.1,
        });
    }
    let (channels, frames) = expected;
    let count = u32::try_from(stretches.len()).unwrap_or(u32::MAX);
    if verify == Verify::All {
        return Ok(Listened {
            file: Some(whole),
            clips: Clips::All,
            stretches: count,
            heard_ms: channels as u64 * frames.div_ceil(FRAMES_PER_MS),
        });
    }
    let clips = plan(stretches, frames.div_ceil(FRAMES_PER_MS));
    let file = folder.join("clips.flac");
    let is_any = !clips.is_empty();
    if is_any {
        write(&whole, &clips, &file)?;
    }
    Ok(Listened {
        file: is_any.then_some(file),
        heard_ms: clips.iter().map(Clip::len_ms).sum(),
        clips: Clips::Parts(Parts(clips)),
        stretches: count,
    })
}

fn create(path: &Path) -> Result<BufWriter<File>, RedactError> {
    let file = File::create(path).map_err(|error| RedactError::Write(AudioError::Write(error)))?;
    Ok(BufWriter::new(file))
}

fn open(path: &Path) -> Result<BufReader<File>, RedactError> {
    let file = File::open(path).map_err(|error| RedactError::Read(AudioError::Read(error)))?;
    Ok(BufReader::new(file))
}

fn decode(
    redacted: &Path,
    format: Format,
    channels: usize,
    to: &Path,
) -> Result<(usize, u64), RedactError> {
    let mut output = create(to)?;
    let writer = FlacWriter::new(&mut output, SAMPLE_RATE_HZ, channels);
    let mut writer = writer.map_err(RedactError::Write)?;
    let found = audio::read_back(open(redacted)?, format, |block| {
        writer.write_interleaved(block)
    })
    .map_err(RedactError::Read)?;
    writer.finish().map_err(RedactError::Write)?;
    let flushed = output.flush();
    flushed.map_err(|error| RedactError::Write(AudioError::Write(error)))?;
    Ok(found)
}

/// The clips of these stretches, which are in order of channel and start.
fn plan(stretches: &[Cut], duration_ms: u64) -> Vec<Clip> {
    let mut parts: Vec<Cut> = Vec::new();
    for stretch in stretches {
        let part = Cut {
            channel: stretch.channel,
            start_ms: stretch.start_ms.saturating_sub(MARGIN_MS),
            end_ms: (stretch.end_ms + MARGIN_MS).min(duration_ms),
        };
        match parts.last_mut() {
            Some(last)
                if last.channel == part.channel && part.start_ms <= last.end_ms + JOIN_MS =>
            {
                last.end_ms = last.end_ms.max(part.end_ms);
            }
            _ => parts.push(part),
        }
    }
    let mut at_ms = 0;
    let clip = |part: Cut| {
        let clip = Clip { part, at_ms };
        at_ms += clip.len_ms() + GAP_MS;
        clip
    };
    parts.into_iter().map(clip).collect()
}

/// Writes the clips one after the other.
fn write(whole: &Path, clips: &[Clip], to: &Path) -> Result<(), RedactError> {
    let mut reader = FlacReader::new(open(whole)?).map_err(RedactError::Read)?;
    let mut output = create(to)?;
    let mut writer = FlacWriter::new(&mut output, SAMPLE_RATE_HZ, 1).map_err(RedactError::Write)?;
    let (channels, frames) = (reader.channels(), reader.frames());
    let gap = vec![0_i16; (GAP_MS * FRAMES_PER_MS) as usize];
    let mut samples = Vec::new();
    for clip in clips {
        let end = (clip.part.end_ms * FRAMES_PER_MS).min(frames);
        let start = (clip.part.start_ms * FRAMES_PER_MS).min(end);
        if start == end {
            continue;
        }
        reader.seek(start).map_err(RedactError::Read)?;
        let mut left = (end - start) as usize;
        while left > 0 {
            let Some(block) = reader.next_block().map_err(RedactError::Read)? else {
                break;
            };
            let own = block.iter().skip(usize::from(clip.part.channel));
            samples.clear();
            samples.extend(own.step_by(channels).take(left));
            left -= samples.len();
            let written = writer.write_interleaved(&samples);
            written.map_err(RedactError::Write)?;
        }
        // As long as planned, so that places fit, where the recording ends within a millisecond.
        let planned = (clip.len_ms() * FRAMES_PER_MS) as usize;
        let missing = planned - (end - start) as usize + left;
        for silence in [&gap[..missing.min(gap.len())], &gap] {
            writer
                .write_interleaved(silence)
                .map_err(RedactError::Write)?;
        }
    }
    writer.finish().map_err(RedactError::Write)?;
    let flushed = output.flush();
    flushed.map_err(|error| RedactError::Write(AudioError::Write(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(channel: u16, start_ms: u64, end_ms: u64) -> Cut {
        Cut {
            channel,
            start_ms,
            end_ms,
        }
    }

    #[test]
    fn clips_have_margins_are_joined_and_tell_places() {
        let stretches = [
            cut(0, 1_000, 2_000),
            cut(0, 5_000, 6_000),
            cut(0, 20_000, 21_000),
            cut(1, 500, 900),
        ];
        let clips = plan(&stretches, 22_000);
        let parts: Vec<Cut> = clips.iter().map(|clip| clip.part).collect();
        let expected = [cut(0, 0, 7_500), cut(0, 18_500, 22_000), cut(1, 0, 2_400)];
        assert_eq!(parts, expected);
        let starts: Vec<u64> = clips.iter().map(|clip| clip.at_ms).collect();
        assert_eq!(starts, [0, 8_500, 13_000]);
        let clips = Clips::Parts(Parts(clips));
        assert_eq!(clips.place(0, 100, 200), Some(cut(0, 100, 200)));
        assert_eq!(clips.place(0, 8_400, 9_000), Some(cut(0, 18_500, 19_000)));
        assert_eq!(clips.place(0, 13_100, 99_000), Some(cut(1, 100, 2_400)));
        assert_eq!(Clips::All.place(1, 3, 4), Some(cut(1, 3, 4)));
        assert!(plan(&[], 1_000).is_empty());
    }

    #[test]
    fn what_is_heard_is_what_lies_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("in.flac");
        // Every sample of the second channel tells its millisecond.
        let frames = 10_003_u64 * FRAMES_PER_MS + 5;
        let mut file = create(&path).unwrap();
        let mut writer = FlacWriter::new(&mut file, SAMPLE_RATE_HZ, 2).unwrap();
        for frame in 0..frames {
            let ms = (frame / FRAMES_PER_MS) as i16;
            writer.write_interleaved(&[-1, ms]).unwrap();
        }
        writer.finish().unwrap();
        file.flush().unwrap();
        let stretches = [cut(1, 4_000, 4_500), cut(1, 9_000, 10_004)];
        let prepared = prepare(
            &path,
            Format::Flac,
            &stretches,
            (2, frames),
            Verify::Removed,
            folder.path(),
        )
        .unwrap();
        assert_eq!(prepared.stretches, 2);
        let mut reader = FlacReader::new(open(&prepared.file.unwrap()).unwrap()).unwrap();
        let mut heard = Vec::new();
        while let Some(block) = reader.next_block().unwrap() {
            heard.extend_from_slice(block);
        }
        for (at, &sample) in heard.iter().enumerate().filter(|(_, sample)| **sample != 0) {
            let at_ms = at as u64 / FRAMES_PER_MS;
            let place = prepared.clips.place(0, at_ms, at_ms).unwrap();
            assert_eq!((place.channel, place.start_ms), (1, sample as u64));
        }
        assert_eq!(prepared.heard_ms, 3_500 + 2_504);
        assert_eq!(
            heard.len() as u64 / FRAMES_PER_MS,
            prepared.heard_ms + 2 * GAP_MS
        );
        // A file of another length is not what was written.
        let all = |frames| {
            prepare(
                &path,
                Format::Flac,
                &stretches,
                (2, frames),
                Verify::All,
                folder.path(),
            )
        };
        assert!(matches!(all(frames + 1), Err(RedactError::Length { .. })));
        assert_eq!(all(frames).unwrap().heard_ms, 2 * 10_004);
    }
}
