//! Writes 16-bit FLAC block by block.
//!
//! The encoder is our own, because writing the platform's files took most of the time of decoding:
//! of the libraries, flac-codec 1.3 and flacenc 0.5 need eight times as long for the same files,
//! libFLAC 1.5 at level 0 three times (and a wrapper with unsafe code). What is left out, no reader
//! misses: the MD5 of the samples (each frame has a checksum, and the platform names files by their
//! SHA-256), and linear prediction, which makes files 4 % smaller.

mod bits;
mod frame;
mod plan;
mod writer;

pub use writer::FlacWriter;
