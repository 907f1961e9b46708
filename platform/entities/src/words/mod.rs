//! Lists of words that more than one recognizer asks about.

mod brand;
mod kinds;
mod numbers;
mod speech;

pub(crate) use brand::is_brand;
pub(crate) use kinds::{is_acronym, is_company, is_place_end, is_title};
pub(crate) use numbers::{NumberWord, is_short_weekday, is_weekday, month, number_word, ordinal};
pub(crate) use speech::{
    is_backchannel, is_closing, is_filler, is_greeting, is_joiner, is_opening, is_prompt, is_unit,
};

use std::sync::LazyLock;

use foldhash::HashSet;

/// Given names that are seldom anything else.
static GIVEN_NAMES: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    include_str!("../../data/given_names.txt")
        .split_whitespace()
        .collect()
});

/// Words that are seldom a name where a name could stand: the vocabulary of a phone call.
static COMMON_WORDS: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    include_str!("../../data/common_words.txt")
        .split_whitespace()
        .collect()
});

/// Names that are also words: found again only where they are capitalized.
static AMBIGUOUS_NAMES: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    include_str!("../../data/ambiguous_names.txt")
        .split_whitespace()
        .collect()
});

/// The states of the US, the words of a name joined by spaces.
const STATES: &str = "alabama alaska arizona arkansas california colorado connecticut delaware \
    florida georgia hawaii idaho illinois indiana iowa kansas kentucky louisiana maine maryland \
    massachusetts michigan minnesota mississippi missouri montana nebraska nevada ohio oklahoma \
    oregon pennsylvania tennessee texas utah vermont virginia washington wisconsin wyoming";
const STATES_OF_TWO_WORDS: &str = "new hampshire,new jersey,new mexico,new york,north carolina,\
    north dakota,rhode island,south carolina,south dakota,west virginia";
const STATE_CODES: &str = "AL AK AZ AR CA CO CT DE FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN \
    MS MO MT NE NV NH NJ NM NY NC ND OH OK OR PA RI SC SD TN TX UT VT VA WA WV WI WY DC";

/// Whether a word, in lower case, is a common given name.
pub(crate) fn is_given_name(lower: &str) -> bool {
    GIVEN_NAMES.contains(lower)
}

/// Whether a word, as it is written, begins with a capital.
pub(crate) fn is_capital(raw: &str) -> bool {
    raw.starts_with(char::is_uppercase)
}

/// Whether a word, in lower case, is a common word and so no name on its own.
pub(crate) fn is_common(lower: &str) -> bool {
    COMMON_WORDS.contains(lower) || is_filler(lower) || number_word(lower).is_some()
}

/// Whether a word, in lower case, is a name as well as a word.
pub(crate) fn is_ambiguous(lower: &str) -> bool {
    AMBIGUOUS_NAMES.contains(lower) || is_common(lower)
}

/// Whether a word, in lower case, is listed as a name that is a word too.
pub(crate) fn is_word_and_name(lower: &str) -> bool {
    AMBIGUOUS_NAMES.contains(lower)
}

/// The names of the states: of one word, the first words of those of two, and their codes.
static STATE_SETS: LazyLock<[HashSet<&'static str>; 4]> = LazyLock::new(|| {
    let two = || STATES_OF_TWO_WORDS.split(',');
    [
        STATES.split_whitespace().collect(),
        two().filter_map(|name| name.split(' ').next()).collect(),
        two().collect(),
        STATE_CODES.split(' ').collect(),
    ]
});

/// How many of the words `first second` name a US state. Codes count in capitals only.
pub(crate) fn state(first: &str, second: &str) -> usize {
    let [names, firsts, both, codes] = &*STATE_SETS;
    if first.is_empty() {
        return 0;
    }
    if codes.contains(first) {
        return 1;
    }
    let lower = first.to_ascii_lowercase();
    let two = firsts.contains(lower.as_str())
        && both.contains(format!("{lower} {}", second.to_ascii_lowercase()).as_str());
    if two {
        2
    } else {
        usize::from(names.contains(lower.as_str()))
    }
}

/// The letter that a word of the NATO alphabet, in lower case, stands for.
pub(crate) fn nato(lower: &str) -> Option<char> {
    const WORDS: &[&str] = &[
        "alpha", "alfa", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel", "india",
        "juliet", "juliett", "kilo", "lima", "mike", "november", "oscar", "papa", "quebec",
        "romeo", "sierra", "tango", "uniform", "victor", "whiskey", "whisky", "xray", "yankee",
        "zulu",
    ];
    WORDS
        .contains(&lower)
        .then(|| lower.chars().next())
        .flatten()
}

/// Words of general English, in lower case (the SCOWL word list, size small).
static ENGLISH: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    include_str!("../../data/english_words.txt")
        .lines()
        .collect()
});

/// What is written as a name is and names no person, place or company: `Kubernetes`, `Ibuprofen`.
static NO_NAMES: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| include_str!("../../data/no_names.txt").lines().collect());

/// Whether a word, in lower case, looks like a name and is none of a person, place or company.
pub(crate) fn is_no_name(lower: &str) -> bool {
    NO_NAMES.contains(lower)
}

/// Surnames that are no words (United States census).
static SURNAMES: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| include_str!("../../data/surnames.txt").lines().collect());

/// Countries, states and cities that are no words, in lower case (GeoNames).
static PLACES: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| include_str!("../../data/places.txt").lines().collect());

/// Whether a word, in lower case, is one of general English.
pub(crate) fn is_english(lower: &str) -> bool {
    ENGLISH.contains(lower)
}

/// Given names that are words of English, too (United States census).
static GIVEN_WORDS: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    include_str!("../../data/given_names_that_are_words.txt")
        .lines()
        .collect()
});

/// Whether a word, in lower case, is a given name besides what it means.
pub(crate) fn is_given_word(lower: &str) -> bool {
    GIVEN_WORDS.contains(lower)
}

/// Whether a word, in lower case, is a surname and no word of English.
pub(crate) fn is_surname(lower: &str) -> bool {
    SURNAMES.contains(lower)
}

/// Whether words, in lower case, are a country, a state or a city, and nothing else.
pub(crate) fn is_place(lower: &str) -> bool {
    PLACES.contains(lower)
}
