//! Names, e-mail and postal addresses, birthdays and when cards expire.

use colloquy_entities::Recognizers;
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};

use crate::call::{CALLS, Call, DIGITS, in_words};

const FIRST: [&str; 16] = [
    "Marguerite",
    "Dashiell",
    "Kofi",
    "Ingrid",
    "Priyanka",
    "Otis",
    "Wilhelmina",
    "Lakshmi",
    "Thaddeus",
    "Siobhan",
    "Mateo",
    "Yusuf",
    "Giselle",
    "Hiroshi",
    "Katarzyna",
    "Quentin",
];
const LAST: [&str; 16] = [
    "Vanterpool",
    "Obafemi",
    "Castellano",
    "Desai",
    "Feldstein",
    "Hashimoto",
    "Jaworski",
    "Lindqvist",
    "Mbeki",
    "Okonkwo",
    "Rasmussen",
    "Sokolov",
    "Villanueva",
    "Yilmaz",
    "Abernathy",
    "Fontaine",
];
const STREETS: [&str; 8] = [
    "Maple",
    "Magnolia",
    "Juniper",
    "Thornbury",
    "Kingsley",
    "Linden",
    "Wexford",
    "Sycamore",
];
const KINDS_OF_STREET: [&str; 6] = ["Street", "Avenue", "Road", "Lane", "Drive", "Court"];
const CITIES: [&str; 6] = ["Tucson", "Boise", "Toledo", "Omaha", "Tampa", "Fresno"];
const DOMAINS: [&str; 6] = [
    "gmail dot com",
    "yahoo dot com",
    "hotmail dot co dot uk",
    "icloud dot com",
    "brightmail dot net",
    "proton dot me",
];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const ORDINALS: [&str; 12] = [
    "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth",
    "eleventh", "twelfth",
];
const EXAMPLES: [&str; 26] = [
    "apple", "boy", "cat", "delta", "edward", "frank", "george", "henry", "ida", "john", "kilo",
    "larry", "mary", "nancy", "oscar", "peter", "queen", "romeo", "sam", "tom", "union", "victor",
    "william", "xray", "yellow", "zulu",
];
const OPENINGS: [&str; 7] = [
    "",
    "It's ",
    "Sure, it's ",
    "Um, ",
    "Yes. ",
    "Okay, ",
    "Yeah, it's ",
];

/// A word letter by letter.
fn spelled(word: &str, dice: &mut StdRng) -> String {
    let word = word.to_ascii_uppercase();
    let letters = || word.chars().map(String::from);
    match dice.random_range(0..4) {
        0 => letters().collect::<Vec<_>>().join("-"),
        1 => letters().collect::<Vec<_>>().join(" ").to_lowercase(),
        2 => letters().collect::<Vec<_>>().join(", "),
        _ => {
            let explained = |letter: String| {
                let example = EXAMPLES[usize::from(letter.as_bytes()[0] - b'A')];
                let explain = dice.random_bool(0.4);
                if explain {
                    format!("{letter} as in {example}")
                } else {
                    letter
                }
            };
            letters().map(explained).collect::<Vec<_>>().join(" ")
        }
    }
}

fn name(call: &mut Call, dice: &mut StdRng) {
    let (first, last) = (FIRST.choose(dice).unwrap(), LAST.choose(dice).unwrap());
    call.one_of(
        &[
            "Can I have your name?",
            "Who am I speaking with?",
            "What name is it under?",
        ],
        dice,
    );
    call.turn("Customer");
    call.one_of(
        &["", "It's ", "My name is ", "This is ", "Uh, it's under "],
        dice,
    );
    call.value(&format!("{first} {last}"));
    call.text.push('.');
    call.turn("Agent");
    if dice.random_bool(0.5) {
        call.one_of(&["Thanks, Mr. ", "Okay, Ms. "], dice);
        call.value(last);
        call.text.push_str(". One moment.");
    } else {
        call.text.push_str("How do you spell that?");
        call.turn("Customer");
        call.value(&spelled(last, dice));
    }
}

fn email(call: &mut Call, dice: &mut StdRng) {
    let (first, last) = (FIRST.choose(dice).unwrap(), LAST.choose(dice).unwrap());
    call.one_of(&["What's your email address?", "Can I get an email?"], dice);
    call.turn("Customer");
    call.one_of(&OPENINGS, dice);
    let local = match dice.random_range(0..5) {
        0 => format!("{first} dot {last}"),
        1 => format!("{first} underscore {last}"),
        2 => format!("{} {last}", &first[..1]),
        3 => format!("{first} {}", in_words(dice.random_range(20..100))),
        _ => spelled(first, dice),
    };
    call.value(&format!("{local} at {}", DOMAINS.choose(dice).unwrap()));
}

