//! Trace context over message headers, and the attributes of messaging spans.
//!
//! Names follow OpenTelemetry's semantic conventions for messaging (1.40, development): a publish
//! span is a PRODUCER named `publish {template}`, handling is a CONSUMER named
//! `process {template}`, settling is a CLIENT named `ack {template}`. The template stands for the
//! destination because subjects carry ids.

use async_nats::HeaderMap;
use colloquy_contract::envelope::header;
use opentelemetry::{
    Context,
    propagation::{Extractor, Injector},
    trace::{SpanContext, TraceContextExt},
};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

const PREFIX: &str = "ce-";

/// Of a redriven message: the trace context of the redrive. Its own is that of the fact's
/// publisher, so that a conversation stays one trace.
const REDRIVE_PARENT: &str = "Colloquy-Redrive-Traceparent";

struct Inject<'a>(&'a mut HeaderMap);

impl Injector for Inject<'_> {
    fn set(&mut self, key: &str, value: String) {
        if !value.is_empty() {
            self.0.insert(format!("{PREFIX}{key}"), value);
        }
    }
}

struct Extract<'a>(&'a HeaderMap);

impl Extractor for Extract<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0
            .get(format!("{PREFIX}{key}"))
            .map(|value| value.as_str())
    }

    fn keys(&self) -> Vec<&str> {
        [header::TRACE_PARENT, header::TRACE_STATE]
            .into_iter()
            .filter_map(|name| name.strip_prefix(PREFIX))
            .collect()
    }
}

/// Writes the span's context into the headers.
pub(crate) fn inject(span: &Span, headers: &mut HeaderMap) {
    // Where nobody listens to spans there is no context.
    if span.is_disabled() {
        return;
    }
    let context = span.context();
    opentelemetry::global::get_text_map_propagator(|propagator| {
        propagator.inject_context(&context, &mut Inject(headers));
    });
}

/// The context that the message's publisher wrote.
pub(crate) fn extract(headers: &HeaderMap) -> Context {
    opentelemetry::global::get_text_map_propagator(|propagator| {
        propagator.extract(&Extract(headers))
    })
}

/// Says in a span that has the fields for it whether what it stands for failed, and how.
pub(crate) fn ended(span: &Span, error: Option<&'static str>) {
    if let Some(error) = error {
        span.record("error.type", error);
        span.record("otel.status_code", "ERROR");
    }
}

/// Makes a span that was not entered yet the child of the message's publisher, and links it.
pub(crate) fn follow(span: &Span, headers: &HeaderMap) {
    if span.is_disabled() {
        return;
    }
    continue_from(span, extract(headers));
}

/// Writes which redrive gave the message back.
pub(crate) fn inject_redrive(span: &Span, headers: &mut HeaderMap) {
    let mut own = HeaderMap::new();
    inject(span, &mut own);
    if let Some(parent) = own.get(header::TRACE_PARENT) {
        headers.insert(REDRIVE_PARENT, parent.clone());
    }
}

/// Links a span to the redrive that gave the message back, if one did.
pub(crate) fn link_redrive(span: &Span, headers: &HeaderMap) {
    if let (false, Some(redrive)) = (span.is_disabled(), redrive(headers)) {
        span.add_link(redrive);
    }
}

/// The context of the redrive that gave the message back, if one did.
pub(crate) fn redrive(headers: &HeaderMap) -> Option<SpanContext> {
    linked(headers.get(REDRIVE_PARENT)?.as_str())
}

/// The context that a `traceparent` stands for.
pub(crate) fn linked(traceparent: &str) -> Option<SpanContext> {
    let mut headers = HeaderMap::new();
    headers.insert(header::TRACE_PARENT, traceparent);
    let context = extract(&headers).span().span_context().clone();
    context.is_valid().then_some(context)
}

/// Makes a span that was not entered yet the child of what `context` stands for, and links it.
pub(crate) fn continue_from(span: &Span, context: Context) {
    let publisher = context.span().span_context().clone();
    if publisher.is_valid() {
        // Fails only where no tracing subscriber exports spans: then there is nothing to join.
        let _ = span.set_parent(context);
        span.add_link(publisher);
    }
}
