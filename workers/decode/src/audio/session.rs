//! One recording from the first byte to the last.

use std::io::{ErrorKind, Read, Seek, Write};

use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::AudioCodecParameters;
use symphonia::core::errors::Error;
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::packet::Packet;
use symphonia::core::units::TimeBase;
use symphonia::default::formats::{
    AdtsReader, AiffReader, FlacReader, IsoMp4Reader, MkvReader, MpaReader, OggReader, WavReader,
};

use super::container::{self, Announced, Layout, Trim};
use super::packets::{PacketDecoder, PacketError, Samples};
use super::probe::{self, HEAD_BYTES, Kind};
use super::sink::{Sink, Window};
use super::source::Source;
use super::{DecodeError, Decoded, Limits, SourceInfo};

use colloquy_audio::SAMPLE_RATE_HZ;

/// Demuxers skip damage by themselves; one that fails this often in a row is stuck.
const MAX_DEMUX_ERRORS: u32 = 64;
/// Timestamps that jump by less are rounding, not loss.
const GAP_SECONDS: f64 = 0.1;

/// Decodes `input`, of `len` bytes, to `output`.
pub(super) fn run<R, W>(
    input: &mut R,
    len: u64,
    output: &mut W,
    limits: &Limits,
    cancel: &dyn Fn() -> bool,
) -> Result<Decoded, DecodeError>
where
    R: Read + Seek + Send + Sync,
    W: Write + Seek,
{
    let head = container::read_head(input, HEAD_BYTES)?;
    let kind = probe::sniff(&head)?;
    let layout = container::inspect(kind, input, len)?;
    if let Some((channels, hz)) = layout.declared {
        check(channels, hz, limits)?;
    }
    let source =
        Source::new(input, &layout.prefix, layout.start, layout.end).map_err(DecodeError::Read)?;
    let stream = MediaSourceStream::new(Box::new(source), MediaSourceStreamOptions::default());
    let demuxer = open(layout.kind, stream).map_err(|e| open_error(e, &layout))?;
    let mut session = Session::new(demuxer, &layout, limits, output)?;
    session.decode_all(cancel)?;
    session.finish(len)
}

fn open<'s>(
    kind: Kind,
    stream: MediaSourceStream<'s>,
) -> Result<Box<dyn FormatReader + 's>, Error> {
    let options = FormatOptions::default();
    Ok(match kind {
        Kind::Wav => Box::new(WavReader::try_new(stream, options)?),
        Kind::Aiff => Box::new(AiffReader::try_new(stream, options)?),
        Kind::Flac => Box::new(FlacReader::try_new(stream, options)?),
        Kind::Ogg => Box::new(OggReader::try_new(stream, options)?),
        Kind::Mp3 => Box::new(MpaReader::try_new(stream, options)?),
        Kind::Mp4 => Box::new(IsoMp4Reader::try_new(stream, options)?),
        Kind::Matroska => Box::new(MkvReader::try_new(stream, options)?),
        Kind::Adts => Box::new(AdtsReader::try_new(stream, options)?),
    })
}

fn open_error(error: Error, layout: &Layout) -> DecodeError {
    let container = layout.kind.name();
    let announced_seconds = match layout.announced {
        Announced::Seconds(seconds) => Some(seconds),
        _ => None,
    };
    let truncated = |missing| DecodeError::Truncated {
        missing,
        announced_seconds,
        found_seconds: None,
    };
    match error {
        Error::IoError(e) if e.kind() == ErrorKind::UnexpectedEof => {
            truncated(layout.missing.unwrap_or("it ends within its header"))
        }
        Error::IoError(e) if e.kind() != ErrorKind::Other => DecodeError::Read(e),
        _ if layout.missing.is_some() => truncated(layout.missing.unwrap_or_default()),
        Error::Unsupported(detail) => DecodeError::UnsupportedCodec { container, detail },
        Error::DecodeError(detail) | Error::LimitError(detail) => DecodeError::Corrupt { detail },
        _ => DecodeError::Corrupt {
            detail: "its header makes no sense",
        },
    }
}

fn check(channels: usize, hz: u32, limits: &Limits) -> Result<(), DecodeError> {
    let (min, max) = (limits.min_sample_rate_hz, limits.max_sample_rate_hz);
    if channels > limits.max_channels {
        return Err(DecodeError::TooManyChannels {
            channels,
            max: limits.max_channels,
        });
    }
    if !(min..=max).contains(&hz) {
        return Err(DecodeError::UnsupportedSampleRate { hz, min, max });
    }
    Ok(())
}

