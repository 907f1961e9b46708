//! FLAC: the STREAMINFO block.

use std::io::{Read, Seek};

use super::{Announced, Layout, NO_HEADER, be_u64, read_at};
use crate::audio::DecodeError;
use crate::audio::probe::Kind;

pub(super) fn inspect<R: Read + Seek>(
    input: &mut R,
    start: u64,
    len: u64,
) -> Result<Layout, DecodeError> {
    let head = read_at(input, start, 42)?;
    // "fLaC", a block header, block and frame sizes; then 20 bits of sample rate, 3 of channels,
    // 5 of sample size and 36 of total samples.
    let fields = be_u64(&head, 18)
        .filter(|_| head.len() == 42)
        .ok_or(NO_HEADER)?;
    let mut layout = Layout::new(Kind::Flac, start, len);
    let frames = fields & 0xF_FFFF_FFFF;
    if frames > 0 {
        layout.announced = Announced::Frames(frames);
    }
    Ok(layout)
}
