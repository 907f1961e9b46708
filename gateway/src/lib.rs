//! colloquy-gateway
