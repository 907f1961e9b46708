//! Writes and reads back WAV of 16 bits: for systems that take nothing else.

use std::io::{self, ErrorKind, Read, Write};

use crate::{AudioError, MAX_CHANNELS, SAMPLE_RATE_HZ};

/// Bytes of the canonical header: `RIFF`, `WAVE`, `fmt ` and `data`.
const HEADER_BYTES: usize = 44;
const SAMPLE_BYTES: usize = 2;
/// Frames of a block that is read: a quarter of a second.
const BLOCK_FRAMES: usize = SAMPLE_RATE_HZ as usize / 4;

/// A streaming WAV encoder for 16 kHz audio of a length that is known before.
///
/// WAV counts its bytes in 32 bits: it holds 18 hours of two channels.
pub struct WavWriter<W: Write> {
    writer: W,
    channels: usize,
    announced: u64,
    frames: u64,
    bytes: Vec<u8>,
}

impl<W: Write> WavWriter<W> {
    /// Starts a file of so many frames.
    ///
    /// # Errors
    /// Channels other than 1 to 8, more frames than WAV can count, or a writer that fails.
    pub fn new(mut writer: W, channels: usize, frames: u64) -> Result<Self, AudioError> {
        if !(1..=MAX_CHANNELS).contains(&channels) {
            return Err(AudioError::Channels { channels });
        }
        let frame_bytes = channels * SAMPLE_BYTES;
        let data_bytes = frames
            .checked_mul(frame_bytes as u64)
            .and_then(|bytes| u32::try_from(bytes).ok())
            .filter(|bytes| *bytes <= u32::MAX - HEADER_BYTES as u32);
        let Some(data_bytes) = data_bytes else {
            return Err(AudioError::Refused {
                component: "WAV encoder",
                reason: format!("{frames} frames of {channels} channels are more than 4 GiB"),
            });
        };
        writer
            .write_all(&header(channels as u16, data_bytes))
            .map_err(AudioError::Write)?;
        Ok(Self {
            writer,
            channels,
            announced: frames,
            frames: 0,
            bytes: Vec::new(),
        })
    }

    /// Appends interleaved samples, a whole number of frames.
    ///
    /// # Errors
    /// A partial frame, or a writer that fails.
    pub fn write_i16(&mut self, samples: &[i16]) -> Result<(), AudioError> {
        if !samples.len().is_multiple_of(self.channels) {
            return Err(AudioError::PartialFrame {
                samples: samples.len(),
                channels: self.channels,
            });
        }
        self.frames += (samples.len() / self.channels) as u64;
        self.bytes.clear();
        self.bytes
            .extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
        self.writer
            .write_all(&self.bytes)
            .map_err(AudioError::Write)
    }

    /// Flushes; returns the number of frames and the writer.
    ///
    /// # Errors
    /// Another number of frames than was announced, or a writer that fails.
    pub fn finish(mut self) -> Result<(u64, W), AudioError> {
        if self.frames != self.announced {
            return Err(AudioError::Refused {
                component: "WAV encoder",
                reason: format!(
                    "{} frames instead of the announced {}",
                    self.frames, self.announced
                ),
            });
        }
        self.writer.flush().map_err(AudioError::Write)?;
        Ok((self.frames, self.writer))
    }
}

fn header(channels: u16, data_bytes: u32) -> Vec<u8> {
    let frame_bytes = channels * SAMPLE_BYTES as u16;
    let mut header = Vec::with_capacity(HEADER_BYTES);
    header.extend(b"RIFF");
    header.extend((data_bytes + HEADER_BYTES as u32 - 8).to_le_bytes());
    header.extend(b"WAVEfmt ");
    header.extend(16_u32.to_le_bytes());
    header.extend(1_u16.to_le_bytes()); // PCM
    header.extend(channels.to_le_bytes());
    header.extend(SAMPLE_RATE_HZ.to_le_bytes());
    header.extend((SAMPLE_RATE_HZ * u32::from(frame_bytes)).to_le_bytes());
    header.extend(frame_bytes.to_le_bytes());
    header.extend(16_u16.to_le_bytes()); // bits
    header.extend(b"data");
    header.extend(data_bytes.to_le_bytes());
    header
}

