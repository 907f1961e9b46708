//! Puts labels in place of words.

use std::ops::Range;

use colloquy_contract::transcript::{Turn, Word};

use super::labels::{Hit, Labels};

/// A turn with labels.
pub(super) struct Rewritten {
    /// The turn.
    pub(super) turn: Turn,
    /// Which words of the original turn were replaced, one range for each new word.
    pub(super) replaced: Vec<Range<usize>>,
}

/// Replaces the hits of a turn, which are in order, lie in words and do not overlap.
pub(super) fn turn(turn: &Turn, text: &[char], hits: &[Hit], labels: &Labels) -> Rewritten {
    let spans: Vec<Range<usize>> = turn.word_spans().collect();
    let mut words = Vec::with_capacity(turn.words.len());
    let mut replaced = Vec::new();
    let (mut first, mut open) = (0, hits);
    while first < spans.len() {
        let (last, count) = group(&spans, first, open);
        let (here, later) = open.split_at(count);
        if here.is_empty() {
            words.push(turn.words[first].clone());
        } else {
            let place = spans[first].start..spans[last].end;
            let new_text = with_labels(text, place, here, labels);
            words.push(merged(&turn.words[first..=last], new_text));
            replaced.push(first..last + 1);
        }
        (first, open) = (last + 1, later);
    }
    let rewritten = Turn::new(turn.channel, turn.role, words).unwrap_or_else(|| turn.clone());
    Rewritten {
        turn: Turn {
            word_times: turn.word_times,
            ..rewritten
        },
        replaced,
    }
}

/// The last word, and the number of hits, of the group that begins with word `first`: words that
/// share a hit and hits that share a word become one.
fn group(spans: &[Range<usize>], first: usize, hits: &[Hit]) -> (usize, usize) {
    let (mut last, mut count) = (first, 0);
    while let Some(hit) = hits
        .get(count)
        .filter(|hit| hit.range.start < spans[last].end)
    {
        while last + 1 < spans.len() && spans[last].end < hit.range.end {
            last += 1;
        }
        count += 1;
    }
    (last, count)
}

fn with_labels(text: &[char], place: Range<usize>, hits: &[Hit], labels: &Labels) -> String {
    let mut new_text = String::new();
    let mut at = place.start;
    for hit in hits {
        new_text.extend(&text[at..hit.range.start]);
        new_text.push_str(labels.get(&hit.entity));
        at = hit.range.end;
    }
    new_text.extend(&text[at..place.end]);
    new_text
}

/// One word for several: from the first's start to the last's end, as sure as the least sure.
fn merged(words: &[Word], text: String) -> Word {
    Word {
        text,
        start_ms: words
            .iter()
            .map(|word| word.start_ms)
            .min()
            .unwrap_or_default(),
        end_ms: words
            .iter()
            .map(|word| word.end_ms)
            .max()
            .unwrap_or_default(),
        confidence: words.iter().map(|word| word.confidence).fold(1.0, f32::min),
        // What a digit was is what is not to be known.
        digit_starts_ms: Vec::new(),
    }
}
