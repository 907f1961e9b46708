//! Identifiers of a form or with a check of their own: hardware addresses, wallets, banks' codes,
//! numbers of patients, of doctors and of taxpayers.
//!
//! | | check | source |
//! |---|---|---|
//! | MAC address | form | IEEE 802, <https://standards.ieee.org/products-programs/regauth/> |
//! | Bitcoin wallet | Base58Check; the form of Bech32 | <https://en.bitcoin.it/wiki/Base58Check_encoding>, BIP 173 |
//! | Ethereum wallet | form | EIP-55 |
//! | BIC | form and words before | ISO 9362 |
//! | NHS number | modulo 11 and words before | <https://www.datadictionary.nhs.uk/attributes/nhs_number.html> |
//! | DEA number | check digit | <https://www.deadiversion.usdoj.gov> |
//! | ITIN | ranges | <https://www.irs.gov/irm/part3/irm_03-021-263r> |

use std::sync::LazyLock;

use regex::Regex;
use sha2::{Digest, Sha256};

use super::{Found, Scene};
use crate::context::Topic;
use crate::entity::{Part, score, types};

/// Six pairs of hexadecimal digits.
static MAC: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?-u:\b)[0-9A-Fa-f]{2}(?:(?::[0-9A-Fa-f]{2}){5}|(?:-[0-9A-Fa-f]{2}){5})(?-u:\b)")
        .expect("the constant pattern compiles")
});

/// Addresses of wallets, before they are checked.
static WALLET: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?-u:\b)(?:[13][1-9A-HJ-NP-Za-km-z]{24,34}|(?:bc1|BC1)[0-9A-Za-z]{8,87}|0x[0-9A-Fa-f]{40})(?-u:\b)")
        .expect("the constant pattern compiles")
});

/// Two letters and seven digits.
static DEA: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?-u:\b)[A-Z]{2}[0-9]{7}(?-u:\b)").expect("the constant pattern compiles")
});

/// Eight or eleven letters and digits.
static BIC: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i-u:\b[A-Z]{6}[A-Z0-9]{2}(?:[A-Z0-9]{3})?\b)")
        .expect("the constant pattern compiles")
});

pub(super) fn find(scene: &Scene<'_>, found: &mut Found) {
    for (turn, content) in scene.conversation.turns.iter().enumerate() {
        let text = content.text;
        let mut add = |at: std::ops::Range<usize>, kind, score| {
            let value = text[at.clone()].to_owned();
            let part = Part {
                turn,
                start: at.start,
                end: at.end,
            };
            found.add_parts(vec![part], kind, value, score);
        };
        if !text.bytes().any(|byte| byte.is_ascii_digit()) {
            continue;
        }
        if text.contains([':', '-']) {
            for hit in MAC.find_iter(text) {
                add(hit.range(), types::MAC_ADDRESS, score::CHECKED + 0.01);
            }
        }
        for hit in WALLET.find_iter(text) {
            if is_wallet(hit.as_str()) {
                add(hit.range(), types::CRYPTO, score::CHECKED);
            } else if text[..hit.start()].to_ascii_lowercase().contains("bitcoin") {
                // In small letters no check holds.
                add(hit.range(), types::CRYPTO, score::CONTEXT + 0.05);
            }
        }
        for hit in DEA.find_iter(text) {
            if passes_dea(hit.as_str()) {
                add(hit.range(), types::MEDICAL_LICENSE, score::FORM);
            }
        }
    }
    find_bic(scene, found);
    find_numbers(scene, found);
}

/// A BIC behind the word for it.
fn find_bic(scene: &Scene<'_>, found: &mut Found) {
    for (turn, content) in scene.conversation.turns.iter().enumerate() {
        for token in content.tokens.clone() {
            if !matches!(scene.conversation.lower(token), "swift" | "bic") {
                continue;
            }
            let from = scene.conversation.tokens[token].end;
            let near = content.text[from..]
                .char_indices()
                .nth(40)
                .map_or(content.text.len(), |(at, _)| from + at);
            let coded = |hit: &regex::Match<'_>| {
                let text = hit.as_str();
                let capitals = text.bytes().all(|b| !b.is_ascii_lowercase());
                (capitals || text.bytes().any(|b| b.is_ascii_digit())) && text.len() <= 11
            };
            if let Some(hit) = BIC.find_iter(&content.text[from..near]).find(coded) {
                let part = Part {
                    turn,
                    start: from + hit.start(),
                    end: from + hit.end(),
                };
                let value = hit.as_str().to_uppercase();
                found.add_parts(vec![part], types::SWIFT_CODE, value, score::CONTEXT + 0.02);
            }
        }
    }
}

