//! colloquy-qualify
