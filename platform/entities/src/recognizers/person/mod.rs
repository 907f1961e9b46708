//! People's names: behind a cue, in answer to a question, and given names with a surname.
//!
//! Names are wanted precisely. A weak cue ("this is", "thanks") needs a word in capitals that is
//! no common word; only a strong one ("my name is") believes a word in small letters.

mod cues;
mod placed;
mod told;

use std::ops::Range;

use cues::{CUES_BY_WORD, Strength};
use told::{aged, behind_initial, doer, enumerated, with_initial};

use super::{Found, Reading, Scene, organization};
use crate::context::{Distance, Topic};
use crate::entity::{score, types};
use crate::text::Strand;
use crate::words;

/// A name has at most this many words.
const LONGEST_NAME: usize = 5;

/// Given names that are shorter are too often something else where nothing announces them.
const SHORTEST_LONE: usize = 4;

pub(super) fn find(scene: &Scene<'_>, found: &mut Found) {
    for reading in &scene.readings {
        let strand = &reading.strand;
        for at in 0..strand.len() {
            for (rest, strength) in CUES_BY_WORD.get(strand.lower(at)).into_iter().flatten() {
                if strand.says(at + 1, rest) {
                    behind_cue(strand, at + 1 + rest.len(), *strength, found);
                }
            }
            before_cue(strand, at, found);
            full_name(strand, at, found);
            doer(strand, at, found);
            aged(strand, at, found);
            enumerated(strand, at, found);
            with_initial(strand, at, found);
            behind_initial(strand, at, found);
            placed::find(strand, at, found);
            if strand.starts_turn(at) || strand.gap(at).contains('?') {
                in_answer(scene, strand, at, found);
            }
        }
        spelled(scene, reading, found);
    }
}

fn add(strand: &Strand<'_>, at: Range<usize>, score: f32, found: &mut Found) {
    let mut value = String::new();
    for word in at.clone() {
        if word > at.start {
            value.push_str(match strand.gap(word) {
                tie @ ("-" | "'" | "\u{2019}") => tie,
                _ => " ",
            });
        }
        value.push_str(&strand.raw(word).to_lowercase());
    }
    found.add(strand, at, types::PERSON, value, score);
}

/// A name right behind a cue.
fn behind_cue(strand: &Strand<'_>, at: usize, strength: Strength, found: &mut Found) {
    let mut at = at;
    while at < strand.len() && is_skipped(strand.lower(at)) {
        at += 1;
    }
    if at >= strand.len() || !matches!(strand.gap(at), " " | ", " | ". " | "... " | ": " | "\n") {
        return;
    }
    let title = at > 0 && words::is_title(strand.lower(at - 1));
    let lower = strand.lower_any(at);
    // Without capitals, a word behind a cue that is no word of English is a name.
    let uncased = !strand.is_cased(at)
        && (title || words::is_given_name(&lower) || !words::is_english(&lower));
    // "the account is under szymon kowalczyk": two words that are none.
    let two = uncased
        && !strand.is_cased(at)
        && strand.gap(at + 1) == " "
        && [at, at + 1].into_iter().all(|at| is_unknown(strand, at));
    let any_case =
        strength == Strength::Strong || (uncased && (strength != Strength::Faint || two));
    let Some(end) = name(strand, at, any_case) else {
        return;
    };
    let given = words::is_given_name(strand.lower(at));
    let sure = given || end - at >= 2;
    let (accepted, score) = match strength {
        Strength::Strong => (true, score::FORM),
        Strength::Weak => (sure || !is_group(strand.lower(at)), score::CONTEXT),
        Strength::Named => {
            let unknown = (at..end).all(|at| !words::is_english(&strand.lower_any(at)));
            let place = words::is_place(&lower) || words::is_company(&lower);
            let word = words::is_given_word(&lower) && end - at >= 2;
            (given || word || (unknown && !place), score::MODEL + 0.02)
        }
        Strength::Faint => (
            given || (sure && (two || is_likely_pair(strand, at..end))),
            score::LOOKS,
        ),
    };
    if accepted {
        add(strand, at..end, score, found);
    }
}

/// Words between a cue and the name.
fn is_skipped(word: &str) -> bool {
    words::is_filler(word)
        || matches!(
            word,
            "mr" | "mrs" | "ms" | "mister" | "miss" | "dr" | "doctor"
        )
}

/// `Jane speaking`, `John here`.
fn before_cue(strand: &Strand<'_>, at: usize, found: &mut Found) {
    let cue = matches!(strand.lower(at + 1), "speaking" | "here") && strand.gap(at + 1) == " ";
    if cue
        && !words::is_common(strand.lower(at))
        && name(strand, at, !strand.is_cased(at)) == Some(at + 1)
        && (words::is_given_name(strand.lower(at))
            || (strand.starts_turn(at) && strand.is_cased(at)))
    {
        add(strand, at..at + 1, score::CONTEXT, found);
    }
}

