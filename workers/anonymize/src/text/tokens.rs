//! Runs of letters and digits, the unit in which values are compared.

use std::ops::Range;

/// A run of letters and digits in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    /// Its place in the text, in characters.
    pub(crate) range: Range<usize>,
    /// Tokens with a covered stretch between them differ in this: no value reaches across.
    pub(crate) segment: usize,
}

/// The tokens of a text outside the covered stretches, which must be in order.
pub(crate) fn tokens(text: &[char], covered: &[Range<usize>]) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut at = 0;
    for (segment, cover) in covered
        .iter()
        .chain([&(text.len()..text.len())])
        .enumerate()
    {
        while at < cover.start {
            let end = run_end(text, at, cover.start);
            if end > at {
                tokens.push(Token {
                    range: at..end,
                    segment,
                });
            }
            at = end.max(at + 1);
        }
        at = cover.end;
    }
    tokens
}

fn run_end(text: &[char], start: usize, limit: usize) -> usize {
    text[start..limit]
        .iter()
        .position(|c| !c.is_alphanumeric())
        .map_or(limit, |n| start + n)
}

/// Letters and digits only, as written.
pub(crate) fn compact(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).collect()
}

/// In lower case, character by character so that it can be joined.
pub(crate) fn lower(text: &[char]) -> impl Iterator<Item = char> + '_ {
    text.iter().flat_map(|c| c.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_lie_between_covers() {
        let text: Vec<char> = "O'Neill, (4111-22) [X_1] é".chars().collect();
        let found = tokens(&text, &[10..14, 19..24]);
        let words: Vec<(String, usize)> = found
            .iter()
            .map(|t| (text[t.range.clone()].iter().collect(), t.segment))
            .collect();
        let expected = [("O", 0), ("Neill", 0), ("22", 1), ("é", 2)];
        assert_eq!(
            words,
            expected.map(|(word, segment)| (word.to_owned(), segment))
        );
        assert!(tokens(&[], &[]).is_empty());
    }
}
