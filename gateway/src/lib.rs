//! The gateway: the HTTP API and the web page.
//!
//! - **202 is a promise.** `POST /v1/conversations` answers it only after the recording lies,
//!   verified, in the vault and the stream has acknowledged the first fact. The recording flows
//!   through in bounded memory.
//! - **Repeating is harmless.** With an `Idempotency-Key` a repeated post is the same conversation,
//!   also if the first one broke off half way, also if another gateway handled it.
//! - **Tenants are apart.** An API key names an account, and the account is part of every subject
//!   and key that is read: there is no request that reaches another account's conversations.
//! - **Nothing personal leaves the vault.** Transcripts and audio come from the open bucket only.
//! - **Every error is a problem document** ([RFC 9457]), and says what to do.
//! - **Full is no loss.** When the broker's storage is nearly full nothing new is taken in, and
//!   the answer says when to come back; what was accepted goes on.
//! - **Everything has a limit**: bodies, parts, uploads and streams at once, times, pages.
//!
//! The gateway holds no state but caches and counters; any number of them can run side by side.
//!
//! ```no_run
//! # async fn run(bus: colloquy_bus::Bus) -> Result<(), Box<dyn std::error::Error>> {
//! use colloquy_bus::CancellationToken;
//! use colloquy_gateway::{Gateway, GatewayOptions, serve};
//!
//! let gateway = Gateway::new(GatewayOptions::default(), bus);
//! let listener = tokio::net::TcpListener::bind(("127.0.0.1", 8080)).await?;
//! let drain = CancellationToken::new();
//! let watch = gateway.storage_watch().run(drain.clone());
//! let grace = std::time::Duration::from_secs(20);
//! tokio::join!(watch, serve(listener, gateway.router(), drain, grace));
//! # Ok(())
//! # }
//! ```
//!
//! [RFC 9457]: https://www.rfc-editor.org/rfc/rfc9457

#![warn(missing_docs)]

mod auth;
mod idempotency;
pub mod keys;
mod layers;
mod metadata;
mod observe;
mod openapi;
mod params;
mod problem;
mod range;
mod room;
mod routes;
mod server;
mod state;
mod upload;
mod view;

use std::{fmt, sync::Arc, time::Duration};

use axum::Router;
use colloquy_bus::Bus;

pub use room::{NotAShare, StorageOptions, StorageWatch, Watermark};
pub use server::{serve, serve_tls};

/// Renders the metrics of the process as Prometheus text.
pub type MetricsRenderer = Arc<dyn Fn() -> String + Send + Sync>;

/// What a deployment chooses about its gateway. The defaults suit a laptop and a pod alike.
#[derive(Clone)]
pub struct GatewayOptions {
    /// Largest recording in bytes.
    pub max_upload_bytes: u64,
    /// Uploads that run at once; more are told to come back. Each holds about 1 MiB.
    pub max_uploads: usize,
    /// How long one upload may take in all. A stalled one ends much sooner.
    pub upload_timeout: Duration,
    /// Event streams that are open at once; each has a consumer on the broker.
    pub max_streams: usize,
    /// How long one event stream lives; clients then reconnect and go on where they were.
    pub stream_lifetime: Duration,
    /// How long any other request may take.
    pub request_timeout: Duration,
    /// How long a search waits for index nodes.
    pub search_timeout: Duration,
    /// Passwords that are hashed at once. Each takes 19 MiB and most of a core for a moment.
    pub max_password_hashes: usize,
    /// Sign-ups that wait for that; more are told to come back.
    pub max_waiting_signups: usize,
    /// Requests that redrive dead letters at once; more are told to come back.
    pub max_redrives: usize,
    /// When the broker is full.
    pub storage: StorageOptions,
    /// What `/metrics` shows; 404 without.
    pub metrics: Option<MetricsRenderer>,
}

impl Default for GatewayOptions {
    fn default() -> Self {
        Self {
            max_upload_bytes: 512 * 1024 * 1024,
            max_uploads: 32,
            upload_timeout: Duration::from_secs(60 * 60),
            max_streams: 256,
            stream_lifetime: Duration::from_secs(30 * 60),
            request_timeout: Duration::from_secs(30),
            search_timeout: Duration::from_secs(3),
            max_password_hashes: 2,
            max_waiting_signups: 32,
            max_redrives: 4,
            storage: StorageOptions::default(),
            metrics: None,
        }
    }
}

impl fmt::Debug for GatewayOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GatewayOptions")
            .field("max_upload_bytes", &self.max_upload_bytes)
            .field("max_uploads", &self.max_uploads)
            .field("max_streams", &self.max_streams)
            .finish_non_exhaustive()
    }
}

/// The gateway, ready to be served.
#[derive(Debug)]
pub struct Gateway {
    app: state::Shared,
}

impl Gateway {
    /// A gateway on this connection. It does not talk to the broker before the first request, so
    /// it can be served, and say that it is not ready, while the broker is away.
    ///
    /// Call it after telemetry is set up: it takes its meter here.
    pub fn new(options: GatewayOptions, bus: Bus) -> Self {
        Self {
            app: state::App::new(options, bus),
        }
    }

    /// What keeps an eye on the broker's storage, to be run beside the server: without it only the
    /// broker's own refusal stops what comes in.
    pub fn storage_watch(&self) -> StorageWatch {
        StorageWatch::new(self.app.clone())
    }

    /// Everything that it serves, layers included.
    pub fn router(self) -> Router {
        routes::router(self.app)
    }
}

/// The OpenAPI 3.1 document of the API, as `/openapi.json` serves it.
pub fn openapi() -> serde_json::Value {
    openapi::document()
}
