//! Numbers about the warehouse. Labels hold no ids.

use std::time::Duration;

use opentelemetry::{
    KeyValue,
    metrics::{Counter, Gauge, Histogram},
};

use crate::row::Stream;

#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    rows: Counter<u64>,
    commit: Histogram<f64>,
    pending: Gauge<u64>,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let meter = opentelemetry::global::meter("colloquy");
        Self {
            rows: meter
                .u64_counter("colloquy.warehouse.rows")
                .with_description("Facts written as rows, by stream")
                .build(),
            commit: meter
                .f64_histogram("colloquy.warehouse.commit.duration")
                .with_unit("s")
                .with_description("Duration of making a batch durable")
                .with_boundaries(vec![0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 10.0])
                .build(),
            pending: meter
                .u64_gauge("colloquy.warehouse.pending")
                .with_description("Facts in the log that are not read yet, by stream")
                .build(),
        }
    }

    pub(crate) fn committed(&self, stream: Stream, rows: usize, took: Duration) {
        let labels = [label(stream)];
        self.rows
            .add(u64::try_from(rows).unwrap_or(u64::MAX), &labels);
        self.commit.record(took.as_secs_f64(), &labels);
    }

    pub(crate) fn pending(&self, stream: Stream, facts: u64) {
        self.pending.record(facts, &[label(stream)]);
    }
}

fn label(stream: Stream) -> KeyValue {
    KeyValue::new("colloquy.stream", stream.name())
}
