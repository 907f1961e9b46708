//! Finds values of recognized entities where the recognizers overlooked them.
//!
//! A recognizer sees a name in one sentence and misses it in the next. Whatever was recognized
//! once is therefore searched in the whole conversation: the texts and canonical values of all
//! mentions, and the single names of persons. They are compared as letters and digits, in lower
//! case and at word boundaries, so that `4111-1111` is found as `4111 1111` too.

use std::{
    collections::{HashMap, hash_map::Entry},
    ops::Range,
};

use colloquy_contract::entities::{Entities, Mention};

use super::{
    Finding,
    labels::{Entity, Hit},
    places::{self, Places},
    sound::Sounds,
    tokens::{Token, compact, lower, tokens},
};
use crate::policy::Policy;

/// Values up to this many letters and digits are too common to search for.
const TOO_SHORT: usize = 2;

/// Everyday words that are names too. They are searched for only if capitalized and only as the
/// mention has them; otherwise one caller named Will would take the future from everybody.
const EVERYDAY: &[&str] = &[
    "and", "any", "are", "art", "ask", "bill", "but", "can", "chase", "did", "does", "drew", "for",
    "frank", "grace", "grant", "had", "has", "have", "her", "him", "his", "hope", "how", "jack",
    "joy", "mark", "may", "miles", "not", "our", "out", "page", "pat", "rich", "rob", "rose",
    "she", "sue", "that", "the", "they", "this", "was", "were", "what", "when", "who", "will",
    "with", "you", "your",
];

/// Words in names that tell nothing.
const TITLES: &[&str] = &[
    "mister",
    "mrs",
    "miss",
    "missus",
    "doctor",
    "professor",
    "prof",
    "sir",
    "madam",
    "lady",
    "lord",
    "captain",
    "junior",
    "senior",
];

/// What is searched for. It holds personal data, so it has no `Debug`.
pub(super) struct Needles {
    /// By letters and digits in lower case.
    needles: HashMap<String, Needle>,
    longest_chars: usize,
}

struct Needle {
    entity: Entity,
    /// If set, the only way of writing it that counts.
    exact: Option<String>,
}

impl Needles {
    /// All that has to be gone from a conversation with these entities.
    pub(super) fn new(entities: &Entities, findings: &[Finding], policy: &Policy) -> Self {
        let mut needles = Self {
            needles: HashMap::new(),
            longest_chars: 0,
        };
        let redacted: Vec<&Mention> = entities
            .mentions
            .iter()
            .filter(|mention| policy.redacts(&mention.entity_type, mention.score))
            .filter(|mention| !is_allowed(&mention.text, policy))
            .collect();
        for mention in &redacted {
            needles.add_whole(mention);
        }
        for finding in findings {
            if !is_everyday(&finding.value) {
                let entity = Entity::found(finding);
                needles.add(&compact(&finding.value), entity, None);
            }
        }
        // After all whole values, which have precedence.
        for mention in &redacted {
            needles.add_single_names(mention, policy);
        }
        needles
    }

    fn add_whole(&mut self, mention: &Mention) {
        let text = compact(&mention.text);
        if !is_everyday(&text) {
            self.add(&text, Entity::of(mention), None);
        } else if text.starts_with(char::is_uppercase) {
            self.add(&text, Entity::of(mention), Some(text.clone()));
        }
        let value = compact(&mention.value);
        if !is_everyday(&value) {
            self.add(&value, Entity::of(mention), None);
        }
    }

    /// The parts of a person's name, if capitalized as such.
    fn add_single_names(&mut self, mention: &Mention, policy: &Policy) {
        if !mention.entity_type.eq_ignore_ascii_case("PERSON") {
            return;
        }
        let text: Vec<char> = mention.text.chars().collect();
        for token in tokens(&text, &[]) {
            let name: String = text[token.range].iter().collect();
            let is_title = TITLES.iter().any(|title| name.eq_ignore_ascii_case(title));
            let is_one = name.starts_with(char::is_uppercase) && !is_title && !is_everyday(&name);
            if is_one && !is_allowed(&name, policy) {
                self.add(&name, Entity::of(mention), Some(name.clone()));
            }
        }
    }

