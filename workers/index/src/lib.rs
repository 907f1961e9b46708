//! colloquy-index
