//! colloquy-notify
