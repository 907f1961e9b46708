//! The recognizers and what runs them.

mod address;
mod age;
mod bank;
mod card;
mod date;
mod document;
mod email;
mod group;
mod iban;
mod identifier;
mod internet;
mod model;
mod money;
mod organization;
mod person;
mod phone;
mod place;
mod reference;
mod secret;
mod ssn;
mod title;
mod user;
mod vehicle;
mod zip;

pub(crate) use address::is_street_kind;

use std::ops::Range;

use colloquy_ner::{Entity, side_by_side};

use crate::context::Context;
use crate::entity::{Candidate, Part, score, types};
use crate::numbers::{self, Number};
use crate::overlap::Taken;
use crate::runs::{self, Run};
use crate::text::{Conversation, Strand};

/// Runs of this many digits are tagged whatever they are.
const LONG_NUMBER: usize = 7;

/// A strand with all that was read in it.
#[derive(Debug)]
pub(crate) struct Reading<'c> {
    /// The words.
    pub(crate) strand: Strand<'c>,
    /// The numbers, in order.
    pub(crate) numbers: Vec<Number>,
    /// The runs of digits, in order.
    pub(crate) digits: Vec<Run>,
    /// The runs with letters in them, in order.
    pub(crate) codes: Vec<Run>,
}

impl Reading<'_> {
    /// The number that a word is part of.
    pub(crate) fn number_over(&self, at: usize) -> Option<&Number> {
        let index = self.numbers.partition_point(|number| number.at.end <= at);
        self.numbers
            .get(index)
            .filter(|number| number.at.contains(&at))
    }
}

/// A conversation, read.
#[derive(Debug)]
pub(crate) struct Scene<'c> {
    /// The words.
    pub(crate) conversation: &'c Conversation<'c>,
    /// The strands.
    pub(crate) readings: Vec<Reading<'c>>,
    /// The cues.
    pub(crate) context: Context,
    /// What the model found, by turn; empty without a model.
    pub(crate) named: Vec<Vec<Entity>>,
}

impl<'c> Scene<'c> {
    /// Reads a conversation of which the model has found these names.
    pub(crate) fn new(conversation: &'c Conversation<'c>, named: Vec<Vec<Entity>>) -> Self {
        let read = |strand: Strand<'c>| {
            let numbers = numbers::read(&strand);
            let digits = runs::of_digits(&strand, &numbers);
            let codes = runs::of_codes(&strand, &numbers);
            Reading {
                strand,
                numbers,
                digits,
                codes,
            }
        };
        let readings = conversation.strands().map(read).collect();
        Self {
            conversation,
            readings,
            context: Context::new(conversation),
            named,
        }
    }
}

/// Finds one kind of entity in a conversation.
struct Recognizer {
    /// Its name, as in [`crate::Finding::recognizer`].
    name: &'static str,
    /// Adds what it finds.
    find: fn(&Scene<'_>, &mut Found),
}

/// All recognizers; of two that claim the same, the first is the more specific.
const RECOGNIZERS: &[Recognizer] = &[
    Recognizer {
        name: "email",
        find: email::find,
    },
    Recognizer {
        name: "internet",
        find: internet::find,
    },
    Recognizer {
        name: "identifier",
        find: identifier::find,
    },
    Recognizer {
        name: "iban",
        find: iban::find,
    },
    Recognizer {
        name: "card",
        find: card::find,
    },
    Recognizer {
        name: "ssn",
        find: ssn::find,
    },
    Recognizer {
        name: "vehicle",
        find: vehicle::find,
    },
    Recognizer {
        name: "document",
        find: document::find,
    },
    Recognizer {
        name: "bank",
        find: bank::find,
    },
    Recognizer {
        name: "phone",
        find: phone::find,
    },
    Recognizer {
        name: "address",
        find: address::find,
    },
    Recognizer {
        name: "zip",
        find: zip::find,
    },
    Recognizer {
        name: "date",
        find: date::find,
    },
    Recognizer {
        name: "money",
        find: money::find,
    },
    Recognizer {
        name: "age",
        find: age::find,
    },
    Recognizer {
        name: "reference",
        find: reference::find,
    },
    Recognizer {
        name: "user",
        find: user::find,
    },
    Recognizer {
        name: "secret",
        find: secret::find,
    },
    Recognizer {
        name: "title",
        find: title::find,
    },
    Recognizer {
        name: "organization",
        find: organization::find,
    },
    Recognizer {
        name: "person",
        find: person::find,
    },
    Recognizer {
        name: "group",
        find: group::find,
    },
    Recognizer {
        name: "place",
        find: place::find,
    },
    Recognizer {
        name: "model",
        find: model::find,
    },
];

/// The names of the recognizers, in the order of preference.
pub fn recognizer_names() -> impl Iterator<Item = &'static str> {
    RECOGNIZERS
        .iter()
        .map(|recognizer| recognizer.name)
        .chain(["propagation", "sweep"])
}

/// What has been found so far.
#[derive(Debug, Default)]
pub(crate) struct Found {
    candidates: Vec<Candidate>,
    recognizer: &'static str,
}

impl Found {
    /// Adds an entity over some words of a strand.
    pub(crate) fn add(
        &mut self,
        strand: &Strand<'_>,
        at: Range<usize>,
        entity_type: &'static str,
        value: String,
        score: f32,
    ) {
        self.add_parts(strand.parts(at), entity_type, value, score);
    }

    /// Adds an entity over some stretches of text.
    pub(crate) fn add_parts(
        &mut self,
        parts: Vec<Part>,
        entity_type: &'static str,
        value: String,
        score: f32,
    ) {
        let recognizer = self.recognizer;
        self.candidates.push(Candidate {
            entity_type,
            value,
            score,
            recognizer,
            parts,
        });
    }
}

/// What all recognizers claim, in their order.
pub(crate) fn candidates(scene: &Scene<'_>, threads: usize) -> Vec<Candidate> {
    let claims = side_by_side(threads, RECOGNIZERS, |recognizer| {
        let mut found = Found {
            recognizer: recognizer.name,
            ..Found::default()
        };
        (recognizer.find)(scene, &mut found);
        found.candidates
    });
    claims.into_iter().flatten().collect()
}

/// Tags what is left of long runs of digits: whatever they are, they are read out one by one.
pub(crate) fn sweep(scene: &Scene<'_>, taken: &Taken, entities: &mut Vec<Candidate>) {
    for reading in &scene.readings {
        let long = reading.digits.iter().filter(|run| run.len() >= LONG_NUMBER);
        for run in long {
            let free = |items: Range<usize>| {
                let parts = reading.strand.parts(run.at_items(items));
                !parts.iter().any(|part| taken.overlaps(part))
            };
            let mut start = 0;
            while start < run.items.len() {
                let mut end = start;
                while end < run.items.len() && free(end..end + 1) && joins(free, end, start) {
                    end += 1;
                }
                if end > start {
                    entities.push(number(reading, run, start..end));
                }
                start = end.max(start + 1);
            }
        }
    }
}

/// Whether an item and what stands between it and the one before are free.
fn joins(free: impl Fn(Range<usize>) -> bool, item: usize, start: usize) -> bool {
    item == start || free(item - 1..item + 1)
}

fn number(reading: &Reading<'_>, run: &Run, items: Range<usize>) -> Candidate {
    Candidate {
        entity_type: types::NUMBER,
        value: run.items[items.clone()]
            .iter()
            .map(|item| item.chars.as_str())
            .collect(),
        score: score::BARE,
        recognizer: "sweep",
        parts: reading.strand.parts(run.at_items(items)),
    }
}
