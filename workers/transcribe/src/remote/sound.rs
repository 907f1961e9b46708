//! Samples as a file for the upload.

use std::io::Cursor;

use colloquy_audio::FlacWriter;

use super::{RemoteError, SoundFormat};
use crate::recording::SAMPLE_RATE;

impl SoundFormat {
    /// The file's name, by whose ending servers know the format.
    pub(super) const fn file_name(self) -> &'static str {
        match self {
            Self::Flac => "audio.flac",
            Self::Wav => "audio.wav",
        }
    }

    /// The file's media type.
    pub(super) const fn media_type(self) -> &'static str {
        match self {
            Self::Flac => "audio/flac",
            Self::Wav => "audio/wav",
        }
    }
}

/// A file of one channel.
pub(super) fn encode(samples: &[i16], format: SoundFormat) -> Result<Vec<u8>, RemoteError> {
    match format {
        SoundFormat::Flac => flac(samples).map_err(RemoteError::Encode),
        SoundFormat::Wav => Ok(wav(samples)),
    }
}

fn flac(samples: &[i16]) -> Result<Vec<u8>, colloquy_audio::AudioError> {
    let mut file = Cursor::new(Vec::with_capacity(samples.len()));
    let mut writer = FlacWriter::new(&mut file, SAMPLE_RATE, 1)?;
    writer.write_interleaved(samples)?;
    writer.finish()?;
    Ok(file.into_inner())
}

/// The canonical header of 44 bytes, then the samples. Uploads are far below its 4 GiB.
fn wav(samples: &[i16]) -> Vec<u8> {
    const SAMPLE_BYTES: u32 = 2;
    let data_bytes = samples.len() as u32 * SAMPLE_BYTES;
    let mut file = Vec::with_capacity(44 + data_bytes as usize);
    file.extend(b"RIFF");
    file.extend((36 + data_bytes).to_le_bytes());
    file.extend(b"WAVEfmt ");
    file.extend(16_u32.to_le_bytes());
    // PCM, one channel.
    file.extend([1, 0, 1, 0]);
    file.extend(SAMPLE_RATE.to_le_bytes());
    file.extend((SAMPLE_RATE * SAMPLE_BYTES).to_le_bytes());
    // Bytes and bits of a sample.
    file.extend([2, 0, 16, 0]);
    file.extend(b"data");
    file.extend(data_bytes.to_le_bytes());
    file.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    file
}
