//! `colloquy`: the whole platform in one program, one role or all of them.
//!
//! This is the composition root. Each subcommand is a small file of [`cli`]; [`roles`] builds the
//! services from options; everything else lives in its own crate.

mod cli;
mod demo;
mod engines;
mod roles;

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// Facts are many small pieces of memory that one thread makes and another one drops.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    cli::main()
}
