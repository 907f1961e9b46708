//! Words and simple patterns of allow and deny lists.
//!
//! A pattern is compared with whole words, as letters and digits in lower case, so that spaces and
//! punctuation don't matter: `AC-###` is found as `AC-123`, `ac 123` and `A C 1 2 3`. In it stand
//! `#` for a digit, `?` for a letter, and `*` at the end of a word for whatever that word ends in.

use std::ops::Range;

use crate::text::tokens::{Token, tokens};

/// Longest pattern in characters: names and numbers are shorter.
const MAX_CHARS: usize = 100;

/// One entry of a list. It may be a name, so it has no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    signs: Vec<Sign>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sign {
    /// This one, in lower case.
    Itself(char),
    /// Any digit.
    Digit,
    /// Any letter.
    Letter,
    /// What is left of a word.
    Rest,
}

impl Pattern {
    /// Reads a pattern; the error says what to change, without quoting it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.chars().count() > MAX_CHARS {
            return Err(format!("is longer than {MAX_CHARS} characters; shorten it"));
        }
        let mut signs = Vec::new();
        let mut letters = text.chars().peekable();
        while let Some(letter) = letters.next() {
            match letter {
                '#' => signs.push(Sign::Digit),
                '?' => signs.push(Sign::Letter),
                '*' if signs.is_empty() => {
                    return Err("begins with '*'; write the beginning of the word".to_owned());
                }
                '*' if letters.peek().is_some_and(|next| !next.is_whitespace()) => {
                    return Err(
                        "has a '*' that is not at the end of a word; move it there, or \
                                write '?' for each letter and '#' for each digit"
                            .to_owned(),
                    );
                }
                '*' => signs.push(Sign::Rest),
                letter if letter.is_alphanumeric() => {
                    signs.extend(letter.to_lowercase().map(Sign::Itself));
                }
                _ => {}
            }
        }
        let told = signs
            .iter()
            .filter(|sign| matches!(sign, Sign::Itself(_)))
            .count();
        let least = if signs.contains(&Sign::Rest) { 3 } else { 1 };
        let wildcards = signs.len() - told;
        if told < least && wildcards < 4 {
            return Err(
                "would match almost anything; write more letters or digits of it".to_owned(),
            );
        }
        Ok(Self { signs })
    }

    /// Where it stands in a text, outside what is covered.
    pub(crate) fn find(&self, text: &[char], covered: &[Range<usize>]) -> Vec<Range<usize>> {
        let tokens = tokens(text, covered);
        let mut found = Vec::new();
        let mut at = 0;
        while at < tokens.len() {
            match self.ends_at(text, &tokens[at..]) {
                Some(count) => {
                    found.push(tokens[at].range.start..tokens[at + count - 1].range.end);
                    at += count;
                }
                None => at += 1,
            }
        }
        found
    }

    /// Whether it is all of a text.
    pub(crate) fn is(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        let tokens = tokens(&text, &[]);
        self.ends_at(&text, &tokens) == Some(tokens.len()) && !tokens.is_empty()
    }

    /// How many of these tokens it takes from the first on, if it stands there.
    fn ends_at(&self, text: &[char], tokens: &[Token]) -> Option<usize> {
        let first = tokens.first()?;
        let mut signs = self.signs.iter().peekable();
        for (index, token) in tokens.iter().enumerate() {
            if token.segment != first.segment {
                return None;
            }
            for &letter in &text[token.range.clone()] {
                for letter in letter.to_lowercase() {
                    let fits = match signs.peek()? {
                        // It stays for the rest of this word.
                        Sign::Rest => continue,
                        Sign::Itself(sign) => *sign == letter,
                        Sign::Digit => letter.is_ascii_digit(),
                        Sign::Letter => letter.is_alphabetic(),
                    };
                    if !fits {
                        return None;
                    }
                    signs.next();
                }
            }
            signs.next_if(|sign| **sign == Sign::Rest);
            if signs.peek().is_none() {
                return Some(index + 1);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(pattern: &str, text: &str) -> Vec<String> {
        let pattern = Pattern::parse(pattern).unwrap_or_else(|error| panic!("{error}"));
        let text: Vec<char> = text.chars().collect();
        let ranges = pattern.find(&text, &[]);
        ranges
            .into_iter()
            .map(|range| text[range].iter().collect())
            .collect()
    }

    #[test]
    fn patterns_are_found_in_whole_words() {
        assert_eq!(
            found("AC-###", "an ac-123, A C 1 2 3; AC-1234 AC-12"),
            ["ac-123", "A C 1 2 3"]
        );
        assert_eq!(
            found("Project Nightingale", "project-NIGHTINGALE's"),
            ["project-NIGHTINGALE"]
        );
        assert_eq!(
            found("Night*", "Night, nightingales and a knight"),
            ["Night", "nightingales"]
        );
        assert_eq!(found("Zoë ?#", "ZOË b2 zoë 2b"), ["ZOË b2"]);
        assert_eq!(found("a b", "a a b"), ["a b"]);
        let pattern = Pattern::parse("Miller Lite")
            .map_err(|_| ())
            .unwrap_or_else(|()| panic!());
        assert!(pattern.is("miller lite,") && !pattern.is("Miller") && !pattern.is(""));
    }

    #[test]
    fn what_would_match_anything_is_refused() {
        for bad in [
            "",
            "*",
            "#",
            "??",
            "a*",
            "...",
            "*ing",
            "n*ght",
            &"x".repeat(101),
        ] {
            assert!(Pattern::parse(bad).is_err(), "{bad}");
        }
        assert!(Pattern::parse("####-####").is_ok());
    }
}
