//! colloquy-runtime
