//! colloquy-transcribe
