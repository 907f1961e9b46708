//! What can go wrong: only loading can. Reading text cannot fail.

use std::io;
use std::path::{Path, PathBuf};

/// Why a model cannot be used. No variant holds text that was read for entities.
#[derive(Debug, thiserror::Error)]
pub enum NerError {
    /// A file of the model cannot be read.
    #[error("cannot read {} of the model: fetch the model again", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file of the model is not of its format.
    #[error("{} of the model is damaged ({problem}): fetch the model again", .path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The model is of a kind that this crate does not run.
    #[error("{} of the model asks for {feature}, which is not supported: use en_core_web_sm, _md or _lg of version 3", .path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What it asks for.
        feature: String,
    },
}

/// Result of loading.
pub(crate) type Result<T, E = NerError> = std::result::Result<T, E>;

/// A problem that does not know yet in which file it is.
#[derive(Debug)]
pub(crate) enum Problem {
    /// The file is damaged.
    Damaged(String),
    /// The file asks for something we don't have.
    Unsupported(String),
}

impl Problem {
    /// The file is damaged.
    pub(crate) fn damaged(problem: impl Into<String>) -> Self {
        Self::Damaged(problem.into())
    }

    /// The file asks for something we don't have.
    pub(crate) fn unsupported(feature: impl Into<String>) -> Self {
        Self::Unsupported(feature.into())
    }

    /// Says in which file.
    pub(crate) fn within(self, path: &Path) -> NerError {
        let path = path.to_owned();
        match self {
            Self::Damaged(problem) => NerError::Format { path, problem },
            Self::Unsupported(feature) => NerError::Unsupported { path, feature },
        }
    }
}

/// Reads a whole file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|source| NerError::Read {
        path: path.to_owned(),
        source,
    })
}
