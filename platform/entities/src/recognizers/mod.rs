//! The recognizers and what runs them.

mod address;
mod age;
mod bank;
mod card;
mod date;
mod document;
mod email;
pub(crate) mod group;
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
pub(crate) use organization::is_kind_before;

use std::ops::Range;

use colloquy_ner::{Entity, side_by_side};

use crate::context::Context;
use crate::entity::{Candidate, Part, score, types};
use crate::numbers::{self, Number};
use crate::overlap::Taken;
use crate::parallel::stretches;
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
    /// The number that starts at a word.
    pub(crate) fn number_at(&self, at: usize) -> Option<&Number> {
        let index = self
            .numbers
            .binary_search_by_key(&at, |number| number.at.start);
        self.numbers.get(index.ok()?)
    }

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
    /// How many threads may search at once; more than one only in a long text.
    pub(crate) threads: usize,
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
            threads: 1,
        }
    }

    /// What is found in each reading, in order, with long ones cut into stretches of words and
    /// short ones taken together, side by side.
    pub(crate) fn search<T: Send>(
        &self,
        find: impl Fn(&Reading<'c>, Range<usize>) -> Vec<T> + Sync,
    ) -> Vec<Vec<T>> {
        let lengths = self.readings.iter().map(|reading| reading.strand.len());
        let found = side_by_side(self.threads, &stretches(lengths), |stretches| {
            let found = stretches.iter().map(|(reading, stretch)| {
                let found = find(&self.readings[*reading], stretch.clone());
                (*reading, found)
            });
            found.collect::<Vec<_>>()
        });
        let mut all: Vec<Vec<T>> = self.readings.iter().map(|_| Vec::new()).collect();
        for (reading, found) in found.into_iter().flatten() {
            all[reading].extend(found);
        }
        all
    }
}

/// Finds one kind of entity in a conversation.
struct Recognizer {
    /// Its name, as in [`crate::Finding::recognizer`].
    name: &'static str,
    /// Whether it asks what the model found.
    asks_model: bool,
    /// Adds what it finds.
    find: fn(&Scene<'_>, &mut Found),
}

/// All recognizers; of two that claim the same, the first is the more specific.
const RECOGNIZERS: &[Recognizer] = &[
    Recognizer {
        name: "email",
        asks_model: false,
        find: email::find,
    },
    Recognizer {
        name: "internet",
        asks_model: false,
        find: internet::find,
    },
    Recognizer {
        name: "identifier",
        asks_model: false,
        find: identifier::find,
    },
    Recognizer {
        name: "iban",
        asks_model: false,
        find: iban::find,
    },
    Recognizer {
        name: "card",
        asks_model: false,
        find: card::find,
    },
    Recognizer {
        name: "ssn",
        asks_model: false,
        find: ssn::find,
    },
    Recognizer {
        name: "vehicle",
        asks_model: false,
        find: vehicle::find,
    },
    Recognizer {
        name: "document",
        asks_model: false,
        find: document::find,
    },
    Recognizer {
        name: "bank",
        asks_model: false,
        find: bank::find,
    },
    Recognizer {
        name: "phone",
        asks_model: false,
        find: phone::find,
    },
    Recognizer {
        name: "address",
        asks_model: true,
        find: address::find,
    },
    Recognizer {
        name: "zip",
        asks_model: false,
        find: zip::find,
    },
    Recognizer {
        name: "date",
        asks_model: false,
        find: date::find,
    },
    Recognizer {
        name: "money",
        asks_model: false,
        find: money::find,
    },
    Recognizer {
        name: "age",
        asks_model: false,
        find: age::find,
    },
    Recognizer {
        name: "reference",
        asks_model: false,
        find: reference::find,
    },
    Recognizer {
        name: "user",
        asks_model: false,
        find: user::find,
    },
    Recognizer {
        name: "secret",
        asks_model: false,
        find: secret::find,
    },
    Recognizer {
        name: "title",
        asks_model: false,
        find: title::find,
    },
    Recognizer {
        name: "organization",
        asks_model: false,
        find: organization::find,
    },
    Recognizer {
        name: "person",
        asks_model: false,
        find: person::find,
    },
    Recognizer {
        name: "group",
        asks_model: false,
        find: group::find,
    },
    Recognizer {
        name: "place",
        asks_model: false,
        find: place::find,
    },
    Recognizer {
        name: "model",
        asks_model: true,
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
#[derive(Debug)]
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

/// What each recognizer claims, in their order.
pub(crate) type Claims = Vec<Vec<Candidate>>;

/// What those recognizers claim that don't ask the model. A thread that finds none left to run does
/// `other` work meanwhile, and so does each in its turn.
pub(crate) fn first_claims(scene: &Scene<'_>, other: &(dyn Fn() + Sync)) -> Claims {
    let recognizers = RECOGNIZERS.iter().map(Some);
    let others = std::iter::repeat_n(None, scene.threads);
    let tasks: Vec<Option<&Recognizer>> = recognizers.chain(others).collect();
    let mut claims = side_by_side(scene.threads, &tasks, |task| match task {
        Some(recognizer) if recognizer.asks_model => Vec::new(),
        Some(recognizer) => recognizer.claims(scene),
        None => {
            other();
            Vec::new()
        }
    });
    claims.truncate(RECOGNIZERS.len());
    claims
}

/// What all recognizers claim, in their order: the first claims, and those of the others.
pub(crate) fn candidates(scene: &Scene<'_>, mut claims: Claims) -> Vec<Candidate> {
    for (recognizer, claims) in RECOGNIZERS.iter().zip(&mut claims) {
        if recognizer.asks_model {
            // These spread their work over the threads themselves.
            *claims = recognizer.claims(scene);
        }
    }
    let mut candidates = Vec::with_capacity(claims.iter().map(Vec::len).sum());
    claims
        .into_iter()
        .for_each(|claims| candidates.extend(claims));
    candidates
}

impl Recognizer {
    fn claims(&self, scene: &Scene<'_>) -> Vec<Candidate> {
        let mut found = Found {
            candidates: Vec::new(),
            recognizer: self.name,
        };
        (self.find)(scene, &mut found);
        found.candidates
    }
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
