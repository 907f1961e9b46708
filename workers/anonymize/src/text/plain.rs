//! Redacts a text that is no conversation: each of its lines is read as a turn.

use std::{collections::BTreeMap, ops::Range};

use colloquy_contract::transcript::{Role, Transcript, Turn, Word};

use super::{AnonymizeError, Recognize, Treatment, anonymize_thoroughly};

/// A redacted text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plain {
    /// The text with labels, and everything between its words as it was.
    pub text: String,
    /// Number of replaced places by entity type.
    pub counts: BTreeMap<String, u32>,
}

/// How a line was written.
struct Line<'a> {
    /// Where its words are, in bytes of the text.
    words: Vec<Range<usize>>,
    text: &'a str,
}

/// Redacts a text.
///
/// # Errors
/// When the result is not free of what was found.
pub fn redact_plain(
    text: &str,
    treatment: &Treatment<'_>,
    recognize: &Recognize,
) -> Result<Plain, AnonymizeError> {
    let lines: Vec<Line<'_>> = text.split_inclusive('\n').map(Line::of).collect();
    let spoken = lines.iter().filter(|line| !line.words.is_empty());
    let turns: Vec<Turn> = spoken.filter_map(Line::turn).collect();
    let transcript = Transcript {
        version: Transcript::VERSION,
        language: "en".to_owned(),
        duration_ms: turns.iter().map(|turn| turn.end_ms).max().unwrap_or(1),
        model: String::new(),
        channels: vec![Role::Unknown],
        turns,
    };
    let entities = recognize(&transcript);
    let anonymized = anonymize_thoroughly(&transcript, &entities, treatment, recognize)?;
    let mut redacted = String::with_capacity(text.len());
    let mut turns = anonymized.transcript.turns.iter().zip(&anonymized.origins);
    for line in &lines {
        let mut at = 0;
        if let Some((turn, origins)) = (!line.words.is_empty()).then(|| turns.next()).flatten() {
            for (word, origin) in turn.words.iter().zip(origins) {
                let (first, last) = (&line.words[origin.start], &line.words[origin.end - 1]);
                redacted += &line.text[at..first.start];
                redacted += &word.text;
                at = last.end;
            }
        }
        redacted += &line.text[at..];
    }
    Ok(Plain {
        text: redacted,
        counts: anonymized.counts,
    })
}

impl<'a> Line<'a> {
    fn of(text: &'a str) -> Self {
        let start = text.as_ptr() as usize;
        let word = |word: &str| {
            let at = word.as_ptr() as usize - start;
            at..at + word.len()
        };
        Self {
            words: text.split_whitespace().map(word).collect(),
            text,
        }
    }

    /// The line as a turn. It has times as turns have, of which nothing comes.
    fn turn(&self) -> Option<Turn> {
        let word = |(word, at): (&Range<usize>, u64)| Word {
            text: self.text[word.clone()].to_owned(),
            start_ms: at,
            end_ms: at + 1,
            confidence: 1.0,
            digit_starts_ms: Vec::new(),
        };
        let words = self.words.iter().zip(0..).map(word).collect();
        Turn::new(0, Role::Unknown, words)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use colloquy_entities::Recognizers;

    use super::*;
    use crate::policy::Policy;

    fn redact(text: &str) -> Plain {
        let recognizers = Recognizers::new(None);
        let recognize: Recognize = Arc::new(move |read| recognizers.recognize(read));
        let policy = Policy::default();
        let treatment = Treatment {
            policy: &policy,
            account: "acme",
        };
        redact_plain(text, &treatment, &recognize).unwrap()
    }

    #[test]
    fn all_but_the_values_stays_as_it_was() {
        let text = "\n  My name is Jane Smith,\tcall\u{a0}me.\r\n\n\
                    Card: 4263 9826  4026 9299!\n(thanks, Jane)";
        let made = redact(text);
        assert_eq!(
            made.text,
            "\n  My name is [PERSON_1],\tcall\u{a0}me.\r\n\nCard: [CREDIT_CARD_1]!\n\
             (thanks, [PERSON_1])"
        );
        assert_eq!(made.counts["PERSON"], 2);
        let again = redact(&made.text);
        assert_eq!((again.text, again.counts.len()), (made.text, 0));
        for plain in ["", " \n\n", "hello there"] {
            assert_eq!(redact(plain).text, plain);
        }
    }
}
