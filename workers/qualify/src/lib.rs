//! Measures a conversation: talk statistics, categories and sentiment.
//!
//! It reads the anonymized transcript only, and the [`Analysis`] that it makes holds numbers, codes
//! and places, never words of the conversation. The same transcript always gives the same
//! analysis, and every list in it is bounded, because it travels inside a fact.
//!
//! What the measures mean is said at the fields of [`Analysis`]. Talk statistics hold for any
//! language; categories and sentiment know English only and are left out otherwise.

#![warn(missing_docs)]

mod categories;
mod conversation;
mod phrase;
mod sentiment;
mod service;
mod talk;
mod timeline;

use colloquy_contract::{analysis::Analysis, transcript::Transcript};

use categories::Rules;
pub use categories::RulesError;
use conversation::Conversation;
use sentiment::Lexicon;

/// The categories that come with the platform.
const RULES: &str = include_str!("categories.toml");

/// Measures conversations; made once and used for many.
pub struct Qualifier {
    rules: Rules,
    lexicon: Lexicon,
}

impl Qualifier {
    /// One with the categories that come with the platform.
    ///
    /// # Errors
    /// When they cannot be read, which a test rules out.
    pub fn new() -> Result<Self, RulesError> {
        Self::with_rules(RULES)
    }

    /// One with other categories, in the format of `categories.toml`.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn with_rules(rules: &str) -> Result<Self, RulesError> {
        Ok(Self {
            rules: Rules::parse(rules)?,
            lexicon: Lexicon::new(),
        })
    }

    /// Measures one conversation, given its anonymized transcript.
    pub fn qualify(&self, transcript: &Transcript) -> Analysis {
        let conversation = Conversation::new(transcript);
        let is_english = transcript.language.to_ascii_lowercase().starts_with("en");
        let (speakers, talk) = talk::measure(&conversation);
        Analysis {
            version: Analysis::VERSION,
            duration_ms: transcript.duration_ms,
            turns: count(transcript.turns.len()),
            words: count(transcript.word_count()),
            speakers,
            talk,
            categories: if is_english {
                self.rules.apply(&conversation)
            } else {
                Vec::new()
            },
            sentiment: is_english.then(|| self.lexicon.measure(&conversation)),
        }
    }
}

/// A length as it is carried in an analysis.
fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// Rounded to three decimals, so that facts do not depend on the last bits; never -0.
fn rounded(number: f64) -> f64 {
    (number * 1_000.0).round() / 1_000.0 + 0.0
}

#[cfg(test)]
mod tests;

pub use service::QualifyService;
