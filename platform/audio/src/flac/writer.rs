//! The file around the frames: its header, and a seek table.

use std::io::{Seek, SeekFrom, Write};

use super::frame::{BLOCK_FRAMES, FrameEncoder};
use crate::{AudioError, MAX_CHANNELS};

/// Room for the seek table, which is known only at the end.
const TABLE_BYTES: usize = 8_192;
const SEEK_POINT_BYTES: usize = 18;
/// One point a minute for 7.5 hours; a longer recording has fewer.
const MAX_SEEK_POINTS: usize = TABLE_BYTES / SEEK_POINT_BYTES - 1;
const SEEK_POINT_SECONDS: u64 = 60;
/// "fLaC" and STREAMINFO with its block header.
const INFO_BYTES: usize = 4 + 4 + 34;
/// Highest sample rate the header has room for.
const MAX_RATE_HZ: u32 = (1 << 20) - 1;

/// A streaming FLAC encoder. Holds one block; [`finish`](Self::finish) goes back and writes the
/// frame count and the seek table into the header.
///
/// Wrap a file in a [`std::io::BufWriter`], pass `&mut` of it and flush it afterwards.
pub struct FlacWriter<W: Write + Seek> {
    writer: W,
    /// Where the file begins.
    start: u64,
    sample_rate_hz: u32,
    encoder: FrameEncoder,
    /// The block that fills, by channel.
    planes: Vec<Vec<i32>>,
    frames: u64,
    /// Bytes of all FLAC frames, and of the smallest and largest.
    bytes: u64,
    min_bytes: usize,
    max_bytes: usize,
    seek_points: SeekPoints,
}

impl<W: Write + Seek> FlacWriter<W> {
    /// Starts a file at the writer's current position.
    ///
    /// # Errors
    /// Channels other than 1 to 8, a rate above 1 MHz, or a writer that fails.
    pub fn new(mut writer: W, sample_rate_hz: u32, channels: usize) -> Result<Self, AudioError> {
        if !(1..=MAX_CHANNELS).contains(&channels) {
            return Err(AudioError::Channels { channels });
        }
        if !(1..=MAX_RATE_HZ).contains(&sample_rate_hz) {
            return Err(AudioError::Refused {
                component: "FLAC encoder",
                reason: format!("{sample_rate_hz} Hz"),
            });
        }
        let start = writer.stream_position().map_err(AudioError::Write)?;
        let mut this = Self {
            writer,
            start,
            sample_rate_hz,
            encoder: FrameEncoder::new(sample_rate_hz),
            planes: vec![Vec::with_capacity(BLOCK_FRAMES); channels],
            frames: 0,
            bytes: 0,
            min_bytes: usize::MAX,
            max_bytes: 0,
            seek_points: SeekPoints::new(sample_rate_hz),
        };
        this.write_header()?;
        Ok(this)
    }

    /// Appends interleaved samples, a whole number of frames.
    ///
    /// # Errors
    /// A partial frame, or a writer that fails.
    pub fn write_interleaved(&mut self, samples: &[i16]) -> Result<(), AudioError> {
        let channels = self.planes.len();
        if !samples.len().is_multiple_of(channels) {
            return Err(AudioError::PartialFrame {
                samples: samples.len(),
                channels,
            });
        }
        let mut rest = samples;
        while !rest.is_empty() {
            let frames = self.room().min(rest.len() / channels);
            let (block, behind) = rest.split_at(frames * channels);
            for (channel, plane) in self.planes.iter_mut().enumerate() {
                let samples = block.iter().skip(channel).step_by(channels);
                plane.extend(samples.map(|&sample| i32::from(sample)));
            }
            self.filled(frames)?;
            rest = behind;
        }
        Ok(())
    }

    /// Appends one slice of equal length for each channel.
    ///
    /// # Errors
    /// [`AudioError::Refused`] if a slice is missing or its length differs, or a writer that
    /// fails.
    pub fn write_planar(&mut self, input: &[impl AsRef<[i16]>]) -> Result<(), AudioError> {
        let len = input.first().map_or(0, |plane| plane.as_ref().len());
        let equal = input.iter().all(|plane| plane.as_ref().len() == len);
        if !equal || input.len() != self.planes.len() {
            return Err(AudioError::Refused {
                component: "FLAC encoder",
                reason: "channels of different length or number".to_owned(),
            });
        }
        let mut at = 0;
        while at < len {
            let frames = self.room().min(len - at);
            for (plane, samples) in self.planes.iter_mut().zip(input) {
                let samples = &samples.as_ref()[at..at + frames];
                plane.extend(samples.iter().map(|&sample| i32::from(sample)));
            }
            self.filled(frames)?;
            at += frames;
        }
        Ok(())
    }

    /// Frames written so far.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Writes the last block and the header; returns the number of frames.
    ///
    /// # Errors
    /// [`AudioError::NoFrames`] if nothing was written, or a writer that fails.
    pub fn finish(mut self) -> Result<u64, AudioError> {
        if self.frames == 0 {
            return Err(AudioError::NoFrames);
        }
        self.write_block()?;
        let end = self.writer.stream_position().map_err(AudioError::Write)?;
        let to = SeekFrom::Start(self.start);
        self.writer.seek(to).map_err(AudioError::Write)?;
        self.write_header()?;
        let to = SeekFrom::Start(end);
        self.writer.seek(to).map_err(AudioError::Write)?;
        self.writer.flush().map_err(AudioError::Write)?;
        Ok(self.frames)
    }

