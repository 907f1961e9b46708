//! Lists of words that more than one recognizer asks about.

use std::collections::HashSet;
use std::sync::LazyLock;

/// Given names that are seldom anything else.
static GIVEN_NAMES: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    include_str!("../data/given_names.txt")
        .split_whitespace()
        .collect()
});

/// Words that are seldom a name where a name could stand: the vocabulary of a phone call.
static COMMON_WORDS: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    include_str!("../data/common_words.txt")
        .split_whitespace()
        .collect()
});

/// Names that are also words: found again only where they are capitalized.
static AMBIGUOUS_NAMES: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    include_str!("../data/ambiguous_names.txt")
        .split_whitespace()
        .collect()
});

/// The months as spoken and written, January first.
const MONTHS: [&[&str]; 12] = [
    &["january", "jan"],
    &["february", "feb"],
    &["march", "mar"],
    &["april", "apr"],
    &["may"],
    &["june", "jun"],
    &["july", "jul"],
    &["august", "aug"],
    &["september", "sept", "sep"],
    &["october", "oct"],
    &["november", "nov"],
    &["december", "dec"],
];

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

/// Sounds that mean nothing.
pub(crate) fn is_filler(lower: &str) -> bool {
    matches!(
        lower,
        "uh" | "um" | "er" | "erm" | "ah" | "hm" | "hmm" | "mm" | "mhm" | "mmhmm" | "uhm" | "umm"
    )
}

/// What a listener says to show that they listen.
pub(crate) fn is_backchannel(lower: &str) -> bool {
    is_filler(lower)
        || matches!(
            lower,
            "okay"
                | "ok"
                | "k"
                | "yeah"
                | "yes"
                | "yep"
                | "yup"
                | "huh"
                | "right"
                | "got"
                | "it"
                | "sure"
                | "go"
                | "ahead"
                | "alright"
                | "all"
                | "great"
                | "thanks"
                | "thank"
                | "you"
                | "perfect"
                | "continue"
                | "i"
                | "see"
                | "m"
                | "with"
                | "and"
                | "uhhuh"
                | "good"
                | "correct"
                | "cool"
                | "fine"
                | "next"
                | "so"
                | "far"
                | "that"
                | "s"
        )
}

/// What a speaker says between the digits of one number.
pub(crate) fn is_joiner(lower: &str) -> bool {
    is_filler(lower)
        || matches!(
            lower,
            "okay"
                | "ok"
                | "dash"
                | "hyphen"
                | "then"
                | "yeah"
                | "let"
                | "me"
                | "see"
                | "so"
                | "space"
                | "slash"
                | "comma"
                | "sorry"
                | "wait"
                | "no"
                | "mean"
                | "next"
                | "dot"
                | "point"
        )
}

/// What numbers count: after a number, it is an amount and identifies nobody.
pub(crate) fn is_unit(lower: &str) -> bool {
    matches!(
        lower,
        "minute"
            | "minutes"
            | "hour"
            | "hours"
            | "day"
            | "days"
            | "week"
            | "weeks"
            | "month"
            | "months"
            | "year"
            | "years"
            | "second"
            | "seconds"
            | "dollar"
            | "dollars"
            | "bucks"
            | "cents"
            | "euros"
            | "pounds"
            | "percent"
            | "people"
            | "times"
            | "items"
            | "miles"
            | "feet"
            | "inches"
            | "units"
            | "megabytes"
            | "gigabytes"
            | "points"
            | "others"
            | "business"
            | "working"
            | "am"
            | "pm"
            | "o"
            | "nights"
            | "guests"
            | "pages"
            | "pieces"
            | "calls"
            | "users"
            | "customers"
            | "megabits"
            | "gigs"
            | "degrees"
            | "grand"
    )
}

/// The number of a month's name, in lower case.
pub(crate) fn month(lower: &str) -> Option<u8> {
    if lower.len() < 3 || lower.len() > 9 {
        return None;
    }
    let at = MONTHS.iter().position(|names| names.contains(&lower))?;
    u8::try_from(at + 1).ok()
}

/// Whether a word, in lower case, is a day of the week.
pub(crate) fn is_weekday(lower: &str) -> bool {
    matches!(
        lower,
        "monday" | "tuesday" | "wednesday" | "thursday" | "friday" | "saturday" | "sunday"
    )
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

/// What a word does in a spoken number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NumberWord {
    /// Zero to nine.
    Digit(u8),
    /// Ten to nineteen.
    Teen(u8),
    /// Twenty to ninety.
    Tens(u8),
    /// Hundred.
    Hundred,
    /// Thousand or million: what it multiplies by.
    Scale(u64),
    /// Double, triple, quadruple: how often the next digit comes.
    Repeat(u8),
}

/// What a word, in lower case, does in a spoken number. `oh` is not among them: it depends on its
/// neighbours.
pub(crate) fn number_word(lower: &str) -> Option<NumberWord> {
    use NumberWord::{Digit, Hundred, Repeat, Scale, Teen, Tens};
    Some(match lower {
        "zero" | "nought" | "naught" => Digit(0),
        "one" => Digit(1),
        "two" => Digit(2),
        "three" => Digit(3),
        "four" => Digit(4),
        "five" => Digit(5),
        "six" => Digit(6),
        "seven" => Digit(7),
        "eight" => Digit(8),
        "nine" | "niner" => Digit(9),
        "ten" => Teen(10),
        "eleven" => Teen(11),
        "twelve" => Teen(12),
        "thirteen" => Teen(13),
        "fourteen" => Teen(14),
        "fifteen" => Teen(15),
        "sixteen" => Teen(16),
        "seventeen" => Teen(17),
        "eighteen" => Teen(18),
        "nineteen" => Teen(19),
        "twenty" => Tens(20),
        "thirty" => Tens(30),
        "forty" | "fourty" => Tens(40),
        "fifty" => Tens(50),
        "sixty" => Tens(60),
        "seventy" => Tens(70),
        "eighty" => Tens(80),
        "ninety" => Tens(90),
        "hundred" => Hundred,
        "thousand" => Scale(1_000),
        "million" => Scale(1_000_000),
        "double" => Repeat(2),
        "triple" | "treble" => Repeat(3),
        "quadruple" => Repeat(4),
        _ => return None,
    })
}

