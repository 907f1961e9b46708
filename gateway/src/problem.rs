//! Problem details (RFC 9457): the one form of every error.
//!
//! Handlers return [`Problem`]. It travels as an extension of a bare response, and [`render`], the
//! outermost layer, writes the document, because only there are the request's path and trace at
//! hand. What comes from the framework without a problem (unknown paths, wrong methods, bodies too
//! large) gets one by its status, so nothing leaves in another form.

use std::time::Duration;

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use colloquy_bus::BusError;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{room, state::RETRY_AFTER};

/// Media type of a problem document.
pub(crate) const MEDIA_TYPE: &str = "application/problem+json";

macro_rules! kinds {
    ($($(#[doc = $about:literal])+ $name:ident = $slug:literal, $status:ident, $title:literal;)*) => {
        /// The kinds of problems. The doc text of each is what `/problems/<slug>` serves.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Kind {
            $($(#[doc = $about])+ $name,)*
        }

        impl Kind {
            /// Every kind.
            pub(crate) const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Last part of its type, `/problems/<slug>`.
            pub(crate) const fn slug(self) -> &'static str {
                match self { $(Self::$name => $slug,)* }
            }

            /// The status it comes with.
            pub(crate) const fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)* }
            }

            /// What it is, in a few words; the same for every occurrence.
            pub(crate) const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }

            /// What it means and what to do.
            pub(crate) const fn about(self) -> &'static str {
                match self { $(Self::$name => concat!($($about,)+).trim_ascii_start(),)* }
            }
        }
    };
}

kinds! {
    /// The request cannot be read: its syntax, a path segment, a header or a query parameter is
    /// malformed. The detail names it. Change the request.
    BadRequest = "bad-request", BAD_REQUEST, "The request cannot be read";
    /// The search text cannot be understood. The detail says where. Quote phrases, balance
    /// parentheses, and put no operator at the end.
    BadQuery = "bad-query", BAD_REQUEST, "The search text cannot be understood";
    /// No valid API key came with the request. Send one as `Authorization: Bearer <key>` or
    /// `X-Api-Key: <key>`.
    Unauthenticated = "unauthenticated", UNAUTHORIZED, "An API key is needed";
    /// There is nothing at this address, or nothing that your account may see.
    NotFound = "not-found", NOT_FOUND, "Not found";
    /// The address exists, but not for this method. The `Allow` header lists those it has.
    MethodNotAllowed = "method-not-allowed", METHOD_NOT_ALLOWED, "Method not allowed";
    /// The conversation is still in work. Ask again after the time in `Retry-After`, or follow its
    /// event stream.
    NotReady = "not-ready", CONFLICT, "Not ready yet";
    /// The conversation ended before there was such a result, and there will be none unless it is
    /// processed again. The detail says why.
    NoResult = "no-result", CONFLICT, "There is no such result";
    /// The conversation was erased. What is left is that it was.
    Erased = "erased", GONE, "Erased";
    /// The body or a part of it is larger than this gateway takes. The detail names the limit.
    TooLarge = "too-large", PAYLOAD_TOO_LARGE, "Too large";
    /// The body has a media type or an encoding that is not taken here.
    UnsupportedMediaType = "unsupported-media-type", UNSUPPORTED_MEDIA_TYPE,
        "Unsupported media type";
    /// The range lies outside of the recording; `Content-Range` has its size.
    RangeNotSatisfiable = "range-not-satisfiable", RANGE_NOT_SATISFIABLE, "Range not satisfiable";
    /// The body holds no audio: it is empty, or the form has no file.
    Empty = "empty", UNPROCESSABLE_ENTITY, "The recording is empty";
    /// A field is missing or has a value that cannot be used. The detail names the field and what
    /// it takes.
    Invalid = "invalid", UNPROCESSABLE_ENTITY, "A field cannot be used";
    /// The `Idempotency-Key` was used before, for something else. Use a new key for each new
    /// request, and the same key only to repeat one.
    IdempotencyMismatch = "idempotency-mismatch", UNPROCESSABLE_ENTITY,
        "The idempotency key was used for something else";
    /// Too many of these requests at once. Try again after the time in `Retry-After`.
    TooManyRequests = "too-many-requests", TOO_MANY_REQUESTS, "Too many requests";
    /// The body stopped flowing or broke off. Nothing was accepted. Send it again, with the same
    /// `Idempotency-Key` if there was one.
    Interrupted = "interrupted", REQUEST_TIMEOUT, "The body broke off";
    /// Something went wrong here that should not have. The trace id helps whoever runs this
    /// gateway to find out what.
    Internal = "internal", INTERNAL_SERVER_ERROR, "Something went wrong here";
    /// The gateway is at its limit, or something that it needs is away. Nothing was accepted. Try
    /// again after the time in `Retry-After`.
    Unavailable = "unavailable", SERVICE_UNAVAILABLE, "Not available at the moment";
    /// The broker's storage is full, or nearly: nothing new is accepted, so that what was accepted
    /// has room to come to its end. Whoever runs this platform has to make room. Send it again after
    /// the time in `Retry-After`, with the same `Idempotency-Key` if there was one.
    StorageFull = "storage-full", SERVICE_UNAVAILABLE, "Storage is full";
    /// It took longer than this gateway waits. Try again.
    TimedOut = "timed-out", GATEWAY_TIMEOUT, "It took too long";
    /// The request was refused for the reason its status tells.
    Refused = "refused", BAD_REQUEST, "The request was refused";
}

