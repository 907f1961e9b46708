//! Ages: `I'm 42 years old`, `a 42-year-old`, `aged 42`, and answers to "how old".

use super::{Found, Scene};
use crate::context::Topic;
use crate::entity::{score, types};
use crate::text::Strand;

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
            let told = is_told(strand, at.start, at.end);
            let asked = scene.context.near(strand, &at) == Some(Topic::Age);
            if told || (asked && strand.lower(at.end) != "minutes") {
                found.add(strand, at, types::AGE, age.to_string(), score::CONTEXT);
            }
        }
    }
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
        "m" | "am" => {
            back(2) == "i" && (closes || matches!(strand.lower(end), "and" | "but" | "now" | "so"))
        }
        _ => false,
    }
}
