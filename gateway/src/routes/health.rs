//! What machines ask: whether we live, whether we can work, how we do.

use axum::{
    Extension, Json,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    problem::{Problem, ProblemDocument},
    server::Draining,
    state::Shared,
};

/// Media type of Prometheus' text format.
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All is well.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    /// `ok`
    status: &'static str,
}

const OK: Json<Health> = Json(Health { status: "ok" });

/// Tell whether the process serves.
#[utoipa::path(
    get,
    path = "/livez",
    tag = "health",
    operation_id = "livez",
    security(()),
    responses((status = 200, description = "It serves", body = Health)),
)]
pub(crate) async fn live() -> Json<Health> {
    OK
}

/// Tell whether requests can be answered.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "health",
    operation_id = "readyz",
    security(()),
    responses(
        (status = 200, description = "They can", body = Health),
        (status = 503, description = "They cannot; the detail lists what is missing",
            body = ProblemDocument, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn ready(
    State(app): State<Shared>,
    draining: Option<Extension<Draining>>,
) -> Result<Json<Health>, Problem> {
    let mut missing = Vec::new();
    if draining.is_some_and(|Extension(Draining(token))| token.is_cancelled()) {
        missing.push("the process is about to end");
    }
    if app.bus.ping().await {
        let buckets = tokio::try_join!(
            app.api_keys(),
            app.progress(),
            app.idempotency(),
            app.credentials()
        );
        if buckets.is_err() {
            missing.push("the key-value buckets cannot be opened");
        }
    } else {
        missing.push("the broker does not answer");
    }
    if missing.is_empty() {
        return Ok(OK);
    }
    Err(Problem::unavailable(format!(
        "Not ready: {}.",
        missing.join("; ")
    )))
}

/// Show the metrics of the process in Prometheus' text format.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "health",
    operation_id = "metrics",
    security(()),
    responses(
        (status = 200, description = "The metrics", body = String, content_type = "text/plain"),
        (status = 404, description = "This process has none", body = ProblemDocument,
            content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn metrics(State(app): State<Shared>) -> Result<Response, Problem> {
    let render = app
        .options
        .metrics
        .as_ref()
        .ok_or_else(Problem::not_found)?;
    Ok(([(header::CONTENT_TYPE, PROMETHEUS)], render()).into_response())
}
