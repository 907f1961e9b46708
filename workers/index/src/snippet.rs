//! The part of a turn that is shown.

use std::ops::Range;

/// Longest snippet in Unicode characters, ellipses included.
pub(crate) const MAX_CHARS: usize = 200;

/// Characters shown before the first highlight of a cut text.
const LEAD_CHARS: usize = 40;

const ELLIPSIS: char = '…';

/// Cuts the part out of `text` that has most highlights, at spaces where there are any.
///
/// `spans` are byte ranges of the text, in order, not overlapping; the highlights are ranges in
/// Unicode characters of the snippet.
pub(crate) fn cut(text: &str, spans: &[Range<usize>]) -> (String, Vec<[u32; 2]>) {
    let chars: Vec<char> = text.chars().collect();
    let spans = in_chars(text, spans);
    if chars.len() <= MAX_CHARS {
        return (
            text.to_owned(),
            spans.iter().map(|span| shifted(span, 0, 0)).collect(),
        );
    }
    let window = snapped(&chars, best_window(chars.len(), &spans), &spans);
    let cut_before = window.start > 0;
    let mut snippet = String::new();
    snippet.extend(cut_before.then_some(ELLIPSIS));
    snippet.extend(&chars[window.clone()]);
    snippet.extend((window.end < chars.len()).then_some(ELLIPSIS));
    let highlights = spans
        .iter()
        .map(|span| span.start.max(window.start)..span.end.min(window.end))
        .filter(|span| span.start < span.end)
        .map(|span| shifted(&span, window.start, usize::from(cut_before)))
        .collect();
    (snippet, highlights)
}

/// Byte ranges as character ranges, in one pass.
fn in_chars(text: &str, spans: &[Range<usize>]) -> Vec<Range<usize>> {
    let starts: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
    let place = |at: usize| starts.partition_point(|&start| start < at);
    spans
        .iter()
        .map(|span| place(span.start)..place(span.end))
        .collect()
}

/// The window that holds most spans; of several the first.
fn best_window(length: usize, spans: &[Range<usize>]) -> Range<usize> {
    let room = MAX_CHARS - 2;
    let window_of = |span: &Range<usize>| {
        let start = span
            .start
            .saturating_sub(LEAD_CHARS)
            .min(length.saturating_sub(room));
        start..(start + room).min(length)
    };
    let count = |window: &Range<usize>| {
        spans
            .iter()
            .filter(|span| span.start >= window.start && span.end <= window.end)
            .count()
    };
    let mut best = 0..room.min(length);
    let mut most = 0;
    for span in spans {
        let window = window_of(span);
        let held = count(&window);
        if held > most {
            (best, most) = (window, held);
        }
    }
    // A span that is longer than any window: show its beginning.
    match spans.first() {
        Some(first) if most == 0 => window_of(first),
        _ => best,
    }
}

/// Moves the ends inwards to spaces, but never into a highlight.
fn snapped(chars: &[char], window: Range<usize>, spans: &[Range<usize>]) -> Range<usize> {
    let inside = |span: &&Range<usize>| span.end > window.start && span.start < window.end;
    let first = spans
        .iter()
        .find(inside)
        .map_or(window.end, |span| span.start);
    let last = spans
        .iter()
        .rfind(inside)
        .map_or(window.start, |span| span.end);
    let (mut start, mut end) = (window.start, window.end);
    if start > 0 && !chars[start - 1].is_whitespace() {
        let space = (start..first.max(start)).find(|&at| chars[at].is_whitespace());
        start = space.map_or(start, |at| at + 1);
    }
    if end < chars.len() && !chars[end].is_whitespace() {
        let from = last.clamp(start, end);
        end = (from..end)
            .rev()
            .find(|&at| chars[at].is_whitespace())
            .unwrap_or(end);
    }
    start..end
}

fn shifted(span: &Range<usize>, origin: usize, offset: usize) -> [u32; 2] {
    let place = |at: usize| u32::try_from(at - origin + offset).unwrap_or(u32::MAX);
    [place(span.start), place(span.end)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn highlighted(text: &str, words: &[&str]) -> (String, Vec<String>) {
        let mut spans: Vec<_> = words
            .iter()
            .flat_map(|word| {
                text.match_indices(word)
                    .map(|(at, found)| at..at + found.len())
            })
            .collect();
        spans.sort_by_key(|span| span.start);
        let (snippet, highlights) = cut(text, &spans);
        let chars: Vec<char> = snippet.chars().collect();
        let marked = highlights.iter().map(|&[start, end]| {
            chars[usize::try_from(start).unwrap()..usize::try_from(end).unwrap()]
                .iter()
                .collect()
        });
        (snippet.clone(), marked.collect())
    }

    #[test]
    fn a_short_text_is_shown_whole() {
        let (snippet, marked) = highlighted("Zoë's café is new", &["café", "new"]);
        assert_eq!(snippet, "Zoë's café is new");
        assert_eq!(marked, ["café", "new"]);
    }

    #[test]
    fn a_long_text_is_cut_around_most_highlights() {
        let text = format!(
            "refund {} mein Café refund café {}",
            "blé ".repeat(200),
            "x ".repeat(99)
        );
        let (snippet, marked) = highlighted(&text, &["refund", "café", "Café"]);
        assert_eq!(marked, ["Café", "refund", "café"]);
        assert!(snippet.starts_with("…blé"), "{snippet}");
        assert!(snippet.ends_with("x…"), "{snippet}");
        assert!(snippet.chars().count() <= MAX_CHARS);
    }

    #[test]
    fn odd_texts_are_cut_too() {
        let solid = "ß".repeat(1_000);
        let one = |start, end| [Range { start, end }];
        let places = [one(0, 2), one(1_998, 2_000), one(0, 2_000), one(998, 1_000)];
        for spans in std::iter::once(&[][..]).chain(places.iter().map(|place| &place[..])) {
            let (snippet, highlights) = cut(&solid, spans);
            let length = snippet.chars().count();
            assert!(length <= MAX_CHARS, "{length}");
            assert_eq!(highlights.len(), spans.len());
            assert!(highlights.iter().all(|&[start, end]| start < end));
        }
    }
}
