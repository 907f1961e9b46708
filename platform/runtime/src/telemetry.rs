//! Logs, traces and metrics.
//!
//! Traces and metrics go over OTLP (HTTP, protobuf) where a collector is configured with the
//! standard variables, such as `OTEL_EXPORTER_OTLP_ENDPOINT`; metrics are rendered for Prometheus
//! besides. The SDK and its exporters read most of the standard variables themselves; what they
//! leave to the program is read by [`settings`]. A collector that is away is not an error: what it
//! misses is dropped. A setting that cannot be followed is one, at the start.

mod logs;
mod settings;

use std::env;

use opentelemetry::{KeyValue, trace::TracerProvider};
use opentelemetry_otlp::WithExportConfig;
use opentelemetry_sdk::{
    Resource,
    metrics::{PeriodicReader, SdkMeterProvider},
    propagation::TraceContextPropagator,
    trace::SdkTracerProvider,
};
use prometheus::{Registry, TextEncoder};
use tracing_subscriber::{
    EnvFilter, Layer, filter::Targets, layer::SubscriberExt, util::SubscriberInitExt,
};

use crate::process;
use settings::{Settings, Signal};

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
    /// A variable asks for something that there is not.
    #[error("{variable} is '{value}'; known are: {known}")]
    Setting {
        /// The variable.
        variable: String,
        /// What it says.
        value: String,
        /// What it may say.
        known: String,
    },
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
        let get = |name: &str| env::var(name).ok();
        let settings = Settings(&get);
        let resource = resource(&options.service);
        let registry = Registry::new();
        let meters = meter_provider(settings, resource.clone(), &registry)?;
        opentelemetry::global::set_meter_provider(meters.clone());
        process::observe();

        let tracers = tracer_provider(settings, resource, options.otlp_endpoint.as_deref())?;
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
            .with(logs::marks())
            .with(logs::layer(options.format, filter))
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

fn resource(service: &str) -> Resource {
    let name = env::var("OTEL_SERVICE_NAME").unwrap_or_else(|_| service.to_owned());
    let mut own = vec![
        KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        KeyValue::new("process.pid", i64::from(std::process::id())),
    ];
    // Several instances of one service must be told apart; unless somebody named them.
    let named = env::var("OTEL_RESOURCE_ATTRIBUTES")
        .is_ok_and(|attributes| attributes.contains("service.instance.id="));
    if !named {
        own.push(KeyValue::new("service.instance.id", process::instance()));
    }
    Resource::builder()
        .with_service_name(name)
        .with_attributes(own)
        .build()
}

/// Whether the environment names a collector for traces.
pub fn collector_configured() -> bool {
    let get = |name: &str| env::var(name).ok();
    Settings(&get).has_endpoint(Signal::Traces)
}

/// A receiver of traces or metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receiver {
    /// `traces` or `metrics`.
    pub signal: &'static str,
    /// Its address.
    pub url: String,
    /// Headers of each request, which may hold secrets.
    pub headers: Vec<(String, String)>,
}

/// Where the environment says that this process's telemetry goes.
///
/// # Errors
/// If a variable asks for something that there is not.
pub fn receivers() -> Result<Vec<Receiver>, TelemetryError> {
    let get = |name: &str| env::var(name).ok();
    let mut found = Vec::new();
    for signal in [Signal::Traces, Signal::Metrics] {
        found.extend(Settings(&get).receiver(signal)?);
    }
    Ok(found)
}

/// The provider of meters: for Prometheus and over OTLP, as far as they are wanted.
fn meter_provider(
    settings: Settings<'_>,
    resource: Resource,
    registry: &Registry,
) -> Result<SdkMeterProvider, TelemetryError> {
    let mut builder = SdkMeterProvider::builder().with_resource(resource);
    if settings.exports(Signal::Metrics, "prometheus")? {
        let reader = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .scope_info_enabled(false)
            .build()
            .map_err(TelemetryError::Metrics)?;
        builder = builder.with_reader(reader);
    }
    let otlp = settings.exports(Signal::Metrics, "otlp")?;
    if otlp && settings.has_endpoint(Signal::Metrics) && !settings.disabled() {
        settings.check_protocol(Signal::Metrics)?;
        let exporter = opentelemetry_otlp::MetricExporter::builder()
            .with_http()
            .build()
            .map_err(TelemetryError::Exporter)?;
        builder = builder.with_reader(PeriodicReader::builder(exporter).build());
    }
    Ok(builder.build())
}

/// The provider of tracers, if traces are wanted and somebody is there to take them.
fn tracer_provider(
    settings: Settings<'_>,
    resource: Resource,
    endpoint: Option<&str>,
) -> Result<Option<SdkTracerProvider>, TelemetryError> {
    if settings.disabled() || !settings.exports(Signal::Traces, "otlp")? {
        return Ok(None);
    }
    let mut builder = opentelemetry_otlp::SpanExporter::builder().with_http();
    match endpoint {
        _ if settings.has_endpoint(Signal::Traces) => settings.check_protocol(Signal::Traces)?,
        Some(endpoint) => builder = builder.with_endpoint(format!("{endpoint}/v1/traces")),
        None => return Ok(None),
    }
    let exporter = builder.build().map_err(TelemetryError::Exporter)?;
    // No sampler is set here, so that the SDK heeds OTEL_TRACES_SAMPLER.
    let provider = SdkTracerProvider::builder()
        .with_resource(resource)
        .with_batch_exporter(exporter)
        .build();
    Ok(Some(provider))
}
