//! Why a recording could not be decoded.

use std::time::Duration;

use colloquy_audio::AudioError;

/// Why a recording could not be decoded. The text is for the person who sent it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// No bytes at all, or a valid file without a single sample.
    #[error("the recording is empty; check that the export finished and send it again")]
    Empty,
    /// Something else than audio.
    #[error("this is {looks_like}, not an audio recording; send the recording itself")]
    NotAudio {
        /// What it looks like, such as "a PDF document".
        looks_like: &'static str,
    },
    /// An audio or video format the platform does not read.
    #[error("{format} is not supported; send WAV, MP3, FLAC, Ogg, WebM, M4A or AIFF")]
    UnsupportedFormat {
        /// What it is.
        format: &'static str,
    },
    /// A supported container with a codec the platform does not read.
    #[error(
        "the {container} file uses an audio codec that is not supported ({detail}); \
         send it as PCM, MP3, FLAC, Opus, Vorbis or AAC-LC"
    )]
    UnsupportedCodec {
        /// The container.
        container: &'static str,
        /// What the decoder said.
        detail: &'static str,
    },
    /// A container without audio, such as a video without sound.
    #[error("the {container} file has no audio track; send a recording with sound")]
    NoAudioTrack {
        /// The container.
        container: &'static str,
    },
    /// Less in the file than it announces.
    #[error("the recording is incomplete: {missing}{}; send the whole file again",
        lengths(*announced_seconds, *found_seconds))]
    Truncated {
        /// What is missing.
        missing: &'static str,
        /// Length the file announces, where it does.
        announced_seconds: Option<f64>,
        /// Length that is there, where it could be told.
        found_seconds: Option<f64>,
    },
    /// Too much of it cannot be decoded.
    #[error("the recording is damaged: {detail}; export it again from its source")]
    Corrupt {
        /// What is wrong.
        detail: &'static str,
    },
    /// More packets than tolerated cannot be decoded.
    #[error(
        "the recording is damaged: {corrupt} of {packets} packets cannot be decoded \
         (1 % is tolerated); export it again from its source"
    )]
    TooManyCorruptPackets {
        /// Packets that failed.
        corrupt: u64,
        /// All packets.
        packets: u64,
    },
    /// Encrypted or protected.
    #[error("this is {what}; send the recording without encryption")]
    Encrypted {
        /// What it is.
        what: &'static str,
    },
    /// Longer than the limit.
    #[error("the recording is longer than the limit of {} minutes; split it", max.as_secs() / 60)]
    TooLong {
        /// The limit.
        max: Duration,
    },
    /// Larger than the limit.
    #[error("the file has {bytes} bytes, the limit is {max_bytes}; split it or compress it")]
    TooLarge {
        /// Size of the file.
        bytes: u64,
        /// The limit.
        max_bytes: u64,
    },
    /// More channels than the limit.
    #[error("the recording has {channels} channels, the limit is {max}; send fewer")]
    TooManyChannels {
        /// Channels of the recording.
        channels: usize,
        /// The limit.
        max: usize,
    },
    /// A sample rate outside the limits.
    #[error("a sample rate of {hz} Hz is not supported; send {min} to {max} Hz")]
    UnsupportedSampleRate {
        /// Rate of the recording.
        hz: u32,
        /// Lowest rate.
        min: u32,
        /// Highest rate.
        max: u32,
    },
    /// Another sample rate or number of channels in the middle.
    #[error(
        "the sample rate or the number of channels changes in the middle of the recording; \
         send the parts one by one"
    )]
    FormatChanged,
    /// [`decode`](super::decode) was told to stop.
    #[error("decoding was cancelled")]
    Cancelled,
    /// Reading the input failed: the machine's fault, worth a retry.
    #[error("reading the recording failed")]
    Read(#[source] std::io::Error),
    /// Writing the output failed: the machine's fault, worth a retry.
    #[error("writing the decoded audio failed")]
    Write(#[source] std::io::Error),
    /// The encoder or resampler failed: the machine's fault or a bug.
    #[error("encoding the decoded audio failed")]
    Encode(#[source] AudioError),
}

impl DecodeError {
    /// A name that never changes, for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::NotAudio { .. } => "not_audio",
            Self::UnsupportedFormat { .. } => "unsupported_format",
            Self::UnsupportedCodec { .. } => "unsupported_codec",
            Self::NoAudioTrack { .. } => "no_audio_track",
            Self::Truncated { .. } => "truncated",
            Self::Corrupt { .. } | Self::TooManyCorruptPackets { .. } => "corrupt",
            Self::Encrypted { .. } => "encrypted",
            Self::TooLong { .. } => "too_long",
            Self::TooLarge { .. } => "too_large",
            Self::TooManyChannels { .. } => "too_many_channels",
            Self::UnsupportedSampleRate { .. } => "unsupported_sample_rate",
            Self::FormatChanged => "format_changed",
            Self::Cancelled => "cancelled",
            Self::Read(_) => "read_failed",
            Self::Write(_) => "write_failed",
            Self::Encode(_) => "encode_failed",
        }
    }

    /// Whether the recording is at fault, so that trying again cannot help.
    pub fn is_bad_input(&self) -> bool {
        !matches!(
            self,
            Self::Cancelled | Self::Read(_) | Self::Write(_) | Self::Encode(_)
        )
    }
}

impl From<AudioError> for DecodeError {
    fn from(error: AudioError) -> Self {
        match error {
            AudioError::NoFrames => Self::Empty,
            AudioError::Write(source) => Self::Write(source),
            other => Self::Encode(other),
        }
    }
}

/// ", 12.5 s announced and 3.2 s found", as far as known.
fn lengths(announced: Option<f64>, found: Option<f64>) -> String {
    match (announced, found) {
        (Some(announced), Some(found)) => {
            format!(" ({announced:.1} s announced, {found:.1} s found)")
        }
        (Some(announced), None) => format!(" ({announced:.1} s announced)"),
        (None, Some(found)) => format!(" ({found:.1} s found)"),
        (None, None) => String::new(),
    }
}
