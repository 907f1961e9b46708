//! colloquy-accounts