/// Why a request was not answered as hoped.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    kind: Kind,
    status: StatusCode,
    detail: String,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    /// A problem; `detail` says what is wrong this time and what to do, without personal data.
    pub(crate) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        let (status, detail) = (kind.status(), detail.into());
        Self {
            kind,
            status,
            detail,
            headers: Vec::new(),
        }
    }

    /// With a header on the response.
    pub(crate) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// With the time to wait before it is worth trying again.
    pub(crate) fn retry_after(self, wait: Duration) -> Self {
        self.with_header(
            header::RETRY_AFTER,
            HeaderValue::from(wait.as_secs().max(1)),
        )
    }

    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(Kind::BadRequest, detail)
    }

    pub(crate) fn invalid(detail: impl Into<String>) -> Self {
        Self::new(Kind::Invalid, detail)
    }

    pub(crate) fn not_found() -> Self {
        Self::new(
            Kind::NotFound,
            "Nothing is here that your account may see; check the id, or see /openapi.json.",
        )
    }

    pub(crate) fn internal() -> Self {
        Self::new(
            Kind::Internal,
            "Try again; if it stays, give the trace id to whoever runs this gateway.",
        )
    }

    pub(crate) fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(Kind::Unavailable, detail).retry_after(RETRY_AFTER)
    }

    pub(crate) fn too_large(limit_bytes: u64) -> Self {
        Self::new(
            Kind::TooLarge,
            format!("The limit is {limit_bytes} bytes; send less, or compress the audio."),
        )
    }

    /// What is wrong this time, and what to do.
    pub(crate) const fn status(&self) -> StatusCode {
        self.status
    }

    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    /// Whether the broker has no room.
    pub(crate) fn is_storage_full(&self) -> bool {
        self.kind == Kind::StorageFull
    }

    /// The problem of a response that came without one.
    fn of_status(status: StatusCode) -> Self {
        let kind = match status {
            StatusCode::BAD_REQUEST => Kind::BadRequest,
            StatusCode::NOT_FOUND => Kind::NotFound,
            StatusCode::METHOD_NOT_ALLOWED => Kind::MethodNotAllowed,
            StatusCode::PAYLOAD_TOO_LARGE => Kind::TooLarge,
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Kind::UnsupportedMediaType,
            StatusCode::UNPROCESSABLE_ENTITY => Kind::Invalid,
            StatusCode::INTERNAL_SERVER_ERROR => Kind::Internal,
            StatusCode::SERVICE_UNAVAILABLE => Kind::Unavailable,
            _ => Kind::Refused,
        };
        let detail = match kind {
            Kind::NotFound => "There is no such path; /openapi.json lists those there are.",
            Kind::MethodNotAllowed => "Use one of the methods that the Allow header lists.",
            _ => kind.about(),
        };
        Self {
            kind,
            status,
            detail: detail.to_owned(),
            headers: Vec::new(),
        }
    }

    fn document(&self, instance: &str, trace_id: Option<String>) -> ProblemDocument {
        ProblemDocument {
            kind: format!("/problems/{}", self.kind.slug()),
            title: self.kind.title().to_owned(),
            status: self.status.as_u16(),
            detail: self.detail.clone(),
            instance: instance.to_owned(),
            trace_id,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        for (name, value) in self.headers.clone() {
            response.headers_mut().insert(name, value);
        }
        response.extensions_mut().insert(self);
        response
    }
}

