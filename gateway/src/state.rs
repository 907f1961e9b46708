//! What all requests share.

use std::{sync::Arc, time::Duration};

use colloquy_bus::{Bus, Kv};
use colloquy_contract::streams;
use opentelemetry::{
    global,
    metrics::{Counter, Histogram, UpDownCounter},
};
use tokio::sync::{OnceCell, Semaphore};
use tokio_util::task::TaskTracker;

use crate::{GatewayOptions, keys::KeyCache, problem::Problem, room::Gate};

/// Bounds of the request duration's histogram, in seconds (OpenTelemetry's semantic conventions).
const DURATION_BOUNDS: [f64; 14] = [
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];

/// What all requests share, behind one pointer.
pub(crate) type Shared = Arc<App>;

/// The connection, the limits and the caches.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) options: GatewayOptions,
    pub(crate) bus: Bus,
    pub(crate) buckets: Buckets,
    pub(crate) keys: KeyCache,
    /// Whether something new may come in.
    pub(crate) gate: Gate,
    /// One permit per upload.
    pub(crate) uploads: Arc<Semaphore>,
    /// One permit per event stream; streams outlive the request's handler.
    pub(crate) streams: Arc<Semaphore>,
    /// One permit per password being hashed; the hashing outlives a request that goes away.
    pub(crate) hashing: Arc<Semaphore>,
    /// One permit per sign-up that hashes or waits to.
    pub(crate) signups: Semaphore,
    /// One permit per request that redrives.
    pub(crate) redrives: Semaphore,
    /// Tasks that outlive their request: uploads that are ended properly, and bodies that nobody
    /// wanted and that are read off.
    pub(crate) background: TaskTracker,
    pub(crate) duration: Histogram<f64>,
    /// Requests under way.
    pub(crate) active: UpDownCounter<i64>,
    /// Searches, by what came of them.
    pub(crate) searches: Counter<u64>,
}

impl App {
    pub(crate) fn new(options: GatewayOptions, bus: Bus) -> Shared {
        let meter = global::meter("colloquy-gateway");
        let duration = meter
            .f64_histogram("http.server.request.duration")
            .with_description("Time from a request's head to its response's head")
            .with_unit("s")
            .with_boundaries(DURATION_BOUNDS.to_vec())
            .build();
        let active = meter
            .i64_up_down_counter("http.server.active_requests")
            .with_description("Requests under way")
            .with_unit("{request}")
            .build();
        let searches = meter
            .u64_counter("colloquy.search.requests")
            .with_description("Searches, by whether every shard answered")
            .build();
        Arc::new(Self {
            buckets: Buckets::default(),
            keys: KeyCache::default(),
            gate: Gate::new(&options.storage),
            uploads: Arc::new(Semaphore::new(options.max_uploads)),
            streams: Arc::new(Semaphore::new(options.max_streams)),
            hashing: Arc::new(Semaphore::new(options.max_password_hashes)),
            signups: Semaphore::new(options.max_waiting_signups),
            redrives: Semaphore::new(options.max_redrives),
            background: TaskTracker::new(),
            duration,
            active,
            searches,
            options,
            bus,
        })
    }

    pub(crate) async fn progress(&self) -> Result<&Kv, Problem> {
        open(&self.bus, &self.buckets.progress, streams::PROGRESS.name).await
    }

    pub(crate) async fn api_keys(&self) -> Result<&Kv, Problem> {
        open(&self.bus, &self.buckets.keys, streams::API_KEYS.name).await
    }

    pub(crate) async fn credentials(&self) -> Result<&Kv, Problem> {
        open(
            &self.bus,
            &self.buckets.credentials,
            streams::CREDENTIALS.name,
        )
        .await
    }

    pub(crate) async fn idempotency(&self) -> Result<&Kv, Problem> {
        open(
            &self.bus,
            &self.buckets.idempotency,
            streams::IDEMPOTENCY.name,
        )
        .await
    }
}

/// Key-value buckets, each opened when it is needed first, so that a gateway that starts before
/// its broker comes to life with it.
#[derive(Debug, Default)]
pub(crate) struct Buckets {
    progress: OnceCell<Kv>,
    keys: OnceCell<Kv>,
    credentials: OnceCell<Kv>,
    idempotency: OnceCell<Kv>,
}

async fn open<'a>(
    bus: &Bus,
    cell: &'a OnceCell<Kv>,
    name: &'static str,
) -> Result<&'a Kv, Problem> {
    Ok(cell.get_or_try_init(|| bus.kv(name)).await?)
}

/// What clients are told to wait after 503, unless something else is known.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(5);
