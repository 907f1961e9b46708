//! What stands in the place of which entity.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
};

use colloquy_contract::entities::Mention;

use super::{Finding, Treatment, tokens::compact};
use crate::policy::{Action, CUSTOM};

/// What stands for an entity that is masked.
const MASK: &str = "****";

/// Fewest characters of a value whose last four may stay: as many are hidden.
const LAST_FOUR_OF: usize = 8;

/// Hexadecimal digits of a token, see [`crate::policy::Key`].
const TOKEN_DIGITS: usize = 12;

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

    /// What was found later.
    pub(super) fn found(finding: &Finding) -> Self {
        Self {
            kind: finding.entity_type.to_ascii_uppercase(),
            value: finding.value.trim().to_lowercase(),
        }
    }

    /// What a deny list has.
    pub(super) fn denied(said: &[char]) -> Self {
        Self {
            kind: CUSTOM.to_owned(),
            value: compact(&said.iter().collect::<String>()).to_lowercase(),
        }
    }

    /// Its type.
    pub(super) fn kind(&self) -> &str {
        &self.kind
    }

    /// Its canonical value in lower case.
    pub(super) fn value(&self) -> &str {
        &self.value
    }
}

/// A place in a turn that names an entity.
#[derive(Clone)]
pub(super) struct Hit {
    /// The place in the turn's text, in characters.
    pub(super) range: Range<usize>,
    /// What it names.
    pub(super) entity: Entity,
    /// How sure that is.
    pub(super) score: f32,
}

/// The labels of a conversation's entities.
#[derive(Default)]
pub(super) struct Labels {
    labels: HashMap<Entity, String>,
    counts: BTreeMap<String, u32>,
}

impl Labels {
    /// Numbers the entities by first appearance per type, and does with each what is to be done.
    pub(super) fn number<'a>(
        hits: impl Iterator<Item = &'a Hit>,
        treatment: &Treatment<'_>,
    ) -> Self {
        let mut labels = Self::default();
        let mut numbers: HashMap<&'a str, u32> = HashMap::new();
        for Hit { entity, .. } in hits {
            *labels.counts.entry(entity.kind.clone()).or_default() += 1;
            if !labels.labels.contains_key(entity) {
                let number = numbers.entry(&entity.kind).or_default();
                *number += 1;
                let label = label(entity, *number, treatment);
                labels.labels.insert(entity.clone(), label);
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

/// What stands for an entity.
fn label(entity: &Entity, number: u32, treatment: &Treatment<'_>) -> String {
    let Entity { kind, value } = entity;
    let numbered = || format!("[{kind}_{number}]");
    match treatment.policy.rule(kind).action {
        // What is kept is no hit, unless it was found to be more than its type says.
        Action::Label | Action::Keep => numbered(),
        Action::Mask => MASK.to_owned(),
        Action::Hash => treatment
            .policy
            .token(treatment.account, kind, value)
            .map_or_else(numbered, |token| format!("[{kind}_{token}]")),
        Action::LastFour => {
            let told: Vec<char> = compact(value).chars().collect();
            let last = told.len().checked_sub(4);
            match last.filter(|_| told.len() >= LAST_FOUR_OF) {
                Some(from) => MASK.chars().chain(told[from..].iter().copied()).collect(),
                None => MASK.to_owned(),
            }
        }
    }
}

/// Where a text has labels, tokens and masks already, in order.
pub(super) fn marks(text: &[char]) -> Vec<Range<usize>> {
    let mut marks = find(text);
    let mut at = 0;
    while at < text.len() {
        let stars = text[at..].iter().take_while(|c| **c == '*').count();
        if stars >= MASK.len() {
            let behind = &text[at + stars..];
            let kept = behind.iter().take_while(|c| c.is_alphanumeric()).count();
            let end = at + stars + if kept <= 4 { kept } else { 0 };
            marks.push(at..end);
            at = end;
        } else {
            at += stars.max(1);
        }
    }
    marks.sort_by_key(|mark| mark.start);
    marks
}

/// Where a text has labels, in order.
fn find(text: &[char]) -> Vec<Range<usize>> {
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

/// `PERSON_1`: a type, an underscore and a number, or a token.
fn is_numbered(body: &[char]) -> bool {
    let Some(dash) = body.iter().rposition(|c| *c == '_') else {
        return false;
    };
    let (kind, tail) = (&body[..dash], &body[dash + 1..]);
    let is_number = !tail.is_empty() && tail.iter().all(char::is_ascii_digit);
    let is_token = tail.len() == TOKEN_DIGITS && tail.iter().all(char::is_ascii_hexdigit);
    !kind.is_empty() && (is_number || is_token)
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
            (
                "[PERSON_3F9AC2D104BE] [PERSON_3F9AC2D104B]",
                &["[PERSON_3F9AC2D104BE]"],
            ),
            (
                "**** ***, (****4242) ****42424",
                &["****", "****4242", "****"],
            ),
            ("", &[]),
        ];
        for (text, expected) in cases {
            let text: Vec<char> = text.chars().collect();
            let found: Vec<String> = marks(&text)
                .into_iter()
                .map(|range| text[range].iter().collect())
                .collect();
            assert_eq!(found, *expected);
        }
    }
}
