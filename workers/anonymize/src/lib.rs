//! colloquy-anonymize
