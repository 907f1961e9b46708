//! When the digits of a number were said.

use std::ops::Range;

use super::{Placed, with_margins};
use crate::model::Alignment;
use crate::vocabulary::Vocabulary;
use crate::windows::Window;

/// Where each digit of a number begins.
///
/// Attention finds the beginning of a group of digits well, where the model wrote something between
/// groups, and the digits in it badly; so they share the speech up to the next group evenly.
pub(super) fn digits(
    vocabulary: &Vocabulary,
    window: &Window,
    placed: &Placed,
    tokens: &[usize],
    alignment: &Alignment,
) -> Vec<usize> {
    if !placed.is_number() {
        return Vec::new();
    }
    let count = |&token: &usize| {
        let spelled = vocabulary.spelling(token);
        spelled.iter().filter(|byte| byte.is_ascii_digit()).count()
    };
    let range = placed.written.tokens.clone();
    let counts: Vec<usize> = tokens[range.clone()].iter().map(count).collect();
    let bound = |at: usize| alignment.bounds.get(at).copied().unwrap_or(0);
    let (first, last) = (placed.samples.start, placed.samples.end.saturating_sub(1));
    let mut begins = first;
    let mut found = Vec::new();
    let groups = groups(&counts);
    for (at, group) in groups.iter().enumerate() {
        let next = groups.get(at + 1).map_or(range.len(), |next| next.start);
        let speech = spoken(
            window,
            bound(range.start + group.start)..bound(range.start + next),
        );
        let length: usize = speech.iter().map(ExactSizeIterator::len).sum();
        let digits: usize = counts[group.clone()].iter().sum();
        for digit in 0..digits {
            let begin = along(&speech, length * digit / digits).unwrap_or(begins);
            begins = begin.clamp(begins, last.max(begins));
            found.push(begins);
        }
    }
    found
}

/// Runs of tokens that spell digits, from how many each spells: what is between them parts them.
fn groups(counts: &[usize]) -> Vec<Range<usize>> {
    let mut groups: Vec<Range<usize>> = Vec::new();
    for (at, _) in counts.iter().enumerate().filter(|&(_, &count)| count > 0) {
        match groups.last_mut() {
            Some(group) if group.end == at => group.end = at + 1,
            _ => groups.push(at..at + 1),
        }
    }
    groups
}

/// The speech in a part of the window, in samples of the recording.
fn spoken(window: &Window, samples: Range<usize>) -> Vec<Range<usize>> {
    window
        .in_recording(samples)
        .flat_map(|part| (0..window.speech.len()).map(move |at| (at, part.clone())))
        .map(|(at, part)| {
            let speech = with_margins(window, at);
            part.start.max(speech.start)..part.end.min(speech.end)
        })
        .filter(|common| !common.is_empty())
        .collect()
}

/// The sample that so many samples of these ranges lie before.
fn along(ranges: &[Range<usize>], mut before: usize) -> Option<usize> {
    for range in ranges {
        if before < range.len() {
            return Some(range.start + before);
        }
        before -= range.len();
    }
    None
}
