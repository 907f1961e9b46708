//! Words as the model wrote them: tokens, joined.

use std::ops::Range;

use crate::vocabulary::Vocabulary;

/// Digits as words. Models leave some out of a long row, so the speech after one is taken for it.
const DIGIT_WORDS: [&str; 13] = [
    "zero", "oh", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "double",
    "triple",
];

/// Text of whole tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) text: String,
    pub(super) tokens: Range<usize>,
    /// Those of the tokens that are said: all but the punctuation at the end.
    pub(super) said: Range<usize>,
}

impl Written {
    fn append(&mut self, next: Self) {
        self.text.push_str(&next.text);
        self.tokens.end = next.tokens.end;
        if is_said(&next.text) {
            self.said.end = next.said.end;
        }
    }

    pub(super) fn digits(&self) -> usize {
        self.text.chars().filter(char::is_ascii_digit).count()
    }

    /// Whether it may be part of a number that is said digit by digit.
    pub(super) fn is_digit(&self) -> bool {
        let plain = self
            .text
            .trim_matches(|sign: char| !sign.is_alphanumeric())
            .to_lowercase();
        self.digits() > 0 || DIGIT_WORDS.contains(&plain.as_str())
    }

    pub(super) fn ends_sentence(&self) -> bool {
        self.text.ends_with(['.', '?', '!', '。', '？', '！'])
    }
}

fn is_said(text: &str) -> bool {
    text.contains(char::is_alphanumeric)
}

/// The words that tokens spell, which spaces part or, in some languages, nothing does.
pub(super) fn written(vocabulary: &Vocabulary, spaced: bool, tokens: &[usize]) -> Vec<Written> {
    let spelled = spell(vocabulary, tokens);
    if spaced {
        join_spaced(spelled)
    } else {
        join_marks(spelled)
    }
}

/// Joins tokens until they spell whole characters.
fn spell(vocabulary: &Vocabulary, tokens: &[usize]) -> Vec<Written> {
    let mut spelled = Vec::with_capacity(tokens.len());
    let mut bytes = Vec::new();
    let mut first = 0;
    for (at, &token) in tokens.iter().enumerate() {
        bytes.extend(vocabulary.spelling(token));
        // An error without a length is a character whose bytes are not all there yet.
        let incomplete = std::str::from_utf8(&bytes).is_err_and(|e| e.error_len().is_none());
        if incomplete && at + 1 < tokens.len() {
            continue;
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        spelled.push(Written {
            text,
            tokens: first..at + 1,
            said: first..at + 1,
        });
        bytes.clear();
        first = at + 1;
    }
    spelled
}

/// Joins what no space parts. Punctuation on its own goes to the word before.
fn join_spaced(spelled: Vec<Written>) -> Vec<Written> {
    let mut words: Vec<Written> = Vec::new();
    for part in spelled {
        match words.last_mut() {
            Some(word) if !part.text.starts_with(char::is_whitespace) => word.append(part),
            _ => words.push(part),
        }
    }
    join_marks(words)
}

/// Joins what says nothing to the word before it, or to the first word.
fn join_marks(parts: Vec<Written>) -> Vec<Written> {
    let mut words: Vec<Written> = Vec::new();
    for mut part in parts {
        part.text = part.text.split_whitespace().collect();
        match words.last_mut() {
            Some(word) if !is_said(&part.text) || !is_said(&word.text) => {
                let begins = !is_said(&word.text);
                word.append(part.clone());
                if begins {
                    word.said = part.said;
                }
            }
            _ => words.push(part),
        }
    }
    words.retain(|word| is_said(&word.text));
    words
}
