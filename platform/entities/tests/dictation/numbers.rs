//! Numbers in parts.

use colloquy_entities::Recognizers;
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};

use crate::call::{CALLS, Call, DIGITS, TEENS, TENS};

const FILLERS: [&str; 11] = [
    "uh",
    "um",
    "okay",
    "let me see",
    "and then",
    "then",
    "hold on",
    "sorry",
    "it's",
    "yeah",
    "and",
];
const AGREEMENT: [&str; 9] = [
    "Okay.",
    "Mm-hmm.",
    "Got it.",
    "Go ahead.",
    "Right.",
    "Okay, go on.",
    "Uh huh.",
    "I'm listening.",
    "Mhm, keep going.",
];
const OPENINGS: [&str; 7] = [
    "",
    "It's ",
    "Sure, it's ",
    "Um, ",
    "Yes. ",
    "Okay, so it's ",
    "Yeah, one second. It's ",
];
const CORRECTIONS: [&str; 4] = [" no sorry ", " no wait ", " sorry, ", " I mean "];

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Card,
    Phone,
    Ssn,
    Account,
    Order,
}

const KINDS: [Kind; 5] = [
    Kind::Card,
    Kind::Phone,
    Kind::Ssn,
    Kind::Account,
    Kind::Order,
];

impl Kind {
    fn questions(self) -> &'static [&'static str] {
        match self {
            Self::Card => &[
                "Can I have your card number?",
                "What's the long number on the card?",
            ],
            Self::Phone => &[
                "What's the best number to reach you?",
                "And your phone number?",
            ],
            Self::Ssn => &[
                "I need your social, please.",
                "What's your social security number?",
            ],
            Self::Account => &["And the account number?", "What's your account number?"],
            Self::Order => &[
                "What is your policy number?",
                "Do you have the order number?",
            ],
        }
    }

    /// A number, in the parts that it is told in.
    fn parts(self, dice: &mut StdRng) -> Vec<String> {
        let lengths: Vec<usize> = match self {
            Self::Card => vec![4; 4],
            Self::Phone => vec![3, 3, 4],
            Self::Ssn => vec![3, 2, 4],
            Self::Account => (0..3).map(|_| dice.random_range(2..=4)).collect(),
            Self::Order => (0..2).map(|_| dice.random_range(3..=4)).collect(),
        };
        let mut number: String = (0..lengths.iter().sum())
            .map(|_| char::from(b'0' + dice.random_range(0..10)))
            .collect();
        number.replace_range(..1, "4");
        if self == Self::Card {
            let valid = |last: &char| luhn(&format!("{}{last}", &number[..15]));
            let last = ('0'..='9').find(valid).unwrap();
            number.replace_range(15.., &last.to_string());
        }
        let mut rest = number.as_str();
        let part = |length: usize| {
            let (part, behind) = rest.split_at(length);
            rest = behind;
            part.to_owned()
        };
        lengths.into_iter().map(part).collect()
    }
}

fn luhn(digits: &str) -> bool {
    let doubled = |digit: u32| digit * 2 / 10 + digit * 2 % 10;
    let digits = digits.bytes().rev().map(|b| u32::from(b - b'0'));
    let terms = digits
        .enumerate()
        .map(|(at, digit)| if at % 2 == 0 { digit } else { doubled(digit) });
    terms.sum::<u32>().is_multiple_of(10)
}

/// A part as it may be said or written.
fn said(part: &str, dice: &mut StdRng) -> String {
    let oh = ["oh", "zero"].choose(dice).unwrap();
    let digit = |b: u8| {
        if b == b'0' {
            oh
        } else {
            &DIGITS[usize::from(b - b'0')]
        }
    };
    let pair = |pair: &[u8]| match (usize::from(pair[0] - b'0'), usize::from(pair[1] - b'0')) {
        (0, _) => format!("{} {}", oh, digit(pair[1])),
        (1, unit) => TEENS[unit].to_owned(),
        (ten, 0) => TENS[ten].to_owned(),
        (ten, unit) => format!("{} {}", TENS[ten], DIGITS[unit]),
    };
    match dice.random_range(0..20) {
        0..11 => part
            .bytes()
            .map(|b| *digit(b))
            .collect::<Vec<_>>()
            .join(" "),
        11..15 if part.len().is_multiple_of(2) => part
            .as_bytes()
            .chunks(2)
            .map(pair)
            .collect::<Vec<_>>()
            .join(" "),
        15..18 => part.to_owned(),
        _ => part.chars().map(String::from).collect::<Vec<_>>().join(" "),
    }
}

fn call(kind: Kind, dice: &mut StdRng) -> Call {
    let mut call = Call::default();
    let parts = kind.parts(dice);
    call.turn("Agent");
    call.text.push_str(kind.questions().choose(dice).unwrap());
    call.turn("Customer");
    call.text.push_str(OPENINGS.choose(dice).unwrap());
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            between(&mut call, &parts[at - 1], dice);
            if dice.random_bool(0.1) {
                let wrong: String = part.chars().map(|_| dice.random_range('1'..='9')).collect();
                let wrong = said(&wrong, dice);
                call.value(&wrong);
                call.text.push_str(CORRECTIONS.choose(dice).unwrap());
            }
        }
        let part = said(part, dice);
        call.value(&part);
    }
    call.text.push_str(
        [".", "", " and that's it.", " is that all?"]
            .choose(dice)
            .unwrap(),
    );
    call.turn("Agent");
    call.text.push_str("Thank you, one moment please.");
    if dice.random_bool(0.3) {
        call.text.make_ascii_lowercase();
    }
    call
}

/// What comes between two parts.
fn between(call: &mut Call, before: &str, dice: &mut StdRng) {
    match dice.random_range(0..10) {
        0..3 => {
            call.text
                .push_str([".", ",", "...", ""].choose(dice).unwrap());
            match dice.random_range(0..10) {
                0..5 => {
                    call.turn("Agent");
                    call.text.push_str(AGREEMENT.choose(dice).unwrap());
                }
                5..7 => {
                    call.turn("Agent");
                    call.text.push_str(["", "Okay, "].choose(dice).unwrap());
                    let again = said(before, dice);
                    call.value(&again);
                    call.text.push('.');
                }
                _ => {}
            }
            call.turn("Customer");
            if dice.random_bool(0.3) {
                call.text.push_str(FILLERS.choose(dice).unwrap());
                call.text.push(' ');
            }
        }
        3..5 => {
            call.text.push(' ');
            call.text.push_str(FILLERS.choose(dice).unwrap());
            call.text.push(' ');
        }
        5..8 => call.text.push_str(", "),
        _ => call.text.push(' '),
    }
}

#[test]
fn dictated_numbers_leave_nothing() {
    let recognizers = Recognizers::new(None);
    let mut dice = StdRng::seed_from_u64(11);
    let mut left = Vec::new();
    for n in 0..CALLS {
        let kind = KINDS[n % KINDS.len()];
        let call = call(kind, &mut dice);
        assert!(call.text.is_ascii(), "characters are bytes");
        if call.leaves_something(&recognizers) {
            left.push((kind, call.text));
        }
    }
    let told: Vec<_> = left
        .iter()
        .map(|(kind, text)| format!("{kind:?}: {text}"))
        .collect();
    let told = told.join("\n\n");
    assert!(
        left.len() <= CALLS / 100,
        "{} leave something:\n{told}",
        left.len()
    );
    let worst = left
        .iter()
        .any(|(kind, _)| matches!(kind, Kind::Card | Kind::Ssn));
    assert!(!worst, "{told}");
}
