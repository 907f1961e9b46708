//! colloquy-contract
