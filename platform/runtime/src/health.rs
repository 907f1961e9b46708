//! Health and metrics over HTTP, for processes that have no gateway.

use std::{future::Future, io, pin::Pin, sync::Arc};

use axum::{
    Router,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Says whether the process can do its job now.
pub type ReadyCheck = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = bool> + Send>> + Send + Sync>;

/// Renders metrics in Prometheus' text format.
pub type MetricsRenderer = Arc<dyn Fn() -> String + Send + Sync>;

/// Serves `/livez`, `/readyz` and `/metrics` until told to drain.
pub async fn serve(
    listener: TcpListener,
    ready: ReadyCheck,
    metrics: MetricsRenderer,
    drain: CancellationToken,
) -> io::Result<()> {
    let draining = drain.clone();
    let readyz = move || {
        let (ready, draining) = (ready.clone(), draining.clone());
        async move {
            if draining.is_cancelled() {
                (StatusCode::SERVICE_UNAVAILABLE, "draining\n")
            } else if ready().await {
                (StatusCode::OK, "ready\n")
            } else {
                (
                    StatusCode::SERVICE_UNAVAILABLE,
                    "the broker does not answer\n",
                )
            }
        }
    };
    let metrics = move || {
        let text = metrics();
        async move { ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response() }
    };
    let router = Router::new()
        .route("/livez", get(|| async { "alive\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics));
    axum::serve(listener, router)
        .with_graceful_shutdown(drain.cancelled_owned())
        .await
}
