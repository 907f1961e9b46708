//! Reads the platform's FLAC files block by block.

use std::io::{ErrorKind, Read, Seek};

use symphonia_bundle_flac::{FlacDecoder, FlacReader as Demuxer};
use symphonia_core::codecs::CodecParameters;
use symphonia_core::codecs::audio::{AudioDecoder, AudioDecoderOptions};
use symphonia_core::errors::Error;
use symphonia_core::formats::{FormatOptions, FormatReader, SeekMode, SeekTo};
use symphonia_core::io::{MediaSource, MediaSourceStream, MediaSourceStreamOptions};
use symphonia_core::units::Timestamp;

use crate::{AudioError, MAX_CHANNELS};

/// A streaming FLAC decoder that yields blocks of interleaved 16-bit samples, a quarter of a
/// second each in the files [`FlacWriter`](crate::FlacWriter) makes.
pub struct FlacReader<'s> {
    demuxer: Demuxer<'s>,
    decoder: FlacDecoder,
    channels: usize,
    sample_rate_hz: u32,
    frames: u64,
    /// Frame the next block begins with.
    position: u64,
    /// Frames to drop from the next packet, after a seek into its middle.
    skip: usize,
    block: Vec<i16>,
}

impl<'s> FlacReader<'s> {
    /// Opens a recording.
    ///
    /// # Errors
    /// A file that is no 16-bit FLAC file with a known length, or that cannot be read.
    pub fn new(source: impl Read + Seek + Send + Sync + 's) -> Result<Self, AudioError> {
        let source = Source::new(source).map_err(AudioError::Read)?;
        let stream = MediaSourceStream::new(Box::new(source), MediaSourceStreamOptions::default());
        let demuxer = Demuxer::try_new(stream, FormatOptions::default()).map_err(read_error)?;
        let not_ours = |reason| AudioError::NotOurs { reason };
        let track = demuxer
            .tracks()
            .first()
            .ok_or(not_ours("it has no track"))?;
        let frames = track
            .num_frames
            .ok_or(not_ours("it does not say its length"))?;
        let Some(CodecParameters::Audio(params)) = &track.codec_params else {
            return Err(not_ours("it has no audio track"));
        };
        if params.bits_per_sample != Some(16) {
            return Err(not_ours("its samples do not have 16 bits"));
        }
        let channels = params.channels.as_ref().map_or(0, |c| c.count());
        if !(1..=MAX_CHANNELS).contains(&channels) {
            return Err(AudioError::Channels { channels });
        }
        let sample_rate_hz = params.sample_rate.unwrap_or(0);
        let decoder =
            FlacDecoder::try_new(params, &AudioDecoderOptions::default()).map_err(read_error)?;
        let block = Vec::new();
        Ok(Self {
            demuxer,
            decoder,
            channels,
            sample_rate_hz,
            frames,
            position: 0,
            skip: 0,
            block,
        })
    }

    /// Channels, 1 to 8.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Frames a second.
    pub fn sample_rate_hz(&self) -> u32 {
        self.sample_rate_hz
    }

    /// Frames in the whole recording.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// The frame the next block begins with.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The next block, interleaved; `None` at the end.
    ///
    /// # Errors
    /// A damaged or shortened file, or one that cannot be read.
    pub fn next_block(&mut self) -> Result<Option<&[i16]>, AudioError> {
        loop {
            let Some(packet) = self.demuxer.next_packet().map_err(read_error)? else {
                let missing = self.position < self.frames;
                let reason = "it ends before its announced length";
                return if missing {
                    Err(AudioError::Damaged { reason })
                } else {
                    Ok(None)
                };
            };
            let decoded = self.decoder.decode(&packet).map_err(read_error)?;
            // FLAC samples come left-aligned, so this takes the 16 bits that were coded.
            decoded.copy_to_vec_interleaved::<i16>(&mut self.block);
            let frames = self.block.len() / self.channels;
            let skip = self.skip.min(frames);
            self.skip -= skip;
            if skip < frames {
                self.position += (frames - skip) as u64;
                return Ok(Some(&self.block[skip * self.channels..]));
            }
        }
    }

    /// The next block as one vector of samples in -1.0..1.0 for each channel (replacing what
    /// `planes` held); returns its frames, 0 at the end.
    ///
    /// # Errors
    /// Those of [`next_block`](Self::next_block).
    pub fn next_planar(&mut self, planes: &mut Vec<Vec<f32>>) -> Result<usize, AudioError> {
        let channels = self.channels;
        let block = self.next_block()?.unwrap_or_default();
        planes.resize_with(channels, Vec::new);
        for (channel, plane) in planes.iter_mut().enumerate() {
            plane.clear();
            let samples = block.iter().skip(channel).step_by(channels);
            plane.extend(samples.map(|&sample| f32::from(sample) / 32_768.0));
        }
        Ok(block.len() / channels)
    }

    /// Makes `frame` the first frame of the next block. Uses the seek table: cheap.
    ///
    /// # Errors
    /// A frame past the end, or a file that is damaged or cannot be read.
    pub fn seek(&mut self, frame: u64) -> Result<(), AudioError> {
        if frame >= self.frames {
            return Err(AudioError::PastEnd {
                frame,
                frames: self.frames,
            });
        }
        let track_id = self.demuxer.tracks().first().map_or(0, |track| track.id);
        let ts = Timestamp::new(frame as i64);
        let to = SeekTo::Timestamp { ts, track_id };
        let found = self
            .demuxer
            .seek(SeekMode::Accurate, to)
            .map_err(read_error)?;
        self.decoder.reset();
        let actual = u64::try_from(found.actual_ts.get()).unwrap_or(0);
        self.skip = frame.saturating_sub(actual) as usize;
        self.position = frame;
        Ok(())
    }
}

fn read_error(error: Error) -> AudioError {
    match error {
        Error::IoError(e) if e.kind() == ErrorKind::UnexpectedEof => AudioError::Damaged {
            reason: "it ends in the middle of a block",
        },
        Error::IoError(source) => AudioError::Read(source),
        Error::DecodeError(reason) | Error::Unsupported(reason) | Error::LimitError(reason) => {
            AudioError::Damaged { reason }
        }
        Error::SeekError(_) => AudioError::Damaged {
            reason: "a frame could not be found",
        },
        _ => AudioError::Damaged {
            reason: "its format changes",
        },
    }
}

/// A reader with a known length, as the demuxer wants it.
struct Source<R> {
    inner: R,
    len: u64,
}

impl<R: Read + Seek> Source<R> {
    fn new(mut inner: R) -> std::io::Result<Self> {
        let start = inner.stream_position()?;
        let len = inner.seek(std::io::SeekFrom::End(0))?;
        inner.seek(std::io::SeekFrom::Start(start))?;
        Ok(Self { inner, len })
    }
}

impl<R: Read> Read for Source<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.inner.read(buffer)
    }
}

impl<R: Seek> Seek for Source<R> {
    fn seek(&mut self, to: std::io::SeekFrom) -> std::io::Result<u64> {
        self.inner.seek(to)
    }
}

impl<R: Read + Seek + Send + Sync> MediaSource for Source<R> {
    fn is_seekable(&self) -> bool {
        true
    }

    fn byte_len(&self) -> Option<u64> {
        Some(self.len)
    }
}
