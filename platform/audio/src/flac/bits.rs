//! Bits into bytes, highest first.

/// A growing row of bits.
#[derive(Debug, Default)]
pub(super) struct Bits {
    bytes: Vec<u8>,
    /// The last `len` bits that are not yet bytes, in the low end; what is above them is old.
    pending: u64,
    /// Always below 32 between calls.
    len: u32,
}

impl Bits {
    /// Forgets everything, but not the room.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        (self.pending, self.len) = (0, 0);
    }

    /// The bytes so far, without up to 31 bits that wait for more.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Appends the low `bits` (at most 32) of `value`, whose other bits are zero.
    #[inline]
    pub(super) fn put(&mut self, value: u32, bits: u32) {
        debug_assert!(bits <= 32 && u64::from(value) >> bits == 0);
        self.pending = self.pending << bits | u64::from(value);
        self.len += bits;
        if self.len >= 32 {
            self.len -= 32;
            let word = (self.pending >> self.len) as u32;
            self.bytes.extend_from_slice(&word.to_be_bytes());
        }
    }

    /// Appends the low `bits` of a signed number.
    #[inline]
    pub(super) fn put_signed(&mut self, value: i32, bits: u32) {
        self.put(value as u32 & (u32::MAX >> (32 - bits)), bits);
    }

    /// Appends Rice codes: the number without its low `parameter` bits in unary (zeros and a one),
    /// then those bits.
    pub(super) fn put_rice(&mut self, numbers: &[u32], parameter: u32) {
        let (stop, low) = (1_u32 << parameter, (1_u32 << parameter) - 1);
        for &number in numbers {
            let bits = (number >> parameter) + 1 + parameter;
            if bits > 32 {
                let mut zeros = number >> parameter;
                while zeros > 0 {
                    let some = zeros.min(32);
                    self.put(0, some);
                    zeros -= some;
                }
                self.put(stop | (number & low), 1 + parameter);
            } else {
                self.put(stop | (number & low), bits);
            }
        }
    }

    /// Fills the last byte with zeros, so that [`bytes`](Self::bytes) holds everything.
    pub(super) fn align(&mut self) {
        self.put(0, self.len.next_multiple_of(8) - self.len);
        while self.len > 0 {
            self.len -= 8;
            self.bytes.push((self.pending >> self.len) as u8);
        }
    }
}
