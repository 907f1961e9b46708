//! Log lines, each with the trace, the span and the conversation that it belongs to.
//!
//! They are the last fields of a line, in text and in JSON: `trace_id`, `span_id`, `conversation`,
//! and `service` where the line itself names none. The conversation comes from the nearest span
//! that has one.

use std::{
    fmt::{self, Write as _},
    io::{self, IsTerminal},
};

use opentelemetry::trace::TraceContextExt;
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{FilterExt, filter_fn},
    fmt::{
        FmtContext, FormatEvent, FormatFields,
        format::{Format, Json, JsonFields, Writer},
        time::{FormatTime, SystemTime},
    },
    layer::Context,
    registry::LookupSpan,
};

use super::LogFormat;

/// Fields of spans that name the conversation.
const CONVERSATION: [&str; 2] = [
    "messaging.message.conversation_id",
    "colloquy.conversation.id",
];

/// Field of spans that names the service.
const SERVICE: &str = "service";

/// Writes log lines to standard error.
pub(super) fn layer<S>(format: LogFormat, filter: EnvFilter) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let layer = tracing_subscriber::fmt::layer()
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr);
    // Our spans are there whatever is logged: lines take their ids from them.
    let spans = filter_fn(of_interest).with_max_level_hint(LevelFilter::INFO);
    let filter = filter.or(spans);
    match format {
        LogFormat::Text => layer.event_format(Text).with_filter(filter).boxed(),
        LogFormat::Json => layer
            .fmt_fields(JsonFields::new())
            .event_format(JsonLine(
                Format::default()
                    .json()
                    .flatten_event(true)
                    .with_current_span(false)
                    .with_span_list(false),
            ))
            .with_filter(filter)
            .boxed(),
    }
}

/// Keeps what spans say about the conversation.
pub(super) fn marks<S>() -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let spans = filter_fn(of_interest).with_max_level_hint(LevelFilter::INFO);
    Marks.with_filter(spans)
}

fn of_interest(metadata: &Metadata<'_>) -> bool {
    metadata.is_span()
        && metadata.target().starts_with("colloquy")
        && *metadata.level() <= tracing::Level::INFO
}

/// What a span says about where it belongs.
#[derive(Debug, Clone, Default)]
struct Mark {
    conversation: Option<String>,
    service: Option<String>,
}

impl Mark {
    fn take(&mut self, field: &Field, value: &str) {
        if value.is_empty() {
            return;
        }
        if CONVERSATION.contains(&field.name()) {
            self.conversation = Some(value.to_owned());
        } else if field.name() == SERVICE {
            self.service = Some(value.to_owned());
        }
    }
}

impl Visit for Mark {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.take(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if CONVERSATION.contains(&field.name()) || field.name() == SERVICE {
            self.take(field, &format!("{value:?}"));
        }
    }
}

struct Marks;

impl<S> Layer<S> for Marks
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut mark = Mark::default();
        attributes.record(&mut mark);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(mark);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(mark) = span.extensions_mut().get_mut::<Mark>()
        {
            values.record(mark);
        }
    }
}

/// What a line belongs to, in the order of the line: names and values without spaces or quotes.
fn belongs<S, N>(context: &FmtContext<'_, S, N>, event: &Event<'_>) -> Vec<(&'static str, String)>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    let mut mark = Mark::default();
    for span in context.event_scope().into_iter().flatten() {
        if let Some(found) = span.extensions().get::<Mark>() {
            mark.conversation = mark.conversation.or_else(|| found.conversation.clone());
            mark.service = mark.service.or_else(|| found.service.clone());
        }
    }
    if event.metadata().fields().field(SERVICE).is_some() {
        mark.service = None;
    }
    let mut found = Vec::new();
    found.extend(mark.service.map(|service| (SERVICE, service)));
    found.extend(mark.conversation.map(|id| ("conversation", id)));
    let current = opentelemetry::Context::current();
    let span = current.span();
    let span = span.span_context();
    if span.is_valid() {
        found.push(("trace_id", span.trace_id().to_string()));
        found.push(("span_id", span.span_id().to_string()));
    }
    found
}

/// A line for people: time, level, message, fields.
struct Text;

