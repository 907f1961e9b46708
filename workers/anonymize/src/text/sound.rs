//! Finds names that a speech recognizer wrote down as what they sound like.
//!
//! It knows a name in one place and hears "get this a wood" for "Gareth Thistlewood" in another. What
//! was recognized once as a full name is therefore searched for by its letters: some words in a row
//! that begin and end with the same sounds and share most letters, in order. Short names are left
//! out: they are like too many words.

use std::ops::Range;

use colloquy_contract::entities::Entities;

use super::{
    labels::{Entity, Hit},
    tokens::{Token, lower, tokens},
};
use crate::policy::Policy;

/// Letters of a name that can be told by its sound.
const LETTERS: std::ops::RangeInclusive<usize> = 10..=40;

/// Twice the letters in common, of all letters of both.
const ALIKE: f64 = 0.72;

/// A name is heard as at most so many words more than it has.
const MORE_WORDS: usize = 2;

/// Names of a conversation that are searched for: nobody introduces more people.
const MOST_NAMES: usize = 32;

/// The names of a conversation. It holds personal data, so it has no `Debug`.
pub(super) struct Sounds {
    names: Vec<Name>,
}

struct Name {
    entity: Entity,
    letters: Vec<char>,
    bag: Bag,
    words: usize,
}

/// How often each letter is there.
type Bag = [u8; 27];

impl Sounds {
    /// The full names among these entities.
    pub(super) fn new(entities: &Entities, policy: &Policy) -> Self {
        let mut names: Vec<Name> = Vec::new();
        for mention in &entities.mentions {
            let is_name = mention.entity_type.eq_ignore_ascii_case("PERSON")
                && policy.redacts(&mention.entity_type, mention.score)
                && !policy
                    .allowed()
                    .iter()
                    .any(|pattern| pattern.is(&mention.text));
            let text: Vec<char> = mention.text.chars().collect();
            let words = tokens(&text, &[]);
            let letters: Vec<char> = words
                .iter()
                .flat_map(|word| lower(&text[word.range.clone()]))
                .collect();
            let is_known = names.iter().any(|name| name.letters == letters);
            let fits = words.len() >= 2 && LETTERS.contains(&letters.len());
            if is_name && fits && !is_known && names.len() < MOST_NAMES {
                names.push(Name {
                    entity: Entity::of(mention),
                    bag: bag(&letters),
                    letters,
                    words: words.len(),
                });
            }
        }
        Self { names }
    }

    /// The places outside the covered stretches that sound like a name.
    pub(super) fn find(&self, text: &[char], covered: &[Range<usize>]) -> Vec<Hit> {
        if self.names.is_empty() {
            return Vec::new();
        }
        let tokens = tokens(text, covered);
        let mut found = Vec::new();
        let mut at = 0;
        while at < tokens.len() {
            match self.best_at(text, &tokens[at..]) {
                Some((count, entity)) => {
                    found.push(Hit {
                        range: tokens[at].range.start..tokens[at + count - 1].range.end,
                        entity: entity.clone(),
                        score: ALIKE as f32,
                    });
                    at += count;
                }
                None => at += 1,
            }
        }
        found
    }

    /// The name that is most like what begins with the first word, and how many words it takes.
    fn best_at(&self, text: &[char], tokens: &[Token]) -> Option<(usize, &Entity)> {
        let first = tokens.first()?;
        let start = sound(text[first.range.start]);
        let mut best: Option<(f64, usize, &Entity)> = None;
        for name in &self.names {
            if sound(name.letters[0]) != start {
                continue;
            }
            let mut letters: Vec<char> = Vec::new();
            for (index, token) in tokens.iter().enumerate().take(name.words + MORE_WORDS) {
                letters.extend(lower(&text[token.range.clone()]));
                if token.segment != first.segment || letters.len() > *LETTERS.end() {
                    break;
                }
                let alike = name.alike(&letters);
                if alike >= ALIKE && best.is_none_or(|(most, ..)| alike > most) {
                    best = Some((alike, index + 1, &name.entity));
                }
            }
        }
        best.map(|(_, count, entity)| (count, entity))
    }
}

