//! US bank accounts and routing numbers.

use super::{Found, Scene};
use crate::context::{Distance, Topic};
use crate::entity::{score, types};

/// An account is a bank's if a bank is spoken of within so many words.
const BANK_TALK: usize = 150;

pub(super) fn find(scene: &Scene<'_>, found: &mut Found) {
    for reading in &scene.readings {
        for run in &reading.digits {
            let at = run.at();
            let Some((topic, distance)) = scene.context.topic(&reading.strand, &at) else {
                continue;
            };
            let near = distance == Distance::Near;
            let digits = run.chars();
            let token = reading.strand.tokens[at.start];
            let banks = [Topic::Bank, Topic::Routing];
            let score = match (topic, digits.len()) {
                (Topic::Routing, 9) if passes_aba(&digits) => score::CHECKED,
                (Topic::Routing, 7..=11) => score::CONTEXT,
                (Topic::Bank, 4..=17) if near => score::CONTEXT,
                (Topic::Bank, 8..=17) => score::PARTIAL,
                (Topic::Account, 8..=17) if near => score::CONTEXT + 0.01,
                (Topic::Account, 4..=17) if scene.context.mentioned(token, BANK_TALK, &banks) => {
                    score::CONTEXT + 0.01
                }
                _ => continue,
            };
            if !run.is_count(&reading.strand) && !run.is_year(&reading.strand) {
                found.add(&reading.strand, at, types::US_BANK_NUMBER, digits, score);
            }
        }
    }
}

/// The check digit of a routing number: weights 3, 7, 1.
fn passes_aba(digits: &str) -> bool {
    let weights = [3, 7, 1].iter().cycle();
    let sum: u32 = digits
        .bytes()
        .zip(weights)
        .map(|(b, w)| u32::from(b - b'0') * w)
        .sum();
    sum.is_multiple_of(10) && sum > 0
}

#[cfg(test)]
mod tests {
    use super::passes_aba;

    #[test]
    fn routing_numbers_have_a_check_digit() {
        assert!(passes_aba("021000021") && passes_aba("011401533"));
        assert!(!passes_aba("021000022"));
    }
}