/// The state while packets flow.
struct Session<'a, 's, W: Write + Seek> {
    demuxer: Box<dyn FormatReader + 's>,
    layout: &'a Layout,
    limits: &'a Limits,
    decoder: PacketDecoder,
    track_id: u32,
    params: AudioCodecParameters,
    time_base: Option<TimeBase>,
    header_trim: (u64, Option<u64>),
    /// Handed to the sink when the first samples tell their format.
    output: Option<&'a mut W>,
    sink: Option<Sink<&'a mut W>>,
    /// Time of the first packet, and the length of what was lost before any samples.
    first_seconds: Option<f64>,
    lost_seconds: f64,
    packets: u64,
    corrupt: u64,
    last_damage: &'static str,
    /// Whether the demuxer ran out of bytes before the stream ended.
    cut: bool,
}

/// A track that can be decoded.
struct Selected {
    decoder: PacketDecoder,
    track_id: u32,
    params: AudioCodecParameters,
    time_base: Option<TimeBase>,
    header_trim: (u64, Option<u64>),
}

/// The first audio track with a codec the demuxer knows.
fn select(demuxer: &dyn FormatReader, kind: Kind) -> Result<Selected, DecodeError> {
    let container = kind.name();
    let Some(track) = demuxer.first_track_known_codec(TrackType::Audio) else {
        let unknown = demuxer.first_track(TrackType::Audio).is_some() || kind == Kind::Ogg;
        let detail = "a codec it does not name";
        return Err(match unknown {
            true => DecodeError::UnsupportedCodec { container, detail },
            false => DecodeError::NoAudioTrack { container },
        });
    };
    let Some(CodecParameters::Audio(params)) = &track.codec_params else {
        return Err(DecodeError::NoAudioTrack { container });
    };
    Ok(Selected {
        decoder: PacketDecoder::new(container, params)?,
        track_id: track.id,
        params: params.clone(),
        time_base: track.time_base,
        header_trim: (u64::from(track.delay.unwrap_or(0)), track.num_frames),
    })
}

impl<'a, 's, W: Write + Seek> Session<'a, 's, W> {
    fn new(
        demuxer: Box<dyn FormatReader + 's>,
        layout: &'a Layout,
        limits: &'a Limits,
        output: &'a mut W,
    ) -> Result<Self, DecodeError> {
        let selected = select(demuxer.as_ref(), layout.kind)?;
        let params = selected.params;
        if let (Some(channels), Some(hz)) = (&params.channels, params.sample_rate) {
            check(channels.count(), hz, limits)?;
        }
        Ok(Self {
            demuxer,
            layout,
            limits,
            decoder: selected.decoder,
            track_id: selected.track_id,
            params,
            time_base: selected.time_base,
            header_trim: selected.header_trim,
            output: Some(output),
            sink: None,
            first_seconds: None,
            lost_seconds: 0.0,
            packets: 0,
            corrupt: 0,
            last_damage: "nothing in it can be decoded",
            cut: false,
        })
    }

    fn decode_all(&mut self, cancel: &dyn Fn() -> bool) -> Result<(), DecodeError> {
        let mut errors = 0;
        loop {
            if cancel() {
                return Err(DecodeError::Cancelled);
            }
            match self.demuxer.next_packet() {
                Ok(None) => return Ok(()),
                Ok(Some(packet)) => {
                    errors = 0;
                    if packet.track_id == self.track_id {
                        self.packet(&packet)?;
                    }
                }
                Err(Error::ResetRequired) => self.next_chained_stream()?,
                Err(Error::IoError(e)) if e.kind() == ErrorKind::UnexpectedEof => {
                    self.cut = true;
                    return Ok(());
                }
                Err(Error::IoError(e)) => return Err(DecodeError::Read(e)),
                Err(Error::DecodeError(detail) | Error::LimitError(detail)) => {
                    errors += 1;
                    self.packets += 1;
                    self.corrupt += 1;
                    if errors > MAX_DEMUX_ERRORS {
                        return Err(DecodeError::Corrupt { detail });
                    }
                }
                Err(_) => {
                    return Err(DecodeError::Corrupt {
                        detail: "its structure makes no sense",
                    });
                }
            }
        }
    }