/// A common given name and a word in capitals behind it.
fn full_name(strand: &Strand<'_>, at: usize, found: &mut Found) {
    let example = at >= 2 && strand.says(at - 2, &["as", "in"]);
    if example || !words::is_given_name(strand.lower(at)) {
        return;
    }
    // Without capitals, a surname behind the given name says that it is one.
    let uncased = !strand.is_cased(at)
        && strand.gap(at + 1) == " "
        && (words::is_surname(&strand.lower_any(at + 1))
            || !words::is_english(&strand.lower_any(at + 1)))
        && strand.lower(at + 1).len() >= 3
        && !words::is_place(&strand.lower_any(at + 1))
        && !matches!(strand.lower(at + 1), "ltd" | "inc" | "llc" | "plc" | "gmbh")
        && strand.gap(at + 2) != ".";
    let Some(end) = name(strand, at, uncased) else {
        if is_lone_given_name(strand, at) {
            add(strand, at..at + 1, score::LOOKS, found);
        }
        return;
    };
    // "Sierra Leone" and "Emily Ville" are places.
    let two = format!("{} {}", strand.lower(at), strand.lower(at + 1));
    if end - at == 2 && (words::is_place(&two) || words::is_place_end(strand.lower(at + 1))) {
        return;
    }
    // "Perla Invest" is a firm.
    let last = strand.lower(end - 1);
    if end - at >= 2 && organization::is_kind(last) && !words::is_word_and_name(last) {
        return;
    }
    let score = if end - at >= 2 {
        score::CONTEXT
    } else {
        score::LOOKS
    };
    add(strand, at..end, score, found);
}

/// Whether a given name in text without capitals is nothing else: `it's terrence not me`.
fn is_lone_given_name(strand: &Strand<'_>, at: usize) -> bool {
    let lower = strand.lower(at);
    !strand.is_cased(at)
        && lower.len() >= SHORTEST_LONE
        && !words::is_english(lower)
        && !words::is_place(lower)
        && !words::is_company(lower)
        && !words::is_given_word(lower)
}

/// A turn that answers the question for a name.
fn in_answer(scene: &Scene<'_>, strand: &Strand<'_>, turn: usize, found: &mut Found) {
    let mut at = turn;
    while at < strand.len()
        && is_opening(strand.lower(at))
        && (at == turn || !strand.starts_turn(at))
    {
        at += 1;
    }
    if at >= strand.len() || strand.token(at).turn != strand.token(turn).turn {
        return;
    }
    if scene.context.topic(strand, &(at..at + 1)) != Some((Topic::Name, Distance::Near)) {
        return;
    }
    let Some(end) = name(strand, at, true) else {
        return;
    };
    let capitals = (at..end)
        .filter(|at| words::is_capital(strand.raw(*at)))
        .count();
    let alone = strand.starts_turn(end) || strand.tail(end - 1).starts_with(['.', ',', '?']);
    let given = words::is_given_name(strand.lower(at));
    if given || capitals >= 2 || (alone && (capitals == 1 || end - at == 2)) {
        add(strand, at..end, score::CONTEXT, found);
    }
}

/// Words that open an answer.
fn is_opening(word: &str) -> bool {
    words::is_opening(word)
        || matches!(
            word,
            "first" | "last" | "of" | "course" | "hi" | "hello" | "full" | "mine"
        )
}

