//! Which turns of a found conversation match, and where.
//!
//! The index says which conversations match; these are few, and their turns are stored. So where
//! a phrase stands is found by reading them with the tokenizer that indexed them, and what is
//! highlighted is the phrase, not each of its words wherever it stands.

use std::ops::Range;

use tantivy::tokenizer::{TextAnalyzer, Token};

use crate::{
    query::Leaf,
    tokenizer::{self, tokens},
};

/// What a repetition within a turn adds to its weight, and how many count.
const REPETITION: f32 = 0.1;
const MAX_REPETITIONS: usize = 5;

/// Finds words and phrases in texts.
pub(crate) struct Matcher<'a> {
    leaves: Vec<(&'a Leaf, f32)>,
    stem: TextAnalyzer,
    exact: Option<TextAnalyzer>,
}

/// A text that matches.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Matched {
    /// How much of the query it matches.
    pub(crate) weight: f32,
    /// Where, as byte ranges in order that do not overlap.
    pub(crate) spans: Vec<Range<usize>>,
}

impl<'a> Matcher<'a> {
    /// A matcher of these leaves, each with how much it tells.
    pub(crate) fn new(leaves: Vec<(&'a Leaf, f32)>) -> Self {
        let any_prefix = leaves
            .iter()
            .any(|(leaf, _)| matches!(leaf, Leaf::Prefix(_)));
        let exact = any_prefix.then(tokenizer::exact);
        Self {
            leaves,
            stem: tokenizer::stem(),
            exact,
        }
    }

    /// What of the text matches, if anything does.
    pub(crate) fn find(&mut self, text: &str) -> Option<Matched> {
        let stems = tokens(&mut self.stem, text);
        let exact = self
            .exact
            .as_mut()
            .map(|exact| tokens(exact, text))
            .unwrap_or_default();
        let mut weight = 0.0;
        let mut spans = Vec::new();
        for (leaf, worth) in &self.leaves {
            let found = match leaf {
                Leaf::Words(words) => occurrences(&stems, words.len(), |at, token| {
                    words.get(at).is_some_and(|word| word.stem == token)
                }),
                Leaf::Prefix(words) => occurrences(&exact, words.len(), |at, token| {
                    let last = at + 1 == words.len();
                    words.get(at).is_some_and(|word| {
                        if last {
                            token.starts_with(word.as_str())
                        } else {
                            word == token
                        }
                    })
                }),
            };
            if !found.is_empty() {
                let repetitions = u8::try_from((found.len() - 1).min(MAX_REPETITIONS)).unwrap_or(0);
                weight += worth * (1.0 + REPETITION * f32::from(repetitions));
                spans.extend(found);
            }
        }
        (!spans.is_empty()).then(|| Matched {
            weight,
            spans: merged(spans),
        })
    }
}

/// Where `length` tokens in a row fit.
fn occurrences(
    tokens: &[Token],
    length: usize,
    fits: impl Fn(usize, &str) -> bool,
) -> Vec<Range<usize>> {
    let whole = |window: &&[Token]| {
        window
            .iter()
            .enumerate()
            .all(|(at, token)| fits(at, &token.text))
            && window
                .windows(2)
                .all(|pair| pair[0].position + 1 == pair[1].position)
    };
    let span = |window: &[Token]| Some(window.first()?.offset_from..window.last()?.offset_to);
    tokens
        .windows(length.max(1))
        .filter(whole)
        .filter_map(span)
        .collect()
}

/// In order, with overlapping ranges made one.
fn merged(mut spans: Vec<Range<usize>>) -> Vec<Range<usize>> {
    spans.sort_by_key(|span| (span.start, span.end));
    let mut result: Vec<Range<usize>> = Vec::with_capacity(spans.len());
    for span in spans {
        match result.last_mut() {
            Some(last) if span.start < last.end => last.end = last.end.max(span.end),
            _ => result.push(span),
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::parse;

    fn found(query: &str, text: &str) -> Vec<String> {
        let node = parse(query).unwrap().unwrap();
        let leaves = node
            .positive_leaves()
            .into_iter()
            .map(|leaf| (leaf, 1.0))
            .collect();
        let matched = Matcher::new(leaves).find(text);
        matched.map_or_else(Vec::new, |matched| {
            matched
                .spans
                .into_iter()
                .map(|span| text[span].to_owned())
                .collect()
        })
    }

    #[test]
    fn words_and_phrases_are_found_where_they_stand() {
        let text = "Hi [PERSON_1]! Reset, my Passwords; my caf\u{e9} needs it, resetting it.";
        assert_eq!(
            found("\"reset my password\"", text),
            ["Reset, my Passwords"]
        );
        assert_eq!(found("reset", text), ["Reset", "resetting"]);
        assert_eq!(found("cafe", text), ["caf\u{e9}"]);
        assert_eq!(found("pass*", text), ["Passwords"]);
        assert_eq!(found("[PERSON_1]", text), ["PERSON_1"]);
        assert_eq!(found("\"my reset\"", text), Vec::<String>::new());
        assert_eq!(
            found("\"reset my\" \"my password\"", text),
            ["Reset, my Passwords"]
        );
        assert_eq!(found("reset -my", text), ["Reset", "resetting"]);
    }

    #[test]
    fn more_of_the_query_weighs_more() {
        let node = parse("reset password").unwrap().unwrap();
        let leaves: Vec<_> = node
            .positive_leaves()
            .into_iter()
            .map(|leaf| (leaf, 1.0))
            .collect();
        let mut matcher = Matcher::new(leaves);
        let both = matcher.find("reset the password").unwrap().weight;
        let often = matcher.find("reset reset reset").unwrap().weight;
        assert!(both > often);
        assert_eq!(matcher.find("nothing"), None);
    }
}