    /// A new stream begins in the same Ogg file; it must go on in the same format.
    fn next_chained_stream(&mut self) -> Result<(), DecodeError> {
        let selected = select(self.demuxer.as_ref(), self.layout.kind)?;
        self.decoder = selected.decoder;
        self.track_id = selected.track_id;
        self.time_base = selected.time_base;
        // Time starts anew: measure gaps from here.
        self.first_seconds = None;
        if let (Some(sink), Some(skip)) = (&mut self.sink, self.decoder.opus_pre_skip()) {
            sink.skip_more(skip);
        }
        Ok(())
    }

    fn packet(&mut self, packet: &Packet) -> Result<(), DecodeError> {
        self.packets += 1;
        self.fill_gap(packet)?;
        let pre_skip = self.decoder.opus_pre_skip();
        let samples = match self.decoder.decode(packet) {
            Ok(samples) => samples,
            Err(PacketError::Damaged(detail)) => return self.damaged(packet, detail),
            Err(PacketError::FormatChanged) => return Err(DecodeError::FormatChanged),
            Err(PacketError::Unsupported(detail)) => {
                let container = self.layout.kind.name();
                return Err(DecodeError::UnsupportedCodec { container, detail });
            }
        };
        let (rate, channels) = match &samples {
            Samples::Buffer(buffer) => (buffer.spec().rate(), buffer.spec().channels().count()),
            Samples::Opus { channels, .. } => (SAMPLE_RATE_HZ, *channels),
        };
        if self.sink.is_none() {
            check(
                channels,
                if pre_skip.is_some() { 48_000 } else { rate },
                self.limits,
            )?;
            let mut window = window(self.layout.trim, rate, self.header_trim);
            // The Opus header is the authority; an MP4 edit list only repeats it.
            window.skip = pre_skip.unwrap_or(window.skip);
            let Some(output) = self.output.take() else {
                return Err(DecodeError::FormatChanged);
            };
            let mut sink = Sink::new(output, rate, channels, window)?;
            sink.push_silence((self.lost_seconds * f64::from(rate)).round() as u64)?;
            self.sink = Some(sink);
        }
        let Some(sink) = &mut self.sink else {
            return Ok(());
        };
        if (sink.rate(), sink.channels()) != (rate, channels) {
            return Err(DecodeError::FormatChanged);
        }
        match samples {
            Samples::Buffer(buffer) => sink.push(&buffer)?,
            Samples::Opus { samples, .. } => sink.push_interleaved(samples)?,
        }
        self.check_duration()
    }

    fn check_duration(&self) -> Result<(), DecodeError> {
        let max = self.limits.max_duration;
        // A second of grace for encoder delay that is trimmed later.
        if self.found_seconds() > max.as_secs_f64() + 1.0 {
            return Err(DecodeError::TooLong { max });
        }
        Ok(())
    }

    /// Replaces a packet that cannot be decoded by silence.
    fn damaged(&mut self, packet: &Packet, detail: &'static str) -> Result<(), DecodeError> {
        self.corrupt += 1;
        self.last_damage = detail;
        let ticks = packet.block_dur().get() as f64;
        self.silence(
            self.time_base
                .map_or(0.0, |base| ticks * seconds_per_tick(base)),
        )
    }

    fn silence(&mut self, seconds: f64) -> Result<(), DecodeError> {
        if self.found_seconds() + seconds > self.limits.max_duration.as_secs_f64() + 1.0 {
            return Err(DecodeError::TooLong {
                max: self.limits.max_duration,
            });
        }
        match &mut self.sink {
            Some(sink) => sink.push_silence((seconds * f64::from(sink.rate())).round() as u64)?,
            None => self.lost_seconds += seconds,
        }
        Ok(())
    }

    /// Where the container keeps time, puts silence in place of packets that are missing.
    fn fill_gap(&mut self, packet: &Packet) -> Result<(), DecodeError> {
        if !matches!(self.layout.kind, Kind::Ogg | Kind::Matroska | Kind::Flac) {
            return Ok(());
        }
        let Some(base) = self.time_base else {
            return Ok(());
        };
        let now = packet.pts.get() as f64 * seconds_per_tick(base);
        let found = self.found_seconds();
        let first = *self.first_seconds.get_or_insert(now - found);
        let gap = now - first - found;
        if gap < GAP_SECONDS {
            return Ok(());
        }
        // WebM recorders leave silence out on purpose; elsewhere a gap is damage.
        if self.layout.kind != Kind::Matroska {
            let each = packet.block_dur().get() as f64 * seconds_per_tick(base);
            let lost = if each > 0.0 {
                (gap / each).round() as u64
            } else {
                1
            };
            self.packets += lost;
            self.corrupt += lost;
        }
        self.silence(gap)
    }