/// The value of an ordinal below 32 that is one word, in lower case: `third`, `twentieth`.
pub(crate) fn ordinal(lower: &str) -> Option<u8> {
    const ORDINALS: [&str; 20] = [
        "first",
        "second",
        "third",
        "fourth",
        "fifth",
        "sixth",
        "seventh",
        "eighth",
        "ninth",
        "tenth",
        "eleventh",
        "twelfth",
        "thirteenth",
        "fourteenth",
        "fifteenth",
        "sixteenth",
        "seventeenth",
        "eighteenth",
        "nineteenth",
        "twentieth",
    ];
    if lower == "thirtieth" {
        return Some(30);
    }
    let at = ORDINALS.iter().position(|name| *name == lower)?;
    u8::try_from(at + 1).ok()
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

/// Words that make the words before them a company or a place.
pub(crate) fn is_company(word: &str) -> bool {
    matches!(
        word,
        "bank"
            | "insurance"
            | "support"
            | "service"
            | "services"
            | "customer"
            | "inc"
            | "llc"
            | "company"
            | "corporation"
            | "corp"
            | "group"
            | "hotel"
            | "airlines"
            | "airline"
            | "garage"
            | "internet"
            | "wireless"
            | "telecom"
            | "energy"
            | "pharmacy"
            | "clinic"
            | "hospital"
            | "medical"
            | "health"
            | "university"
            | "college"
            | "school"
            | "store"
            | "shop"
            | "department"
            | "center"
            | "centre"
            | "team"
            | "desk"
            | "street"
            | "road"
            | "avenue"
            | "lane"
            | "drive"
            | "mutual"
            | "financial"
            | "credit"
            | "union"
            | "electric"
            | "gas"
            | "power"
            | "water"
            | "solutions"
            | "systems"
            | "logistics"
            | "claims"
            | "billing"
            | "sales"
            | "restaurant"
            | "cafe"
            | "county"
            | "city"
    )
}

/// Words of general English, in lower case (the SCOWL word list, size small).
static ENGLISH: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| include_str!("../data/english_words.txt").lines().collect());

/// Surnames that are no words (United States census).
static SURNAMES: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| include_str!("../data/surnames.txt").lines().collect());

/// Countries, states and cities that are no words, in lower case (GeoNames).
static PLACES: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| include_str!("../data/places.txt").lines().collect());

/// Whether a word, in lower case, is one of general English.
pub(crate) fn is_english(lower: &str) -> bool {
    ENGLISH.contains(lower)
}

/// Given names that are words of English, too (United States census).
static GIVEN_WORDS: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    include_str!("../data/given_names_that_are_words.txt")
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

/// Whether a word, in lower case and without its dot, stands before a name and says how to
/// address the person.
pub(crate) fn is_title(lower: &str) -> bool {
    matches!(
        lower,
        "mr" | "mrs"
            | "ms"
            | "mx"
            | "miss"
            | "mister"
            | "missus"
            | "dr"
            | "doctor"
            | "prof"
            | "professor"
            | "sir"
            | "madam"
            | "madame"
            | "mme"
            | "mlle"
            | "monsieur"
            | "herr"
            | "frau"
            | "señor"
            | "señora"
            | "senor"
            | "senora"
            | "señorita"
            | "sra"
            | "srta"
            | "signor"
            | "signora"
            | "sig"
            | "dott"
            | "rev"
            | "reverend"
            | "hon"
            | "capt"
            | "captain"
            | "sgt"
            | "lt"
            | "col"
            | "gen"
            | "judge"
            | "rabbi"
            | "imam"
            | "pan"
            | "pani"
            | "dhr"
            | "mevr"
            | "lord"
            | "lady"
            | "dame"
            | "father"
    )
}

/// Words in capitals that name a kind of number or thing and no organization.
pub(crate) fn is_acronym(lower: &str) -> bool {
    matches!(
        lower,
        "ok" | "id"
            | "pin"
            | "vin"
            | "cvv"
            | "cvc"
            | "ssn"
            | "iban"
            | "atm"
            | "am"
            | "pm"
            | "tv"
            | "pc"
            | "po"
            | "ip"
            | "url"
            | "zip"
            | "dob"
            | "faq"
            | "ceo"
            | "hr"
            | "it"
            | "sms"
            | "gps"
            | "api"
            | "ach"
            | "apr"
            | "swift"
            | "bic"
            | "aba"
            | "usb"
            | "wifi"
            | "app"
            | "email"
            | "mac"
            | "nhs"
            | "ein"
            | "itin"
            | "dl"
            | "mrn"
            | "sku"
            | "ext"
            | "tel"
            | "fax"
            | "cc"
            | "bcc"
            | "re"
            | "fwd"
            | "attn"
            | "asap"
            | "eta"
            | "visa"
            | "ipv4"
            | "ipv6"
            | "dea"
            | "btc"
            | "eth"
    )
}

/// Words that names of places end with.
pub(crate) fn is_place_end(lower: &str) -> bool {
    matches!(
        lower,
        "ville"
            | "islands"
            | "island"
            | "city"
            | "county"
            | "republic"
            | "beach"
            | "bay"
            | "springs"
    )
}
