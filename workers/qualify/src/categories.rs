//! Categories: what a conversation is about, told by phrases.

use colloquy_contract::{
    analysis::{Analysis, Category, Place},
    transcript::Role,
};
use serde::Deserialize;

use crate::{
    conversation::{Conversation, Turn},
    count,
    phrase::Phrase,
};

/// The longest name of a category.
const MAX_NAME_CHARS: usize = 64;

/// Why a file of categories cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    /// Not the format.
    #[error("read categories")]
    Format(#[from] toml::de::Error),
    /// Too many; all of them must fit a fact.
    #[error(
        "check categories: {categories} are more than {}",
        Analysis::MAX_ENTRIES
    )]
    TooMany {
        /// How many there are.
        categories: usize,
    },
    /// A name that is empty, too long, not in `snake_case`, or taken.
    #[error("check category '{name}': a name is unique, in snake_case and at most 64 letters long")]
    Name {
        /// The name.
        name: String,
    },
    /// A phrase that cannot be looked for.
    #[error("check category '{name}': '{phrase}' is no phrase")]
    Phrase {
        /// The category.
        name: String,
        /// The phrase.
        phrase: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RulesFile {
    #[serde(default, rename = "category")]
    categories: Vec<RuleFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleFile {
    name: String,
    /// For the reader of the file.
    #[serde(rename = "about")]
    _about: String,
    said_by: Option<Role>,
    within_first_s: Option<u64>,
    within_last_s: Option<u64>,
    phrases: Vec<String>,
}

/// The categories to look for.
pub(crate) struct Rules(Vec<Rule>);

struct Rule {
    name: String,
    said_by: Option<Role>,
    within_first_ms: Option<u64>,
    within_last_ms: Option<u64>,
    phrases: Vec<Phrase>,
}

impl Rules {
    /// Reads a file of categories.
    pub(crate) fn parse(text: &str) -> Result<Self, RulesError> {
        let file: RulesFile = toml::from_str(text)?;
        let categories = file.categories.len();
        if categories > Analysis::MAX_ENTRIES {
            return Err(RulesError::TooMany { categories });
        }
        let mut rules: Vec<Rule> = Vec::with_capacity(categories);
        for rule in file.categories {
            let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            let fits = (1..=MAX_NAME_CHARS).contains(&rule.name.len());
            let is_taken = rules.iter().any(|other| other.name == rule.name);
            if !fits || is_taken || !rule.name.chars().all(is_name) {
                return Err(RulesError::Name { name: rule.name });
            }
            rules.push(rule.resolve()?);
        }
        rules.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Self(rules))
    }

    /// The categories that apply, by name.
    pub(crate) fn apply(&self, conversation: &Conversation<'_>) -> Vec<Category> {
        let mut found: Vec<Category> = self
            .0
            .iter()
            .filter_map(|rule| rule.apply(conversation))
            .collect();
        // A fair share of the room for each category.
        let share = Analysis::MAX_ENTRIES / found.len().max(1);
        for category in &mut found {
            category.places.truncate(share);
        }
        found
    }
}

impl RuleFile {
    fn resolve(self) -> Result<Rule, RulesError> {
        let phrase = |text: &String| {
            let name = self.name.clone();
            Phrase::parse(text).ok_or(RulesError::Phrase {
                name,
                phrase: text.clone(),
            })
        };
        Ok(Rule {
            phrases: self.phrases.iter().map(phrase).collect::<Result<_, _>>()?,
            name: self.name,
            said_by: self.said_by,
            within_first_ms: self
                .within_first_s
                .map(|seconds| seconds.saturating_mul(1_000)),
            within_last_ms: self
                .within_last_s
                .map(|seconds| seconds.saturating_mul(1_000)),
        })
    }
}

impl Rule {
    fn apply(&self, conversation: &Conversation<'_>) -> Option<Category> {
        let mut places = Vec::new();
        for turn in conversation
            .turns
            .iter()
            .filter(|turn| self.may_say(turn.source.role))
        {
            self.find(turn, conversation.duration_ms, &mut places);
        }
        let hits = count(places.len());
        (hits > 0).then(|| Category {
            name: self.name.clone(),
            hits,
            places,
        })
    }

    /// In a recording of one channel nobody's role is known: then whoever says it counts.
    fn may_say(&self, role: Role) -> bool {
        role == Role::Unknown || self.said_by.is_none_or(|said_by| said_by == role)
    }

    /// The places in a turn, the longest phrase at each.
    fn find(&self, turn: &Turn<'_>, duration_ms: u64, places: &mut Vec<Place>) {
        let mut at = 0;
        while at < turn.words.len() {
            let lengths = self
                .phrases
                .iter()
                .filter_map(|p| p.length_at_start(&turn.words[at..]));
            let length = lengths.max().unwrap_or(0);
            if length > 0 {
                let words = &turn.source.words[at..at + length];
                let start_ms = words[0].start_ms.min(duration_ms);
                let end_ms = words[length - 1].end_ms.clamp(start_ms, duration_ms);
                if self.is_time(start_ms, duration_ms) {
                    let (speaker, turn) = (turn.speaker as u16, count(turn.index));
                    places.push(Place {
                        speaker,
                        turn,
                        start_ms,
                        end_ms,
                    });
                }
            }
            at += length.max(1);
        }
    }

    fn is_time(&self, start_ms: u64, duration_ms: u64) -> bool {
        let left_ms = duration_ms - start_ms;
        self.within_first_ms
            .is_none_or(|first_ms| start_ms <= first_ms)
            && self.within_last_ms.is_none_or(|last_ms| left_ms <= last_ms)
    }
}