fn address(call: &mut Call, dice: &mut StdRng) {
    call.one_of(&["What's your address?", "Where should we ship it?"], dice);
    call.turn("Customer");
    call.one_of(&OPENINGS, dice);
    let number = match dice.random_range(0..3) {
        0 => dice.random_range(10..10_000).to_string(),
        1 => in_words(dice.random_range(2..100)),
        _ => format!(
            "{} {}",
            in_words(dice.random_range(10..100)),
            in_words(dice.random_range(10..100))
        ),
    };
    let side = ["", "North ", "West "].choose(dice).unwrap();
    let (street, kind) = (
        STREETS.choose(dice).unwrap(),
        KINDS_OF_STREET.choose(dice).unwrap(),
    );
    let city = CITIES.choose(dice).unwrap();
    let zip = (0..5)
        .map(|_| *DIGITS.choose(dice).unwrap())
        .collect::<Vec<_>>()
        .join(" ");
    let unit = ["", ", apartment twelve", ", unit C"].choose(dice).unwrap();
    call.value(&format!(
        "{number} {side}{street} {kind}{unit}, {city}, {zip}"
    ));
}

fn birthday(call: &mut Call, dice: &mut StdRng) {
    call.one_of(&["What's your date of birth?", "And your birthday?"], dice);
    call.turn("Customer");
    call.one_of(&OPENINGS, dice);
    let (month, day) = (MONTHS.choose(dice).unwrap(), ORDINALS.choose(dice).unwrap());
    let year = dice.random_range(21..100);
    let said = match dice.random_range(0..4) {
        0 => format!("{month} {day}, nineteen {}", in_words(year)),
        1 => format!("{day} of {month}, {}", in_words(year)),
        2 => format!("{month} {day}, oh {}", DIGITS[dice.random_range(1..10)]),
        _ => format!(
            "{}/{}/19{year}",
            dice.random_range(1..13),
            dice.random_range(1..29)
        ),
    };
    call.value(&said);
}

fn expiry(call: &mut Call, dice: &mut StdRng) {
    call.one_of(&["And the expiration date?", "When does it expire?"], dice);
    call.turn("Customer");
    call.one_of(&OPENINGS, dice);
    let (month, year) = (dice.random_range(1..13), dice.random_range(26..34));
    let said = match dice.random_range(0..4) {
        0 => format!("{month:02}/{year}"),
        1 => format!("{} {}", in_words(month), in_words(year)),
        2 => format!("{} of {}", MONTHS[month - 1], in_words(year)),
        _ => format!("{} slash {}", in_words(month), in_words(year)),
    };
    call.value(&said);
    call.text.push('.');
    call.turn("Agent");
    call.one_of(
        &["And the three digits on the back?", "Security code?"],
        dice,
    );
    call.turn("Customer");
    let code: Vec<_> = (0..3).map(|_| *DIGITS[1..].choose(dice).unwrap()).collect();
    call.value(&code.join(" "));
}

#[test]
fn told_values_leave_nothing() {
    let cache = colloquy_assets::Cache::locate().unwrap();
    let manifest = colloquy_assets::Manifest::embedded().unwrap();
    let folder = cache.require(&manifest, "spacy-en-core-web-md").unwrap();
    let recognizers = Recognizers::new(Some(colloquy_ner::Ner::load(&folder).unwrap()));
    let mut dice = StdRng::seed_from_u64(5);
    let mut left = Vec::new();
    for n in 0..CALLS {
        let mut call = Call::default();
        call.turn("Agent");
        [name, email, address, birthday, expiry][n % 5](&mut call, &mut dice);
        call.one_of(&[".", "", ". That's all."], &mut dice);
        call.turn("Agent");
        call.text.push_str("Thank you, one moment please.");
        if dice.random_bool(0.3) {
            call.text.make_ascii_lowercase();
        }
        if call.leaves_something(&recognizers) {
            left.push(call.text);
        }
    }
    let told = left.join("\n\n");
    assert!(
        left.len() <= CALLS / 200,
        "{} leave something:\n{told}",
        left.len()
    );
}
