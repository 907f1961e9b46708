//! Whether something that was redacted can still be heard: searches what was transcribed anew.

use std::{collections::HashSet, ops::Range};

use colloquy_contract::{
    entities::Entities,
    transcript::{Transcript, Turn},
};

use super::{Finding, labels::Entity, places::Places, sweep::Needles};
use crate::policy::Policy;

/// So many digits in a row tell part of a number that has at least twice as many.
const RUN: usize = 4;
const WHOLE: usize = 7;

/// A number with fewer digits is too common to be searched for.
const SHORTEST: usize = 3;

/// Types whose digits are read out one by one and mean nothing else. A date or an amount has
/// numbers in it that are said for other reasons.
const NUMBERS: [&str; 15] = [
    "CREDIT_CARD",
    "CVV",
    "IBAN_CODE",
    "LICENSE_PLATE",
    "NUMBER",
    "PASSWORD",
    "PHONE_NUMBER",
    "REFERENCE_NUMBER",
    "US_BANK_NUMBER",
    "US_DRIVER_LICENSE",
    "US_ITIN",
    "US_PASSPORT",
    "US_SSN",
    "VIN",
    "ZIP_CODE",
];

/// Names of digits, as they are read out.
const DIGITS: [(&str, char); 11] = [
    ("zero", '0'),
    ("oh", '0'),
    ("one", '1'),
    ("two", '2'),
    ("three", '3'),
    ("four", '4'),
    ("five", '5'),
    ("six", '6'),
    ("seven", '7'),
    ("eight", '8'),
    ("nine", '9'),
];

/// All that was redacted in a conversation. It holds personal data, so it has no `Debug`.
pub(crate) struct Secrets {
    needles: Needles,
    /// Runs of [`RUN`] digits of long numbers.
    runs: HashSet<String>,
    /// Short numbers.
    numbers: HashSet<String>,
}

/// Something that was heard and should not be.
pub(crate) struct Heard {
    /// Index of the turn.
    pub(crate) turn: usize,
    /// Which of its words.
    pub(crate) words: Range<usize>,
    /// What they name.
    pub(crate) entity_type: String,
    /// Its canonical value.
    pub(crate) value: String,
}

impl Secrets {
    /// What is redacted of these entities and findings.
    pub(crate) fn new(entities: &Entities, findings: &[Finding], policy: &Policy) -> Self {
        let mut secrets = Self {
            needles: Needles::new(entities, findings, policy),
            runs: HashSet::new(),
            numbers: HashSet::new(),
        };
        for mention in &entities.mentions {
            if policy.redacts(&mention.entity_type, mention.score) {
                secrets.add_number(&mention.entity_type, &mention.value);
            }
        }
        for finding in findings {
            secrets.add_number(&finding.entity_type, &finding.value);
        }
        secrets
    }

    fn add_number(&mut self, kind: &str, value: &str) {
        let digits: Vec<char> = value.chars().filter(char::is_ascii_digit).collect();
        let is_number = NUMBERS
            .iter()
            .any(|number| kind.eq_ignore_ascii_case(number));
        if !is_number || digits.len() < SHORTEST {
            return;
        }
        if digits.len() < WHOLE {
            self.numbers.insert(digits.into_iter().collect());
        } else {
            self.runs
                .extend(digits.windows(RUN).map(|run| run.iter().collect()));
        }
    }

    /// What of it is heard in a transcript.
    pub(crate) fn heard_in(&self, heard: &Transcript, policy: &Policy) -> Vec<Heard> {
        let mut found = Vec::new();
        for (index, turn) in heard.turns.iter().enumerate() {
            let text: Vec<char> = turn.text.chars().collect();
            let covered = Places::of(&text, policy).covered(&[]);
            for hit in self.needles.find(&text, &covered) {
                found.push(heard_words(index, turn, &hit.range, &hit.entity));
            }
            for words in self.digits_in(turn) {
                let is_known = |other: &Heard| {
                    other.turn == index
                        && other.words.start <= words.start
                        && words.end <= other.words.end
                };
                if found.iter().any(is_known) {
                    continue;
                }
                found.push(Heard {
                    turn: index,
                    words,
                    entity_type: "NUMBER".to_owned(),
                    value: String::new(),
                });
            }
        }
        found
    }