/// Numbers of patients and taxpayers.
fn find_numbers(scene: &Scene<'_>, found: &mut Found) {
    for reading in &scene.readings {
        let strand = &reading.strand;
        for run in &reading.digits {
            let digits = run.chars();
            let near = || scene.context.near(strand, &run.at());
            let (kind, score) = match digits.len() {
                10 if passes_nhs(&digits) && near() == Some(Topic::Nhs) => {
                    (types::UK_NHS, score::CHECKED)
                }
                8..=12 if near() == Some(Topic::Nhs) => (types::UK_NHS, score::CONTEXT + 0.02),
                9 if is_itin(&digits) && near() == Some(Topic::Itin) => {
                    (types::US_ITIN, score::FORM + 0.03)
                }
                9 if is_itin(&digits) && run.items.len() == 3 && near().is_none() => {
                    (types::US_ITIN, score::FORM + 0.02)
                }
                7..=11 if near() == Some(Topic::Itin) => (types::US_ITIN, score::CONTEXT + 0.02),
                _ => continue,
            };
            found.add(strand, run.at(), kind, digits, score);
        }
    }
}

fn is_wallet(text: &str) -> bool {
    text.starts_with("0x")
        || text.to_ascii_lowercase().starts_with("bc1")
        || passes_base58(text).is_some()
}

/// Whether the last four of 25 bytes are the start of the others' double SHA-256.
fn passes_base58(text: &str) -> Option<()> {
    const ALPHABET: &[u8] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    let mut bytes = [0_u8; 25];
    for letter in text.bytes() {
        let mut carry = ALPHABET.iter().position(|known| *known == letter)?;
        for byte in bytes.iter_mut().rev() {
            carry += 58 * usize::from(*byte);
            *byte = u8::try_from(carry & 0xff).ok()?;
            carry >>= 8;
        }
        if carry > 0 {
            return None;
        }
    }
    let (content, check) = bytes.split_at(21);
    let digest = Sha256::digest(Sha256::digest(content));
    digest.starts_with(check).then_some(())
}

/// The sum by weights from ten down, modulo 11.
fn passes_nhs(digits: &str) -> bool {
    let values = digits
        .bytes()
        .map(|byte| u32::from(byte.saturating_sub(b'0')));
    let sum: u32 = values
        .zip((1..=10).rev())
        .map(|(digit, weight)| digit * weight)
        .sum();
    sum.is_multiple_of(11) && digits.bytes().any(|byte| byte != b'0')
}

/// The first, third and fifth digit and twice the others: its last digit is the seventh.
fn passes_dea(text: &str) -> bool {
    let Some(digits) = text.get(2..) else {
        return false;
    };
    let values: Vec<u32> = digits
        .bytes()
        .map(|byte| u32::from(byte.saturating_sub(b'0')))
        .collect();
    let [a, b, c, d, e, f, check] = values[..] else {
        return false;
    };
    (a + c + e + 2 * (b + d + f)) % 10 == check
}

/// Nine digits from 900, whose fourth and fifth are of the ranges that the IRS assigns.
fn is_itin(digits: &str) -> bool {
    let group: u32 = digits
        .get(3..5)
        .and_then(|group| group.parse().ok())
        .unwrap_or(0);
    digits.starts_with('9') && matches!(group, 50..=65 | 70..=88 | 90..=92 | 94..=99)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_hold_for_published_specimens() {
        assert!(passes_base58("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa").is_some());
        assert!(passes_base58("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb").is_none());
        assert!(passes_nhs("9434765919") && !passes_nhs("9434765918") && !passes_nhs("0000000000"));
        assert!(passes_dea("AB1234563") && !passes_dea("AB1234564"));
        assert!(is_itin("912801234") && !is_itin("812801234"));
    }
}
