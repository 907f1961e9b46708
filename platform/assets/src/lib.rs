//! colloquy-assets
