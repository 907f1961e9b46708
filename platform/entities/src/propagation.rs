//! What was found once is found again in the whole conversation.
//!
//! A person's name, or one of its words alone, in any casing; and a number that someone repeats,
//! whole or its end ("the card ending in 4242").

use std::collections::HashMap;

use crate::entity::{Candidate, types};
use crate::recognizers::Scene;
use crate::text::Strand;
use crate::words;

/// How sure a repetition is.
const SCORE: f32 = 0.75;
/// The end of a number counts as the number from so many digits on.
const SHORTEST_END: usize = 4;
/// Parts are compared with at most this many whole numbers.
const MOST_NUMBERS: usize = 200;
const NAME: &str = "propagation";

/// The repetitions of what was found. First gives names of one word the value of the full name.
pub(crate) fn find_again(scene: &Scene<'_>, entities: &mut [Candidate]) -> Vec<Candidate> {
    unite_parts(entities);
    let names = Names::new(entities);
    for entity in entities
        .iter_mut()
        .filter(|entity| entity.entity_type == types::PERSON)
    {
        entity.value = names.full(&entity.value);
    }
    let mut again = Vec::new();
    for reading in &scene.readings {
        names.find(&reading.strand, &mut again);
    }
    numbers(scene, entities, &mut again);
    again
}

/// Gives the start or end of a number, said on its own, the value of the whole number.
fn unite_parts(entities: &mut [Candidate]) {
    let wholes: Vec<(&'static str, String)> = entities
        .iter()
        .filter(|entity| is_number(entity) && entity.value.len() > SHORTEST_END)
        .map(|entity| (entity.entity_type, entity.value.clone()))
        .take(MOST_NUMBERS)
        .collect();
    for entity in entities.iter_mut().filter(|entity| is_number(entity)) {
        let whole = wholes.iter().find(|(entity_type, whole)| {
            *entity_type == entity.entity_type
                && entity.value.len() >= SHORTEST_END
                && whole.len() > entity.value.len()
                && (whole.starts_with(&entity.value) || whole.ends_with(&entity.value))
        });
        if let Some((_, whole)) = whole {
            entity.value.clone_from(whole);
        }
    }
}

/// Whether it is a number or code that people repeat in part.
fn is_number(entity: &Candidate) -> bool {
    matches!(
        entity.entity_type,
        types::CREDIT_CARD
            | types::US_SSN
            | types::PHONE_NUMBER
            | types::US_BANK_NUMBER
            | types::IBAN_CODE
            | types::REFERENCE_NUMBER
            | types::VIN
    )
}

/// The names of the people of a conversation.
struct Names {
    /// The words and the value of full names, by their first word.
    by_first: HashMap<String, Vec<(Vec<String>, String)>>,
    /// The one full name that a word is part of; `None` if it is of several.
    by_word: HashMap<String, Option<String>>,
}

impl Names {
    fn new(entities: &[Candidate]) -> Self {
        let mut names = Self {
            by_first: HashMap::new(),
            by_word: HashMap::new(),
        };
        let mut values: Vec<&str> = entities
            .iter()
            .filter(|entity| entity.entity_type == types::PERSON)
            .map(|entity| entity.value.as_str())
            .collect();
        // Longest first, so that a first name alone does not compete with the full name.
        values.sort_by_key(|value| (std::cmp::Reverse(words_of(value).count()), *value));
        values.dedup();
        for value in values {
            let words: Vec<String> = words_of(value).map(str::to_owned).collect();
            for word in &words {
                names.add_word(word, value, words.len());
            }
            if let Some(first) = words.first() {
                let first = first.clone();
                names
                    .by_first
                    .entry(first)
                    .or_default()
                    .push((words, value.to_owned()));
            }
        }
        names
    }

    fn add_word(&mut self, word: &str, value: &str, words: usize) {
        if word.chars().count() < 2 {
            return;
        }
        match self.by_word.get_mut(word) {
            None => {
                self.by_word.insert(word.to_owned(), Some(value.to_owned()));
            }
            // A single word that is part of a full name is that person; two full names that
            // share a word leave it open.
            Some(known) if words > 1 && known.as_deref() != Some(value) => *known = None,
            Some(_) => {}
        }
    }

    /// The full name of which this is a word; else itself.
    fn full(&self, value: &str) -> String {
        match self.by_word.get(value) {
            Some(Some(full)) => full.clone(),
            _ => value.to_owned(),
        }
    }

    fn find(&self, strand: &Strand<'_>, again: &mut Vec<Candidate>) {
        for at in 0..strand.len() {
            let raw = strand.raw(at);
            let word = if raw.is_ascii() {
                strand.lower(at).to_owned()
            } else {
                raw.to_lowercase()
            };
            for (name, value) in self.by_first.get(&word).into_iter().flatten() {
                let same = |(index, part): (usize, &String)| {
                    strand.raw(at + index).to_lowercase() == *part
                };
                if name.len() > 1 && name.iter().enumerate().all(same) {
                    push(strand, at, name.len(), value.clone(), again);
                }
            }
            let Some(full) = self.by_word.get(&word) else {
                continue;
            };
            let capital = raw.starts_with(char::is_uppercase);
            let word_too = words::is_ambiguous(&word);
            let place = strand.gap(at + 1) == " "
                && strand.raw(at + 1).starts_with(char::is_uppercase)
                && words::is_company(strand.lower(at + 1));
            if place {
                continue;
            }
            let starts = strand.starts_turn(at) || strand.gap(at).contains(['.', '?', '!']);
            if capital && !(word_too && starts && words::is_common(&word)) || !word_too {
                push(strand, at, 1, full.clone().unwrap_or(word), again);
            }
        }
    }
}

/// The words of a name; `o'neill` is two.
fn words_of(value: &str) -> impl Iterator<Item = &str> {
    value
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
}

fn push(strand: &Strand<'_>, at: usize, words: usize, value: String, again: &mut Vec<Candidate>) {
    again.push(Candidate {
        entity_type: types::PERSON,
        value,
        score: SCORE,
        recognizer: NAME,
        parts: strand.parts(at..at + words),
    });
}

/// Numbers said again.
fn numbers(scene: &Scene<'_>, entities: &[Candidate], again: &mut Vec<Candidate>) {
    // By its last four digits: what it is, and all its digits.
    let mut known: HashMap<String, Vec<&Candidate>> = HashMap::new();
    let named = [
        types::PERSON,
        types::DATE,
        types::MONEY,
        types::AGE,
        types::STREET_ADDRESS,
    ];
    for entity in entities
        .iter()
        .filter(|entity| !named.contains(&entity.entity_type))
    {
        let candidates = known.entry(end_of(&entity.value)).or_default();
        if candidates.iter().all(|other| other.value != entity.value) {
            candidates.push(entity);
        }
    }
    for reading in &scene.readings {
        for run in reading.digits.iter().chain(&reading.codes) {
            let chars = run.chars();
            if chars.len() < SHORTEST_END {
                continue;
            }
            let same = known.get(&end_of(&chars)).into_iter().flatten();
            for entity in same.filter(|entity| entity.value.ends_with(&chars)).take(1) {
                let parts = reading.strand.parts(run.at());
                let mut repeated = Candidate::clone(entity);
                repeated.parts = parts;
                repeated.score = SCORE;
                repeated.recognizer = NAME;
                again.push(repeated);
            }
        }
    }
}

fn end_of(value: &str) -> String {
    let skip = value.chars().count().saturating_sub(SHORTEST_END);
    value.chars().skip(skip).collect()
}
