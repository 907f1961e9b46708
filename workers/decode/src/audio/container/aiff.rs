//! AIFF and AIFF-C: IFF chunks.

use std::io::{Read, Seek};

use super::{Announced, Layout, NO_HEADER, be_u32, read_at};
use crate::audio::DecodeError;
use crate::audio::probe::Kind;

const MAX_CHUNKS: usize = 1_000;

pub(super) fn inspect<R: Read + Seek>(input: &mut R, len: u64) -> Result<Layout, DecodeError> {
    let mut layout = Layout::new(Kind::Aiff, 0, len);
    let mut at = 12;
    let mut has_sound = false;
    for _ in 0..MAX_CHUNKS {
        let header = read_at(input, at, 8)?;
        let (Some(name), Some(size)) = (header.get(..4), be_u32(&header, 4)) else {
            break;
        };
        match name {
            b"COMM" => {
                let frames = be_u32(&read_at(input, at + 8, 8)?, 2).ok_or(NO_HEADER)?;
                layout.announced = Announced::Frames(u64::from(frames));
            }
            b"SSND" => {
                has_sound = true;
                if at + 8 + u64::from(size) > len {
                    layout.missing = Some("its audio data is cut off");
                }
            }
            _ => {}
        }
        at += 8 + u64::from(size) + u64::from(size & 1);
    }
    if !has_sound {
        return Err(if at > len {
            NO_HEADER
        } else {
            DecodeError::Empty
        });
    }
    Ok(layout)
}
