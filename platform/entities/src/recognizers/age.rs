//! Ages: `I'm 42 years old`, `a 42-year-old`, `aged 42`, and answers to "how old".

use super::{Found, Scene};
use crate::context::Topic;
use crate::entity::{score, types};
use crate::text::Strand;
use crate::words;

/// Nobody is older.
const OLDEST: u64 = 125;

pub(super) fn find(scene: &Scene<'_>, found: &mut Found) {
    for reading in &scene.readings {
        let strand = &reading.strand;
        for number in &reading.numbers {
            let Some(age) = number
                .value
                .filter(|v| (1..=OLDEST).contains(v) && !number.ordinal)
            else {
                continue;
            };
            let at = number.at.clone();
            let told = is_told(strand, at.start, at.end) || is_apposed(strand, at.start, at.end);
            let asked = scene.context.near(strand, &at) == Some(Topic::Age);
            if told || (asked && strand.lower(at.end) != "minutes") {
                found.add(strand, at, types::AGE, age.to_string(), score::CONTEXT);
            }
        }
    }
}

/// `Jane Kowalska, 42, of …`, `Jane Kowalska (42)`: as newspapers write it.
fn is_apposed(strand: &Strand<'_>, start: usize, end: usize) -> bool {
    let signs = (strand.gap(start), strand.gap(end));
    let commas = signs.0 == ", " && signs.1.starts_with(", ");
    let brackets = signs.0 == " (" && signs.1.starts_with(')');
    if !(commas || brackets) || start < 2 || !strand.number(start) || strand.raw(start).len() != 2 {
        return false;
    }
    let name = |at: usize| {
        let lower = strand.lower_any(at);
        strand.raw(at).starts_with(char::is_uppercase)
            && !words::is_english(&lower)
            && !words::is_place(&lower)
            && words::month(&lower).is_none()
    };
    // The given name is one; the number before a comma may else be of a list or an address.
    words::is_given_name(strand.lower(start - 2)) && strand.gap(start - 1) == " " && name(start - 1)
}

fn is_told(strand: &Strand<'_>, start: usize, end: usize) -> bool {
    let years = matches!(
        strand.lower(end),
        "year" | "years" | "yr" | "yrs" | "y" | "yo" | "yrold"
    );
    let old = years
        && (matches!(strand.lower(end + 1), "old" | "olds")
            || strand.says(end + 1, &["of", "age"])
            || strand.lower(end) == "yo"
            || (strand.lower(end) == "y"
                && strand.gap(end + 1) == "/"
                && strand.lower(end + 1) == "o"));
    if old || strand.starts_turn(start) {
        return old;
    }
    let back = |by: usize| start.checked_sub(by).map_or("", |at| strand.lower(at));
    let closes = strand.starts_turn(end) || strand.gap(end).contains(['.', ',', '!', '?']);
    match back(1) {
        "aged" | "age" | "turned" | "turning" => true,
        "turn" | "turns" => closes || strand.lower(end) == "in",
        "of" => back(2) == "age",
        "is" | "s" if matches!(back(2), "he" | "she") => {
            closes || matches!(strand.lower(end), "and" | "but" | "now")
        }
        "is" | "s" => back(2) == "age",
        // "when he was 55"
        "was" => back(3) == "when" && matches!(back(2), "he" | "she" | "i" | "they") && closes,
        "m" | "am" => {
            back(2) == "i" && (closes || matches!(strand.lower(end), "and" | "but" | "now" | "so"))
        }
        _ => false,
    }
}
