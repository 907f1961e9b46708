//! A server span and a duration per request, by OpenTelemetry's semantic conventions for HTTP.
//!
//! Names are by route template and paths come without their query, because both may hold what
//! people searched for. What probes and scrapers ask for is not traced.

use std::time::Instant;

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, Version},
    middleware::Next,
    response::Response,
};
use colloquy_contract::ConversationId;
use opentelemetry::{
    Context, KeyValue, global,
    metrics::UpDownCounter,
    propagation::{Extractor, Injector},
    trace::TraceContextExt,
};
use tracing::{Instrument, Span, field};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::{problem, server::Scheme, state::Shared};

/// Asked for every few seconds by machines.
const QUIET: [&str; 3] = ["/livez", "/readyz", "/metrics"];

/// Attribute of the conversation that a request is about.
pub(crate) const CONVERSATION: &str = "colloquy.conversation.id";

/// Wraps everything else: span, metric, `traceparent`, problem documents.
pub(crate) async fn observe(State(app): State<Shared>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = method(request.method());
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map(|path| path.as_str().to_owned());
    let path = request.uri().path().to_owned();
    let scheme = scheme(&request);
    let _active = Active::new(&app.active, method, scheme);
    let span = server_span(&request, method, route.as_deref(), &path);
    let response = next.run(request).instrument(span.clone()).await;
    let context = span.context();
    let mut response = problem::render(response, &path, trace_id(&context));
    propagate(&context, response.headers_mut());
    let status = response.status();
    span.record("http.response.status_code", status.as_u16());
    if status.is_server_error() {
        span.record("otel.status_code", "ERROR");
        span.record("error.type", status.as_str());
    }
    let mut attributes = vec![
        KeyValue::new("http.request.method", method),
        KeyValue::new("http.response.status_code", i64::from(status.as_u16())),
        KeyValue::new("url.scheme", scheme),
    ];
    attributes.extend(route.map(|route| KeyValue::new("http.route", route)));
    if status.is_server_error() {
        attributes.push(KeyValue::new("error.type", status.as_str().to_owned()));
    }
    app.duration
        .record(started.elapsed().as_secs_f64(), &attributes);
    response
}

fn server_span(request: &Request, method: &'static str, route: Option<&str>, path: &str) -> Span {
    if route.is_some_and(|route| QUIET.contains(&route)) {
        return Span::none();
    }
    let name = route.map_or_else(|| method.to_owned(), |route| format!("{method} {route}"));
    let span = tracing::info_span!(
        "request",
        otel.name = name,
        otel.kind = "server",
        otel.status_code = field::Empty,
        error.r#type = field::Empty,
        http.request.method = method,
        http.request.method_original = (method == OTHER).then(|| request.method().as_str()),
        http.route = route,
        http.response.status_code = field::Empty,
        url.path = path,
        url.scheme = scheme(request),
        network.protocol.version = version(request.version()),
        colloquy.conversation.id = field::Empty,
    );
    if let Some(conversation) = about(route, path) {
        span.record(CONVERSATION, field::display(conversation));
    }
    let parent = global::get_text_map_propagator(|propagator| {
        propagator.extract_with_context(&Context::new(), &Extract(request.headers()))
    });
    if parent.span().span_context().is_valid() {
        // Fails only where no tracing subscriber exports spans: then there is nothing to join.
        let _ = span.set_parent(parent);
    }
    span
}

/// How the request came to us. Where something before us ends TLS, that is its own affair.
fn scheme(request: &Request) -> &'static str {
    let scheme = request.extensions().get::<Scheme>();
    scheme.map_or("http", |Scheme(scheme)| scheme)
}

/// What the conventions call a method that is not known.
const OTHER: &str = "_OTHER";

/// The conversation that a path names.
fn about(route: Option<&str>, path: &str) -> Option<ConversationId> {
    let named = route.filter(|route| route.starts_with("/v1/conversations/{id}"));
    named.and_then(|_| path.split('/').nth(3)?.parse().ok())
}

fn version(version: Version) -> Option<&'static str> {
    match version {
        Version::HTTP_10 => Some("1.0"),
        Version::HTTP_11 => Some("1.1"),
        _ => None,
    }
}

/// A request under way, counted while it lives.
struct Active<'a>(&'a UpDownCounter<i64>, [KeyValue; 2]);

impl<'a> Active<'a> {
    fn new(count: &'a UpDownCounter<i64>, method: &'static str, scheme: &'static str) -> Self {
        let labels = [
            KeyValue::new("http.request.method", method),
            KeyValue::new("url.scheme", scheme),
        ];
        count.add(1, &labels);
        Self(count, labels)
    }
}

impl Drop for Active<'_> {
    fn drop(&mut self) {
        self.0.add(-1, &self.1);
    }
}

/// The method, if it is a known one: the number of names must be bounded.
fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        Method::TRACE => "TRACE",
        Method::CONNECT => "CONNECT",
        _ => OTHER,
    }
}

fn trace_id(context: &Context) -> Option<String> {
    let span = context.span();
    let span = span.span_context();
    span.is_valid().then(|| span.trace_id().to_string())
}

/// Tells the client which trace its request became.
fn propagate(context: &Context, headers: &mut HeaderMap) {
    global::get_text_map_propagator(|propagator| {
        propagator.inject_context(context, &mut Inject(headers));
    });
}

struct Extract<'a>(&'a HeaderMap);

impl Extractor for Extract<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

struct Inject<'a>(&'a mut HeaderMap);

impl Injector for Inject<'_> {
    fn set(&mut self, key: &str, value: String) {
        let name = HeaderName::try_from(key);
        if let (Ok(name), Ok(value), false) =
            (name, HeaderValue::try_from(&value), value.is_empty())
        {
            self.0.insert(name, value);
        }
    }
}
