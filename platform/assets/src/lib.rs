//! The programs and models that Colloquy needs: what they are, where they are, how to get them.
//!
//! Promises:
//!
//! - A file in the cache is whole: it appears under its name by a rename, after its SHA-256 was
//!   found to be the manifest's. Where it came from does not matter.
//! - Fetching twice changes nothing, and two processes that fetch at once do not collide.
//! - A download that breaks off is continued, in this run or in the next.
//! - Nothing that is downloaded is run.
//!
//! ```no_run
//! use colloquy_assets::{Cache, Manifest};
//!
//! let manifest = Manifest::embedded()?;
//! let cache = Cache::locate()?;
//! let model = cache.folder(manifest.get("whisper-base")?);
//! # Ok::<(), colloquy_assets::AssetError>(())
//! ```

mod cache;
pub mod cli;
mod digest;
mod download;
mod error;
mod fetch;
pub mod location;
mod manifest;
mod pip;
mod progress;
mod unpack;

pub use cache::{AssetReport, Cache, FileReport, FileState, list, verify};
pub use digest::Digest;
pub use error::{AssetError, Attempt, Result, SourceError};
pub use fetch::{Fetched, Fetcher, Outcome, Settings, fetch};
pub use manifest::{Asset, AssetFile, Manifest, Package, Source, platform};
pub use progress::{Event, Progress, Reporter, Silent};

/// The `nats-server` program of the cache.
///
/// # Errors
/// [`AssetError::NotFetched`] if it is not there.
pub fn nats_server() -> Result<std::path::PathBuf> {
    let folder = Cache::locate()?.require(&Manifest::embedded()?, "nats-server")?;
    Ok(folder.join("bin/nats-server"))
}
