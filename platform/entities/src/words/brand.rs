//! Words that are made as companies make theirs: `Wavelink`, `LinkedIn`, `Trimax`.

use super::{is_english, is_given_name, is_place, is_surname};

/// The ends of made names. None of them is one of people's names in a language that is met often.
const ENDS: &[&str] = &[
    "ix", "ex", "ax", "tech", "soft", "link", "net", "ware", "data", "tron", "cloud", "works",
    "corp", "pharm", "pharma", "lux", "flex", "max", "sys", "labs", "hub", "ify", "bank", "pay",
    "scale", "wise", "trade", "shop", "mart", "chem", "plex", "gram", "graph", "space", "verse",
    "stack", "base", "cast", "path", "wave", "loop", "tronic", "tronics", "onics", "logic",
    "logix", "matic", "ium", "ox", "mark",
];

/// What names of people and places end with that are two words, too: `Hazelwood`.
const NAMES: &[&str] = &[
    "wood", "woods", "man", "son", "field", "fields", "ford", "land", "well", "wells", "worth",
    "stone", "smith", "brook", "house", "burn", "hill", "water", "waters", "way", "gate", "bridge",
    "moor", "town", "dale", "cliff", "more", "good", "love", "lock", "head", "side", "port",
    "mouth", "lake", "view", "church", "castle", "ridge", "fell", "ward", "wright", "ham", "ley",
    "ton", "den", "cock", "bottom", "boy", "heart", "haven", "spring", "springs",
];

/// The shortest made name.
const SHORTEST: usize = 5;
/// The shortest word that one is made of.
const SHORTEST_PART: usize = 4;

/// Whether a word, as it is written, is made as names of companies are and no other name.
pub(crate) fn is_brand(raw: &str) -> bool {
    let lower = raw.to_lowercase();
    let letters = raw.len() >= SHORTEST && raw.bytes().all(|b| b.is_ascii_alphabetic());
    if !letters
        || is_english(&lower)
        || is_given_name(&lower)
        || is_surname(&lower)
        || is_place(&lower)
    {
        return false;
    }
    has_inner_capital(raw) || ENDS.iter().any(|end| lower.ends_with(end)) || is_compound(&lower)
}

/// `LinkedIn`, but not `McGregor` or `DeAndre`.
fn has_inner_capital(raw: &str) -> bool {
    let capital = |c: char| c.is_ascii_uppercase();
    let inner = raw.char_indices().skip(1).find(|(_, c)| capital(*c));
    inner.is_some_and(|(at, _)| {
        let prefix = raw[..at].to_ascii_lowercase();
        let small = raw[..at].chars().skip(1).any(|c| c.is_ascii_lowercase());
        let name = matches!(
            &*prefix,
            "mc" | "mac"
                | "de"
                | "di"
                | "da"
                | "du"
                | "la"
                | "le"
                | "lo"
                | "van"
                | "von"
                | "fitz"
                | "al"
                | "el"
                | "ja"
                | "ka"
                | "ta"
                | "sha"
                | "ma"
        );
        small && !name && raw[at + 1..].chars().any(|c| c.is_ascii_lowercase())
    })
}

/// Two words of English that end as no place or family does.
fn is_compound(lower: &str) -> bool {
    (SHORTEST_PART..=lower.len().saturating_sub(SHORTEST_PART)).any(|at| {
        let (first, second) = lower.split_at(at);
        is_english(first) && is_english(second) && !NAMES.contains(&second)
    })
}

#[cfg(test)]
mod tests {
    use super::is_brand;

    #[test]
    fn made_names_are_told_from_those_of_people_and_places() {
        for made in ["Wavelink", "LinkedIn", "Trimax", "Clearpath", "Quickpost"] {
            assert!(is_brand(made), "{made}");
        }
        for other in [
            "Hazelwood",
            "McGregor",
            "Felix",
            "Butterfly",
            "Kowalska",
            "Max",
        ] {
            assert!(!is_brand(other), "{other}");
        }
    }
}
