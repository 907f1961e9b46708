//! What the warehouse is told.

use std::{path::PathBuf, time::Duration};

use crate::{Result, WarehouseError};

/// What the warehouse is told.
#[derive(Debug, Clone)]
pub struct WarehouseOptions {
    /// Its folder, created if missing. One process at a time may use it.
    pub path: PathBuf,
    /// Name of the instance in replies and logs.
    pub node: String,
    /// Most facts in one batch, which becomes one file a day.
    pub max_batch: usize,
    /// Longest time from reading a fact to its being in a file.
    pub commit_interval: Duration,
    /// Small files of one stream and day that are let be; one more, and they become one.
    pub max_small_files: usize,
    /// Size from which a file is not small, in bytes.
    pub small_file_bytes: u64,
}

impl WarehouseOptions {
    /// The options of a warehouse in this folder: a batch has at most 10,000 facts and is written
    /// after at most 30 s; of more than 16 small files one is made.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            node: crate::SERVICE.to_owned(),
            max_batch: 10_000,
            commit_interval: Duration::from_secs(30),
            max_small_files: 16,
            small_file_bytes: 16 * 1024 * 1024,
        }
    }

    pub(crate) fn validate(&self) -> Result<()> {
        let wrong = |reason| Err(WarehouseError::Options(reason));
        match self {
            _ if self.max_batch == 0 => wrong("a batch must hold at least one fact"),
            _ if self.max_small_files == 0 => wrong("at least one small file must be allowed"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonsense_is_refused() {
        let options = WarehouseOptions::new("x");
        assert!(options.validate().is_ok());
        let no_batch = WarehouseOptions {
            max_batch: 0,
            ..options.clone()
        };
        let no_files = WarehouseOptions {
            max_small_files: 0,
            ..options
        };
        assert!(no_batch.validate().is_err() && no_files.validate().is_err());
    }
}
