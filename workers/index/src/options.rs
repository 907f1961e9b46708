//! What an index node is told.

use std::{collections::BTreeSet, path::PathBuf, time::Duration};

use colloquy_contract::{
    FactType, Subject,
    subject::{PARTITIONS, redrive},
};

use crate::{IndexError, Result, SERVICE};

/// The facts that the index is made of.
const FACTS: [FactType; 3] = [
    FactType::ConversationQualified,
    FactType::ConversationErasureRequested,
    FactType::ConversationErased,
];

/// Least memory that Tantivy accepts for a writer thread, in bytes.
const MIN_WRITER_MEMORY_BYTES: usize = 15_000_000;

/// What an index node is told.
#[derive(Debug, Clone)]
pub struct IndexOptions {
    /// Folder of the index, created if missing. One process at a time may use it.
    pub path: PathBuf,
    /// The partitions it owns, 0 to 63.
    pub partitions: BTreeSet<u8>,
    /// Name of the node in replies and logs.
    pub node: String,
    /// Longest time from reading a fact to its commit, if its transcript is at hand.
    pub commit_interval: Duration,
    /// Most facts in one commit.
    pub max_batch: usize,
    /// Memory for documents before they are written to a segment, in bytes; at least 15 MB.
    pub writer_memory_bytes: usize,
}

impl IndexOptions {
    /// The options of a node that owns every partition.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            partitions: (0..PARTITIONS).collect(),
            node: "index".to_owned(),
            commit_interval: Duration::from_millis(500),
            max_batch: 200,
            writer_memory_bytes: 32_000_000,
        }
    }

    /// The same with other partitions.
    #[must_use]
    pub fn with_partitions(mut self, partitions: impl IntoIterator<Item = u8>) -> Self {
        self.partitions = partitions.into_iter().collect();
        self
    }

    pub(crate) fn validate(&self) -> Result<()> {
        let wrong = |reason| Err(IndexError::Options(reason));
        match self {
            _ if self.partitions.is_empty() => wrong("a node must own at least one partition"),
            _ if self.partitions.iter().any(|&number| number >= PARTITIONS) => {
                wrong("partitions are numbered 0 to 63")
            }
            _ if self.max_batch == 0 => wrong("a batch must hold at least one fact"),
            _ if self.writer_memory_bytes < MIN_WRITER_MEMORY_BYTES => {
                wrong("the writer needs at least 15000000 bytes of memory")
            }
            _ => Ok(()),
        }
    }

    /// The subjects of the facts it reads, redriven ones included. A wildcard stands for all
    /// partitions: the broker matches one filter faster than 64.
    pub(crate) fn filters(&self) -> Vec<String> {
        if self.partitions.len() == usize::from(PARTITIONS) {
            let facts = FACTS.into_iter().map(Subject::filter);
            return facts.chain([redrive(SERVICE, "conversations.>")]).collect();
        }
        let of = |&partition| {
            let facts = FACTS.map(|fact| Subject::partition_filter(fact, partition));
            let redriven = redrive(SERVICE, &format!("conversations.{partition}.>"));
            facts.into_iter().chain([redriven])
        };
        self.partitions.iter().flat_map(of).collect()
    }

    /// The node's name and share, for people.
    pub(crate) fn label(&self) -> String {
        let (first, last) = (self.partitions.first(), self.partitions.last());
        match (first, last) {
            (Some(first), Some(last)) if usize::from(last - first) + 1 == self.partitions.len() => {
                format!("{} {first}-{last}", self.node)
            }
            _ => format!("{} ({} partitions)", self.node, self.partitions.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_partitions_need_one_filter_for_each_fact() {
        let options = IndexOptions::new("x");
        assert_eq!(options.filters().len(), 4);
        assert_eq!(options.filters()[0], "conversations.*.*.*.qualified");
        assert_eq!(options.filters()[3], "redrives.index.conversations.>");
        assert_eq!(options.label(), "index 0-63");
        let half = IndexOptions::new("x").with_partitions(0..32);
        assert_eq!(half.filters().len(), 128);
        assert_eq!(half.filters()[3], "redrives.index.conversations.0.>");
        assert_eq!(half.filters()[4], "conversations.1.*.*.qualified");
        let odd = IndexOptions::new("x").with_partitions([1, 3]);
        assert_eq!(odd.label(), "index (2 partitions)");
    }

    #[test]
    fn nonsense_is_refused() {
        let options = IndexOptions::new("x");
        assert!(options.validate().is_ok());
        assert!(options.clone().with_partitions([]).validate().is_err());
        assert!(options.clone().with_partitions([64]).validate().is_err());
        assert!(
            IndexOptions {
                max_batch: 0,
                ..options.clone()
            }
            .validate()
            .is_err()
        );
        assert!(
            IndexOptions {
                writer_memory_bytes: 1,
                ..options
            }
            .validate()
            .is_err()
        );
    }
}
