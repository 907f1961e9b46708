//! What a connection counts: facts stated, deliveries, lag, artifacts, the connection itself.
//!
//! Names and labels of `messaging.*` follow OpenTelemetry's semantic conventions; no label holds an
//! id, so that their number is bounded by the contract. docs/observability.md has the whole list.
//!
//! A [`Meters`] belongs to a [`Bus`](crate::Bus) and is made when that connects, after telemetry
//! was set up.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use async_nats::Event;
use colloquy_contract::Bucket;
use opentelemetry::{
    KeyValue,
    metrics::{Counter, Histogram, Meter, UpDownCounter},
};

use crate::BusError;

/// Label of the service that handles.
pub(crate) const GROUP: &str = "messaging.consumer.group.name";

/// Label of what a delivery came to.
pub(crate) const OUTCOME: &str = "colloquy.outcome";

/// How long a lag that was told is shown: longer than any pause between two tellings, and no lag
/// of an hour ago while the broker is away.
const LAG_HOLDS: Duration = Duration::from_secs(60);

/// Bounds of what the broker is asked for, in seconds: those of the conventions, and finer ones.
const OPERATION_SECONDS: [f64; 13] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// Bounds of handling one delivery, in seconds.
const HANDLING_SECONDS: [f64; 15] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0,
];

/// Bounds of waiting for a service, in seconds: from nothing to a backlog of a day.
const WAIT_SECONDS: [f64; 14] = [
    0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0, 86400.0,
];

/// Bounds of seconds of work for a second of audio.
const REALTIME_FACTORS: [f64; 14] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 2.0, 5.0,
];

/// The instruments of one connection.
#[derive(Debug)]
pub(crate) struct Meters {
    sent: Counter<u64>,
    operation: Histogram<f64>,
    artifact: Counter<u64>,
    connects: Counter<u64>,
    connected: Arc<AtomicBool>,
    lags: Lags,
    pub(crate) consumed: Counter<u64>,
    pub(crate) processing: Histogram<f64>,
    pub(crate) waiting: Histogram<f64>,
    pub(crate) active: UpDownCounter<i64>,
    pub(crate) limit: UpDownCounter<i64>,
    pub(crate) handled: Counter<u64>,
    pub(crate) redeliveries: Counter<u64>,
    pub(crate) dead_letters: Counter<u64>,
    pub(crate) audio: Counter<f64>,
    pub(crate) realtime_factor: Histogram<f64>,
}

impl Meters {
    pub(crate) fn new() -> Self {
        let meter = opentelemetry::global::meter("colloquy");
        let counter = |name: &'static str, what: &'static str| {
            meter.u64_counter(name).with_description(what).build()
        };
        let seconds = |name: &'static str, what: &'static str, bounds: &[f64]| {
            let histogram = meter.f64_histogram(name).with_description(what);
            let bounded = histogram.with_unit("s").with_boundaries(bounds.to_vec());
            bounded.build()
        };
        let level = |name: &'static str, what: &'static str| {
            let level = meter.i64_up_down_counter(name).with_description(what);
            level.with_unit("{fact}").build()
        };
        Self {
            sent: counter(
                "messaging.client.sent.messages",
                "Facts that were to be stated",
            ),
            operation: seconds(
                "messaging.client.operation.duration",
                "Time until the broker has confirmed a publish, a settlement or a request",
                &OPERATION_SECONDS,
            ),
            artifact: meter
                .u64_counter("colloquy.artifact.io")
                .with_unit("By")
                .with_description("Bytes of artifacts read and written")
                .build(),
            connects: counter(
                "colloquy.broker.connects",
                "How often the broker was connected",
            ),
            connected: connection(&meter),
            lags: Lags::new(&meter),
            consumed: counter("messaging.client.consumed.messages", "Deliveries taken"),
            processing: seconds(
                "messaging.process.duration",
                "Time of handling one delivery and stating what follows",
                &HANDLING_SECONDS,
            ),
            waiting: seconds(
                "colloquy.queue.wait",
                "Time from the log's acknowledgement of a fact to its first handling",
                &WAIT_SECONDS,
            ),
            active: level("colloquy.handling.active", "Facts in work"),
            limit: level(
                "colloquy.handling.limit",
                "Facts that may be in work at once",
            ),
            handled: counter("colloquy.handled", "Facts done"),
            redeliveries: counter(
                "colloquy.redeliveries",
                "Deliveries that are not the first of their fact",
            ),
            dead_letters: counter("colloquy.dead_letters", "Facts that a service gave up on"),
            audio: meter
                .f64_counter("colloquy.stage.audio")
                .with_unit("s")
                .with_description("Seconds of audio that a stage has done")
                .build(),
            realtime_factor: meter
                .f64_histogram("colloquy.stage.realtime_factor")
                .with_unit("1")
                .with_description("Seconds of handling for a second of audio")
                .with_boundaries(REALTIME_FACTORS.to_vec())
                .build(),
        }
    }

    /// A fact was stated, or could not be.
    pub(crate) fn stated(
        &self,
        template: &'static str,
        started: Instant,
        error: Option<&'static str>,
    ) {
        let place = KeyValue::new("messaging.destination.template", template);
        let labels = operation_labels("publish", place, error);
        self.sent.add(1, &labels);
        let took = started.elapsed().as_secs_f64();
        self.operation.record(took, &labels);
    }

