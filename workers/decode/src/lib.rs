//! colloquy-decode
