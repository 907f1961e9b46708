//! `colloquy assets`: programs and models.

use clap::Args;
use colloquy_assets::cli::Arguments;

/// Options of `colloquy assets`.
#[derive(Debug, Args)]
pub(crate) struct Assets {
    #[command(flatten)]
    arguments: Arguments,
}

impl Assets {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        // A registry over HTTPS needs a provider of cryptography.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Ok(self.arguments.run(&mut std::io::stdout().lock())?)
    }
}
