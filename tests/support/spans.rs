//! Traces as they came to a collector: waiting for them, walking them, showing them.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests; it is a module of theirs"
)]

use std::{
    collections::BTreeMap,
    fmt::Write,
    time::{Duration, Instant},
};

use colloquy_runtime::collector::{Collector, Span};

/// How long the last spans may take to arrive, once what they stand for has happened.
const ARRIVAL: Duration = Duration::from_secs(30);

pub const SERVER: i32 = 2;
pub const CLIENT: i32 = 3;
pub const PRODUCER: i32 = 4;
pub const CONSUMER: i32 = 5;

/// The spans of one trace.
pub struct Trace {
    pub spans: Vec<Span>,
}

impl Trace {
    /// The trace, as soon as nothing is missing between its spans (every process sends its own when
    /// it likes) and it is as it must be.
    pub async fn awaited(collector: &Collector, id: &str, whole: impl Fn(&Self) -> bool) -> Self {
        let deadline = Instant::now() + ARRIVAL;
        loop {
            let trace = Self {
                spans: collector.trace(id),
            };
            if trace.roots().len() == 1 && whole(&trace) {
                return trace;
            }
            assert!(
                Instant::now() < deadline,
                "the trace is not whole:\n{}",
                trace.tree()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub fn find(&self, is: impl Fn(&Span) -> bool) -> Option<&Span> {
        self.spans.iter().find(|span| is(span))
    }

    /// The only span of this name that this service made.
    #[track_caller]
    pub fn one(&self, service: &str, name: &str) -> &Span {
        let found: Vec<_> = self
            .spans
            .iter()
            .filter(|span| span.service == service && span.name == name)
            .collect();
        assert_eq!(found.len(), 1, "'{name}' of {service} in:\n{}", self.tree());
        found[0]
    }

    /// Spans whose parent is not among them.
    pub fn roots(&self) -> Vec<&Span> {
        let known = |id: &str| self.spans.iter().any(|span| span.span_id == id);
        let roots = self.spans.iter().filter(|span| !known(&span.parent_id));
        roots.collect()
    }

    /// Which service calls which, and how often: what Jaeger draws as the graph of dependencies.
    pub fn dependencies(&self) -> BTreeMap<(&str, &str), usize> {
        let by_id: BTreeMap<_, _> = self
            .spans
            .iter()
            .map(|span| (span.span_id.as_str(), span.service.as_str()))
            .collect();
        let mut calls = BTreeMap::new();
        for span in &self.spans {
            if let Some(parent) = by_id.get(span.parent_id.as_str())
                && *parent != span.service
            {
                *calls.entry((*parent, span.service.as_str())).or_default() += 1;
            }
        }
        calls
    }

    /// For people: when each began, how long it took, who did it.
    pub fn tree(&self) -> String {
        let mut text = String::new();
        let start = self.spans.first().map_or(0, |span| span.start_unix_ns);
        for root in self.roots() {
            self.branch(root, start, 0, &mut text);
        }
        text
    }

    fn branch(&self, span: &Span, start: u64, depth: usize, text: &mut String) {
        let ms = |ns: u64| Duration::from_nanos(ns).as_secs_f64() * 1_000.0;
        let name = span
            .name
            .replace("conversations.{partition}.{account}.{conversation}.", "");
        writeln!(
            text,
            "{:>9.1} ms {:>9.1} ms  {}{name}  [{}]",
            ms(span.start_unix_ns.saturating_sub(start)),
            ms(span.end_unix_ns.saturating_sub(span.start_unix_ns)),
            "  ".repeat(depth),
            span.service,
        )
        .unwrap();
        assert!(depth < 64, "spans are their own parents");
        for child in &self.spans {
            if child.parent_id == span.span_id {
                self.branch(child, start, depth + 1, text);
            }
        }
    }
}

/// A trace of the client's own: its id, its span's id, and the header that says both.
pub fn own_trace() -> (String, String, String) {
    let trace = format!("{:032x}", rand::random::<u128>().max(1));
    let span = format!("{:016x}", rand::random::<u64>().max(1));
    let header = format!("00-{trace}-{span}-01");
    (trace, span, header)
}

/// The template of a fact's subject, as it stands in names.
pub fn template(fact: &str) -> String {
    format!("conversations.{{partition}}.{{account}}.{{conversation}}.{fact}")
}
