//! Decoding takes the same memory however long the recording is.
//!
//! The recordings are made while they are read, and what is decoded is thrown away, so that nothing
//! but the decoder takes memory. A test file of its own, because it counts that of the process.
//! `COLLOQUY_DECODE_HOURS=3` decodes as much (use `--release`); without it, ten minutes.

#![allow(
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "helpers of tests count as code outside of tests"
)]

mod common;

use std::io::{Read, Result, Seek, SeekFrom, Write};

use colloquy_decode::audio::{Limits, decode};
use common::*;
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// What decoding may take: tables, one block of each stage, and nothing that grows.
const MAX_BYTES: usize = 4 << 20;

/// A head, and then a body over and over.
struct Endless {
    head: Vec<u8>,
    body: Vec<u8>,
    len: u64,
    position: u64,
}

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let head = self.head.len() as u64;
        let rest = match self.position.checked_sub(head) {
            None => &self.head[self.position as usize..],
            Some(behind) => &self.body[(behind % self.body.len() as u64) as usize..],
        };
        let left = usize::try_from(self.len - self.position).unwrap_or(usize::MAX);
        let read = rest.len().min(buffer.len()).min(left);
        buffer[..read].copy_from_slice(&rest[..read]);
        self.position += read as u64;
        Ok(read)
    }
}

impl Seek for Endless {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        let target = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
            SeekFrom::End(by) => self.len.checked_add_signed(by),
        };
        self.position = target.unwrap().min(self.len);
        Ok(self.position)
    }
}

/// Counts what is written.
#[derive(Default)]
struct Nowhere {
    position: u64,
    len: u64,
}

impl Write for Nowhere {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        self.position += bytes.len() as u64;
        self.len = self.len.max(self.position);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

impl Seek for Nowhere {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        self.position = match to {
            SeekFrom::Start(at) => at,
            SeekFrom::Current(by) => self.position.checked_add_signed(by).unwrap(),
            SeekFrom::End(by) => self.len.checked_add_signed(by).unwrap(),
        };
        Ok(self.position)
    }
}

/// A telephone call in stereo.
fn long_wav(seconds: u64) -> Endless {
    let body: Vec<u8> = tones(8_000, 2, 8_000)
        .iter()
        .flat_map(|sample| sample.to_le_bytes())
        .collect();
    let mut head = wav16(8_000, 2, &[]);
    let bytes = body.len() as u64 * seconds;
    head[4..8].copy_from_slice(&(bytes as u32 + 36).to_le_bytes());
    head[40..44].copy_from_slice(&(bytes as u32).to_le_bytes());
    Endless {
        len: head.len() as u64 + bytes,
        head,
        body,
        position: 0,
    }
}

/// Whole frames of 36 ms, of a constant bit rate, without a header that says how many.
fn long_mp3(seconds: u64) -> Endless {
    const FRAME_BYTES: usize = 72;
    let file = fixture("no_header.mp3");
    let body = file[..file.len() - file.len() % FRAME_BYTES].to_vec();
    let frames = seconds * 1_000 / 36;
    Endless {
        head: Vec::new(),
        body,
        len: frames * FRAME_BYTES as u64,
        position: 0,
    }
}

/// The most memory that was in use at once while `input`, of about so long, was decoded.
fn peak(mut input: Endless, seconds: u64) -> usize {
    let mut output = Nowhere::default();
    MEMORY.reset_peak_usage();
    let before = MEMORY.current_usage();
    let decoded = decode(&mut input, &mut output, &Limits::default(), &|| false).unwrap();
    let peak = MEMORY.peak_usage() - before;
    assert!(decoded.duration_ms.abs_diff(seconds * 1_000) < 1_000);
    assert!(output.len > decoded.frames / 8, "something was written");
    peak
}

#[test]
fn memory_does_not_grow_with_the_recording() {
    let hours = std::env::var("COLLOQUY_DECODE_HOURS").ok();
    let long = hours.map_or(600, |hours| hours.parse::<u64>().unwrap() * 3_600);
    let short = 60;
    for name in ["wav", "mp3"] {
        let make = if name == "wav" { long_wav } else { long_mp3 };
        let (least, most) = (peak(make(short), short), peak(make(long), long));
        println!("{name}: {least} bytes for {short} s, {most} bytes for {long} s");
        assert!(most < MAX_BYTES, "{name}: {most} bytes");
        // The seek table has a point for each minute.
        let points = (long / 60) as usize * 64;
        assert!(
            most < least + points + 65_536,
            "{name}: {least} and {most} bytes"
        );
    }
}