impl Name {
    /// How alike these letters are: 0 to 1.
    fn alike(&self, letters: &[char]) -> f64 {
        let (Some(last), Some(own)) = (letters.last(), self.letters.last()) else {
            return 0.0;
        };
        let both = (letters.len() + self.letters.len()) as f64;
        let ratio = |common: usize| 2.0 * common as f64 / both;
        let theirs = bag(letters);
        let pairs = theirs.iter().zip(&self.bag);
        let shared = pairs.map(|(a, b)| usize::from(*a.min(b)));
        if sound(*last) != sound(*own) || ratio(shared.sum()) < ALIKE {
            return 0.0;
        }
        ratio(in_common(letters, &self.letters))
    }
}

fn bag(letters: &[char]) -> Bag {
    let mut bag = [0; 27];
    for letter in letters {
        let at = (*letter as usize).wrapping_sub('a' as usize).min(26);
        bag[at] = u8::saturating_add(bag[at], 1);
    }
    bag
}

/// Letters in common, in order.
fn in_common(one: &[char], other: &[char]) -> usize {
    let mut row = [0; *LETTERS.end() + 1];
    for a in one {
        let mut before = 0;
        for (at, b) in other.iter().enumerate() {
            let above = row[at + 1];
            row[at + 1] = if a == b {
                before + 1
            } else {
                above.max(row[at])
            };
            before = above;
        }
    }
    row[other.len()]
}

/// Letters that sound alike at the beginning or the end of a name have the same.
fn sound(letter: char) -> char {
    match letter.to_lowercase().next().unwrap_or(letter) {
        'b' | 'p' => 'b',
        'c' | 'g' | 'k' | 'q' | 'x' => 'k',
        'd' | 't' => 'd',
        'f' | 'v' | 'w' => 'f',
        'j' | 's' | 'z' => 's',
        'm' | 'n' => 'm',
        'a' | 'e' | 'i' | 'o' | 'u' | 'y' | 'h' => 'a',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use colloquy_contract::entities::Mention;

    use super::*;

    fn found(name: &str, text: &str) -> Vec<String> {
        let mention = Mention {
            entity_type: "PERSON".to_owned(),
            turn: 0,
            start: 0,
            end: 1,
            text: name.to_owned(),
            value: name.to_lowercase(),
            score: 0.9,
            recognizer: "test".to_owned(),
        };
        let entities = Entities {
            version: 1,
            mentions: vec![mention],
        };
        let text: Vec<char> = text.chars().collect();
        let hits = Sounds::new(&entities, &Policy::default()).find(&text, &[]);
        hits.into_iter()
            .map(|hit| text[hit.range].iter().collect())
            .collect()
    }

    #[test]
    fn names_are_found_by_their_sound() {
        for (name, text, expected) in [
            (
                "Gareth Thistlewood",
                "So, get this a wood, the letters go",
                "get this a wood",
            ),
            (
                "Katherine Schneider",
                "hello Catherine Snyder.",
                "Catherine Snyder",
            ),
            (
                "Michael Johnston",
                "for Mikal Johnson it is",
                "Mikal Johnson",
            ),
            ("Denise Carter", "thanks Denis Karter", "Denis Karter"),
        ] {
            assert_eq!(found(name, text), [expected], "{name}");
        }
        for (name, text) in [
            (
                "Gareth Thistlewood",
                "get this sorted, the wood is good and the thistle is not",
            ),
            ("Robert Miller", "the robot mill is there, remember"),
            ("Ann Lee", "and leave"),
            (
                "Denise Carter",
                "do you need the card for later, dear customer",
            ),
            ("James Walker", "just walk over to the counter"),
        ] {
            assert_eq!(found(name, text), [""; 0], "{name}");
        }
    }
}
