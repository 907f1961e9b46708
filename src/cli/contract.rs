//! `colloquy contract`: the messages, for those who write services in other languages.

use clap::{Args, Subcommand};

use super::say;

/// Options of `colloquy contract`.
#[derive(Debug, Args)]
pub(crate) struct Contract {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// JSON Schema (2020-12) of every fact and document
    Schema,
}

impl Contract {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let Action::Schema = self.action;
        say(serde_json::to_string_pretty(
            &colloquy_contract::schema::all(),
        )?);
        Ok(())
    }
}
