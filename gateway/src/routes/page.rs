//! What people open in a browser: the page, and the documents about the API.

use std::sync::LazyLock;

use axum::{
    extract::Path,
    http::{HeaderName, header},
    response::{IntoResponse, Response},
};

use crate::{
    openapi,
    problem::{Kind, Problem},
};

/// The page loads nothing from elsewhere and runs no inline script. Audio is fetched with the key
/// and played from memory (`blob:`).
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    connect-src 'self'; media-src blob:; img-src 'self' data:; form-action 'none'; \
    base-uri 'none'; frame-ancestors 'none'";

/// The document, written once.
static OPENAPI: LazyLock<String> = LazyLock::new(|| openapi::document().to_string());

/// The page.
pub(crate) async fn index() -> Response {
    asset(
        "text/html; charset=utf-8",
        include_str!("../../ui/index.html"),
    )
}

/// Its style.
pub(crate) async fn style() -> Response {
    asset("text/css; charset=utf-8", include_str!("../../ui/app.css"))
}

/// Its script.
pub(crate) async fn script() -> Response {
    asset(
        "text/javascript; charset=utf-8",
        include_str!("../../ui/app.js"),
    )
}

fn asset(media_type: &'static str, content: &'static str) -> Response {
    let headers: [(HeaderName, &'static str); 3] = [
        (header::CONTENT_TYPE, media_type),
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, content).into_response()
}

/// The OpenAPI document.
pub(crate) async fn api() -> Response {
    (
        [(header::CONTENT_TYPE, "application/json")],
        OPENAPI.as_str(),
    )
        .into_response()
}

/// What a kind of problem means and what to do about it.
pub(crate) async fn problem(Path(slug): Path<String>) -> Result<String, Problem> {
    let kind = Kind::ALL
        .iter()
        .find(|kind| kind.slug() == slug)
        .ok_or_else(Problem::not_found)?;
    Ok(format!(
        "{} ({})\n\n{}\n",
        kind.title(),
        kind.status().as_u16(),
        kind.about()
    ))
}
