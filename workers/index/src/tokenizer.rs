//! Words as they are spoken and typed.
//!
//! A token is a run of letters and digits. `_` joins, so that a label such as `[PERSON_1]` is one
//! token; an apostrophe between letters and a combining accent join and are dropped, so that
//! `don't`, `don’t` and `dont` are the same. Everything else separates: a phrase does not care for
//! punctuation.

use std::{iter::Peekable, str::CharIndices};

use tantivy::tokenizer::{
    AsciiFoldingFilter, Language, LowerCaser, RemoveLongFilter, Stemmer, TextAnalyzer, Token,
    TokenStream, Tokenizer,
};

/// Longest token in bytes; what is longer is no word.
const MAX_TOKEN_BYTES: usize = 100;

/// Words without regard to case and accents.
pub(crate) fn exact() -> TextAnalyzer {
    TextAnalyzer::builder(SpeechTokenizer::default())
        .filter(RemoveLongFilter::limit(MAX_TOKEN_BYTES))
        .filter(LowerCaser)
        .filter(AsciiFoldingFilter)
        .build()
}

/// The English stems of the same words at the same positions.
pub(crate) fn stem() -> TextAnalyzer {
    TextAnalyzer::builder(SpeechTokenizer::default())
        .filter(RemoveLongFilter::limit(MAX_TOKEN_BYTES))
        .filter(LowerCaser)
        .filter(AsciiFoldingFilter)
        .filter(Stemmer::new(Language::English))
        .build()
}

/// All tokens of a text.
pub(crate) fn tokens(analyzer: &mut TextAnalyzer, text: &str) -> Vec<Token> {
    let mut found = Vec::new();
    analyzer
        .token_stream(text)
        .process(&mut |token| found.push(token.clone()));
    found
}

#[derive(Clone, Default)]
struct SpeechTokenizer {
    token: Token,
}

struct SpeechTokens<'a> {
    chars: Peekable<CharIndices<'a>>,
    token: &'a mut Token,
}

impl Tokenizer for SpeechTokenizer {
    type TokenStream<'a> = SpeechTokens<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> SpeechTokens<'a> {
        self.token.reset();
        SpeechTokens {
            chars: text.char_indices().peekable(),
            token: &mut self.token,
        }
    }
}

impl SpeechTokens<'_> {
    /// Whether what follows the character under the cursor is a letter.
    fn letter_follows(&self) -> bool {
        let mut ahead = self.chars.clone();
        ahead.next();
        ahead.next().is_some_and(|(_, c)| c.is_alphabetic())
    }

    fn push(&mut self, at: usize, c: char) {
        self.token.text.push(c);
        self.token.offset_to = at + c.len_utf8();
        self.chars.next();
    }
}

impl TokenStream for SpeechTokens<'_> {
    fn advance(&mut self) -> bool {
        self.token.text.clear();
        self.token.position = self.token.position.wrapping_add(1);
        while self.chars.next_if(|(_, c)| !c.is_alphanumeric()).is_some() {}
        let Some(&(start, _)) = self.chars.peek() else {
            return false;
        };
        self.token.offset_from = start;
        while let Some(&(at, c)) = self.chars.peek() {
            if c.is_alphanumeric() || c == '_' {
                self.push(at, c);
            } else if is_accent(c) {
                self.token.offset_to = at + c.len_utf8();
                self.chars.next();
            } else if is_apostrophe(c) && self.letter_follows() {
                self.chars.next();
            } else {
                break;
            }
        }
        true
    }

    fn token(&self) -> &Token {
        self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        self.token
    }
}

const fn is_apostrophe(c: char) -> bool {
    matches!(c, '\'' | '\u{2019}' | '\u{02bc}')
}

/// Combining diacritical marks.
const fn is_accent(c: char) -> bool {
    matches!(c, '\u{0300}'..='\u{036f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(mut analyzer: TextAnalyzer, text: &str) -> Vec<String> {
        tokens(&mut analyzer, text)
            .into_iter()
            .map(|token| token.text)
            .collect()
    }

    #[test]
    fn words_without_case_accents_and_punctuation() {
        assert_eq!(
            texts(
                exact(),
                "Reset, my PASSWORD! Don\u{2019}t -- caf\u{e9} cafe\u{301} it's"
            ),
            ["reset", "my", "password", "dont", "cafe", "cafe", "its"]
        );
        assert_eq!(
            texts(exact(), "I am [PERSON_1], the customers' 10:30"),
            ["i", "am", "person_1", "the", "customers", "10", "30"]
        );
        assert!(texts(exact(), " -- ?! ' ").is_empty());
    }

    #[test]
    fn stems_stand_where_the_words_stand() {
        assert_eq!(texts(stem(), "passwords resetting"), ["password", "reset"]);
        let text = "(It's the customers' caf\u{e9})";
        for mut analyzer in [exact(), stem()] {
            let found = tokens(&mut analyzer, text);
            let spans: Vec<_> = found
                .iter()
                .map(|t| &text[t.offset_from..t.offset_to])
                .collect();
            assert_eq!(spans, ["It's", "the", "customers", "caf\u{e9}"]);
            assert_eq!(
                found.iter().map(|t| t.position).collect::<Vec<_>>(),
                [0, 1, 2, 3]
            );
        }
    }
}
