//! Reads back the Ogg Opus files that [`OpusWriter`](crate::OpusWriter) writes.

use std::io::{Read, Seek};

use ogg::reading::{OggReadError, PacketReader};
use opusic_c::{Channels, Decoder, ErrorCode, SampleRate, multistream};

use crate::{AudioError, MAX_CHANNELS, SAMPLE_RATE_HZ, quantize};

/// Ogg Opus counts time in 48 kHz frames.
const GRANULES_PER_FRAME: u64 = 48_000 / SAMPLE_RATE_HZ as u64;
/// Frames of the longest packet, 120 ms.
const MOST_FRAMES: usize = SAMPLE_RATE_HZ as usize * 12 / 100;

/// A streaming decoder of the platform's own Ogg Opus files, at 16 kHz: it yields exactly the
/// frames that were written, starting with the first.
pub struct OpusReader<R: Read + Seek> {
    packets: PacketReader<R>,
    decoder: AnyDecoder,
    channels: usize,
    /// Frames to drop at the start: the encoder was late by so many.
    skip: usize,
    pre_skip: u64,
    /// Frames decoded, the dropped ones included.
    decoded: u64,
    ended: bool,
    samples: Vec<f32>,
    block: Vec<i16>,
}

enum AnyDecoder {
    Plain(Decoder),
    Multi(multistream::Decoder),
}

