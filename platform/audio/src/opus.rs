//! Writes Ogg Opus (RFC 7845), for people to listen to.

use std::io::Write;

use ogg::writing::{PacketWriteEndInfo, PacketWriter};
use opusic_c::{
    Application, Bitrate, Channels, Encoder, ErrorCode, SampleRate, Signal, multistream,
};

use crate::{AudioError, MAX_CHANNELS, SAMPLE_RATE_HZ};

/// 20 ms, what Opus is tuned for.
const FRAME: usize = SAMPLE_RATE_HZ as usize / 50;
/// Ogg Opus counts time in 48 kHz frames.
const GRANULES_PER_FRAME: u64 = 48_000 / SAMPLE_RATE_HZ as u64;
/// Packets in an Ogg page: one second, so that a player can seek by the second.
const PACKETS_PER_PAGE: u32 = 50;
/// Largest packet of one stream by RFC 6716, with its length in front.
const MAX_PACKET_BYTES: usize = 1_277 + 2;
/// Half the effort of the best setting for a difference that telephone speech does not show.
const COMPLEXITY: u8 = 5;

/// A streaming Ogg Opus encoder for 16 kHz audio. Its file decodes to exactly as many frames as
/// were written, starting with the first.
///
/// One and two channels use mapping family 0, which every player knows. More use family 255,
/// independent channels: family 1 would make loudspeaker positions of them, and a player that
/// mixes down would lose a speaker who happens to be on "LFE".
pub struct OpusWriter<W: Write> {
    encoder: AnyEncoder,
    pages: PacketWriter<'static, W>,
    channels: usize,
    /// Interleaved input that does not yet fill a packet.
    pending: Vec<f32>,
    packet: Vec<u8>,
    /// The newest packet, held back because the last one is marked.
    held: Option<(Vec<u8>, u64)>,
    frames: u64,
    encoded: u64,
    packets: u32,
    pre_skip: u64,
}

enum AnyEncoder {
    Plain(Encoder),
    Multi(multistream::Encoder),
}

impl<W: Write> OpusWriter<W> {
    /// Starts a file; `bits_per_second` is for each channel (24 000 is good for speech).
    ///
    /// # Errors
    /// Channels other than 1 to 8, a bit rate Opus refuses, or a writer that fails.
    pub fn new(writer: W, channels: usize, bits_per_second: u32) -> Result<Self, AudioError> {
        if !(1..=MAX_CHANNELS).contains(&channels) {
            return Err(AudioError::Channels { channels });
        }
        let (encoder, lookahead) = AnyEncoder::new(channels, bits_per_second)?;
        let mut this = Self {
            encoder,
            pages: PacketWriter::new(writer),
            channels,
            pending: Vec::with_capacity(FRAME * channels),
            packet: vec![0; MAX_PACKET_BYTES * channels],
            held: None,
            frames: 0,
            encoded: 0,
            packets: 0,
            pre_skip: u64::from(lookahead) * GRANULES_PER_FRAME,
        };
        this.put(
            head(channels, this.pre_skip as u16),
            PacketWriteEndInfo::EndPage,
            0,
        )?;
        this.put(tags(), PacketWriteEndInfo::EndPage, 0)?;
        Ok(this)
    }

    /// Appends interleaved 16-bit samples, a whole number of frames.
    ///
    /// # Errors
    /// A partial frame, or a writer that fails.
    pub fn write_i16(&mut self, samples: &[i16]) -> Result<(), AudioError> {
        self.write(
            samples.iter().map(|&sample| f32::from(sample) / 32_768.0),
            samples.len(),
        )
    }

    /// Appends interleaved samples in -1.0..1.0, a whole number of frames.
    ///
    /// # Errors
    /// A partial frame, or a writer that fails.
    pub fn write_f32(&mut self, samples: &[f32]) -> Result<(), AudioError> {
        self.write(samples.iter().copied(), samples.len())
    }

    fn write(
        &mut self,
        samples: impl Iterator<Item = f32>,
        count: usize,
    ) -> Result<(), AudioError> {
        if !count.is_multiple_of(self.channels) {
            return Err(AudioError::PartialFrame {
                samples: count,
                channels: self.channels,
            });
        }
        self.frames += (count / self.channels) as u64;
        for sample in samples {
            self.pending.push(sample);
            if self.pending.len() == FRAME * self.channels {
                self.encode()?;
            }
        }
        Ok(())
    }

    /// Writes the last packets; returns the number of frames and the writer.
    ///
    /// # Errors
    /// [`AudioError::NoFrames`] if nothing was written, or a writer that fails.
    pub fn finish(mut self) -> Result<(u64, W), AudioError> {
        if self.frames == 0 {
            return Err(AudioError::NoFrames);
        }
        // The encoder is late by the pre-skip: silence pushes the end of the audio out.
        let end = self.pre_skip + self.frames * GRANULES_PER_FRAME;
        while self.encoded < end {
            self.pending.resize(FRAME * self.channels, 0.0);
            self.encode()?;
        }
        if let Some((packet, _)) = self.held.take() {
            self.put(packet, PacketWriteEndInfo::EndStream, end)?;
        }
        let mut writer = self.pages.into_inner();
        writer.flush().map_err(AudioError::Write)?;
        Ok((self.frames, writer))
    }

