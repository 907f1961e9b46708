//! Puts labels in place of words.

use std::ops::Range;

use colloquy_contract::transcript::{Turn, Word};

use super::labels::{Hit, Labels};

/// A turn with labels.
pub(super) struct Rewritten {
    /// The turn.
    pub(super) turn: Turn,
    /// Which words of the original turn each word stands for.
    pub(super) origins: Vec<Range<usize>>,
    /// Which of its words have labels.
    pub(super) replaced: Vec<bool>,
    /// Where in its text the labels are, in characters.
    pub(super) labelled: Vec<Range<usize>>,
}

/// Replaces the hits of a turn, which are in order, lie in words and do not overlap.
pub(super) fn turn(turn: &Turn, text: &[char], hits: &[Hit], labels: &Labels) -> Rewritten {
    let spans: Vec<Range<usize>> = turn.word_spans().collect();
    let mut words = Vec::with_capacity(turn.words.len());
    let (mut origins, mut replaced, mut labelled) = (Vec::new(), Vec::new(), Vec::new());
    let (mut first, mut open, mut start) = (0, hits, 0);
    while first < spans.len() {
        let (last, count) = group(&spans, first, open);
        let (here, later) = open.split_at(count);
        let word = if here.is_empty() {
            turn.words[first].clone()
        } else {
            let place = spans[first].start..spans[last].end;
            let (new_text, labels) = with_labels(text, place, here, labels);
            labelled.extend(labels.iter().map(|at| start + at.start..start + at.end));
            merged(&turn.words[first..=last], new_text)
        };
        start += word.text.chars().count() + 1;
        words.push(word);
        origins.push(first..last + 1);
        replaced.push(!here.is_empty());
        (first, open) = (last + 1, later);
    }
    let rewritten = Turn::new(turn.channel, turn.role, words).unwrap_or_else(|| turn.clone());
    Rewritten {
        turn: Turn {
            word_times: turn.word_times,
            ..rewritten
        },
        origins,
        replaced,
        labelled,
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

/// The new text of a place, and where in it the labels are.
fn with_labels(
    text: &[char],
    place: Range<usize>,
    hits: &[Hit],
    labels: &Labels,
) -> (String, Vec<Range<usize>>) {
    let (mut new_text, mut places) = (Vec::new(), Vec::new());
    let mut at = place.start;
    for hit in hits {
        new_text.extend_from_slice(&text[at..hit.range.start]);
        let start = new_text.len();
        new_text.extend(labels.get(&hit.entity).chars());
        places.push(start..new_text.len());
        at = hit.range.end;
    }
    new_text.extend_from_slice(&text[at..place.end]);
    (new_text.into_iter().collect(), places)
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
