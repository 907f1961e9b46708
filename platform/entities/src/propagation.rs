//! What was found once is found again in the whole conversation.
//!
//! A person's name, or one of its words alone, in any casing; a word that is no word and sounds like
//! one of a name, which the recognizer of the speech wrote in another way ("Okafor", "Okaphor"); and
//! a number that someone repeats, whole or its end ("the card ending in 4242"), or part by part while
//! it is told.

use std::ops::Range;

use foldhash::{HashMap, HashSet};

use crate::entity::{Candidate, types};
use crate::recognizers::{Reading, Scene};
use crate::runs::Run;
use crate::text::Strand;
use crate::words;

/// How sure a repetition is.
const SCORE: f32 = 0.75;
/// The end of a number counts as the number from so many digits on.
const SHORTEST_END: usize = 4;
/// Parts are compared with at most this many whole numbers.
const MOST_NUMBERS: usize = 200;
/// A number is compared with at most this many others that end as it does; ten thousand numbers
/// would have to be told before two of them do by chance.
const MOST_ALIKE: usize = 50;
/// A single digit may count anything.
const SHORTEST_ECHO: usize = 2;
/// An echo is compared with at most this many numbers of a turn.
const MOST_TOLD: usize = 8;
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
    let found = scene.search(|reading, stretch| {
        let mut found = Vec::new();
        names.find(&reading.strand, stretch, &mut found);
        found
    });
    again.extend(found.into_iter().flatten());
    numbers(scene, entities, &mut again);
    echoes(scene, entities, &mut again);
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

/// The words of a full name, and its value.
type FullName = (Vec<String>, String);

/// The names of the people of a conversation.
struct Names {
    /// The words and the value of full names, by their first two words.
    by_start: HashMap<(String, String), Vec<FullName>>,
    /// The first words of these.
    firsts: HashSet<String>,
    /// The one full name that a word is part of; `None` if it is of several.
    by_word: HashMap<String, Option<String>>,
    /// The one full name with a word of this sound.
    by_sound: HashMap<String, Option<String>>,
}