    /// Encodes the pending 20 ms and writes the packet before.
    fn encode(&mut self) -> Result<(), AudioError> {
        let len = self
            .encoder
            .encode(&self.pending, &mut self.packet)
            .map_err(refused)?;
        self.pending.clear();
        self.encoded += FRAME as u64 * GRANULES_PER_FRAME;
        self.packets += 1;
        let newest = (self.packet[..len].to_vec(), self.encoded);
        if let Some((packet, granule)) = self.held.replace(newest) {
            let end = if self.packets.is_multiple_of(PACKETS_PER_PAGE) {
                PacketWriteEndInfo::EndPage
            } else {
                PacketWriteEndInfo::NormalPacket
            };
            self.put(packet, end, granule)?;
        }
        Ok(())
    }

    fn put(
        &mut self,
        packet: Vec<u8>,
        end: PacketWriteEndInfo,
        granule: u64,
    ) -> Result<(), AudioError> {
        // One stream in the file: any serial will do, and a fixed one makes files reproducible.
        const SERIAL: u32 = 1;
        self.pages
            .write_packet(packet, SERIAL, end, granule)
            .map_err(AudioError::Write)
    }
}

impl AnyEncoder {
    /// The encoder and its delay in frames.
    fn new(channels: usize, bits_per_second: u32) -> Result<(Self, u32), AudioError> {
        let layout = if channels == 2 {
            Channels::Stereo
        } else {
            Channels::Mono
        };
        let (rate, voip) = (SampleRate::Hz16000, Application::Voip);
        let mut plain = Encoder::new(layout, rate, voip).map_err(refused)?;
        let lookahead = plain.get_look_ahead().map_err(refused)?;
        let bitrate = Bitrate::Value(bits_per_second.saturating_mul(channels as u32));
        if channels <= 2 {
            plain.set_bitrate(bitrate).map_err(refused)?;
            plain.set_signal(Signal::Voice).map_err(refused)?;
            plain.set_complexity(COMPLEXITY).map_err(refused)?;
            return Ok((Self::Plain(plain), lookahead));
        }
        let mut multi = multi(channels)?;
        multi.set_bitrate(bitrate).map_err(refused)?;
        multi.set_signal(Signal::Voice).map_err(refused)?;
        multi.set_complexity(COMPLEXITY).map_err(refused)?;
        Ok((Self::Multi(multi), lookahead))
    }

    fn encode(&mut self, input: &[f32], packet: &mut [u8]) -> Result<usize, ErrorCode> {
        match self {
            Self::Plain(encoder) => encoder.encode_float_to_slice(input, packet),
            Self::Multi(encoder) => encoder.encode_float_to_slice(input, packet),
        }
    }
}

/// Independent mono streams, one for each channel.
fn multi(channels: usize) -> Result<multistream::Encoder, AudioError> {
    fn of<const N: usize>() -> Result<multistream::Encoder, AudioError> {
        let mapping = std::array::from_fn(|channel| channel as u8);
        let config = multistream::Config::<N>::try_new(N as u8, 0, mapping)
            .ok_or(AudioError::Channels { channels: N })?;
        let (rate, voip) = (SampleRate::Hz16000, Application::Voip);
        multistream::Encoder::new(config, rate, voip).map_err(refused)
    }
    match channels {
        3 => of::<3>(),
        4 => of::<4>(),
        5 => of::<5>(),
        6 => of::<6>(),
        7 => of::<7>(),
        8 => of::<8>(),
        _ => Err(AudioError::Channels { channels }),
    }
}

/// The identification header.
fn head(channels: usize, pre_skip: u16) -> Vec<u8> {
    let mut head = b"OpusHead\x01".to_vec();
    head.push(channels as u8);
    head.extend(pre_skip.to_le_bytes());
    head.extend(SAMPLE_RATE_HZ.to_le_bytes());
    head.extend(0_i16.to_le_bytes()); // output gain
    if channels <= 2 {
        head.push(0);
    } else {
        head.extend([255, channels as u8, 0]);
        head.extend(0..channels as u8);
    }
    head
}

/// The comment header: the encoder's name and no comments, so nothing personal.
fn tags() -> Vec<u8> {
    const VENDOR: &[u8] = b"colloquy";
    let mut tags = b"OpusTags".to_vec();
    tags.extend((VENDOR.len() as u32).to_le_bytes());
    tags.extend(VENDOR);
    tags.extend(0_u32.to_le_bytes());
    tags
}

fn refused(code: ErrorCode) -> AudioError {
    AudioError::Refused {
        component: "Opus encoder",
        reason: code.message().to_owned(),
    }
}
