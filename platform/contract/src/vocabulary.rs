//! The vocabulary document: names and terms that a recognizer of speech is to expect.
//!
//! Names are personal data, so the document lies in the vault and facts only refer to it. A short
//! list could be guessed from its digest, which facts and artifact names hold; the salt prevents
//! that.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The vocabulary of one conversation, `application/vnd.colloquy.vocabulary+json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Vocabulary {
    /// Version of this document's format: 1.
    pub version: u16,
    /// Anything that makes the document's digest say nothing about its terms.
    pub salt: String,
    /// The terms, the most important first, none twice.
    pub terms: Vec<String>,
}

impl Vocabulary {
    /// Media type of the document.
    pub const MEDIA_TYPE: &'static str = "application/vnd.colloquy.vocabulary+json";
    /// Version of the format that this type reads and writes.
    pub const VERSION: u16 = 1;
    /// Most terms. A recognizer's prompt has room for about 224 tokens, a name is two to four.
    pub const MAX_TERMS: usize = 200;
    /// Most bytes of all terms together.
    pub const MAX_BYTES: usize = 2_000;
    /// Longest term, in characters.
    pub const MAX_TERM_CHARS: usize = 100;
}

/// Why terms cannot be a vocabulary. The texts hold none of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VocabularyError {
    /// A term is empty, too long, or not printable.
    #[error(
        "a term has 1 to {} printable characters, without < > | and commas",
        Vocabulary::MAX_TERM_CHARS
    )]
    Term,
    /// There are too many.
    #[error(
        "a vocabulary has at most {} terms of {} bytes in all: keep those that matter most",
        Vocabulary::MAX_TERMS,
        Vocabulary::MAX_BYTES
    )]
    TooLarge,
}

/// The terms without white space around them and without repetitions, if they can be a vocabulary.
///
/// Commas part terms in a prompt, and `<|` begins what a recognizer takes for an order.
///
/// # Errors
/// When a term cannot be used, or when they are too many.
pub fn terms<T: AsRef<str>>(
    terms: impl IntoIterator<Item = T>,
) -> Result<Vec<String>, VocabularyError> {
    let (mut kept, mut known, mut bytes) = (Vec::new(), BTreeSet::new(), 0);
    for term in terms {
        let term = term.as_ref().trim();
        let illegal = |c: char| c.is_control() || matches!(c, '<' | '>' | '|' | ',');
        let length = term.chars().count();
        if !(1..=Vocabulary::MAX_TERM_CHARS).contains(&length) || term.chars().any(illegal) {
            return Err(VocabularyError::Term);
        }
        if !known.insert(term.to_owned()) {
            continue;
        }
        bytes += term.len();
        if kept.len() == Vocabulary::MAX_TERMS || bytes > Vocabulary::MAX_BYTES {
            return Err(VocabularyError::TooLarge);
        }
        kept.push(term.to_owned());
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_trimmed_and_said_once() {
        let kept = terms([" Zoë Müller", "Frobnicator 3000 ", "Zoë Müller"]).unwrap();
        assert_eq!(kept, ["Zoë Müller", "Frobnicator 3000"]);
        assert!(terms::<&str>([]).unwrap().is_empty());
    }

    #[test]
    fn what_is_no_term_is_refused_without_being_quoted() {
        let long = "x".repeat(Vocabulary::MAX_TERM_CHARS + 1);
        for bad in ["", "  ", "a,b", "a\u{7}", "<|endoftext|>", &long] {
            let error = terms([bad]).unwrap_err();
            assert_eq!(error, VocabularyError::Term, "{bad}");
        }
        assert!(!terms(["Ann|"]).unwrap_err().to_string().contains("Ann"));
    }

    #[test]
    fn there_is_a_limit() {
        let many = |count: usize| terms((0..count).map(|n| format!("t{n}")));
        assert_eq!(many(Vocabulary::MAX_TERMS).unwrap().len(), 200);
        assert_eq!(
            many(Vocabulary::MAX_TERMS + 1),
            Err(VocabularyError::TooLarge)
        );
        let wide = (0..21).map(|n| format!("{n:0100}"));
        assert_eq!(terms(wide), Err(VocabularyError::TooLarge));
    }
}
