//! What can go wrong in an index node.

use std::{io, path::PathBuf};

use colloquy_bus::BusError;
pub(crate) use colloquy_bus::chain;

/// Result of an index node's work.
pub type Result<T> = std::result::Result<T, IndexError>;

/// What can go wrong in an index node. None of it holds words of a query or a conversation.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// The options contradict themselves.
    #[error("the index cannot be opened: {0}")]
    Options(&'static str),
    /// Another process has the folder.
    #[error("another process uses the index folder {path}; stop it or choose another folder")]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// The folder cannot be used.
    #[error("cannot {operation} the index folder {path}")]
    Folder {
        /// What was tried.
        operation: &'static str,
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The index is damaged.
    #[error("the index in {path} is damaged; delete that folder: it is rebuilt from the log")]
    Damaged {
        /// The folder.
        path: PathBuf,
        /// What Tantivy says.
        source: Box<tantivy::TantivyError>,
    },
    /// The index holds facts that the log does not.
    #[error(
        "the index has read up to fact {indexed}, but the log ends at {last}: it belongs to \
         another broker. Check the broker's address, or delete {path}: it is rebuilt from the log"
    )]
    AheadOfLog {
        /// The folder.
        path: PathBuf,
        /// The index's place.
        indexed: u64,
        /// The log's end.
        last: u64,
    },
    /// The index could not be written; what was committed before stands.
    #[error("cannot write the index; is the disk full?")]
    Write(#[source] Box<tantivy::TantivyError>),
    /// The index could not be read.
    #[error("cannot read the index")]
    Read(#[source] Box<tantivy::TantivyError>),
    /// A document could not be turned into its stored form or back.
    #[error("cannot convert a stored document")]
    Document(#[source] serde_json::Error),
    /// The broker.
    #[error("the index node cannot reach what it needs on the broker")]
    Bus(#[from] BusError),
    /// Work on the index ended in the middle, which is a bug.
    #[error("work on the index was interrupted")]
    Interrupted,
    /// The node was told to stop before it was done; it goes on there when it is started again.
    #[error("the index node was told to stop")]
    Stopped,
}

impl IndexError {
    pub(crate) fn write(source: tantivy::TantivyError) -> Self {
        Self::Write(Box::new(source))
    }

    pub(crate) fn read(source: tantivy::TantivyError) -> Self {
        Self::Read(Box::new(source))
    }
}
