//! How the gateway serves.

use std::{net::SocketAddr, path::PathBuf};

use anyhow::Context;
use clap::Args;
use colloquy_bus::Room;
use colloquy_gateway::Watermark;
use colloquy_runtime::identity::ServerIdentity;

use super::size;

/// How the gateway serves.
#[derive(Debug, Clone, Args)]
pub(crate) struct GatewayArgs {
    /// Address that the gateway listens on
    #[arg(long, env = "COLLOQUY_LISTEN", default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,

    /// Largest recording in MiB
    #[arg(long, env = "COLLOQUY_MAX_UPLOAD_MIB", default_value_t = 512)]
    pub(crate) max_upload_mib: u64,

    /// Most that the broker stores, such as 20GiB [default: what its disk has room for]
    ///
    /// The limit of a broker that is run along; of another one, the limit of its server, where its
    /// account has none.
    #[arg(long, env = "COLLOQUY_MAX_STORAGE", value_name = "SIZE", value_parser = size)]
    pub(crate) max_storage: Option<u64>,

    /// Share of the broker's storage from which on nothing new is taken in
    #[arg(long, env = "COLLOQUY_STORAGE_HIGH_WATERMARK", default_value_t)]
    pub(crate) storage_high_watermark: Watermark,

    #[command(flatten)]
    tls: TlsArgs,
}

/// Whether the gateway's own port speaks TLS.
#[derive(Debug, Clone, Args)]
struct TlsArgs {
    /// Certificate of the gateway, PEM, with those between it and its authority: it then serves HTTPS
    /// only. Read again when it changes
    #[arg(
        long,
        env = "COLLOQUY_TLS_CERT",
        value_name = "FILE",
        requires = "tls_key"
    )]
    tls_cert: Option<PathBuf>,

    /// Private key of that certificate, PEM
    #[arg(
        long,
        env = "COLLOQUY_TLS_KEY",
        value_name = "FILE",
        requires = "tls_cert"
    )]
    tls_key: Option<PathBuf>,
}

impl GatewayArgs {
    /// What the gateway proves itself with, if its port speaks TLS.
    pub(crate) fn identity(&self) -> anyhow::Result<Option<ServerIdentity>> {
        let (Some(certificate), Some(key)) = (&self.tls.tls_cert, &self.tls.tls_key) else {
            return Ok(None);
        };
        let identity = ServerIdentity::load(certificate.clone(), key.clone())
            .context("the gateway cannot serve HTTPS")?;
        Ok(Some(identity))
    }

    /// What is known of the room of a broker that is not run along.
    pub(crate) const fn room(&self) -> Room {
        Room {
            limit_bytes: self.max_storage,
            folder: None,
        }
    }
}
