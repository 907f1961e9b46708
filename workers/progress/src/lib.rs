//! colloquy-progress
