//! What the model finds: people, places, organizations, groups, dates.
//!
//! The model is spaCy's `en_core_web_*`, trained on written text (OntoNotes 5); see
//! [`colloquy_ner`]. Here its labels become types, and what it is known to take for a name in
//! calls is left out: acronyms such as "SSN", fillers, relative and vague dates.

use std::ops::Range;

use colloquy_ner::{Entity, Label, side_by_side};

use super::{Found, Scene};
use crate::entity::{Part, score, types};
use crate::parallel::stretches;
use crate::words;

/// A name is no longer than this, in bytes.
const LONGEST_NAME: usize = 100;
/// Within a name in capitals, words in small letters are shorter: `van`, `della`.
const SHORTEST_SMALL: usize = 6;

pub(super) fn find(scene: &Scene<'_>, found: &mut Found) {
    let stretches = stretches(scene.named.iter().map(Vec::len));
    let claims = side_by_side(scene.threads, &stretches, |stretches| {
        let claims = stretches.iter().flat_map(|(turn, stretch)| {
            let text = scene.conversation.turns[*turn].text;
            let entities = scene.named[*turn][stretch.clone()].iter();
            let claims = entities.filter_map(|entity| claim(text, entity));
            claims.map(|claim| (*turn, claim))
        });
        claims.collect::<Vec<_>>()
    });
    for (turn, (Range { start, end }, entity_type, value)) in claims.into_iter().flatten() {
        let part = Part { turn, start, end };
        found.add_parts(vec![part], entity_type, value, score::MODEL);
    }
}

/// Where the name is that the model sees, its type and its value; `None` if it is likely none.
fn claim(text: &str, entity: &Entity) -> Option<(Range<usize>, &'static str, String)> {
    let entity_type = entity_type(entity.label)?;
    let (start, end) = trimmed(text, entity)?;
    let named = &text[start..end];
    let first_name = |named: &str| {
        let lower = named.to_lowercase();
        words::is_given_name(&lower) && !words::is_place(&lower)
    };
    let person = match entity_type {
        // "Hamza at Crescent Pharma" is cut before the company.
        types::ORGANIZATION => {
            is_name(named) || (end < entity.bytes.end && is_cut(text, start..end))
        }
        types::LOCATION => first_name(named),
        _ => false,
    };
    // "van Veen Groep", "holden ltd"
    let last = named.rsplit(' ').next().unwrap_or("").to_lowercase();
    let firm = entity_type == types::PERSON
        && named.contains(' ')
        && super::organization::is_kind_or_form(&last)
        && !words::is_word_and_name(&last)
        && !words::is_given_word(&last);
    let brand = matches!(entity_type, types::PERSON | types::LOCATION) && words::is_brand(named);
    let entity_type = if person {
        types::PERSON
    } else if brand || firm {
        types::ORGANIZATION
    } else if text[end..].starts_with("-based ") || named.starts_with("St. ") {
        types::LOCATION
    } else {
        entity_type
    };
    is_likely(named, entity_type, begins(text, start))
        .then(|| (start..end, entity_type, named.to_lowercase()))
}

/// Whether the company is behind an "at" and what is left is one name.
fn is_cut(text: &str, at: Range<usize>) -> bool {
    let named = &text[at.start..at.end];
    let lower = named.to_lowercase();
    text[at.end..].starts_with(" at ")
        && !named.contains(' ')
        && !words::is_english(&lower)
        && !named.chars().all(char::is_uppercase)
}

/// The type of what has a label; `None` for what names nobody.
fn entity_type(label: Label) -> Option<&'static str> {
    Some(match label {
        Label::Person => types::PERSON,
        Label::Place | Label::Location | Label::Facility => types::LOCATION,
        Label::Organization => types::ORGANIZATION,
        Label::Group => types::NRP,
        Label::Date | Label::Time => types::DATE_TIME,
        _ => return None,
    })
}

/// Where the name is, without what the model takes along: a title or article before it, a
/// possessive behind it, the line below it.
fn trimmed(text: &str, entity: &Entity) -> Option<(usize, usize)> {
    let mut start = entity.bytes.start;
    let mut named = text.get(entity.bytes.clone())?;
    let cut = ['\n', '|', '<', '\t'];
    let within = if entity.label == Label::Person {
        &[" / ", ": ", ":\"", ", ", " - ", " (", " Apt", " Suite"][..]
    } else if entity.label == Label::Organization {
        &[" to ", " / ", " at "][..]
    } else {
        &[]
    };
    let ends = within.iter().filter_map(|sign| named.find(sign)).min();
    let ends = ends.into_iter().chain(named.find(cut)).min();
    named = &named[..ends.unwrap_or(named.len())];
    (start, named) = without_lead(text, entity.label, start, named);
    named = named.trim_end_matches(|c: char| !c.is_alphanumeric() && c != '.' && c != ')');
    for possessive in ["'s", "\u{2019}s"] {
        named = named.strip_suffix(possessive).unwrap_or(named);
    }
    // What goes on behind the name: "Thorsø to"
    for word in [
        " to", " and", " of", " at", " in", " for", " from", " is", " says", " that", " this",
        " he", " she", " who", " on", " about", " so", " but", " here",
    ] {
        named = named.strip_suffix(word).unwrap_or(named);
    }
    if entity.label == Label::Person {
        named = named.trim_end_matches(|c: char| !c.is_alphanumeric());
    }
    Some((start, start + named.len())).filter(|(start, end)| end > start)
}

