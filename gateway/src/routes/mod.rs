//! Every path, and which limits it runs under.

pub(crate) mod audio;
pub(crate) mod conversations;
pub(crate) mod deadletters;
pub(crate) mod events;
pub(crate) mod health;
pub(crate) mod page;
pub(crate) mod search;
pub(crate) mod signups;
pub(crate) mod transcript;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware,
    routing::{get, post},
};

use crate::{layers, state::Shared};

/// Largest JSON body, in bytes.
const MAX_JSON_BYTES: usize = 64 * 1024;

/// Everything the gateway serves.
pub(crate) fn router(app: Shared) -> Router {
    let routes = quick(&app).merge(flowing(&app));
    layers::wrap(routes, &app).with_state(app)
}

/// What is answered within the request's time limit.
fn quick(app: &Shared) -> Router<Shared> {
    Router::new()
        .route("/", get(page::index))
        .route("/ui/app.css", get(page::style))
        .route("/ui/app.js", get(page::script))
        .route("/openapi.json", get(page::api))
        .route("/problems/{kind}", get(page::problem))
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .route("/v1/conversations", get(conversations::list::list))
        .route("/v1/conversations/{id}", get(conversations::show))
        .route("/v1/conversations/{id}/transcript", get(transcript::show))
        .route("/v1/conversations/{id}/events", get(events::history))
        .route("/v1/search", get(search::search))
        .route("/v1/deadletters", get(deadletters::list))
        .route(
            "/v1/deadletters/redrive",
            post(deadletters::redrive::create),
        )
        .route(
            "/v1/deadletters/{sequence}",
            get(deadletters::show).delete(deadletters::discard),
        )
        .route("/v1/signups", post(signups::create))
        .route("/v1/signups/{id}", get(signups::show))
        .route_layer(DefaultBodyLimit::max(MAX_JSON_BYTES))
        .route_layer(middleware::from_fn_with_state(
            app.clone(),
            layers::time_limit,
        ))
}

/// What flows, under limits of its own.
fn flowing(app: &Shared) -> Router<Shared> {
    let uploads = Router::new()
        .route("/v1/conversations", post(conversations::create))
        .route_layer(DefaultBodyLimit::disable())
        .route_layer(middleware::from_fn_with_state(app.clone(), layers::linger));
    Router::new()
        .route("/v1/conversations/{id}/audio", get(audio::show))
        .route("/v1/conversations/{id}/stream", get(events::stream))
        .merge(uploads)
}
