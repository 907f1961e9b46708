//! Where the samples of a recording come from.
//!
//! A three-hour stereo call is 690 MB even as 16-bit samples. The engine therefore reads a
//! recording block by block, once to find the speech and once to fetch it, and never holds more
//! than the windows it is about to transcribe. A compressed file, or bytes in memory, can be read
//! twice at little cost.

use crate::error::Cause;

/// Samples per second of everything the engine reads.
pub const SAMPLE_RATE: u32 = 16_000;

/// A recording at [`SAMPLE_RATE`] that can be read from its start as often as asked.
pub trait Recording {
    /// How many channels it has.
    fn channels(&self) -> usize;

    /// Starts reading at the first sample.
    ///
    /// # Errors
    /// When the recording cannot be opened.
    fn open(&self) -> Result<Box<dyn Blocks + '_>, Cause>;
}

/// One reading of a [`Recording`], from start to end.
pub trait Blocks {
    /// Replaces `block` by the next samples, channels interleaved; `false` at the end.
    ///
    /// A block holds whole frames (a sample of each channel). Its size is the reader's choice; some
    /// thousands of samples are a good one.
    ///
    /// # Errors
    /// When the samples cannot be read or decoded.
    fn next_block(&mut self, block: &mut Vec<i16>) -> Result<bool, Cause>;
}

/// A recording in memory, for short ones and for tests.
#[derive(Debug, Clone, Default)]
pub struct Pcm {
    channels: Vec<Vec<i16>>,
}

impl Pcm {
    /// A recording of these channels; shorter ones end in silence.
    pub fn new(mut channels: Vec<Vec<i16>>) -> Self {
        let longest = channels.iter().map(Vec::len).max().unwrap_or(0);
        for channel in &mut channels {
            channel.resize(longest, 0);
        }
        Self { channels }
    }
}

impl Recording for Pcm {
    fn channels(&self) -> usize {
        self.channels.len()
    }

    fn open(&self) -> Result<Box<dyn Blocks + '_>, Cause> {
        Ok(Box::new(PcmBlocks {
            channels: &self.channels,
            next: 0,
        }))
    }
}

/// Frames in a block of a recording in memory: a quarter of a second.
const PCM_BLOCK_FRAMES: usize = 4_000;

struct PcmBlocks<'a> {
    channels: &'a [Vec<i16>],
    next: usize,
}

impl Blocks for PcmBlocks<'_> {
    fn next_block(&mut self, block: &mut Vec<i16>) -> Result<bool, Cause> {
        block.clear();
        let length = self.channels.first().map_or(0, Vec::len);
        let end = length.min(self.next + PCM_BLOCK_FRAMES);
        for frame in self.next..end {
            block.extend(self.channels.iter().map(|channel| channel[frame]));
        }
        let more = end > self.next;
        self.next = end;
        Ok(more)
    }
}
