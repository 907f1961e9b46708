//! Amounts of money: `$1,249.50`, `forty two dollars and fifty cents`.

use super::{Found, Reading, Scene};
use crate::entity::{Part, score, types};
use crate::text::Strand;

pub(super) fn find(scene: &Scene<'_>, found: &mut Found) {
    for reading in &scene.readings {
        for index in 0..reading.numbers.len() {
            let amount = by_sign(reading, index).or_else(|| by_word(reading, index));
            if let Some((at, value)) = amount {
                let mut parts = reading.strand.parts(at);
                if let [part, ..] = parts.as_mut_slice() {
                    part.start -= sign_before(scene, part);
                }
                found.add_parts(parts, types::MONEY, value, score::FORM + 0.02);
            }
        }
    }
}

type Amount = (std::ops::Range<usize>, String);

/// How many bytes before an amount its sign begins; 0 if there is none.
fn sign_before(scene: &Scene<'_>, part: &Part) -> usize {
    let text = &scene.conversation.turns[part.turn].text[..part.start];
    let sign = text.trim_end_matches(' ').chars().next_back();
    let sign = sign.filter(|sign| is_sign(*sign));
    let spaces = text.len() - text.trim_end_matches(' ').len();
    sign.map_or(0, |sign| sign.len_utf8() + spaces)
}

fn is_sign(c: char) -> bool {
    matches!(c, '$' | '€' | '£')
}

/// `$1,249.50`: the sign is before the number.
fn by_sign(reading: &Reading<'_>, index: usize) -> Option<Amount> {
    let (strand, number) = (&reading.strand, &reading.numbers[index]);
    let token = strand.token(number.at.start);
    let before = strand.conversation.turns[token.turn].text[..token.start].trim_end();
    let sign = before.chars().next_back().filter(|c| is_sign(*c))?;
    let value = number.value?;
    let cents = reading.numbers.get(index + 1).filter(|cents| {
        cents.at.start == number.at.end
            && strand.gap(cents.at.start) == "."
            && cents.digits.len() <= 2
    });
    Some(match cents {
        Some(cents) => (
            number.at.start..cents.at.end,
            format!("{sign}{value}.{:0<2}", cents.digits),
        ),
        None => (number.at.clone(), format!("{sign}{value}.00")),
    })
}

/// `42 dollars`, `nineteen dollars and ninety nine cents`, `1249.50 dollars`.
fn by_word(reading: &Reading<'_>, index: usize) -> Option<Amount> {
    let (strand, number) = (&reading.strand, &reading.numbers[index]);
    let value = number.value.filter(|_| !number.ordinal)?;
    let next = reading.numbers.get(index + 1);
    let point = next.filter(|n| n.at.start == number.at.end && strand.gap(n.at.start) == ".");
    let end = point.map_or(number.at.end, |cents| cents.at.end);
    let (sign, cents_only) = currency(strand, end)?;
    if cents_only {
        return Some((number.at.start..end + 1, format!("{sign}0.{value:02}")));
    }
    let after = end + 1;
    let small = next.filter(|_| point.is_none()).filter(|n| {
        let follows =
            n.at.start == after || (n.at.start == after + 1 && strand.lower(after) == "and");
        follows && n.value.is_some_and(|v| v < 100) && strand.lower(n.at.end) == "cents"
    });
    let cents = point.or(small).and_then(|n| n.value).unwrap_or(0);
    let last = small.map_or(after, |n| n.at.end + 1);
    Some((number.at.start..last, format!("{sign}{value}.{cents:02}")))
}

/// The sign of the currency that a word names, and whether it names its hundredth.
fn currency(strand: &Strand<'_>, at: usize) -> Option<(char, bool)> {
    match strand.lower(at) {
        "dollars" | "dollar" | "bucks" | "buck" | "usd" => Some(('$', false)),
        "euros" | "euro" => Some(('€', false)),
        "pounds" => Some(('£', false)),
        "cents" => Some(('$', true)),
        _ => None,
    }
}
