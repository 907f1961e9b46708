//! One FLAC frame: a block of 16-bit samples, with fixed predictors and Rice codes (RFC 9639).
//!
//! What costs time is left out, as far as it buys little: no linear prediction (4 % smaller
//! files), no second guess of how the two channels of a stereo recording are best combined. Every
//! loop over samples is plain arithmetic on slices, which the compiler makes vector code of.

use crc::{CRC_8_SMBUS, CRC_16_UMTS, Crc, Table};

use super::bits::Bits;
use super::plan::{Plan, Residual, Signal, ZEROS};
use crate::MAX_CHANNELS;

/// Frames in one block: 256 ms at 16 kHz, a good trade between size and seeking.
pub(super) const BLOCK_FRAMES: usize = 4_096;
/// Bits of a sample, and of the difference between two channels.
const SAMPLE_BITS: u32 = 16;
const SIDE_BITS: u32 = SAMPLE_BITS + 1;

static HEADER_CRC: Crc<u8> = Crc::<u8>::new(&CRC_8_SMBUS);
static FRAME_CRC: Crc<u16, Table<16>> = Crc::<u16, Table<16>>::new(&CRC_16_UMTS);

/// How the two channels of a stereo block are written; the number is FLAC's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stereo {
    LeftRight = 1,
    LeftSide = 8,
    SideRight = 9,
    MidSide = 10,
}

/// Makes frames; holds the room that they need.
pub(super) struct FrameEncoder {
    rate_code: u32,
    number: u64,
    bits: Bits,
    mid: Vec<i32>,
    side: Vec<i32>,
    residual: Residual,
}

impl FrameEncoder {
    pub(super) fn new(sample_rate_hz: u32) -> Self {
        Self {
            // Rates without a code of their own are looked up in the file's header.
            rate_code: match sample_rate_hz {
                8_000 => 4,
                16_000 => 5,
                _ => 0,
            },
            number: 0,
            bits: Bits::default(),
            mid: Vec::new(),
            side: Vec::new(),
            residual: Residual::default(),
        }
    }

    /// The next block as bytes: one plane of up to [`BLOCK_FRAMES`] samples for each channel. All
    /// blocks but the last have that length.
    pub(super) fn encode(&mut self, planes: &[Vec<i32>]) -> &[u8] {
        let [left, right] = planes else {
            self.header(planes[0].len(), planes.len() as u32 - 1);
            for plane in planes.iter().take(MAX_CHANNELS) {
                self.subframe(plane, SAMPLE_BITS);
            }
            return self.footer();
        };
        let stereo = choose(left, right);
        self.header(left.len(), stereo as u32);
        if stereo != Stereo::LeftRight {
            self.side.clear();
            self.side.extend(left.iter().zip(right).map(|(l, r)| l - r));
        }
        match stereo {
            Stereo::LeftRight => {
                self.subframe(left, SAMPLE_BITS);
                self.subframe(right, SAMPLE_BITS);
            }
            Stereo::LeftSide => {
                self.subframe(left, SAMPLE_BITS);
                self.side_subframe();
            }
            Stereo::SideRight => {
                self.side_subframe();
                self.subframe(right, SAMPLE_BITS);
            }
            Stereo::MidSide => {
                let mut mid = std::mem::take(&mut self.mid);
                mid.clear();
                mid.extend(left.iter().zip(right).map(|(l, r)| (l + r) >> 1));
                self.subframe(&mid, SAMPLE_BITS);
                self.mid = mid;
                self.side_subframe();
            }
        }
        self.footer()
    }

    fn header(&mut self, frames: usize, channel_code: u32) {
        // 4,096 has a code; another length follows the number in 16 bits.
        let length_code = if frames == BLOCK_FRAMES { 12 } else { 7 };
        const SYNC_FIXED_LENGTH: u32 = 0xFFF8;
        const SAMPLE_CODE: u32 = 4 << 1;
        self.bits.clear();
        self.bits.put(SYNC_FIXED_LENGTH, 16);
        self.bits.put(length_code << 4 | self.rate_code, 8);
        self.bits.put(channel_code << 4 | SAMPLE_CODE, 8);
        self.put_number();
        if length_code == 7 {
            self.bits.put(frames as u32 - 1, 16);
        }
        self.bits.align();
        let crc = HEADER_CRC.checksum(self.bits.bytes());
        self.bits.put(u32::from(crc), 8);
    }

    /// The frame's number in the manner of UTF-8, of up to 36 bits.
    fn put_number(&mut self) {
        let number = self.number;
        self.number += 1;
        if number < 0x80 {
            self.bits.put(number as u32, 8);
            return;
        }
        // With n bytes behind it, the first byte has 6 - n bits of its own.
        let behind = (1..=6)
            .find(|behind| number >> (6 * behind + 6 - behind) == 0)
            .unwrap_or(6);
        let marker = 0xFF00_u32 >> (behind + 1) & 0xFF;
        let first = (number >> (6 * behind)) as u32;
        self.bits.put(marker | first, 8);
        for byte in (0..behind).rev() {
            let low = (number >> (6 * byte)) as u32 & 0x3F;
            self.bits.put(0x80 | low, 8);
        }
    }