/// Where the name ends that starts at a position.
fn name(strand: &Strand<'_>, at: usize, any_case: bool) -> Option<usize> {
    let first = strand.raw(at);
    let lower = strand.lower(at);
    let next_capital =
        words::is_capital(strand.raw(at + 1)) && matches!(strand.gap(at + 1), " " | "-");
    let led = is_particle(lower) && (next_capital || is_particle(strand.lower(at + 1)));
    let capital = words::is_capital(first) || led;
    // "Will" alone is a word, "Will Turner" is a name.
    let doubted = words::is_common(lower)
        && !(words::is_word_and_name(lower)
            && words::is_capital(first)
            && next_capital
            && !words::is_common(strand.lower(at + 1)));
    let fits = |raw: &str| raw.chars().count() >= 2 && raw.chars().all(is_name_char);
    // "the MAC address"
    let acronym = first.chars().all(char::is_uppercase)
        && (words::is_acronym(lower) || words::is_no_name(lower));
    if acronym || !fits(first) || !(capital || any_case) || doubted || words::is_company(lower) {
        return None;
    }
    let mut end = at + 1;
    while end < strand.len() && end - at < LONGEST_NAME {
        let (raw, lower, gap) = (strand.raw(end), strand.lower(end), strand.gap(end));
        let initial = strand.raw(end - 1).chars().count() == 1;
        let close = matches!(gap, " " | "-" | "'" | "\u{2019}") || (gap == ". " && initial);
        let next = end + 1;
        let particle = is_particle(lower)
            && (words::is_capital(strand.raw(next)) || is_particle(strand.lower(next)));
        let middle = raw.chars().count() == 1 && raw.starts_with(char::is_uppercase) && raw != "I";
        let apostrophe = matches!(gap, "'" | "\u{2019}");
        if apostrophe && (!words::is_capital(raw) || strand.raw(end - 1).len() > 2) {
            break;
        }
        let unit = is_unit(lower) && strand.raw(next).starts_with(|c: char| c.is_ascii_digit());
        // "my boss henrietta signed it"
        let verb = !capital && lower.ends_with("ed") && words::is_english(lower);
        let word = fits(raw)
            && (words::is_capital(raw) || !capital)
            && !words::is_common(lower)
            && !unit
            && !verb;
        if !close || !(word || particle || (middle && words::is_capital(strand.raw(end + 1)))) {
            break;
        }
        let third = end - at == 2
            && !strand.is_cased(end)
            && (words::is_surname(lower) || !words::is_english(&strand.lower_any(end)));
        if !capital && end - at >= 2 && !third {
            break;
        }
        end += 1;
    }
    if !capital && strand.gap(end) == " " && words::is_given_name(strand.lower(at)) {
        // "john smith and …" is two words of a name; what follows is checked above.
        return Some(end);
    }
    let company = (at..=end).any(|at| words::is_company(strand.lower(at)) && strand.gap(at) == " ");
    (!company).then_some(end)
}

/// Whether a word is none, nor a place, a company's kind or a number.
fn is_unknown(strand: &Strand<'_>, at: usize) -> bool {
    let lower = strand.lower_any(at);
    lower.chars().count() > 3
        && lower.chars().all(is_name_char)
        && !words::is_english(&lower)
        && !words::is_common(&lower)
        && !words::is_place(&lower)
        && !words::is_no_name(&lower)
        && !words::is_company(&lower)
        && !organization::is_kind(&lower)
        && words::number_word(&lower).is_none()
}

/// What of a building is numbered; behind a name it begins an address.
fn is_unit(lower: &str) -> bool {
    matches!(
        lower,
        "apt" | "apartment" | "suite" | "ste" | "unit" | "flat"
    )
}

fn is_name_char(c: char) -> bool {
    c.is_alphabetic() || matches!(c, '\u{300}'..='\u{36f}')
}

fn is_particle(word: &str) -> bool {
    matches!(
        word,
        "de" | "van"
            | "von"
            | "der"
            | "den"
            | "la"
            | "del"
            | "da"
            | "di"
            | "bin"
            | "al"
            | "el"
            | "st"
    )
}

/// Peoples and faiths: `I'm American`.
fn is_group(word: &str) -> bool {
    let ending = ["can", "ian", "ish", "ese", "istani", "lim", "lic"];
    let word_of_english = words::is_english(word);
    (word_of_english && ending.iter().any(|ending| word.ends_with(ending)))
        || super::group::is_group(word)
}

/// Two words in capitals of which the first is a given name.
fn is_likely_pair(strand: &Strand<'_>, at: Range<usize>) -> bool {
    at.len() <= 3 && words::is_given_name(strand.lower(at.start))
}

/// Letters read out one by one: after a question for a name, or of a name just said.
fn spelled(scene: &Scene<'_>, reading: &Reading<'_>, found: &mut Found) {
    let strand = &reading.strand;
    for run in &reading.codes {
        let chars = run.chars();
        let letters = chars.bytes().all(|byte| byte.is_ascii_uppercase());
        let single = run
            .items
            .iter()
            .filter(|item| item.chars.len() <= 2)
            .count();
        if !letters || chars.len() < 3 || single < run.items.len() {
            continue;
        }
        let at = run.at();
        let topic = scene.context.near(strand, &at);
        // "S.A.U" is an abbreviation.
        let dotted = (at.start + 1..at.end).all(|at| strand.gap(at) == ".");
        if dotted && !matches!(topic, Some(Topic::Name | Topic::NameTold)) {
            continue;
        }
        let value = chars.to_lowercase();
        let said = (at.start.saturating_sub(8)..at.start).any(|at| {
            let word = strand.raw(at).to_lowercase();
            word.len() >= 3 && word == value
        });
        let score = match topic {
            _ if said || words::is_given_name(&value) => score::FORM,
            Some(Topic::Name | Topic::NameTold) => score::CONTEXT + 0.01,
            _ if chars.len() >= 5 => score::LOOKS,
            _ => continue,
        };
        found.add(strand, at, types::PERSON, value, score);
    }
}