impl From<BusError> for Problem {
    /// Logs it, as this is where it is handled, and tells the client no more than it can use.
    fn from(error: BusError) -> Self {
        let logged = &error as &dyn std::error::Error;
        match &error {
            BusError::TooLarge { limit_bytes } => Self::too_large(*limit_bytes),
            BusError::Content(_) => Self::new(
                Kind::Interrupted,
                "The body stopped flowing or broke off; nothing was accepted. Send it again.",
            ),
            BusError::ArtifactDamaged { .. }
            | BusError::Unreadable(_)
            | BusError::Value { .. }
            | BusError::Conflict { .. }
            | BusError::File(_) => {
                tracing::error!(error = logged, "request failed");
                Self::internal()
            }
            BusError::NoAnswer { .. } => {
                tracing::warn!(error = logged, "request failed");
                Self::unavailable("No service that can answer this is running; try again later.")
            }
            error if error.is_storage_exhausted() => {
                tracing::error!(error = logged, "request failed for want of room");
                room::exhausted()
            }
            _ => {
                tracing::warn!(error = logged, "request failed");
                Self::unavailable("The broker cannot be reached; nothing was accepted.")
            }
        }
    }
}

/// What went wrong (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem, example = json!({
    "type": "/problems/too-large",
    "title": "Too large",
    "status": 413,
    "detail": "The limit is 536870912 bytes; send less, or compress the audio.",
    "instance": "/v1/conversations",
    "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"
}))]
pub(crate) struct ProblemDocument {
    /// The kind of problem: a path on this gateway that explains it.
    #[serde(rename = "type")]
    kind: String,
    /// The kind in a few words.
    title: String,
    /// The response's status code.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What is wrong this time, and what to do.
    detail: String,
    /// The path that was asked for.
    instance: String,
    /// The trace of the request, for whoever runs the gateway.
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<String>,
}

/// Writes the problem document of a response that is an error.
pub(crate) fn render(mut response: Response, instance: &str, trace_id: Option<String>) -> Response {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    let problem = response
        .extensions_mut()
        .remove::<Problem>()
        .unwrap_or_else(|| Problem::of_status(status));
    let document = problem.document(instance, trace_id);
    // A struct of strings and a number is always JSON.
    let body = serde_json::to_vec(&document).unwrap_or_default();
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_LENGTH);
    headers.remove(header::TRANSFER_ENCODING);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    *response.body_mut() = Body::from(body);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_have_slugs_of_their_own() {
        let mut slugs: Vec<_> = Kind::ALL.iter().map(|kind| kind.slug()).collect();
        slugs.sort_unstable();
        slugs.dedup();
        assert_eq!(slugs.len(), Kind::ALL.len());
        for kind in Kind::ALL {
            assert!(kind.status().as_u16() >= 400, "{kind:?}");
            assert!(kind.about().ends_with('.'), "{kind:?}");
        }
    }

    #[tokio::test]
    async fn bare_errors_get_a_problem() {
        for status in [404_u16, 405, 413, 415, 422, 431, 500, 503] {
            let bare = StatusCode::from_u16(status).unwrap().into_response();
            let response = render(bare, "/x", Some("abc".to_owned()));
            assert_eq!(response.status(), status);
            assert_eq!(response.headers()[header::CONTENT_TYPE], MEDIA_TYPE);
            let body = axum::body::to_bytes(response.into_body(), 10_000)
                .await
                .unwrap();
            let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(body["status"], status);
            assert_eq!(body["instance"], "/x");
            assert_eq!(body["trace_id"], "abc");
            assert!(body["type"].as_str().unwrap().starts_with("/problems/"));
            assert!(!body["detail"].as_str().unwrap().is_empty());
        }
    }

    #[test]
    fn what_is_fine_is_left_alone() {
        let response = render("hello".into_response(), "/x", None);
        assert!(
            response.headers()[header::CONTENT_TYPE]
                .to_str()
                .unwrap()
                .starts_with("text/")
        );
    }

    #[test]
    fn headers_of_a_problem_survive() {
        let problem = Problem::unavailable("x").into_response();
        let response = render(problem, "/x", None);
        assert_eq!(response.headers()[header::RETRY_AFTER], "5");
    }
}
