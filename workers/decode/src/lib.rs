//! The decode worker: turns whatever recording was received into the platform's 16 kHz FLAC.

#![warn(missing_docs)]

pub mod audio;
mod service;

pub use service::DecodeService;
