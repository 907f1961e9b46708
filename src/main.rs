//! `colloquy`: the whole platform in one program, one role or all of them.
//!
//! This is the composition root. Each subcommand is a small file of [`cli`]; [`roles`] builds the
//! services from options; everything else lives in its own crate.

mod cli;
mod demo;
mod engines;
mod memory;
mod roles;

use std::process::ExitCode;

fn main() -> ExitCode {
    memory::keep_freed();
    cli::main()
}
