//! colloquy-bus
