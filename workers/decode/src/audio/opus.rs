//! Opus packets, decoded straight to 16 kHz.
//!
//! Opus decodes to any of its rates by itself, so speech (coded at 16 kHz or less) is never
//! resampled at all, and 48 kHz is never computed. All of 1 to 8 channels and every mapping
//! family go through the multistream decoder of the libopus that also encodes.

use opusic_c::SampleRate;
use opusic_c::multistream::{Config, Decoder};

use colloquy_audio::SAMPLE_RATE_HZ;

/// 120 ms, the longest packet there is.
const MAX_FRAMES: usize = SAMPLE_RATE_HZ as usize * 120 / 1_000;

/// Decodes the packets of one Opus stream.
pub(super) struct OpusDecoder {
    decoder: Decoder,
    channels: usize,
    /// 16 kHz frames in front that are not part of the recording.
    pre_skip: u64,
    pcm: Vec<f32>,
}

impl OpusDecoder {
    /// Reads an identification header: `OpusHead` of Ogg and WebM, or the one the MP4 demuxer
    /// makes of `dOps`, whose numbers are big-endian.
    pub(super) fn new(head: &[u8]) -> Result<Self, &'static str> {
        const BAD_HEAD: &str = "the Opus header is damaged";
        let fields: &[u8; 11] = head
            .strip_prefix(b"OpusHead")
            .and_then(<[u8]>::first_chunk)
            .ok_or(BAD_HEAD)?;
        let is_mp4 = fields[0] == 0;
        let number = |at: usize| {
            let bytes = [fields[at], fields[at + 1]];
            if is_mp4 {
                u16::from_be_bytes(bytes)
            } else {
                u16::from_le_bytes(bytes)
            }
        };
        let channels = usize::from(fields[1]);
        let (streams, coupled, mapping) = match fields[10] {
            0 if channels <= 2 => (1, channels.saturating_sub(1) as u8, &[0, 1][..channels]),
            0 => return Err(BAD_HEAD),
            _ => match head.get(19..) {
                Some([streams, coupled, mapping @ ..]) if mapping.len() >= channels => {
                    (*streams, *coupled, &mapping[..channels])
                }
                _ => return Err(BAD_HEAD),
            },
        };
        let mut decoder = decoder(streams, coupled, mapping)?;
        let gain = i32::from(number(8) as i16);
        if gain != 0 {
            decoder.set_gain(gain).map_err(|e| e.message())?;
        }
        let pre_skip = u64::from(number(2)) * u64::from(SAMPLE_RATE_HZ) / 48_000;
        Ok(Self {
            decoder,
            channels,
            pre_skip,
            pcm: vec![0.0; MAX_FRAMES * channels],
        })
    }

    pub(super) fn channels(&self) -> usize {
        self.channels
    }

    pub(super) fn pre_skip(&self) -> u64 {
        self.pre_skip
    }

    /// The packet as interleaved samples.
    pub(super) fn decode(&mut self, packet: &[u8]) -> Result<&[f32], &'static str> {
        if packet.is_empty() {
            return Err("an empty Opus packet");
        }
        let frames = self
            .decoder
            .decode_float_to_slice(packet, &mut self.pcm, false)
            .map_err(|e| e.message())?;
        Ok(&self.pcm[..frames * self.channels])
    }
}

fn decoder(streams: u8, coupled: u8, mapping: &[u8]) -> Result<Decoder, &'static str> {
    fn of<const N: usize>(
        streams: u8,
        coupled: u8,
        mapping: &[u8],
    ) -> Result<Decoder, &'static str> {
        const BAD_MAPPING: &str = "the Opus channel mapping is damaged";
        let mapping: [u8; N] = mapping.try_into().map_err(|_| BAD_MAPPING)?;
        let config = Config::try_new(streams, coupled, mapping).ok_or(BAD_MAPPING)?;
        Decoder::new(config, SampleRate::Hz16000).map_err(|e| e.message())
    }
    match mapping.len() {
        1 => of::<1>(streams, coupled, mapping),
        2 => of::<2>(streams, coupled, mapping),
        3 => of::<3>(streams, coupled, mapping),
        4 => of::<4>(streams, coupled, mapping),
        5 => of::<5>(streams, coupled, mapping),
        6 => of::<6>(streams, coupled, mapping),
        7 => of::<7>(streams, coupled, mapping),
        8 => of::<8>(streams, coupled, mapping),
        _ => Err("Opus with more than 8 channels"),
    }
}