impl<S, N> FormatEvent<S, N> for Text
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let ansi = writer.has_ansi_escapes();
        let styled = |style: &'static str| if ansi { style } else { "" };
        let (dim, reset) = (styled("\u{1b}[2m"), styled("\u{1b}[0m"));
        let level = event.metadata().level();
        let colour = styled(match *level {
            tracing::Level::ERROR => "\u{1b}[31m",
            tracing::Level::WARN => "\u{1b}[33m",
            tracing::Level::INFO => "\u{1b}[32m",
            _ => "\u{1b}[34m",
        });
        writer.write_str(dim)?;
        SystemTime.format_time(&mut writer)?;
        write!(writer, "{reset} {colour}{level:>5}{reset} ")?;
        context.format_fields(writer.by_ref(), event)?;
        for (name, value) in belongs(context, event) {
            write!(writer, " {dim}{name}={value}{reset}")?;
        }
        writeln!(writer)
    }
}

/// The library's JSON line, with what it belongs to behind its own fields.
struct JsonLine(Format<Json>);

impl<S, N> FormatEvent<S, N> for JsonLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = String::new();
        self.0
            .format_event(context, Writer::new(&mut line), event)?;
        let object = line.trim_end();
        let open = object.strip_suffix('}').unwrap_or(object);
        writer.write_str(open)?;
        for (name, value) in belongs(context, event) {
            write!(writer, ",\"{name}\":\"{}\"", escaped(&value))?;
        }
        writer.write_str("}\n")
    }
}

/// Text as it may stand in a JSON string.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                escaped.push('\\');
                escaped.push(c);
            }
            c if c.is_control() => {
                let _ = write!(escaped, "\\u{:04x}", u32::from(c));
            }
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use opentelemetry::trace::TracerProvider;
    use opentelemetry_sdk::trace::SdkTracerProvider;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Lines {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    fn speak() {
        let outer = tracing::info_span!(
            target: "colloquy_bus",
            "process",
            service = "decode",
            messaging.message.conversation_id = "0198-c"
        );
        let _outer = outer.enter();
        let inner = tracing::info_span!(target: "colloquy_bus", "inner");
        let _inner = inner.enter();
        tracing::warn!(attempt = 2, "it \"failed\"");
        tracing::warn!(service = "other", "again");
    }

    fn lines(json: bool) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let fmt = tracing_subscriber::fmt::layer()
            .with_ansi(false)
            .with_writer(move || writer.clone());
        let provider = SdkTracerProvider::builder().build();
        let traces = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
        let registry = tracing_subscriber::registry().with(traces).with(marks());
        if json {
            let format = Format::default().json().flatten_event(true);
            let format = JsonLine(format.with_current_span(false).with_span_list(false));
            let fmt = fmt.fmt_fields(JsonFields::new()).event_format(format);
            tracing::subscriber::with_default(registry.with(fmt), speak);
        } else {
            tracing::subscriber::with_default(registry.with(fmt.event_format(Text)), speak);
        }
        lines.text()
    }

    #[test]
    fn text_lines_say_where_they_belong() {
        let text = lines(false);
        let all: Vec<&str> = text.lines().collect();
        assert!(
            all[0].contains(" WARN it \"failed\" attempt=2 service=decode conversation=0198-c"),
            "{text}"
        );
        let (_, trace) = all[0].split_once("trace_id=").unwrap();
        let (trace, span) = trace.split_once(" span_id=").unwrap();
        assert_eq!((trace.len(), span.len()), (32, 16), "{text}");
        assert!(all[1].contains(trace), "the same trace: {text}");
        assert!(!all[1].contains("service=decode"), "its own counts: {text}");
    }

    #[test]
    fn json_lines_say_where_they_belong() {
        let text = lines(true);
        let line = text.lines().next().unwrap();
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["message"], "it \"failed\"");
        assert_eq!(
            (&line["attempt"], &line["level"]),
            (&2.into(), &"WARN".into())
        );
        assert_eq!(line["service"], "decode");
        assert_eq!(line["conversation"], "0198-c");
        assert_eq!(line["trace_id"].as_str().unwrap().len(), 32);
        assert_eq!(line["span_id"].as_str().unwrap().len(), 16);
    }

    #[test]
    fn values_fit_json() {
        let text = "a\"b\\c\u{1}";
        let back: String = serde_json::from_str(&format!("\"{}\"", escaped(text))).unwrap();
        assert_eq!(back, text);
    }
}