/// Reads what a [`WavWriter`] wrote.
pub struct WavReader<R: Read> {
    reader: R,
    channels: usize,
    left: usize,
    bytes: Vec<u8>,
    block: Vec<i16>,
}

impl<R: Read> WavReader<R> {
    /// Opens a file.
    ///
    /// # Errors
    /// A file that no [`WavWriter`] wrote, or that cannot be read.
    pub fn new(mut reader: R) -> Result<Self, AudioError> {
        let mut found = [0; HEADER_BYTES];
        reader.read_exact(&mut found).map_err(read_error)?;
        let channels = u16::from_le_bytes([found[22], found[23]]);
        let data_bytes = u32::from_le_bytes([found[40], found[41], found[42], found[43]]);
        let is_ours = (1..=MAX_CHANNELS).contains(&usize::from(channels))
            && data_bytes <= u32::MAX - HEADER_BYTES as u32
            && found[..] == header(channels, data_bytes)[..];
        if !is_ours {
            return Err(AudioError::NotOurs {
                reason: "its header is another one",
            });
        }
        Ok(Self {
            reader,
            channels: usize::from(channels),
            left: data_bytes as usize,
            bytes: Vec::new(),
            block: Vec::new(),
        })
    }

    /// Channels, 1 to 8.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// The next block, interleaved; `None` at the end.
    ///
    /// # Errors
    /// A shortened file, or one that cannot be read.
    pub fn next_block(&mut self) -> Result<Option<&[i16]>, AudioError> {
        if self.left == 0 {
            return Ok(None);
        }
        let count = self.left.min(BLOCK_FRAMES * self.channels * SAMPLE_BYTES);
        self.bytes.resize(count, 0);
        self.reader
            .read_exact(&mut self.bytes)
            .map_err(read_error)?;
        self.left -= count;
        self.block.clear();
        let samples = self.bytes.chunks_exact(SAMPLE_BYTES);
        self.block
            .extend(samples.map(|bytes| i16::from_le_bytes([bytes[0], bytes[1]])));
        Ok(Some(&self.block))
    }
}

fn read_error(error: io::Error) -> AudioError {
    if error.kind() == ErrorKind::UnexpectedEof {
        return AudioError::Damaged {
            reason: "it ends before its announced length",
        };
    }
    AudioError::Read(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_back() {
        for channels in 1..=MAX_CHANNELS {
            let samples: Vec<i16> = (0..10_001 * channels).map(|n| n as i16).collect();
            let mut writer = WavWriter::new(Vec::new(), channels, 10_001).unwrap();
            writer.write_i16(&samples[..3 * channels]).unwrap();
            writer.write_i16(&samples[3 * channels..]).unwrap();
            let (frames, file) = writer.finish().unwrap();
            assert_eq!(frames, 10_001);
            let mut reader = WavReader::new(&file[..]).unwrap();
            assert_eq!(reader.channels(), channels);
            let mut read = Vec::new();
            while let Some(block) = reader.next_block().unwrap() {
                read.extend_from_slice(block);
            }
            assert_eq!(read, samples);
            let mut short = WavReader::new(&file[..file.len() - 1]).unwrap();
            let end = std::iter::repeat_with(|| short.next_block().map(|b| b.is_some()))
                .find(|block| !matches!(block, Ok(true)));
            assert!(matches!(end, Some(Err(AudioError::Damaged { .. }))));
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert!(matches!(
            WavWriter::new(Vec::new(), 9, 1),
            Err(AudioError::Channels { channels: 9 })
        ));
        let hours = 20 * 3_600 * u64::from(SAMPLE_RATE_HZ);
        assert!(WavWriter::new(Vec::new(), 2, hours).is_err());
        let mut writer = WavWriter::new(Vec::new(), 2, 2).unwrap();
        assert!(writer.write_i16(&[0]).is_err());
        writer.write_i16(&[0, 0]).unwrap();
        assert!(writer.finish().is_err(), "a frame is missing");
        assert!(WavReader::new(&b"RIFF"[..]).is_err());
        assert!(WavReader::new(&[0; 100][..]).is_err());
    }
}
