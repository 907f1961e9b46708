//! What the demo shows: a table, a search, where the audio is, a trace.

use std::{collections::BTreeMap, fmt::Write, io::IsTerminal, path::Path, time::Duration};

use colloquy_runtime::collector::{Collector, Span};
use jiff::Timestamp;
use serde_json::Value;

use super::{Client, Done};
use crate::cli::say;

/// Stages in the order of the pipeline, as the facts that end them.
const STAGES: [&str; 6] = [
    "decoded",
    "transcribed",
    "tagged",
    "anonymized",
    "qualified",
    "indexed",
];

/// How long the last spans of a trace may take to arrive.
const TRACE_PATIENCE: Duration = Duration::from_secs(15);

/// One row a call: length, seconds in each stage, words, entities, redactions.
pub(crate) fn print_table(calls: &[Done]) {
    let mut header = format!("\n{:<22} {:>7}", "call", "length");
    for stage in STAGES {
        let _ = write!(header, " {:>12}", stage);
    }
    say(format!(
        "{header} {:>6} {:>9} {:>10}",
        "words", "entities", "redactions"
    ));
    for call in calls {
        say(row(call));
    }
    say("Stage columns: seconds from the fact before, queueing included.");
}

fn row(call: &Done) -> String {
    let status = &call.status;
    let seconds = status["duration_ms"].as_f64().unwrap_or_default() / 1_000.0;
    let mut line = format!("{:<22} {:>6.1}s", call.name, seconds);
    let times = stage_times(status);
    let mut before = times.get("received").copied();
    for stage in STAGES {
        let at = times.get(stage).copied();
        let took = before
            .zip(at)
            .map(|(from, to)| to.duration_since(from).as_secs_f64());
        let _ = match took {
            Some(took) => write!(line, " {took:>11.2}s"),
            None => write!(line, " {:>12}", "-"),
        };
        before = at.or(before);
    }
    let words = status["words"].as_u64().unwrap_or_default();
    let (entities, redactions) = (sum(&status["entities"]), sum(&status["redactions"]));
    let _ = write!(line, " {words:>6} {entities:>9} {redactions:>10}");
    if let Some(reason) = status["error"]["reason"].as_str() {
        let _ = write!(line, "  {reason}");
    }
    line
}

/// When each fact was stated, by its last token.
fn stage_times(status: &Value) -> BTreeMap<String, Timestamp> {
    let stages = status["stages"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let time = |stage: &Value| {
        let fact = stage["fact"].as_str()?.rsplit('.').next()?.to_owned();
        Some((fact, stage["at"].as_str()?.parse().ok()?))
    };
    stages.iter().filter_map(time).collect()
}

fn sum(counts: &Value) -> u64 {
    counts
        .as_object()
        .map_or(0, |counts| counts.values().filter_map(Value::as_u64).sum())
}

/// Searches and shows the hits with the words that match.
pub(crate) async fn print_search(client: &Client, query: &str) -> anyhow::Result<()> {
    let found = client.search(query).await?;
    let hits = found["hits"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    say(format!(
        "\nSearch for {query}: {} conversations",
        found["total"]
    ));
    for hit in hits {
        let turns = hit["turns"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        for turn in turns.iter().take(1) {
            let at = turn["start_ms"].as_u64().unwrap_or_default() / 1_000;
            let role = turn["role"].as_str().unwrap_or_default();
            say(format!(
                "  {}:{:02} {role:<8} {}",
                at / 60,
                at % 60,
                highlighted(turn)
            ));
        }
    }
    anyhow::ensure!(!hits.is_empty(), "the search found nothing");
    Ok(())
}

/// The snippet with its matches in bold on a terminal, in asterisks elsewhere.
fn highlighted(turn: &Value) -> String {
    let (on, off) = if std::io::stdout().is_terminal() {
        ("\u{1b}[1;33m", "\u{1b}[0m")
    } else {
        ("*", "*")
    };
    let bounds = |range: &Value| Some((range[0].as_u64()?, range[1].as_u64()?));
    let ranges: Vec<_> = turn["highlights"]
        .as_array()
        .map(|ranges| ranges.iter().filter_map(bounds).collect())
        .unwrap_or_default();
    let mut text = String::new();
    for (index, c) in (0_u64..).zip(turn["snippet"].as_str().unwrap_or_default().chars()) {
        if ranges.iter().any(|&(start, _)| start == index) {
            text.push_str(on);
        }
        text.push(c);
        if ranges.iter().any(|&(_, end)| end == index + 1) {
            text.push_str(off);
        }
    }
    text
}

/// Saves the redacted recordings and says where they are.
pub(crate) async fn save_audio(
    client: &Client,
    calls: &[Done],
    folder: &Path,
) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder)?;
    for call in calls.iter().filter(|call| call.completed()) {
        let audio = client.audio(&call.id).await?;
        std::fs::write(folder.join(format!("{}.opus", call.name)), audio)?;
    }
    say(format!("\nRedacted recordings: {}", folder.display()));
    if let Some(call) = calls.first() {
        say(format!(
            "  also from the API, such as {}",
            client.audio_url(&call.id)
        ));
    }
    Ok(())
}

/// Shows the trace of the first call as a tree, if it came to the demo's own collector.
pub(crate) async fn print_trace(collector: &Collector, calls: &[Done]) {
    let Some(call) = calls.iter().find(|call| call.completed()) else {
        return;
    };
    let Some(spans) = complete_trace(collector, &call.id).await else {
        say("\nTraces go to the collector that the environment names.");
        return;
    };
    let trace_id = &spans[0].trace_id;
    say(format!(
        "\nTrace {trace_id} of {}: {} spans",
        call.name,
        spans.len()
    ));
    let start = spans[0].start_unix_ns;
    let known = |id: &str| spans.iter().any(|span| span.span_id == id);
    for root in spans.iter().filter(|span| !known(&span.parent_id)) {
        print_subtree(root, &spans, start, 1);
    }
}

/// The spans of the conversation's trace, once its last stage has arrived.
async fn complete_trace(collector: &Collector, conversation: &str) -> Option<Vec<Span>> {
    let deadline = tokio::time::Instant::now() + TRACE_PATIENCE;
    loop {
        let about =
            |span: &Span| span.attribute("messaging.message.conversation_id") == Some(conversation);
        let spans = collector.spans();
        let last = |span: &&Span| about(span) && span.name.ends_with(".indexed");
        if let Some(span) = spans.iter().find(last) {
            return Some(collector.trace(&span.trace_id));
        }
        if tokio::time::Instant::now() > deadline {
            return None;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn print_subtree(span: &Span, spans: &[Span], start: u64, depth: usize) {
    let ms = |ns: u64| Duration::from_nanos(ns).as_secs_f64() * 1_000.0;
    let name = span
        .name
        .replace("conversations.{partition}.{account}.{conversation}.", "");
    let who = span.attribute("service").unwrap_or_default();
    say(format!(
        "{:>9.1} ms {:>9.1} ms  {}{name} {who}",
        ms(span.start_unix_ns.saturating_sub(start)),
        ms(span.end_unix_ns.saturating_sub(span.start_unix_ns)),
        "  ".repeat(depth),
    ));
    // A trace of one conversation is a path of some dozen spans; this bounds a malformed one.
    if depth < 64 {
        for child in spans.iter().filter(|child| child.parent_id == span.span_id) {
            print_subtree(child, spans, start, depth + 1);
        }
    }
}
