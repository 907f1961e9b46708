//! A small OTLP receiver: takes traces and metrics over HTTP and keeps the newest in memory.
//!
//! It shows a trace where no collector runs, in the demo and in tests; it is no store.
//! Protocol: OTLP/HTTP with protobuf bodies, `POST /v1/traces` and `/v1/metrics`.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::StatusCode,
    routing::post,
};
use opentelemetry_proto::tonic::{
    collector::{metrics::v1::ExportMetricsServiceRequest, trace::v1::ExportTraceServiceRequest},
    common::v1::{KeyValue, any_value},
    metrics::v1::{metric::Data, number_data_point},
};
use prost::Message;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Most spans that are kept; the oldest go first.
const MAX_SPANS: usize = 100_000;

/// Most points of metrics that are kept; the oldest go first.
const MAX_POINTS: usize = 100_000;

/// Largest export request in bytes.
const MAX_REQUEST_BYTES: usize = 16 * 1024 * 1024;

/// A received span.
#[derive(Debug, Clone)]
pub struct Span {
    /// `service.name` of the process.
    pub service: String,
    /// Trace id, 32 hexadecimal digits.
    pub trace_id: String,
    /// Span id, 16 hexadecimal digits.
    pub span_id: String,
    /// Span id of the parent; empty for a root.
    pub parent_id: String,
    /// Span ids that it links to.
    pub links: Vec<String>,
    /// Trace ids of those.
    pub linked_traces: Vec<String>,
    /// Name, such as `process conversations.{partition}…`.
    pub name: String,
    /// Kind, as in OTLP: 1 internal, 2 server, 3 client, 4 producer, 5 consumer.
    pub kind: i32,
    /// Start in nanoseconds since the epoch.
    pub start_unix_ns: u64,
    /// End in nanoseconds since the epoch.
    pub end_unix_ns: u64,
    /// Status, as in OTLP: 0 unset, 1 ok, 2 error.
    pub status: i32,
    /// Attributes as text, events' included.
    pub attributes: Vec<(String, String)>,
}

impl Span {
    /// The value of an attribute.
    pub fn attribute(&self, key: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value.as_str())
    }
}

/// A received point of a metric.
#[derive(Debug, Clone)]
pub struct Point {
    /// `service.name` of the process.
    pub service: String,
    /// `service.instance.id` of the process.
    pub instance: String,
    /// Name of the metric.
    pub name: String,
    /// Its unit.
    pub unit: String,
    /// Attributes as text.
    pub attributes: Vec<(String, String)>,
    /// The value; of a histogram, its sum.
    pub value: f64,
}

/// The spans and points received so far. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Collector {
    spans: Arc<Mutex<VecDeque<Span>>>,
    points: Arc<Mutex<VecDeque<Point>>>,
}

impl Collector {
    /// Everything that is kept, in the order of arrival.
    pub fn spans(&self) -> Vec<Span> {
        self.lock().iter().cloned().collect()
    }

    /// The spans of one trace, by start.
    pub fn trace(&self, trace_id: &str) -> Vec<Span> {
        let mut spans: Vec<Span> = self
            .lock()
            .iter()
            .filter(|span| span.trace_id == trace_id)
            .cloned()
            .collect();
        spans.sort_by_key(|span| span.start_unix_ns);
        spans
    }

    /// Every point of a metric that is kept, in the order of arrival.
    pub fn points(&self) -> Vec<Point> {
        lock(&self.points).iter().cloned().collect()
    }

