//! Which label stands for which entity.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
};

use colloquy_contract::entities::Mention;

/// What a mention is of. It holds personal data, so it has no `Debug`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Entity {
    /// Its type in upper case.
    kind: String,
    /// Its canonical value in lower case.
    value: String,
}

impl Entity {
    /// What this mention is of; one without a canonical value stands for its text.
    pub(super) fn of(mention: &Mention) -> Self {
        let value = Some(mention.value.trim()).filter(|value| !value.is_empty());
        Self {
            kind: mention.entity_type.to_ascii_uppercase(),
            value: value.unwrap_or(mention.text.trim()).to_lowercase(),
        }
    }
}

/// A place in a turn that names an entity.
#[derive(Clone)]
pub(super) struct Hit {
    /// The place in the turn's text, in characters.
    pub(super) range: Range<usize>,
    /// What it names.
    pub(super) entity: Entity,
}

/// The labels of a conversation's entities.
#[derive(Default)]
pub(super) struct Labels {
    labels: HashMap<Entity, String>,
    counts: BTreeMap<String, u32>,
}

impl Labels {
    /// Numbers the entities by first appearance per type.
    pub(super) fn number<'a>(hits: impl Iterator<Item = &'a Hit>) -> Self {
        let mut labels = Self::default();
        let mut numbers: HashMap<&'a str, u32> = HashMap::new();
        for Hit { entity, .. } in hits {
            *labels.counts.entry(entity.kind.clone()).or_default() += 1;
            if !labels.labels.contains_key(entity) {
                let number = numbers.entry(&entity.kind).or_default();
                *number += 1;
                labels
                    .labels
                    .insert(entity.clone(), format!("[{}_{number}]", entity.kind));
            }
        }
        labels
    }

    /// The label of an entity; `[REDACTED]` for one that was not numbered, which does not happen.
    pub(super) fn get(&self, entity: &Entity) -> &str {
        self.labels.get(entity).map_or("[REDACTED]", String::as_str)
    }

    /// Number of places by entity type.
    pub(super) fn counts(&self) -> BTreeMap<String, u32> {
        self.counts.clone()
    }
}

/// Where a text has labels, in order.
pub(super) fn find(text: &[char]) -> Vec<Range<usize>> {
    let mut labels = Vec::new();
    let mut at = 0;
    while let Some(open) = text[at..].iter().position(|&c| c == '[').map(|n| at + n) {
        let body = &text[open + 1..];
        let is_body = |c: &&char| c.is_ascii_uppercase() || c.is_ascii_digit() || **c == '_';
        let length = body.iter().take_while(is_body).count();
        let is_label = body.get(length) == Some(&']') && is_numbered(&body[..length]);
        at = open + 1;
        if is_label {
            at += length + 1;
            labels.push(open..at);
        }
    }
    labels
}

/// `PERSON_1`: a type, an underscore and a number.
fn is_numbered(body: &[char]) -> bool {
    let digits = body.iter().rev().take_while(|c| c.is_ascii_digit()).count();
    let rest = &body[..body.len() - digits];
    digits > 0 && rest.len() > 1 && rest.last() == Some(&'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_found() {
        let cases: &[(&str, &[&str])] = &[
            (
                "([PERSON_1]'s) [US_SSN_12].",
                &["[PERSON_1]", "[US_SSN_12]"],
            ),
            ("[PERSON_1]/[PERSON_2]", &["[PERSON_1]", "[PERSON_2]"]),
            ("[[PERSON_1]_1] [PERSON] [x_1] [_1] [1] [", &["[PERSON_1]"]),
            ("", &[]),
        ];
        for (text, expected) in cases {
            let text: Vec<char> = text.chars().collect();
            let found: Vec<String> = find(&text)
                .into_iter()
                .map(|range| text[range].iter().collect())
                .collect();
            assert_eq!(found, *expected);
        }
    }
}