/// Where the name starts behind what the model takes along before it, and the name: an article, a
/// title, a greeting, what the sentence asks for.
fn without_lead<'t>(
    text: &str,
    label: Label,
    mut start: usize,
    mut named: &'t str,
) -> (usize, &'t str) {
    loop {
        let before = named.len();
        named = named.trim_start_matches(|c: char| !c.is_alphanumeric());
        // "w/ Garrett"
        named = named.strip_prefix("w/").unwrap_or(named);
        let first = named.split_whitespace().next().unwrap_or("");
        let word = first.trim_end_matches('.').to_lowercase();
        let article = word == "the";
        let title = label == Label::Person && words::is_title(&word);
        let rest = named.get(first.len()..).unwrap_or("");
        let greeting = words::is_greeting(word.trim_end_matches(','))
            && rest.trim_start().starts_with(char::is_uppercase);
        let asked = label == Label::Organization
            && begins(text, start)
            && is_request(&word)
            && rest.trim_start().starts_with(char::is_uppercase);
        let lead = label == Label::Person
            && (words::is_english(&word) || matches!(&*word, "pt" | "attn" | "fao"))
            && !words::is_word_and_name(&word)
            && !words::is_given_name(&word)
            && !words::is_given_word(&word)
            && rest.trim_start().starts_with(char::is_uppercase);
        let acronym = first.chars().all(char::is_uppercase)
            && words::is_no_name(&word)
            && rest.trim_start().starts_with(char::is_uppercase);
        if (article || title || lead || greeting || asked || acronym) && first.len() < named.len() {
            named = &named[first.len()..];
        }
        start += before - named.len();
        if before == named.len() {
            return (start, named);
        }
    }
}

/// What a sentence asks for, before a name: `Contact Veridian Title`.
fn is_request(lower: &str) -> bool {
    matches!(
        lower,
        "contact"
            | "call"
            | "email"
            | "visit"
            | "ask"
            | "tell"
            | "try"
            | "see"
            | "pay"
            | "thank"
            | "thanks"
            | "ring"
            | "remind"
            | "join"
            | "okay"
            | "ok"
            | "yes"
            | "did"
            | "does"
            | "is"
            | "has"
            | "when"
    )
}

/// Whether what the model takes for an organization is rather a person: two or three words in
/// capitals, none of which is a word.
fn is_name(named: &str) -> bool {
    let mut count = 0;
    let fits = named.split(' ').all(|word| {
        count += 1;
        let lower = word.to_lowercase();
        let cased = word.starts_with(char::is_uppercase) && !word.chars().all(char::is_uppercase);
        cased
            && word
                .chars()
                .all(|c| c.is_alphabetic() || matches!(c, '\'' | '\u{2019}' | '-'))
            && !words::is_english(&lower)
            && !words::is_company(&lower)
    });
    // "Graham-Morris" are partners.
    let partners = count == 1 && named.contains('-');
    fits && !partners
        && ((2..=3).contains(&count) || (count == 1 && words::is_given_name(&named.to_lowercase())))
}

/// Whether a sentence or a line begins at a place, so that a capital says nothing there.
fn begins(text: &str, start: usize) -> bool {
    let before = text.get(..start).unwrap_or("");
    let light = |c: char| c != '\n' && !c.is_alphanumeric() && !matches!(c, '.' | '?' | '!' | ':');
    let before = before.trim_end_matches(light);
    before.is_empty() || before.ends_with(['\n', '.', '?', '!', ':'])
}

/// Words that say which kind of place a name is of, which may else be words only.
fn is_place_kind(lower: &str) -> bool {
    words::is_place_end(lower)
        || matches!(
            lower,
            "park"
                | "bridge"
                | "river"
                | "lake"
                | "mountain"
                | "mountains"
                | "mount"
                | "valley"
                | "street"
                | "road"
                | "avenue"
                | "boulevard"
                | "lane"
                | "drive"
                | "court"
                | "square"
                | "house"
                | "tower"
                | "hall"
                | "building"
                | "airport"
                | "station"
                | "center"
                | "centre"
                | "hill"
                | "hills"
                | "coast"
                | "sea"
                | "ocean"
                | "gulf"
                | "canyon"
                | "desert"
                | "forest"
                | "falls"
                | "state"
                | "states"
                | "kingdom"
                | "east"
                | "west"
                | "north"
                | "south"
                | "new"
                | "port"
                | "fort"
                | "st"
                | "highway"
                | "freeway"
                | "stadium"
                | "palace"
                | "castle"
                | "cape"
                | "creek"
                | "heights"
                | "village"
                | "town"
                | "harbor"
                | "harbour"
                | "peninsula"
                | "africa"
                | "america"
                | "hotel"
                | "plaza"
                | "territory"
                | "territories"
                | "province"
                | "district"
                | "region"
                | "mall"
                | "hospital"
                | "church"
                | "camp"
                | "lakes"
                | "point"
                | "side"
        )
}

