//! A conversation while it is written, and what is looked for in it.

use std::ops::Range;

use colloquy_entities::Recognizers;
use rand::{rngs::StdRng, seq::IndexedRandom};

/// How many conversations each test makes.
pub(crate) const CALLS: usize = 1_000;

pub(crate) const DIGITS: [&str; 10] = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
];
pub(crate) const TEENS: [&str; 10] = [
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];
pub(crate) const TENS: [&str; 10] = [
    "", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety",
];
/// A conversation while it is written, and where digits stand in it, in characters.
#[derive(Default)]
pub(crate) struct Call {
    pub(crate) text: String,
    pub(crate) told: Vec<Range<usize>>,
}

impl Call {
    pub(crate) fn turn(&mut self, who: &str) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text.push_str(who);
        self.text.push_str(": ");
    }

    pub(crate) fn value(&mut self, said: &str) {
        let start = self.text.len();
        self.text.push_str(said);
        self.told.push(start..self.text.len());
    }

    /// Says one of some things.
    pub(crate) fn one_of(&mut self, things: &[&str], dice: &mut StdRng) {
        self.text.push_str(things.choose(dice).unwrap());
    }

    /// Whether the recognizers leave a letter or digit of a value.
    pub(crate) fn leaves_something(&self, recognizers: &Recognizers) -> bool {
        assert!(self.text.is_ascii(), "characters are bytes");
        let found = recognizers.recognize_text(&self.text);
        let covered = |at: usize| found.iter().any(|f| (f.start..f.end).contains(&at));
        let bare = |at: usize| self.text.as_bytes()[at].is_ascii_alphanumeric() && !covered(at);
        self.told.iter().any(|told| told.clone().any(bare))
    }
}

/// A number below 100 in words.
pub(crate) fn in_words(number: usize) -> String {
    match (number / 10, number % 10) {
        (0, unit) => DIGITS[unit].to_owned(),
        (1, unit) => TEENS[unit].to_owned(),
        (ten, 0) => TENS[ten].to_owned(),
        (ten, unit) => format!("{} {}", TENS[ten], DIGITS[unit]),
    }
}