    /// Length of what was decoded, before trimming.
    fn found_seconds(&self) -> f64 {
        match &self.sink {
            Some(sink) => sink.frames_in() as f64 / f64::from(sink.rate()),
            None => self.lost_seconds,
        }
    }

    fn finish(self, input_bytes: u64) -> Result<Decoded, DecodeError> {
        self.check_complete()?;
        if self.corrupt > 1 && self.corrupt * 100 > self.packets {
            let (corrupt, packets) = (self.corrupt, self.packets);
            return Err(DecodeError::TooManyCorruptPackets { corrupt, packets });
        }
        let is_opus = self.decoder.opus_pre_skip().is_some();
        let codec = self.decoder.codec_name();
        let Some(sink) = self.sink else {
            let detail = self.last_damage;
            let nothing = self.corrupt == 0;
            return Err(if nothing {
                DecodeError::Empty
            } else {
                DecodeError::Corrupt { detail }
            });
        };
        let (rate, channels) = (sink.rate(), sink.channels());
        let (frames, levels) = sink.finish()?;
        let duration_ms =
            (frames * 1_000 + u64::from(SAMPLE_RATE_HZ) / 2) / u64::from(SAMPLE_RATE_HZ);
        Ok(Decoded {
            duration_ms,
            frames,
            channels,
            source: SourceInfo {
                container: self.layout.kind.name(),
                codec,
                sample_rate_hz: if is_opus { 48_000 } else { rate },
                bits_per_sample: self.params.bits_per_sample,
                bits_per_second: input_bytes * 8_000 / duration_ms.max(1),
                input_bytes,
            },
            corrupt_packets: self.corrupt,
            output_bytes: 0,
            levels,
        })
    }

    /// Compares what was found with what was announced.
    fn check_complete(&self) -> Result<(), DecodeError> {
        let found = self.found_seconds();
        let rate = self.sink.as_ref().map_or(0, Sink::rate);
        let seconds = |frames: u64| frames as f64 / f64::from(rate.max(1));
        let frames_in = self.sink.as_ref().map_or(0, Sink::frames_in);
        let (announced, short) = match self.layout.announced {
            Announced::Nothing => (None, false),
            Announced::Seconds(seconds) => (Some(seconds), false),
            Announced::Frames(frames) => (Some(seconds(frames)), frames_in < frames),
            Announced::Packets {
                packets,
                frames_each,
            } => (
                Some(seconds(packets * frames_each)),
                self.packets + 1 < packets,
            ),
        };
        if !short && !self.cut && self.layout.missing.is_none() {
            return Ok(());
        }
        let missing = self.layout.missing.unwrap_or(match self.layout.kind {
            Kind::Ogg => "it ends without its last (end-of-stream) page",
            _ => "its audio data is cut off",
        });
        let announced_seconds = announced.filter(|_| rate > 0);
        Err(DecodeError::Truncated {
            missing,
            announced_seconds,
            found_seconds: Some(found),
        })
    }
}

/// What to trim, in frames of the given rate.
fn window(trim: Trim, rate: u32, (delay, frames): (u64, Option<u64>)) -> Window {
    let count = |seconds: f64| (seconds.max(0.0) * f64::from(rate)).round() as u64;
    match trim {
        Trim::Nothing => Window::default(),
        Trim::Header => Window {
            skip: delay,
            keep: frames,
            tail: 0,
        },
        Trim::Edit { skip, keep } => Window {
            skip: count(skip),
            keep: keep.map(count),
            tail: 0,
        },
        // No codec pads more than a packet; a second bounds what is held back.
        Trim::Tail(seconds) => Window {
            tail: count(seconds.min(1.0)) as usize,
            ..Window::default()
        },
    }
}

fn seconds_per_tick(base: TimeBase) -> f64 {
    f64::from(base.numer.get()) / f64::from(base.denom.get())
}
