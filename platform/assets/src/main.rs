//! Fetches the assets before the platform is built: what `deploy/setup.sh` runs.

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use colloquy_assets::cli::Arguments;

/// The programs and models that Colloquy needs
#[derive(Debug, Parser)]
#[command(name = "colloquy-assets", version)]
struct CommandLine {
    #[command(flatten)]
    arguments: Arguments,
}

fn main() -> ExitCode {
    let command_line = CommandLine::parse();
    match command_line.arguments.run(&mut io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error);
            ExitCode::FAILURE
        }
    }
}

/// Tells an error and its causes. When standard error is closed, nobody wants to know.
fn report(error: &dyn Error) {
    let mut text = format!("error: {error}\n");
    let mut cause = error.source();
    while let Some(source) = cause {
        text += &format!("  because: {source}\n");
        cause = source.source();
    }
    drop(io::stderr().write_all(text.as_bytes()));
}