    fn add(&mut self, value: &str, entity: Entity, exact: Option<String>) {
        let chars: Vec<char> = value.chars().collect();
        if chars.len() <= TOO_SHORT {
            return;
        }
        let key: String = lower(&chars).collect();
        self.longest_chars = self.longest_chars.max(key.chars().count());
        match self.needles.entry(key) {
            Entry::Vacant(vacant) => {
                vacant.insert(Needle { entity, exact });
            }
            // The wider search wins: any way of writing it before one.
            Entry::Occupied(mut occupied) if exact.is_none() => occupied.get_mut().exact = None,
            Entry::Occupied(_) => {}
        }
    }

    /// The places outside the covered stretches that hold a value, the longest first at each.
    pub(super) fn find<'a>(
        &'a self,
        text: &'a [char],
        covered: &[Range<usize>],
    ) -> impl Iterator<Item = Hit> + 'a {
        let tokens = tokens(text, covered);
        let mut at = 0;
        std::iter::from_fn(move || {
            while at < tokens.len() {
                let found = self.longest_at(text, &tokens[at..]);
                at += found.as_ref().map_or(1, |(_, count)| *count);
                if let Some((hit, _)) = found {
                    return Some(hit);
                }
            }
            None
        })
    }

    /// The longest value that begins with the first token, and how many tokens it takes.
    fn longest_at(&self, text: &[char], tokens: &[Token]) -> Option<(Hit, usize)> {
        let first = tokens.first()?;
        let (mut key, mut written) = (String::new(), String::new());
        let mut key_chars = 0;
        let mut longest = None;
        for (index, token) in tokens.iter().enumerate() {
            let chars = &text[token.range.clone()];
            key.extend(lower(chars));
            written.extend(chars);
            key_chars += chars.len();
            if token.segment != first.segment || key_chars > self.longest_chars {
                break;
            }
            let needle = self.needles.get(&key);
            let counts = |needle: &&Needle| needle.exact.as_ref().is_none_or(|e| *e == written);
            if let Some(needle) = needle.filter(counts) {
                let range = first.range.start..token.range.end;
                longest = Some((
                    Hit {
                        range,
                        entity: needle.entity.clone(),
                        score: 1.0,
                    },
                    index + 1,
                ));
            }
        }
        longest
    }
}

/// Whether an allow list has all of it.
fn is_allowed(text: &str, policy: &Policy) -> bool {
    policy.allowed().iter().any(|pattern| pattern.is(text))
}

fn is_everyday(value: &str) -> bool {
    EVERYDAY.iter().any(|word| value.eq_ignore_ascii_case(word))
}

/// Adds to each turn's hits the repetitions of values outside them, and says how many there are.
pub(super) fn add_repetitions(
    (needles, sounds): (&Needles, &Sounds),
    texts: &[Vec<char>],
    places: &[Places],
    hits: &mut [Vec<Hit>],
) -> u32 {
    let mut added = 0;
    for ((text, hits), places) in texts.iter().zip(hits).zip(places) {
        let taken: Vec<Range<usize>> = hits.iter().map(|hit| hit.range.clone()).collect();
        let covered = places.covered(&taken);
        let found: Vec<Hit> = needles.find(text, &covered).collect();
        added += u32::try_from(found.len()).unwrap_or(u32::MAX);
        for hit in found {
            places::add(hits, hit);
        }
        let taken: Vec<Range<usize>> = hits.iter().map(|hit| hit.range.clone()).collect();
        let heard = sounds.find(text, &places.covered(&taken));
        added += u32::try_from(heard.len()).unwrap_or(u32::MAX);
        for hit in heard {
            places::add(hits, hit);
        }
    }
    added
}
