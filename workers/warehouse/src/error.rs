//! What can go wrong in the warehouse.

use std::{io, path::PathBuf};

use colloquy_bus::BusError;
pub(crate) use colloquy_bus::chain;
use parquet::errors::ParquetError;

/// Result of the warehouse's work.
pub type Result<T> = std::result::Result<T, WarehouseError>;

/// What can go wrong in the warehouse. None of it holds a row's content.
#[derive(Debug, thiserror::Error)]
pub enum WarehouseError {
    /// The options contradict themselves.
    #[error("the warehouse cannot be opened: {0}")]
    Options(&'static str),
    /// Another process has the folder.
    #[error("another process uses the warehouse folder {path}; stop it or choose another folder")]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// A file or folder cannot be used.
    #[error("cannot {operation} {path}; is the disk full or not writable?")]
    Folder {
        /// What was tried.
        operation: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A Parquet file cannot be written.
    #[error("cannot write {path}; is the disk full?")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the library says.
        source: ParquetError,
    },
    /// A Parquet file cannot be read.
    #[error(
        "the file {path} is damaged; delete the warehouse's folder: it is rebuilt from the log"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What the library says.
        source: ParquetError,
    },
    /// The place up to which the log was read cannot be understood.
    #[error("{path} is damaged; delete the warehouse's folder: it is rebuilt from the log")]
    Place {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        source: serde_json::Error,
    },
    /// The warehouse holds facts that the log does not.
    #[error(
        "the warehouse has read {stream} up to fact {held}, but the log ends at {last}: it belongs \
         to another broker. Check the broker's address, or delete {path}: it is rebuilt from the log"
    )]
    AheadOfLog {
        /// The folder.
        path: PathBuf,
        /// The stream.
        stream: &'static str,
        /// The warehouse's place.
        held: u64,
        /// The log's end.
        last: u64,
    },
    /// The broker.
    #[error("the warehouse cannot reach what it needs on the broker")]
    Bus(#[from] BusError),
    /// Work on the files ended in the middle, which is a bug.
    #[error("work on the warehouse's files was interrupted")]
    Interrupted,
    /// It was told to stop before it was done; it goes on there when it is started again.
    #[error("the warehouse was told to stop")]
    Stopped,
}

impl WarehouseError {
    /// For `map_err` of operations on files.
    pub(crate) fn folder(
        operation: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Folder {
            operation,
            path,
            source,
        }
    }
}