    fn side_subframe(&mut self) {
        let side = std::mem::take(&mut self.side);
        self.subframe(&side, SIDE_BITS);
        self.side = side;
    }

    fn subframe(&mut self, samples: &[i32], bits_per_sample: u32) {
        let plan = Plan::of(Signal::new(samples, bits_per_sample), &mut self.residual);
        // A zero, six bits of type, and whether the low bits of all samples are zero: never said.
        let mut head = |code: u32| self.bits.put(code << 1, 8);
        match plan {
            Plan::Constant => {
                head(0);
                self.bits.put_signed(samples[0], bits_per_sample);
            }
            Plan::Verbatim => {
                head(1);
                for &sample in samples {
                    self.bits.put_signed(sample, bits_per_sample);
                }
            }
            Plan::Fixed { order, partitions } => {
                head(8 | order as u32);
                for &sample in &samples[..order] {
                    self.bits.put_signed(sample, bits_per_sample);
                }
                // Two bits: Rice codes with parameters of four bits.
                self.bits.put(partitions.order, 6);
                for (numbers, parameter) in partitions.split(&self.residual, samples.len(), order) {
                    self.bits.put(parameter, 4);
                    if parameter == ZEROS {
                        self.bits.put(0, 5);
                    } else {
                        self.bits.put_rice(numbers, parameter);
                    }
                }
            }
        }
    }

    fn footer(&mut self) -> &[u8] {
        self.bits.align();
        let crc = FRAME_CRC.checksum(self.bits.bytes());
        self.bits.put(u32::from(crc), 16);
        self.bits.align();
        self.bits.bytes()
    }
}

/// How a stereo block is written smallest, by the size of its second differences.
fn choose(left: &[i32], right: &[i32]) -> Stereo {
    let (mut sums, mut block) = ([0_u64; 4], 0);
    // In parts, so that no sum of 32 bits overflows: differences have up to 19 bits.
    while block + 2 < left.len() {
        let end = (block + 1_024).min(left.len());
        let (l, r) = (&left[block..end], &right[block..end]);
        for (sum, part) in sums.iter_mut().zip(second_differences(l, r)) {
            *sum += u64::from(part);
        }
        block = end - 2;
    }
    // The bits of a channel grow with the logarithm of its sum, so of two with their product.
    let [l, r, mid, side] = sums.map(|sum| u128::from(sum) + 1);
    let options = [
        // Noise is the same either way, but only this way never grows.
        (l * r / 16 * 15, Stereo::LeftRight),
        (l * side, Stereo::LeftSide),
        (side * r, Stereo::SideRight),
        (mid * side, Stereo::MidSide),
    ];
    let smallest = options.into_iter().min_by_key(|&(product, _)| product);
    smallest.map_or(Stereo::LeftRight, |(_, stereo)| stereo)
}

/// Sums over left, right, mid and side.
fn second_differences(left: &[i32], right: &[i32]) -> [u32; 4] {
    let frames = left.len().min(right.len()).saturating_sub(2);
    let (l0, l1, l2) = (&left[..frames], &left[1..=frames], &left[2..frames + 2]);
    let (r0, r1, r2) = (&right[..frames], &right[1..=frames], &right[2..frames + 2]);
    let mut sums = [0_u32; 4];
    for n in 0..frames {
        let l = l2[n] - 2 * l1[n] + l0[n];
        let r = r2[n] - 2 * r1[n] + r0[n];
        sums[0] += l.unsigned_abs();
        sums[1] += r.unsigned_abs();
        sums[2] += ((l + r) >> 1).unsigned_abs();
        sums[3] += (l - r).unsigned_abs();
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_like_characters() {
        for character in [
            '\0',
            '\x7F',
            '\u{80}',
            '\u{7FF}',
            '\u{800}',
            '\u{FFFF}',
            '\u{10000}',
        ] {
            let mut encoder = FrameEncoder::new(16_000);
            encoder.number = u64::from(character);
            encoder.put_number();
            encoder.bits.align();
            assert_eq!(encoder.bits.bytes(), character.to_string().as_bytes());
        }
        let mut encoder = FrameEncoder::new(16_000);
        encoder.number = (1 << 36) - 1;
        encoder.put_number();
        encoder.bits.align();
        let longest = [0xFE, 0xBF, 0xBF, 0xBF, 0xBF, 0xBF, 0xBF];
        assert_eq!(encoder.bits.bytes(), longest);
    }
}