impl Names {
    fn new(entities: &[Candidate]) -> Self {
        let mut names = Self {
            by_start: HashMap::default(),
            firsts: HashSet::default(),
            by_word: HashMap::default(),
            by_sound: HashMap::default(),
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
            if let [first, second, ..] = words.as_slice() {
                names.firsts.insert(first.clone());
                let start = (first.clone(), second.clone());
                let same = names.by_start.entry(start).or_default();
                same.push((words, value.to_owned()));
            }
        }
        for (word, full) in &names.by_word {
            if let Some(sound) = sound(word) {
                let full = full.clone().unwrap_or_else(|| word.clone());
                let known = names
                    .by_sound
                    .entry(sound)
                    .or_insert_with(|| Some(full.clone()));
                if known.as_deref() != Some(full.as_str()) {
                    *known = None;
                }
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

    fn find(&self, strand: &Strand<'_>, stretch: Range<usize>, again: &mut Vec<Candidate>) {
        for at in stretch {
            let raw = strand.raw(at);
            let word = strand.lower_any(at).into_owned();
            if self.firsts.contains(&word) {
                let start = (word.clone(), strand.raw(at + 1).to_lowercase());
                for (name, value) in self.by_start.get(&start).into_iter().flatten() {
                    let same = |(index, part): (usize, &String)| {
                        strand.raw(at + index).to_lowercase() == *part
                    };
                    if name.iter().enumerate().all(same) {
                        push(strand, at, name.len(), value.clone(), again);
                    }
                }
            }
            let Some(full) = self.by_word.get(&word) else {
                if let Some(full) = self.misheard(strand, at, &word) {
                    push(strand, at, 1, full.clone(), again);
                }
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

impl Names {
    /// The full name that a word sounds like, if it is no word and no other name.
    fn misheard(&self, strand: &Strand<'_>, at: usize, word: &str) -> Option<&String> {
        let named = strand.raw(at).starts_with(char::is_uppercase) || !strand.is_cased(at);
        let known = words::is_english(word)
            || words::is_common(word)
            || words::is_given_name(word)
            || words::is_place(word);
        if self.by_sound.is_empty() || !named || known {
            return None;
        }
        self.by_sound.get(&sound(word)?)?.as_ref()
    }
}

/// How a name sounds, roughly: its first letter and its consonants, those that sound alike as one.
/// `None` if that says too little to tell it from another.
fn sound(word: &str) -> Option<String> {
    const LEAST_CONSONANTS: usize = 3;
    if !word.is_ascii() || word.len() < 5 {
        return None;
    }
    let word = word
        .replace("ph", "f")
        .replace("gh", "g")
        .replace("ck", "k")
        .replace("sch", "s")
        .replace("sh", "s")
        .replace("th", "t");
    let alike = |c: char| match c {
        'c' | 'q' => 'k',
        'z' | 'x' => 's',
        'w' => 'v',
        'd' => 't',
        'b' => 'p',
        'j' => 'g',
        other => other,
    };
    let mut sound = String::new();
    for (place, letter) in word.chars().enumerate() {
        let vowel = matches!(letter, 'a' | 'e' | 'i' | 'o' | 'u' | 'y' | 'h');
        let letter = if vowel && place == 0 {
            'a'
        } else {
            alike(letter)
        };
        if (place == 0 || !vowel) && !sound.ends_with(letter) {
            sound.push(letter);
        }
    }
    (sound.len() > LEAST_CONSONANTS).then_some(sound)
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
    let mut known: HashMap<String, Vec<&Candidate>> = HashMap::default();
    let named = [
        types::PERSON,
        types::DATE_TIME,
        types::MONEY,
        types::AGE,
        types::STREET_ADDRESS,
    ];
    for entity in entities
        .iter()
        .filter(|entity| !named.contains(&entity.entity_type))
    {
        let alike = known.entry(end_of(&entity.value)).or_default();
        if alike.len() < MOST_ALIKE && alike.iter().all(|other| other.value != entity.value) {
            alike.push(entity);
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

/// Parts of a number that the listener says after the one who tells it: `4 7 1. Okay, 471.`
fn echoes(scene: &Scene<'_>, entities: &[Candidate], again: &mut Vec<Candidate>) {
    // By turn.
    let mut told: HashMap<usize, Vec<&Candidate>> = HashMap::default();
    for entity in entities.iter().filter(|entity| is_number(entity)) {
        for part in &entity.parts {
            let told = told.entry(part.turn).or_default();
            if told.len() < MOST_TOLD {
                told.push(entity);
            }
        }
    }
    for reading in &scene.readings {
        for (turn, at, chars) in reading.digits.iter().flat_map(|run| by_turn(reading, run)) {
            if chars.len() < SHORTEST_ECHO || !scene.conversation.turns[turn].dictation {
                continue;
            }
            let mut near = [turn.checked_sub(1), Some(turn + 1)]
                .into_iter()
                .filter_map(|turn| told.get(&turn?))
                .flatten();
            if let Some(entity) = near.find(|entity| entity.value.contains(&chars)) {
                let mut repeated = Candidate::clone(entity);
                repeated.parts = reading.strand.parts(at);
                repeated.score = SCORE;
                repeated.recognizer = NAME;
                again.push(repeated);
            }
        }
    }
}

/// The parts of a run that are said in one turn each: the turn, the words, the digits.
fn by_turn(reading: &Reading<'_>, run: &Run) -> Vec<(usize, Range<usize>, String)> {
    let mut parts: Vec<(usize, Range<usize>, String)> = Vec::new();
    for item in &run.items {
        let turn = reading.strand.token(item.at.start).turn;
        match parts.last_mut() {
            Some((last, at, chars)) if *last == turn => {
                at.end = item.at.end;
                chars.push_str(&item.chars);
            }
            _ => parts.push((turn, item.at.clone(), item.chars.clone())),
        }
    }
    parts
}

fn end_of(value: &str) -> String {
    let skip = value.chars().count().saturating_sub(SHORTEST_END);
    value.chars().skip(skip).collect()
}

#[cfg(test)]
mod tests {
    use super::sound;

    #[test]
    fn what_sounds_alike_is_one_sound() {
        assert_eq!(sound("okafor"), sound("okaphor"));
        assert_eq!(sound("kowalski"), sound("kovalsky"));
        assert_eq!(sound("schneider"), sound("snyder"));
        assert_ne!(sound("kowalski"), sound("kaminski"));
        assert_eq!(sound("maria"), None);
    }
}