/// Whether the name may be one.
fn is_likely(named: &str, entity_type: &str, starts: bool) -> bool {
    if named.len() > LONGEST_NAME {
        return false;
    }
    let lower = named.to_lowercase();
    let digits = named.bytes().any(|b| b.is_ascii_digit());
    let words: Vec<&str> = lower
        .split(|c: char| !c.is_alphanumeric())
        .filter(|w| !w.is_empty())
        .collect();
    if words::is_no_name(&lower) {
        return false;
    }
    let common = |word: &&str| words::is_common(word) || words::is_backchannel(word);
    if entity_type == types::DATE_TIME {
        return is_date(&words);
    }
    if digits || words.iter().all(common) {
        return false;
    }
    let [word] = words.as_slice() else {
        return are_likely(named, entity_type, &lower, &words);
    };
    let acronym = entity_type == types::PERSON && words::is_acronym(word);
    if acronym || words::is_no_name(word) {
        return false;
    }
    let english = words::is_english(word);
    match entity_type {
        // "Patience is a virtue": the first word of a sentence.
        types::PERSON if english => !starts && named.starts_with(char::is_uppercase),
        types::PERSON => {
            !words::is_acronym(word) && !is_short_day(word) && word.chars().any(char::is_alphabetic)
        }
        types::ORGANIZATION => !english && !words::is_acronym(word) && !words::is_title(word),
        // "Breakfast is included".
        types::LOCATION => !english,
        _ => true,
    }
}

/// Whether several words may be a name.
fn are_likely(named: &str, entity_type: &str, lower: &str, words: &[&str]) -> bool {
    let english = words.iter().all(|word| words::is_english(word));
    let cased = named.chars().any(char::is_uppercase);
    let said = entity_type == types::ORGANIZATION && english && !cased;
    let address = entity_type == types::PERSON && named.contains('@');
    // "Mit freundlichen Grüßen"
    let small = |word: &str| {
        let long = word.chars().count() >= SHORTEST_SMALL;
        word.starts_with(char::is_lowercase) && (long || matches!(word, "und" | "ich" | "que"))
    };
    let sentence = cased && entity_type == types::PERSON && named.split(' ').any(small);
    // "Continental Breakfast", "Gold Member": words in capitals are no name.
    let given = |word: &&str| words::is_given_name(word) || words::is_given_word(word);
    let name = |word: &&str| words::is_given_name(word);
    let plain = english
        && entity_type == types::PERSON
        && (!words.iter().any(given) || (!cased && !words.iter().any(name)));
    let kind = |word: &&str| is_place_kind(word);
    let no_place = english
        && entity_type == types::LOCATION
        && !words::is_place(lower)
        && !words.iter().any(kind);
    !said && !address && !plain && !no_place && !sentence
}

/// Days as they are shortened at the head of a letter: `Fri, 8 Mar 2024`.
fn is_short_day(lower: &str) -> bool {
    matches!(
        lower,
        "mon" | "tue" | "tues" | "wed" | "thu" | "thur" | "thurs" | "fri" | "sat" | "sun"
    )
}

/// Whether the words name a day or a time of their own, rather than a period or how long ago.
fn is_date(words: &[&str]) -> bool {
    let named = |word: &&str| words::month(word).is_some() || words::is_weekday(word);
    let number = |word: &&str| {
        word.bytes().any(|b| b.is_ascii_digit()) || words::number_word(word).is_some()
    };
    let period = |word: &&str| words::is_unit(word) && !matches!(*word, "am" | "pm" | "o");
    let clock = |word: &&str| {
        matches!(
            *word,
            "am" | "pm" | "a" | "p" | "noon" | "midnight" | "clock"
        )
    };
    let year = |word: &&str| {
        word.len() == 4
            && (word.starts_with("19") || word.starts_with("20"))
            && word.bytes().all(|b| b.is_ascii_digit())
    };
    if words.iter().any(|word| words::is_weekday(word)) {
        return true;
    }
    // A month alone says nothing; "May" and "March" are words, too.
    if words.iter().any(named) && words.iter().any(number) {
        return true;
    }
    if words.iter().any(year) {
        return true;
    }
    !words.iter().any(period)
        && words.iter().any(number)
        && (words.len() >= 3 || words.iter().any(clock))
}
