//! Ages: `I'm 42 years old`, `a 42-year-old`, `aged 42`, `my kids, 12 and 15`, `in her late
//! fifties`, and answers to "how old".

mod beside;
mod nouns;
mod stated;

use super::{Found, Scene};
use crate::context::Topic;
use crate::entity::{Part, score, types};
use crate::text::Strand;
use crate::words;

/// Nobody is older.
const OLDEST: u64 = 125;

pub(super) fn find(scene: &Scene<'_>, found: &mut Found) {
    for reading in &scene.readings {
        let strand = &reading.strand;
        // Where the last one ended: "12 and 15".
        let mut last = None;
        for number in &reading.numbers {
            let Some(age) = number
                .value
                .filter(|v| (1..=OLDEST).contains(v) && !number.ordinal)
            else {
                continue;
            };
            let at = number.at.clone();
            let counted = is_counted(strand, at.end);
            // "He is one", "I'm the one": seldom an age.
            let word = age == 1 && !strand.number(at.start);
            let told = stated::is_old(strand, at.start, at.end)
                || (!counted
                    && !word
                    && (stated::is_told(strand, &at, age)
                        || beside::is_apposed(strand, &at)
                        || last.is_some_and(|end| beside::is_second(strand, end, &at))));
            let asked = scene.context.near(strand, &at) == Some(Topic::Age);
            if told || (asked && strand.lower(at.end) != "minutes") {
                last = Some(at.end);
                found.add(strand, at, types::AGE, age.to_string(), score::CONTEXT);
            }
        }
        for at in 0..strand.len() {
            glued(strand, at, found);
            decade(strand, at, found);
        }
    }
}

/// Whether a number counts something else: `forty minutes`, `6 feet`, `30 %`.
fn is_counted(strand: &Strand<'_>, end: usize) -> bool {
    let sign = strand.gap(end).trim_start();
    let unit =
        words::is_unit(strand.lower(end)) && !strand.starts_turn(end) && strand.gap(end) == " ";
    let tail = strand.tail(end - 1).trim_start();
    (unit && !matches!(strand.lower(end), "years" | "year"))
        || sign.starts_with(['%', '/', '$', '\u{20ac}', '+', ':', '*', '='])
        || tail.starts_with('%')
        || matches!(
            strand.lower(end),
            "foot" | "inch" | "pounds" | "kg" | "st" | "th" | "k"
        )
}

/// Whether a clause ends before a position.
fn closes(strand: &Strand<'_>, end: usize) -> bool {
    strand.starts_turn(end)
        || strand
            .gap(end)
            .contains(['.', ',', '!', '?', ';', ')', '\n'])
}

/// Whether another clause goes on behind an age.
fn goes_on(strand: &Strand<'_>, end: usize) -> bool {
    matches!(
        strand.lower(end),
        "and"
            | "but"
            | "now"
            | "so"
            | "then"
            | "when"
            | "he"
            | "she"
            | "i"
            | "we"
            | "they"
            | "it"
            | "my"
            | "his"
            | "her"
            | "who"
            | "or"
            | "already"
            | "too"
            | "as"
            | "because"
            | "which"
            | "years"
            | "today"
            | "if"
            | "that"
    )
}

/// `43yo`, `7yrs`: the number is what is before the letters.
fn glued(strand: &Strand<'_>, at: usize, found: &mut Found) {
    const UNITS: [&str; 4] = ["yo", "yr", "yrs", "yrold"];
    let raw = strand.raw(at);
    let digits = raw.bytes().take_while(u8::is_ascii_digit).count();
    if !(1..=3).contains(&digits) || !UNITS.contains(&&raw[digits..]) {
        return;
    }
    let token = strand.token(at);
    let part = Part {
        turn: token.turn,
        start: token.start,
        end: token.start + digits,
    };
    let value = raw[..digits].to_owned();
    found.add_parts(vec![part], types::AGE, value, score::CONTEXT);
}

/// `in her late fifties`, `in his 30s`.
fn decade(strand: &Strand<'_>, at: usize, found: &mut Found) {
    const DECADES: [&str; 17] = [
        "teens",
        "twenties",
        "thirties",
        "forties",
        "fifties",
        "sixties",
        "seventies",
        "eighties",
        "nineties",
        "20s",
        "30s",
        "40s",
        "50s",
        "60s",
        "70s",
        "80s",
        "90s",
    ];
    if !DECADES.contains(&strand.lower(at)) {
        return;
    }
    let part = |at: usize| matches!(strand.lower(at), "early" | "mid" | "late" | "middle");
    let start = at - usize::from(at > 0 && part(at - 1));
    let whose = matches!(
        strand.lower_before(start),
        "his" | "her" | "my" | "their" | "our" | "your"
    );
    let within = start > 1 && strand.lower(start - 2) == "in";
    if whose && within && matches!(strand.gap(at), " " | "-") {
        let value = strand.lower(at).to_owned();
        found.add(strand, start..at + 1, types::AGE, value, score::CONTEXT);
    }
}
