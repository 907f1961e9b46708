//! International bank account numbers, written or spelled out, checked modulo 97.

use super::{Found, Scene};
use crate::context::Topic;
use crate::entity::{score, types};

pub(super) fn find(scene: &Scene<'_>, found: &mut Found) {
    for reading in &scene.readings {
        let strand = &reading.strand;
        for run in &reading.codes {
            for (items, chars) in run.windows(&run.chars(), 15, 34) {
                if is_iban(chars) {
                    found.add(
                        strand,
                        run.at_items(items),
                        types::IBAN_CODE,
                        chars.to_owned(),
                        score::CHECKED,
                    );
                }
            }
        }
        for run in reading.codes.iter().chain(&reading.digits) {
            let told = scene.context.topic(strand, &run.at());
            // "T: +44 …" behind it is a phone.
            let chars = run.chars();
            let letters = chars.bytes().take(2).filter(u8::is_ascii_uppercase);
            let starts = letters.count() != 1;
            if run.len() >= 8 && starts && matches!(told, Some((Topic::Iban, _))) {
                found.add(
                    strand,
                    run.at(),
                    types::IBAN_CODE,
                    run.chars(),
                    score::CONTEXT,
                );
            }
        }
    }
}

/// Two letters, two check digits, and a remainder of one.
fn is_iban(chars: &str) -> bool {
    let bytes = chars.as_bytes();
    let [a, b, c, d, ..] = bytes else {
        return false;
    };
    if !(a.is_ascii_uppercase()
        && b.is_ascii_uppercase()
        && c.is_ascii_digit()
        && d.is_ascii_digit())
    {
        return false;
    }
    let remainder =
        bytes[4..]
            .iter()
            .chain(&bytes[..4])
            .fold(0_u32, |remainder, byte| match byte {
                b'0'..=b'9' => (remainder * 10 + u32::from(byte - b'0')) % 97,
                b'A'..=b'Z' => (remainder * 100 + u32::from(byte - b'A') + 10) % 97,
                _ => 0,
            });
    remainder == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_remainder_is_one() {
        assert!(is_iban("GB29NWBK60161331926819") && is_iban("DE89370400440532013000"));
        assert!(!is_iban("GB29NWBK60161331926818") && !is_iban("GB2") && !is_iban("1234"));
    }
}