    /// The broker confirmed something else than a fact, or did not.
    pub(crate) fn asked(
        &self,
        operation: &'static str,
        place: KeyValue,
        started: Instant,
        error: Option<&'static str>,
    ) {
        let labels = operation_labels(operation, place, error);
        let took = started.elapsed().as_secs_f64();
        self.operation.record(took, &labels);
    }

    /// Bytes of artifacts were read or written.
    pub(crate) fn moved(&self, bucket: Bucket, direction: &'static str, bytes: u64) {
        let labels = [
            KeyValue::new("colloquy.bucket", bucket.as_str()),
            KeyValue::new("disk.io.direction", direction),
        ];
        self.artifact.add(bytes, &labels);
    }

    /// A service has so much before it.
    pub(crate) fn lag(
        &self,
        service: &'static str,
        stream: &'static str,
        pending: u64,
        ack_pending: Option<u64>,
    ) {
        let lag = Lag {
            pending,
            ack_pending,
            told: Instant::now(),
        };
        lock(&self.lags.0).insert((service, stream), lag);
    }

    /// What the client library says about the connection.
    pub(crate) fn hear(&self, event: &Event) {
        match event {
            Event::Connected => {
                self.connected.store(true, Ordering::Relaxed);
                self.connects.add(1, &[]);
            }
            Event::Disconnected | Event::Closed => {
                self.connected.store(false, Ordering::Relaxed);
            }
            _ => {}
        }
    }
}

impl crate::Bus {
    /// Tells how many facts a service that reads the log itself has before it; the worker kit
    /// does it for the others.
    pub fn report_pending(&self, service: &'static str, stream: &'static str, pending: u64) {
        self.meters().lag(service, stream, pending, None);
    }

    /// Tells that a service which reads the log itself has done so many facts for good.
    pub fn report_handled(&self, service: &'static str, facts: u64) {
        let labels = [KeyValue::new(GROUP, service)];
        self.meters().handled.add(facts, &labels);
    }
}

/// What an error is, by a name of a few.
pub(crate) const fn error_type(error: &BusError) -> &'static str {
    match error {
        BusError::Denied { .. } => "denied",
        BusError::Conflict { .. } => "conflict",
        BusError::TimedOut { .. } => "timeout",
        BusError::Publish { .. } => "not_acknowledged",
        BusError::Settle { .. } => "not_confirmed",
        BusError::NoAnswer { .. } => "no_answer",
        // What the conventions call the rest.
        _ => "_OTHER",
    }
}

fn operation_labels(
    operation: &'static str,
    place: KeyValue,
    error: Option<&'static str>,
) -> Vec<KeyValue> {
    let mut labels = vec![
        KeyValue::new("messaging.system", "nats"),
        KeyValue::new("messaging.operation.name", operation),
        place,
    ];
    labels.extend(error.map(|error| KeyValue::new("error.type", error)));
    labels
}

fn connection(meter: &Meter) -> Arc<AtomicBool> {
    let connected = Arc::new(AtomicBool::new(false));
    let seen = Arc::downgrade(&connected);
    let gauge = meter.u64_observable_gauge("colloquy.broker.connected");
    gauge
        .with_description("1 while the connection to the broker stands")
        .with_callback(move |observer| {
            if let Some(connected) = seen.upgrade() {
                observer.observe(u64::from(connected.load(Ordering::Relaxed)), &[]);
            }
        })
        .build();
    connected
}

/// How much a service has before it.
#[derive(Debug, Clone, Copy)]
struct Lag {
    pending: u64,
    ack_pending: Option<u64>,
    told: Instant,
}

type LagTable = Mutex<HashMap<(&'static str, &'static str), Lag>>;

/// The newest lag of each service and stream, shown for a while.
#[derive(Debug)]
struct Lags(Arc<LagTable>);

impl Lags {
    fn new(meter: &Meter) -> Self {
        let table = Arc::new(LagTable::default());
        let shown = [
            (
                "colloquy.consumer.pending",
                "Facts in the log that were not delivered to the service yet",
                (|lag| Some(lag.pending)) as fn(&Lag) -> Option<u64>,
            ),
            (
                "colloquy.consumer.ack_pending",
                "Facts that were delivered and are not settled yet",
                |lag| lag.ack_pending,
            ),
        ];
        for (name, what, value) in shown {
            let seen: Weak<LagTable> = Arc::downgrade(&table);
            let gauge = meter.u64_observable_gauge(name).with_unit("{fact}");
            gauge
                .with_description(what)
                .with_callback(move |observer| {
                    let Some(table) = seen.upgrade() else { return };
                    for ((service, stream), lag) in lock(&table).iter() {
                        let fresh = lag.told.elapsed() < LAG_HOLDS;
                        if let (true, Some(facts)) = (fresh, value(lag)) {
                            let labels = [
                                KeyValue::new(GROUP, *service),
                                KeyValue::new("colloquy.stream", *stream),
                            ];
                            observer.observe(facts, &labels);
                        }
                    }
                })
                .build();
        }
        Self(table)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
