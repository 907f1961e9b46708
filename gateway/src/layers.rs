//! What is wrapped around every request: ids, security headers, panics, times.

use std::any::Any;

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderName, HeaderValue, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use tower::ServiceBuilder;
use tower_http::{
    catch_panic::CatchPanicLayer,
    request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer},
    set_header::SetResponseHeaderLayer,
};

use crate::{
    observe,
    problem::{Kind, Problem},
    state::Shared,
    upload::Lingering,
};

/// Headers of every response, unless a handler says otherwise.
const HEADERS: [(HeaderName, &str); 6] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; frame-ancestors 'none'",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
];

/// Wraps all routes. The first that a request meets is the last one named here.
pub(crate) fn wrap(router: Router<Shared>, app: &Shared) -> Router<Shared> {
    let mut router =
        router
            .layer(CatchPanicLayer::custom(panicked))
            .layer(middleware::from_fn_with_state(
                app.clone(),
                observe::observe,
            ));
    for (name, value) in HEADERS {
        let value = HeaderValue::from_static(value);
        router = router.layer(SetResponseHeaderLayer::if_not_present(name, value));
    }
    router.layer(
        ServiceBuilder::new()
            .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid))
            .layer(PropagateRequestIdLayer::x_request_id()),
    )
}

/// Ends a request that takes too long. Not for uploads and streams, which have their own limits.
pub(crate) async fn time_limit(
    State(app): State<Shared>,
    request: Request,
    next: Next,
) -> Response {
    let limit = app.options.request_timeout;
    tokio::time::timeout(limit, next.run(request))
        .await
        .unwrap_or_else(|_| {
            Problem::new(
                Kind::TimedOut,
                "It took longer than this gateway waits; try again.",
            )
            .into_response()
        })
}

/// Lets clients whose body is not wanted read why.
pub(crate) async fn linger(State(app): State<Shared>, request: Request, next: Next) -> Response {
    next.run(Lingering::wrap(request, &app.background)).await
}

/// The panic's message may hold anything, so it is not repeated; the panic hook has it.
fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    tracing::error!("a handler panicked");
    Problem::internal().into_response()
}