    /// The words of a turn that read out a part of a number.
    fn digits_in(&self, turn: &Turn) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        let mut run: Vec<(char, usize)> = Vec::new();
        for (at, word) in turn.words.iter().enumerate() {
            let digits = digits_of(&word.text);
            if digits.is_empty() {
                self.search(&run, &mut found);
                run.clear();
            }
            run.extend(digits.into_iter().map(|digit| (digit, at)));
        }
        self.search(&run, &mut found);
        found
    }

    fn search(&self, run: &[(char, usize)], found: &mut Vec<Range<usize>>) {
        let text = |run: &[(char, usize)]| run.iter().map(|(digit, _)| *digit).collect::<String>();
        for part in run.windows(RUN) {
            if self.runs.contains(&text(part)) {
                found.push(part[0].1..part[RUN - 1].1 + 1);
            }
        }
        if let (Some(first), Some(last)) = (run.first(), run.last())
            && self.numbers.contains(&text(run))
        {
            found.push(first.1..last.1 + 1);
        }
    }
}

/// The digits that a word is; none if it has letters, too.
fn digits_of(word: &str) -> Vec<char> {
    let plain = word.trim_matches(|c: char| !c.is_alphanumeric());
    let named = DIGITS
        .iter()
        .find(|(name, _)| plain.eq_ignore_ascii_case(name));
    if let Some((_, digit)) = named {
        return vec![*digit];
    }
    let is_number = !plain.is_empty() && !plain.chars().any(char::is_alphabetic);
    plain
        .chars()
        .filter(|c| is_number && c.is_ascii_digit())
        .collect()
}

fn heard_words(index: usize, turn: &Turn, range: &Range<usize>, entity: &Entity) -> Heard {
    let spans: Vec<Range<usize>> = turn.word_spans().collect();
    let first = spans.partition_point(|span| span.end <= range.start);
    let last = spans.partition_point(|span| span.start < range.end);
    Heard {
        turn: index,
        words: first..last,
        entity_type: entity.kind().to_owned(),
        value: entity.value().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use colloquy_contract::{
        entities::Mention,
        transcript::{Role, Word},
    };

    use super::*;

    fn turn(text: &str) -> Turn {
        let word = |text: &str| Word {
            text: text.to_owned(),
            start_ms: 0,
            end_ms: 1,
            confidence: 1.0,
            digit_starts_ms: Vec::new(),
        };
        Turn::new(0, Role::Unknown, text.split(' ').map(word).collect()).unwrap()
    }

    fn heard(text: &str) -> Vec<String> {
        let mention = |kind: &str, text: &str, value: &str| Mention {
            entity_type: kind.to_owned(),
            turn: 0,
            start: 0,
            end: 1,
            text: text.to_owned(),
            value: value.to_owned(),
            score: 1.0,
            recognizer: "test".to_owned(),
        };
        let mentions = vec![
            mention("PERSON", "Jane Smith", "jane smith"),
            mention("CREDIT_CARD", "4263 9826", "4263982640269299"),
            mention("CVV", "738", "738"),
            mention("ORGANIZATION", "Tuesday", "tuesday"),
            mention("MONEY", "$1,250", "1250.00 USD"),
        ];
        let entities = Entities {
            version: 1,
            mentions,
        };
        let policy = Policy::default();
        let secrets = Secrets::new(&entities, &[], &policy);
        let turn = turn(text);
        let heard = Transcript {
            version: 1,
            language: "en".to_owned(),
            duration_ms: 1,
            model: "test".to_owned(),
            channels: vec![Role::Unknown],
            turns: vec![turn.clone()],
        };
        let found = secrets.heard_in(&heard, &policy);
        found
            .iter()
            .map(|heard| {
                let words = turn.words[heard.words.clone()].iter();
                words.map(|w| w.text.as_str()).collect::<Vec<_>>().join(" ")
            })
            .collect()
    }

    #[test]
    fn values_and_parts_of_numbers_are_heard() {
        for (text, expected) in [
            ("thank you, jane SMITH.", &["jane SMITH."][..]),
            ("Smith, please", &["Smith,"]),
            ("ends in 92-99 okay", &["92-99"]),
            ("nine two nine nine", &["nine two nine nine"]),
            ("nine, 82 and six", &[]),
            ("nine, 82, six", &["nine, 82, six"]),
            ("the code is 7 3 8 .", &["7 3 8"]),
            ("in 7381 days", &[]),
            ("on Tuesday I paid 12 of 50", &[]),
        ] {
            assert_eq!(heard(text), expected, "{text}");
        }
    }
}
