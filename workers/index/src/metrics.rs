//! Numbers about an index node. Labels hold no ids and no words.

use std::time::Duration;

use opentelemetry::{
    KeyValue,
    metrics::{Counter, Gauge, Histogram},
};
use tokio::sync::watch;

/// Bounds of the histograms, from a small commit to a stuck disk.
const SECONDS: [f64; 9] = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 10.0];

#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    node: KeyValue,
    indexed: Counter<u64>,
    commit: Histogram<f64>,
    pending: Gauge<u64>,
    search: Histogram<f64>,
}

impl Metrics {
    pub(crate) fn new(node: &str) -> Self {
        let meter = opentelemetry::global::meter("colloquy");
        Self {
            node: KeyValue::new("colloquy.index.node", node.to_owned()),
            indexed: meter
                .u64_counter("colloquy.index.conversations")
                .with_description("Conversations made searchable")
                .build(),
            commit: meter
                .f64_histogram("colloquy.index.commit.duration")
                .with_unit("s")
                .with_description("Duration of writing and committing a batch")
                .with_boundaries(SECONDS.to_vec())
                .build(),
            pending: meter
                .u64_gauge("colloquy.index.pending")
                .with_description("Facts in the log that are not indexed yet")
                .build(),
            search: meter
                .f64_histogram("colloquy.search.duration")
                .with_unit("s")
                .with_description("Duration of answering a search, by outcome")
                .with_boundaries(SECONDS.to_vec())
                .build(),
        }
    }

    pub(crate) fn committed(&self, conversations: usize, took: Duration) {
        let labels = std::slice::from_ref(&self.node);
        self.indexed
            .add(u64::try_from(conversations).unwrap_or(u64::MAX), labels);
        self.commit.record(took.as_secs_f64(), labels);
    }

    pub(crate) fn pending(&self, facts: u64) {
        self.pending.record(facts, std::slice::from_ref(&self.node));
    }

    pub(crate) fn searched(&self, outcome: &'static str, took: Duration) {
        let labels = [
            self.node.clone(),
            KeyValue::new("colloquy.outcome", outcome),
        ];
        self.search.record(took.as_secs_f64(), &labels);
    }
}

/// Shows which partitions a node answers for, from the moment on that it has caught up, for as long
/// as `caught_up` has a sender.
pub(crate) fn serving(partitions: Vec<u8>, caught_up: watch::Receiver<bool>) {
    opentelemetry::global::meter("colloquy")
        .u64_observable_gauge("colloquy.index.serving")
        .with_description("1 if the node answers for the partition, 0 while it catches up")
        .with_callback(move |observer| {
            // An error means that the node is gone.
            if caught_up.has_changed().is_err() {
                return;
            }
            let serves = u64::from(*caught_up.borrow());
            for &partition in &partitions {
                let label = KeyValue::new("colloquy.partition", i64::from(partition));
                observer.observe(serves, &[label]);
            }
        })
        .build();
}
