//! What can go wrong with the platform's own audio files.

/// Why an audio file of the platform could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum AudioError {
    /// More or fewer channels than 1 to 8.
    #[error("{channels} channels: a recording has 1 to 8")]
    Channels {
        /// The channels asked for.
        channels: usize,
    },
    /// A slice that is no whole number of frames.
    #[error("{samples} interleaved samples are no whole number of {channels}-channel frames")]
    PartialFrame {
        /// Samples in the slice.
        samples: usize,
        /// Channels of the file.
        channels: usize,
    },
    /// A pair of sample rates the resampler cannot work with.
    #[error("cannot resample from {from} Hz to {to} Hz: both must be 1 Hz to 768 kHz")]
    Rates {
        /// Rate of the input.
        from: u32,
        /// Rate of the output.
        to: u32,
    },
    /// A file without a single frame; FLAC has no way to say that.
    #[error("a recording needs at least one frame")]
    NoFrames,
    /// Not a FLAC file the platform wrote.
    #[error("not a 16-bit FLAC recording of the platform: {reason}; decode the original again")]
    NotOurs {
        /// What is different.
        reason: &'static str,
    },
    /// A FLAC frame that cannot be decoded.
    #[error("the FLAC recording is damaged: {reason}; decode the original again")]
    Damaged {
        /// What the decoder said.
        reason: &'static str,
    },
    /// A frame after the end of the recording.
    #[error("frame {frame} is past the end, the recording has {frames} frames")]
    PastEnd {
        /// The frame asked for.
        frame: u64,
        /// Frames in the recording.
        frames: u64,
    },
    /// The encoder or resampler refused its input; a bug, not a matter of the recording.
    #[error("the {component} refused its input: {reason}")]
    Refused {
        /// Which library.
        component: &'static str,
        /// What it said.
        reason: String,
    },
    /// Reading the file failed.
    #[error("reading the audio file failed")]
    Read(#[source] std::io::Error),
    /// Writing the file failed.
    #[error("writing the audio file failed")]
    Write(#[source] std::io::Error),
}
