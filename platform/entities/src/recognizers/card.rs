//! Payment cards: the number and the security code. The date of expiry is in [`super::date`].
//!
//! A card number has 13 to 19 digits and passes the Luhn check. Where the recognizer of the speech
//! lost or changed a digit, the words before the number still say that it is one.

use super::{Found, Reading, Scene};
use crate::context::{Distance, Topic};
use crate::entity::{score, types};
use crate::runs::{Item, Run};

/// A code of three digits is a card's if a card is spoken of within so many words.
const CARD_TALK: usize = 25;

/// Behind the first part of a number come at most so many that "and" joins.
const MOST_PARTS: usize = 4;

pub(super) fn find(scene: &Scene<'_>, found: &mut Found) {
    for reading in &scene.readings {
        for run in &reading.digits {
            find_checked(scene, reading, run, found);
            find_in_context(scene, reading, run, found);
        }
        find_in_parts(scene, reading, found);
    }
}

/// A number whose parts are joined by "and": `forty seven sixteen and thirty three oh nine and …`.
fn find_in_parts(scene: &Scene<'_>, reading: &Reading<'_>, found: &mut Found) {
    let strand = &reading.strand;
    for (index, run) in reading.digits.iter().enumerate() {
        let mut at = run.at();
        if run.len() >= 13 || strand.lower(at.end) != "and" {
            continue;
        }
        let mut chars = run.chars();
        for next in reading.digits.iter().skip(index + 1).take(MOST_PARTS) {
            let tied = next.at().start == at.end + 1
                && strand.lower(at.end) == "and"
                && !strand.is_line_break(at.end + 1);
            if !tied || chars.len() + next.len() > 19 {
                break;
            }
            chars += &next.chars();
            at.end = next.at().end;
            let told = || scene.context.near(strand, &at) == Some(Topic::Card);
            let score = match chars.len() {
                13.. if passes_luhn(&chars) && is_issued(&chars) => score::CHECKED,
                13.. if told() => score::CONTEXT,
                _ => continue,
            };
            found.add(strand, at.clone(), types::CREDIT_CARD, chars.clone(), score);
        }
    }
}

/// Stretches that pass the check.
fn find_checked(scene: &Scene<'_>, reading: &Reading<'_>, run: &Run, found: &mut Found) {
    if run.len() < 13 {
        return;
    }
    let at = run.at();
    let told = matches!(
        scene.context.topic(&reading.strand, &at),
        Some((Topic::Card, _))
    );
    let chars = run.chars();
    for (items, digits) in run.windows(&chars, 13, 19) {
        let whole = items.len() == run.items.len();
        // One in ten random numbers passes: within a longer run the issuer must fit as well.
        if passes_luhn(digits) && (is_issued(digits) || (whole && told)) {
            let score = if is_issued(digits) {
                score::CHECKED
            } else {
                0.9
            };
            find_behind(reading, run, items.end, found);
            found.add(
                &reading.strand,
                run.at_items(items),
                types::CREDIT_CARD,
                digits.to_owned(),
                score,
            );
        }
    }
}

/// What is written right behind a card number, up to the end of the run: `…, 11/28, 338`.
fn find_behind(reading: &Reading<'_>, run: &Run, next: usize, found: &mut Found) {
    let Some([month, year, code @ ..]) = run.items.get(next..) else {
        return;
    };
    let strand = &reading.strand;
    let value = |item: &Item, range: std::ops::RangeInclusive<u32>| {
        item.chars.parse().is_ok_and(|value| range.contains(&value))
    };
    let tied = matches!(strand.gap(year.at.start), "/" | " / " | "-");
    if !tied || !value(month, 1..=12) || !(value(year, 20..=60) || value(year, 2020..=2060)) {
        return;
    }
    let at = month.at.start..year.at.end;
    let expiry = format!("{}{}", month.chars, year.chars);
    found.add(
        strand,
        at,
        types::CREDIT_CARD_EXPIRATION,
        expiry,
        score::FORM,
    );
    if let [code] = code
        && matches!(code.chars.len(), 3 | 4)
    {
        found.add(
            strand,
            code.at.clone(),
            types::CVV,
            code.chars.clone(),
            score::FORM,
        );
    }
}

/// What the words before it call a card number or a security code.
fn find_in_context(scene: &Scene<'_>, reading: &Reading<'_>, run: &Run, found: &mut Found) {
    let at = run.at();
    let Some((topic, distance)) = scene.context.topic(&reading.strand, &at) else {
        return;
    };
    if run.is_count(&reading.strand) || run.is_year(&reading.strand) {
        return;
    }
    let near = distance == Distance::Near;
    let of_card = || {
        let token = reading.strand.tokens[at.start];
        scene
            .context
            .mentioned(token, CARD_TALK, &[Topic::Card, Topic::Expiry])
    };
    let (entity_type, score) = match (topic, run.len()) {
        // "… and the code is 319"
        (Topic::Secret, 3) if near && of_card() => (types::CVV, score::CONTEXT + 0.02),
        (Topic::Card, 12..=19) => (types::CREDIT_CARD, score::CONTEXT),
        (Topic::Card, 4..=11 | 20..=24) if near => (types::CREDIT_CARD, score::PARTIAL),
        (Topic::Cvv, 3 | 4) => (types::CVV, score::CONTEXT),
        _ => return,
    };
    found.add(&reading.strand, at, entity_type, run.chars(), score);
}

/// The check digit that every card number has.
fn passes_luhn(digits: &str) -> bool {
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(
            |(place, byte)| match (place % 2, u32::from(byte.saturating_sub(b'0'))) {
                (0, digit) => digit,
                (_, digit) => digit * 2 / 10 + digit * 2 % 10,
            },
        )
        .sum();
    sum.is_multiple_of(10) && digits.bytes().any(|byte| byte != b'0')
}

/// Whether a large issuer has numbers of this start and length.
fn is_issued(digits: &str) -> bool {
    let start: u32 = digits
        .get(..4)
        .and_then(|start| start.parse().ok())
        .unwrap_or(0);
    matches!(
        (start, digits.len()),
        (4000..=4999, 13 | 16 | 19)
            | (5100..=5599 | 2221..=2720, 16)
            | (3400..=3499 | 3700..=3799, 15)
            | (6011 | 6440..=6599 | 3528..=3589 | 6200..=6299 | 5000..=5099 | 6300..=6399, 16)
            | (3000..=3059 | 3600..=3699 | 3800..=3999, 14)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_specimens_pass() {
        for digits in [
            "4111111111111111",
            "378282246310005",
            "5555555555554444",
            "30569309025904",
        ] {
            assert!(passes_luhn(digits) && is_issued(digits), "{digits}");
        }
        for digits in ["4111111111111112", "0000000000000000"] {
            assert!(!passes_luhn(digits), "{digits}");
        }
    }
}
