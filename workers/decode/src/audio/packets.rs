//! Turns packets into samples, whatever the codec.

use symphonia::core::audio::GenericAudioBufferRef;
use symphonia::core::codecs::audio::well_known::{CODEC_ID_OPUS, CODEC_ID_VORBIS};
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error;
use symphonia::core::packet::Packet;

use super::DecodeError;
use super::opus::OpusDecoder;

/// A decoder for one track.
pub(super) enum PacketDecoder {
    Symphonia {
        decoder: Box<dyn AudioDecoder>,
        name: &'static str,
    },
    Opus(OpusDecoder),
}

/// The samples of one packet.
pub(super) enum Samples<'a> {
    Buffer(GenericAudioBufferRef<'a>),
    /// Interleaved, 16 kHz.
    Opus {
        samples: &'a [f32],
        channels: usize,
    },
}

/// Why a packet has no samples.
pub(super) enum PacketError {
    /// This packet is damaged; the next may be fine.
    Damaged(&'static str),
    /// No packet of this track will decode.
    Unsupported(&'static str),
    FormatChanged,
}

impl PacketDecoder {
    /// A decoder for a track of `container`.
    pub(super) fn new(
        container: &'static str,
        params: &AudioCodecParameters,
    ) -> Result<Self, DecodeError> {
        let unsupported = |detail| DecodeError::UnsupportedCodec { container, detail };
        if params.codec == CODEC_ID_OPUS {
            let head = params.extra_data.as_deref().unwrap_or_default();
            return OpusDecoder::new(head)
                .map(Self::Opus)
                .map_err(|detail| DecodeError::Corrupt { detail });
        }
        // Only Ogg Vorbis marks its padding on packets; MP3 is trimmed by its header instead,
        // because without one the demuxer guesses the length and would trim by the guess.
        let gapless = params.codec == CODEC_ID_VORBIS;
        let options = AudioDecoderOptions::default().gapless(gapless);
        let registry = symphonia::default::get_codecs();
        let decoder = registry
            .make_audio_decoder(params, &options)
            .map_err(|e| match e {
                Error::Unsupported(detail) => unsupported(detail),
                Error::DecodeError(detail) => DecodeError::Corrupt { detail },
                _ => unsupported("its parameters are not supported"),
            })?;
        let name = decoder.codec_info().short_name;
        Ok(Self::Symphonia { decoder, name })
    }

    pub(super) fn codec_name(&self) -> &'static str {
        match self {
            Self::Symphonia { name, .. } => name,
            Self::Opus(_) => "opus",
        }
    }

    /// 16 kHz frames to drop from the start of an Opus stream.
    pub(super) fn opus_pre_skip(&self) -> Option<u64> {
        match self {
            Self::Symphonia { .. } => None,
            Self::Opus(decoder) => Some(decoder.pre_skip()),
        }
    }

    pub(super) fn decode(&mut self, packet: &Packet) -> Result<Samples<'_>, PacketError> {
        match self {
            Self::Symphonia { decoder, .. } => decoder
                .decode(packet)
                .map(Samples::Buffer)
                .map_err(packet_error),
            Self::Opus(decoder) => {
                let channels = decoder.channels();
                let samples = decoder.decode(&packet.data).map_err(PacketError::Damaged)?;
                // Ogg states the padding of the last packet in 48 kHz frames.
                let padding = packet.trim_end.get() as usize / 3 * channels;
                let samples = &samples[..samples.len().saturating_sub(padding)];
                Ok(Samples::Opus { samples, channels })
            }
        }
    }
}

fn packet_error(error: Error) -> PacketError {
    match error {
        Error::DecodeError(detail) if detail.contains("signal spec") => PacketError::FormatChanged,
        Error::ResetRequired => PacketError::FormatChanged,
        Error::DecodeError(detail) | Error::LimitError(detail) => PacketError::Damaged(detail),
        Error::Unsupported(detail) => PacketError::Unsupported(detail),
        // A packet is in memory: an I/O error means that it is too short.
        _ => PacketError::Damaged("a packet is too short"),
    }
}