    /// Frames that still fit the block: at least one.
    fn room(&self) -> usize {
        BLOCK_FRAMES - self.planes[0].len()
    }

    fn filled(&mut self, frames: usize) -> Result<(), AudioError> {
        self.frames += frames as u64;
        if self.room() == 0 {
            self.write_block()?;
        }
        Ok(())
    }

    fn write_block(&mut self) -> Result<(), AudioError> {
        let len = self.planes[0].len();
        if len == 0 {
            return Ok(());
        }
        let block = self.encoder.encode(&self.planes);
        self.writer.write_all(block).map_err(AudioError::Write)?;
        self.seek_points.add(self.frames - len as u64, self.bytes);
        self.bytes += block.len() as u64;
        self.min_bytes = self.min_bytes.min(block.len());
        self.max_bytes = self.max_bytes.max(block.len());
        for plane in &mut self.planes {
            plane.clear();
        }
        Ok(())
    }

    /// Everything in front of the frames, as far as it is known; always of the same length.
    fn write_header(&mut self) -> Result<(), AudioError> {
        let mut header = Vec::with_capacity(INFO_BYTES + 4 + TABLE_BYTES);
        header.extend(b"fLaC");
        push_block_head(&mut header, 0, 34);
        // The last block may be shorter than the least length.
        header.extend([(BLOCK_FRAMES as u16).to_be_bytes(); 2].concat());
        // Lengths of frames; 0 is "unknown".
        let min_bytes = if self.bytes == 0 { 0 } else { self.min_bytes };
        header.extend(&(min_bytes as u32).to_be_bytes()[1..]);
        header.extend(&(self.max_bytes as u32).to_be_bytes()[1..]);
        // 20 bits of sample rate, 3 of channels, 5 of sample size, 36 of frames (0: unknown).
        let frames = Some(self.frames).filter(|frames| frames >> 36 == 0);
        let channels = self.planes.len() as u64 - 1;
        let fields = u64::from(self.sample_rate_hz) << 44 | channels << 41 | 15 << 36;
        header.extend((fields | frames.unwrap_or(0)).to_be_bytes());
        header.extend([0; 16]); // no MD5
        self.seek_points.push_table(&mut header);
        self.writer.write_all(&header).map_err(AudioError::Write)
    }
}

/// The head of a metadata block that is not the last.
fn push_block_head(header: &mut Vec<u8>, kind: u8, bytes: usize) {
    header.push(kind);
    header.extend(&(bytes as u32).to_be_bytes()[1..]);
}

/// Where a reader that seeks may begin.
struct SeekPoints {
    /// Frames from one point to the next, at least.
    interval: u64,
    /// First frame of a block, and its distance in bytes from the first block.
    points: Vec<(u64, u64)>,
}

impl SeekPoints {
    fn new(sample_rate_hz: u32) -> Self {
        Self {
            interval: u64::from(sample_rate_hz) * SEEK_POINT_SECONDS,
            points: Vec::new(),
        }
    }

    fn add(&mut self, frame: u64, offset: u64) {
        let due = |points: &[(u64, u64)], interval| {
            points
                .last()
                .is_none_or(|(last, _)| frame >= last + interval)
        };
        if due(&self.points, self.interval) && self.points.len() == MAX_SEEK_POINTS {
            let mut nth = 0;
            self.points.retain(|_| {
                nth += 1;
                nth % 2 == 1
            });
            self.interval *= 2;
        }
        if due(&self.points, self.interval) {
            self.points.push((frame, offset));
        }
    }

    /// A SEEKTABLE block and padding up to the room there is.
    fn push_table(&self, header: &mut Vec<u8>) {
        const SEEKTABLE: u8 = 3;
        const LAST_PADDING: u8 = 0x80 | 1;
        let bytes = self.points.len() * SEEK_POINT_BYTES;
        push_block_head(header, SEEKTABLE, bytes);
        for (frame, offset) in &self.points {
            header.extend(frame.to_be_bytes());
            header.extend(offset.to_be_bytes());
            header.extend((BLOCK_FRAMES as u16).to_be_bytes());
        }
        let padding = TABLE_BYTES - 4 - bytes;
        push_block_head(header, LAST_PADDING, padding);
        header.resize(header.len() + padding, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seek_table_never_outgrows_its_room() {
        let mut points = SeekPoints::new(16_000);
        // 60 hours of blocks.
        for block in 0..60 * 3_600 * 16_000 / BLOCK_FRAMES as u64 {
            points.add(block * BLOCK_FRAMES as u64, block * 5_000);
        }
        assert!((MAX_SEEK_POINTS / 2..=MAX_SEEK_POINTS).contains(&points.points.len()));
        let rising = points.points.windows(2).all(|two| two[0] < two[1]);
        assert!(rising && points.points[0] == (0, 0));
        let mut header = Vec::new();
        points.push_table(&mut header);
        assert_eq!(header.len(), 4 + TABLE_BYTES);
    }
}
