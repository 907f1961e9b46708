//! Logs, traces and metrics.
//!
//! Traces go over OTLP (HTTP, protobuf) where a collector is configured with the standard
//! variables `OTEL_EXPORTER_OTLP_ENDPOINT` or `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`; the exporter
//! reads its other standard variables itself. `OTEL_SDK_DISABLED`, `OTEL_TRACES_EXPORTER` and
//! `OTEL_SERVICE_NAME` are read here, because the crates leave them to the program. A collector
//! that is away is not an error: spans are dropped.

use std::{
    env,
    io::{self, IsTerminal},
};

use opentelemetry::{KeyValue, trace::TracerProvider};
use opentelemetry_otlp::WithExportConfig;
use opentelemetry_sdk::{
    Resource, metrics::SdkMeterProvider, propagation::TraceContextPropagator,
    trace::SdkTracerProvider,
};
use prometheus::{Registry, TextEncoder};
use tracing_subscriber::{
    EnvFilter, Layer, filter::Targets, layer::SubscriberExt, util::SubscriberInitExt,
};

/// How log lines look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// What telemetry is called and how it looks.
#[derive(Debug, Clone)]
pub struct TelemetryOptions {
    /// `service.name`, unless `OTEL_SERVICE_NAME` says otherwise.
    pub service: String,
    /// How log lines look.
    pub format: LogFormat,
    /// What is logged where `RUST_LOG` does not say.
    pub default_filter: &'static str,
    /// Address of an OTLP/HTTP receiver to use where the environment names none.
    pub otlp_endpoint: Option<String>,
}

/// Why telemetry could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The exporter's settings are not usable.
    #[error("the OTLP exporter cannot be set up; check the OTEL_EXPORTER_OTLP_* variables")]
    Exporter(#[source] opentelemetry_otlp::ExporterBuildError),
    /// The metrics registry cannot be set up.
    #[error("the metrics registry cannot be set up")]
    Metrics(#[source] opentelemetry_sdk::error::OTelSdkError),
    /// Logging was set up before.
    #[error("logging was set up twice")]
    Logging(#[source] tracing_subscriber::util::TryInitError),
}

/// Running telemetry; [`Telemetry::shutdown`] hands over what is buffered.
#[derive(Debug)]
pub struct Telemetry {
    registry: Registry,
    meters: SdkMeterProvider,
    tracers: Option<SdkTracerProvider>,
}

impl Telemetry {
    /// Sets up logs, traces and metrics for the process. To be called once, outside of an async
    /// runtime: the exporter has a blocking client.
    pub fn start(options: &TelemetryOptions) -> Result<Self, TelemetryError> {
        opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
        let resource = resource(&options.service);
        let registry = Registry::new();
        let exporter = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .scope_info_enabled(false)
            .build()
            .map_err(TelemetryError::Metrics)?;
        let meters = SdkMeterProvider::builder()
            .with_resource(resource.clone())
            .with_reader(exporter)
            .build();
        opentelemetry::global::set_meter_provider(meters.clone());

        let tracers = tracer_provider(resource, options.otlp_endpoint.as_deref())?;
        let traces = tracers.as_ref().map(|provider| {
            tracing_opentelemetry::layer()
                .with_tracer(provider.tracer("colloquy"))
                .with_location(false)
                .with_threads(false)
                .with_tracked_inactivity(false)
                .with_filter(Targets::new().with_target("colloquy", tracing::Level::INFO))
        });
        let filter = EnvFilter::try_from_default_env()
            .unwrap_or_else(|_| EnvFilter::new(options.default_filter));
        tracing_subscriber::registry()
            .with(traces)
            .with(log_layer(options.format).with_filter(filter))
            .try_init()
            .map_err(TelemetryError::Logging)?;
        Ok(Self {
            registry,
            meters,
            tracers,
        })
    }

    /// A renderer of all metrics in Prometheus' text format.
    pub fn metrics_renderer(&self) -> impl Fn() -> String + Send + Sync + 'static {
        let registry = self.registry.clone();
        move || {
            TextEncoder::new()
                .encode_to_string(&registry.gather())
                .unwrap_or_else(|error| {
                    tracing::error!(%error, "metrics cannot be rendered");
                    String::new()
                })
        }
    }

    /// Hands over buffered spans. Blocks for some seconds at most; not for async code.
    pub fn shutdown(self) {
        if let Some(tracers) = self.tracers
            && let Err(error) = tracers.shutdown()
        {
            tracing::debug!(%error, "the last spans were not exported");
        }
        let _ = self.meters.shutdown();
    }
}

fn log_layer<S>(format: LogFormat) -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    let layer = tracing_subscriber::fmt::layer()
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr);
    match format {
        LogFormat::Text => layer.with_target(false).boxed(),
        LogFormat::Json => layer
            .json()
            .flatten_event(true)
            .with_span_list(false)
            .boxed(),
    }
}

fn resource(service: &str) -> Resource {
    let name = env::var("OTEL_SERVICE_NAME").unwrap_or_else(|_| service.to_owned());
    Resource::builder()
        .with_service_name(name)
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build()
}

/// Whether the environment names a collector for traces.
pub fn collector_configured() -> bool {
    [
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    ]
    .iter()
    .any(|name| env::var(name).is_ok_and(|value| !value.is_empty()))
}

/// The provider of tracers, if traces are wanted and somebody is there to take them.
fn tracer_provider(
    resource: Resource,
    endpoint: Option<&str>,
) -> Result<Option<SdkTracerProvider>, TelemetryError> {
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|v| v.eq_ignore_ascii_case(value));
    if is("OTEL_SDK_DISABLED", "true") || is("OTEL_TRACES_EXPORTER", "none") {
        return Ok(None);
    }
    let mut builder = opentelemetry_otlp::SpanExporter::builder().with_http();
    match endpoint {
        _ if collector_configured() => {}
        Some(endpoint) => builder = builder.with_endpoint(format!("{endpoint}/v1/traces")),
        None => return Ok(None),
    }
    let exporter = builder.build().map_err(TelemetryError::Exporter)?;
    let provider = SdkTracerProvider::builder()
        .with_resource(resource)
        .with_batch_exporter(exporter)
        .build();
    Ok(Some(provider))
}