    /// Receives until told to drain.
    pub async fn serve(self, listener: TcpListener, drain: CancellationToken) -> io::Result<()> {
        let router = Router::new()
            .route("/v1/traces", post(receive))
            .route("/v1/metrics", post(receive_metrics))
            .layer(DefaultBodyLimit::max(MAX_REQUEST_BYTES))
            .with_state(self);
        axum::serve(listener, router)
            .with_graceful_shutdown(drain.cancelled_owned())
            .await
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Span>> {
        lock(&self.spans)
    }
}

async fn receive(State(collector): State<Collector>, body: Bytes) -> StatusCode {
    let Ok(request) = ExportTraceServiceRequest::decode(body) else {
        return StatusCode::BAD_REQUEST;
    };
    let mut kept = collector.lock();
    kept.extend(spans(request));
    let surplus = kept.len().saturating_sub(MAX_SPANS);
    kept.drain(..surplus);
    StatusCode::OK
}

async fn receive_metrics(State(collector): State<Collector>, body: Bytes) -> StatusCode {
    let Ok(request) = ExportMetricsServiceRequest::decode(body) else {
        return StatusCode::BAD_REQUEST;
    };
    let mut kept = lock(&collector.points);
    kept.extend(points(request));
    let surplus = kept.len().saturating_sub(MAX_POINTS);
    kept.drain(..surplus);
    StatusCode::OK
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn points(request: ExportMetricsServiceRequest) -> Vec<Point> {
    let mut found = Vec::new();
    for group in request.resource_metrics {
        let resource = group.resource.map(|resource| resource.attributes);
        let resource = attributes(&resource.unwrap_or_default());
        let named = |name: &str| {
            let found = resource.iter().find(|(key, _)| key == name);
            found.map(|(_, value)| value.clone()).unwrap_or_default()
        };
        let (service, instance) = (named("service.name"), named("service.instance.id"));
        for metric in group.scope_metrics.into_iter().flat_map(|s| s.metrics) {
            for (pairs, value) in values(metric.data) {
                found.push(Point {
                    service: service.clone(),
                    instance: instance.clone(),
                    name: metric.name.clone(),
                    unit: metric.unit.clone(),
                    attributes: attributes(&pairs),
                    value,
                });
            }
        }
    }
    found
}

/// The points of a metric: attributes and value. Kinds that our exporters do not send have none.
fn values(data: Option<Data>) -> Vec<(Vec<KeyValue>, f64)> {
    #[allow(
        clippy::cast_precision_loss,
        reason = "it is shown and compared, not counted with"
    )]
    let number = |value: Option<number_data_point::Value>| match value {
        Some(number_data_point::Value::AsDouble(value)) => value,
        Some(number_data_point::Value::AsInt(value)) => value as f64,
        None => 0.0,
    };
    let numbers = match data {
        Some(Data::Gauge(gauge)) => gauge.data_points,
        Some(Data::Sum(sum)) => sum.data_points,
        Some(Data::Histogram(histogram)) => {
            let points = histogram.data_points.into_iter();
            return points
                .map(|point| (point.attributes, point.sum.unwrap_or_default()))
                .collect();
        }
        _ => Vec::new(),
    };
    numbers
        .into_iter()
        .map(|point| (point.attributes, number(point.value)))
        .collect()
}

fn spans(request: ExportTraceServiceRequest) -> Vec<Span> {
    let mut found = Vec::new();
    for group in request.resource_spans {
        let resource = group
            .resource
            .map(|resource| resource.attributes)
            .unwrap_or_default();
        let service = attributes(&resource)
            .into_iter()
            .find_map(|(key, value)| (key == "service.name").then_some(value))
            .unwrap_or_default();
        for span in group.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            let events = span.events.iter().flat_map(|event| {
                let name = ("event".to_owned(), event.name.clone());
                attributes(&event.attributes).into_iter().chain([name])
            });
            found.push(Span {
                service: service.clone(),
                trace_id: hex(&span.trace_id),
                span_id: hex(&span.span_id),
                parent_id: hex(&span.parent_span_id),
                links: span.links.iter().map(|link| hex(&link.span_id)).collect(),
                linked_traces: span.links.iter().map(|link| hex(&link.trace_id)).collect(),
                status: span.status.map_or(0, |status| status.code),
                attributes: attributes(&span.attributes)
                    .into_iter()
                    .chain(events)
                    .collect(),
                name: span.name,
                kind: span.kind,
                start_unix_ns: span.start_time_unix_nano,
                end_unix_ns: span.end_time_unix_nano,
            });
        }
    }
    found
}

fn attributes(pairs: &[KeyValue]) -> Vec<(String, String)> {
    let text = |pair: &KeyValue| match pair.value.as_ref().and_then(|any| any.value.as_ref()) {
        Some(any_value::Value::StringValue(text)) => text.clone(),
        Some(any_value::Value::IntValue(number)) => number.to_string(),
        Some(any_value::Value::DoubleValue(number)) => number.to_string(),
        Some(any_value::Value::BoolValue(truth)) => truth.to_string(),
        other => format!("{other:?}"),
    };
    pairs
        .iter()
        .map(|pair| (pair.key.clone(), text(pair)))
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
