//! What a service counts. Labels hold no ids.

use std::time::Duration;

use colloquy_contract::{FactType, subject::template};
use opentelemetry::{KeyValue, metrics::Histogram};

use super::Failure;

/// A service's instruments.
pub(super) struct Metrics {
    duration: Histogram<f64>,
}

impl Metrics {
    pub(super) fn new() -> Self {
        let meter = opentelemetry::global::meter("colloquy");
        Self {
            duration: meter
                .f64_histogram("messaging.process.duration")
                .with_unit("s")
                .with_description("Duration of handling one fact, by service, fact and outcome")
                .with_boundaries(vec![
                    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
                    300.0, 1800.0,
                ])
                .build(),
        }
    }

    pub(super) fn processed(
        &self,
        service: &'static str,
        fact: FactType,
        worked: &std::result::Result<(), Failure>,
        took: Duration,
    ) {
        let outcome = match worked {
            Ok(()) => "ok",
            Err(Failure::Retry { .. }) => "retry",
            Err(Failure::Permanent { .. }) => "permanent",
            Err(Failure::Cancelled) => "cancelled",
        };
        self.duration.record(
            took.as_secs_f64(),
            &[
                KeyValue::new("messaging.system", "nats"),
                KeyValue::new("messaging.operation.name", "process"),
                KeyValue::new("messaging.consumer.group.name", service),
                KeyValue::new("messaging.destination.template", template(fact)),
                KeyValue::new("outcome", outcome),
            ],
        );
    }
}
