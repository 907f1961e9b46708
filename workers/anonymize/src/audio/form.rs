//! The forms in which a redacted recording is written, and how it is read back.

use std::io::{Read, Seek, Write};

use colloquy_audio::{
    AudioError, FlacReader, FlacWriter, OpusReader, OpusWriter, SAMPLE_RATE_HZ, WavReader,
    WavWriter,
};

/// Good for speech and a fifth of the lossless size.
const OPUS_BITS_PER_SECOND: u32 = 24_000;

/// In what form a redacted recording is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Format {
    /// Ogg Opus: a fifth of the lossless size, and every browser plays it.
    #[default]
    Opus,
    /// FLAC: lossless.
    Flac,
    /// WAV: for systems that take nothing else.
    Wav,
}

impl Format {
    /// The media type of a file.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Opus => "audio/ogg; codecs=opus",
            Self::Flac => "audio/flac",
            Self::Wav => "audio/wav",
        }
    }

    /// The extension of a file.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Opus => "opus",
            Self::Flac => "flac",
            Self::Wav => "wav",
        }
    }
}

/// A writer of any form.
pub(super) enum Writer<W: Write + Seek> {
    Opus(OpusWriter<W>),
    Flac(FlacWriter<W>),
    Wav(WavWriter<W>),
}

impl<W: Write + Seek> Writer<W> {
    /// Starts a file of so many frames.
    pub(super) fn new(
        format: Format,
        output: W,
        channels: usize,
        frames: u64,
    ) -> Result<Self, AudioError> {
        Ok(match format {
            Format::Opus => Self::Opus(OpusWriter::new(output, channels, OPUS_BITS_PER_SECOND)?),
            Format::Flac => Self::Flac(FlacWriter::new(output, SAMPLE_RATE_HZ, channels)?),
            Format::Wav => Self::Wav(WavWriter::new(output, channels, frames)?),
        })
    }

    pub(super) fn write(&mut self, block: &[i16]) -> Result<(), AudioError> {
        match self {
            Self::Opus(writer) => writer.write_i16(block),
            Self::Flac(writer) => writer.write_interleaved(block),
            Self::Wav(writer) => writer.write_i16(block),
        }
    }

    /// Writes the last of it; returns how many frames there are.
    pub(super) fn finish(self) -> Result<u64, AudioError> {
        match self {
            Self::Opus(writer) => Ok(writer.finish()?.0),
            Self::Flac(writer) => writer.finish(),
            Self::Wav(writer) => Ok(writer.finish()?.0),
        }
    }
}

/// Decodes a redacted recording again, block by block; returns its channels and frames.
///
/// # Errors
/// When the file is none that [`redact`](super::redact) wrote, or cannot be read, or `take` fails.
pub fn read_back<R: Read + Seek + Send + Sync>(
    file: R,
    format: Format,
    mut take: impl FnMut(&[i16]) -> Result<(), AudioError>,
) -> Result<(usize, u64), AudioError> {
    let mut samples = 0;
    let mut count = |block: &[i16]| {
        samples += block.len() as u64;
        take(block)
    };
    let channels = match format {
        Format::Opus => {
            let mut reader = OpusReader::new(file)?;
            while let Some(block) = reader.next_block()? {
                count(block)?;
            }
            reader.channels()
        }
        Format::Flac => {
            let mut reader = FlacReader::new(file)?;
            while let Some(block) = reader.next_block()? {
                count(block)?;
            }
            reader.channels()
        }
        Format::Wav => {
            let mut reader = WavReader::new(file)?;
            while let Some(block) = reader.next_block()? {
                count(block)?;
            }
            reader.channels()
        }
    };
    Ok((channels, samples / channels as u64))
}
