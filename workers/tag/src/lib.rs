//! colloquy-tag