impl<R: Read + Seek> OpusReader<R> {
    /// Opens a file.
    ///
    /// # Errors
    /// A file that no [`OpusWriter`](crate::OpusWriter) wrote, or that cannot be read.
    pub fn new(source: R) -> Result<Self, AudioError> {
        let mut packets = PacketReader::new(source);
        let head = packets.read_packet_expected().map_err(read_error)?.data;
        let not_ours = AudioError::NotOurs {
            reason: "its header is another one",
        };
        if head.len() < 19 || !head.starts_with(b"OpusHead\x01") {
            return Err(not_ours);
        }
        let channels = usize::from(head[9]);
        let pre_skip = u64::from(u16::from_le_bytes([head[10], head[11]])) / GRANULES_PER_FRAME;
        let family = if channels <= 2 { 0 } else { 255 };
        if !(1..=MAX_CHANNELS).contains(&channels) || head[18] != family {
            return Err(not_ours);
        }
        packets.read_packet_expected().map_err(read_error)?;
        Ok(Self {
            packets,
            decoder: AnyDecoder::new(channels)?,
            channels,
            skip: pre_skip as usize,
            pre_skip,
            decoded: 0,
            ended: false,
            samples: vec![0.0; MOST_FRAMES * channels],
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
    /// A damaged or shortened file, or one that cannot be read.
    pub fn next_block(&mut self) -> Result<Option<&[i16]>, AudioError> {
        loop {
            let Some(packet) = self.packets.read_packet().map_err(read_error)? else {
                return if self.ended {
                    Ok(None)
                } else {
                    Err(AudioError::Damaged {
                        reason: "it ends before its announced length",
                    })
                };
            };
            let mut frames = self
                .decoder
                .decode(&packet.data, &mut self.samples)
                .map_err(|_| AudioError::Damaged {
                    reason: "an Opus packet cannot be decoded",
                })?;
            self.decoded += frames as u64;
            if packet.last_in_stream() {
                self.ended = true;
                // The end is silence that pushed the last of the audio out.
                let end = packet.absgp_page() / GRANULES_PER_FRAME;
                let surplus = self.decoded.saturating_sub(end.max(self.pre_skip));
                frames -= frames.min(surplus as usize);
            }
            let skip = self.skip.min(frames);
            self.skip -= skip;
            if skip < frames {
                let heard = &self.samples[skip * self.channels..frames * self.channels];
                self.block.clear();
                self.block.extend(heard.iter().copied().map(quantize));
                return Ok(Some(&self.block));
            }
        }
    }
}

impl AnyDecoder {
    fn new(channels: usize) -> Result<Self, AudioError> {
        let rate = SampleRate::Hz16000;
        let refused = |code: ErrorCode| AudioError::Refused {
            component: "Opus decoder",
            reason: code.message().to_owned(),
        };
        match channels {
            1 => Decoder::new(Channels::Mono, rate).map(Self::Plain),
            2 => Decoder::new(Channels::Stereo, rate).map(Self::Plain),
            3 => multi::<3>(rate),
            4 => multi::<4>(rate),
            5 => multi::<5>(rate),
            6 => multi::<6>(rate),
            7 => multi::<7>(rate),
            _ => multi::<8>(rate),
        }
        .map_err(refused)
    }

    fn decode(&mut self, packet: &[u8], samples: &mut [f32]) -> Result<usize, ErrorCode> {
        match self {
            Self::Plain(decoder) => decoder.decode_float_to_slice(packet, samples, false),
            Self::Multi(decoder) => decoder.decode_float_to_slice(packet, samples, false),
        }
    }
}

/// Independent mono streams, one for each channel.
fn multi<const N: usize>(rate: SampleRate) -> Result<AnyDecoder, ErrorCode> {
    let mapping = std::array::from_fn(|channel| channel as u8);
    let config = multistream::Config::<N>::try_new(N as u8, 0, mapping).ok_or(ErrorCode::BadArg)?;
    multistream::Decoder::new(config, rate).map(AnyDecoder::Multi)
}

fn read_error(error: OggReadError) -> AudioError {
    match error {
        OggReadError::ReadError(source) if source.kind() != std::io::ErrorKind::UnexpectedEof => {
            AudioError::Read(source)
        }
        _ => AudioError::Damaged {
            reason: "its Ogg pages are broken",
        },
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::OpusWriter;

    /// A tone on every other channel.
    fn tones(channels: usize, frames: usize) -> Vec<i16> {
        let sample = |at: usize| {
            let (frame, channel) = (at / channels, at % channels);
            if channel % 2 == 1 {
                return 0;
            }
            let hertz = 300.0 + 150.0 * channel as f64;
            let angle = std::f64::consts::TAU * hertz * frame as f64 / f64::from(SAMPLE_RATE_HZ);
            (8_000.0 * angle.sin()) as i16
        };
        (0..frames * channels).map(sample).collect()
    }

    fn read(file: &[u8]) -> Result<Vec<i16>, AudioError> {
        let mut reader = OpusReader::new(Cursor::new(file))?;
        let mut samples = Vec::new();
        while let Some(block) = reader.next_block()? {
            samples.extend_from_slice(block);
        }
        Ok(samples)
    }

    #[test]
    fn as_many_frames_are_read_as_were_written_and_as_loud() {
        for channels in 1..=MAX_CHANNELS {
            for frames in [1, 320, 16_000, 16_123] {
                let written = tones(channels, frames);
                let mut writer = OpusWriter::new(Vec::new(), channels, 64_000).unwrap();
                writer.write_i16(&written).unwrap();
                let (_, file) = writer.finish().unwrap();
                let samples = read(&file).unwrap();
                assert_eq!(samples.len(), frames * channels, "{channels} x {frames}");
                if frames < 16_000 {
                    continue;
                }
                // Each channel as loud as it was: the codec turns the phase, and mixes none.
                for channel in 0..channels {
                    let power = |samples: &[i16]| {
                        let own = samples.iter().skip(channel).step_by(channels);
                        own.map(|&sample| f64::from(sample).powi(2)).sum::<f64>()
                    };
                    let (before, after) = (power(&written), power(&samples));
                    if channel % 2 == 1 {
                        assert!(
                            after < 1e-3 * power_of_a_tone(frames),
                            "{channels}: {channel}"
                        );
                    } else {
                        assert!(after > before / 4.0 && after < before * 4.0, "{channels}");
                    }
                }
            }
        }
    }

    fn power_of_a_tone(frames: usize) -> f64 {
        frames as f64 * 8_000.0_f64.powi(2) / 2.0
    }

    #[test]
    fn what_is_cut_short_or_something_else_is_refused() {
        let mut writer = OpusWriter::new(Vec::new(), 1, 24_000).unwrap();
        writer.write_i16(&tones(1, 48_000)).unwrap();
        let (_, file) = writer.finish().unwrap();
        assert!(read(&file).is_ok());
        assert!(read(&file[..file.len() / 2]).is_err());
        assert!(read(b"OggS").is_err());
        assert!(read(&[]).is_err());
    }
}
