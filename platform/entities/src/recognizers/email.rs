//! E-mail addresses, written (`john.smith@example.com`), spoken (`john dot smith at example dot
//! com`), spelled (`J O H N at …`) and mixed (`john.smith at example.com`).

use std::collections::HashSet;
use std::ops::Range;

use super::internet::is_tld;
use super::{Found, Reading, Scene};
use crate::context::Topic;
use crate::entity::{Part, score, types};
use crate::text::Strand;
use crate::words;

/// The part before the at has at most this many words.
const LONGEST_LOCAL: usize = 40;
/// The name of a domain has at most this many words before its first dot.
const LONGEST_NAME: usize = 3;

/// A domain has at most this many labels behind its first dot.
const MOST_LABELS: usize = 6;

/// The longest part before and behind the sign, in bytes (RFC 5321).
const LONGEST_WRITTEN: usize = 255;

/// Addresses as they are written, under any top-level domain. Returns where their signs are, by
/// turn and byte.
fn find_written(scene: &Scene<'_>, found: &mut Found) -> HashSet<(usize, usize)> {
    let mut signs = HashSet::new();
    for (turn, content) in scene.conversation.turns.iter().enumerate() {
        let text = content.text;
        for (sign, _) in text.match_indices('@') {
            let local = |c: char| c.is_alphanumeric() || ".!#$%&*+=?^_{|}~-".contains(c);
            let before = text[..sign].trim_end_matches(local);
            let named = text[before.len()..sign].trim_start_matches(|c: char| !c.is_alphanumeric());
            let domain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-');
            let behind = &text[sign + 1..];
            let length = behind.len() - behind.trim_start_matches(domain).len();
            let host = behind[..length].trim_end_matches(['.', '-']);
            let top = host.rsplit('.').next().unwrap_or("");
            let fits = top.len() < host.len()
                && top.chars().count() >= 2
                && top.starts_with(char::is_alphabetic)
                && !host.starts_with(['.', '-'])
                && named.len().max(host.len()) <= LONGEST_WRITTEN;
            if named.is_empty() || !fits {
                continue;
            }
            let part = Part {
                turn,
                start: sign - named.len(),
                end: sign + 1 + host.len(),
            };
            let value = text[part.start..part.end].to_lowercase();
            signs.insert((turn, sign));
            found.add_parts(vec![part], types::EMAIL_ADDRESS, value, score::CHECKED);
        }
    }
    signs
}

pub(super) fn find(scene: &Scene<'_>, found: &mut Found) {
    let written = find_written(scene, found);
    for reading in &scene.readings {
        let strand = &reading.strand;
        for at in 1..strand.len() {
            let whole = |at: usize| {
                let before = strand.token(at - 1);
                written.contains(&(before.turn, before.end))
            };
            let (sign, first) = if strand.gap(at).contains('@') {
                if whole(at) {
                    continue;
                }
                (at, at)
            } else if is_at(strand, at) {
                (at, at + 1)
            } else {
                continue;
            };
            let Some((end, domain)) = domain(scene, reading, first) else {
                continue;
            };
            if let Some((start, local)) = local(reading, sign) {
                let value = format!("{local}@{domain}");
                found.add(
                    strand,
                    start..end,
                    types::EMAIL_ADDRESS,
                    value,
                    score::CHECKED,
                );
            }
        }
    }
}

/// The word for the sign: `at`, or `at sign`.
fn is_at(strand: &Strand<'_>, at: usize) -> bool {
    strand.lower(at) == "at" && at + 1 < strand.len()
}

/// The domain from a position on: where it ends, and what it is.
fn domain(scene: &Scene<'_>, reading: &Reading<'_>, first: usize) -> Option<(usize, String)> {
    let strand = &reading.strand;
    let first = first + usize::from(strand.lower(first) == "sign");
    let mut name = String::new();
    let mut end = first;
    let mut labels = 0;
    // Whether the last dot was said.
    let mut said = false;
    let is_top = |word: &str, said: bool| is_tld(word) || (said && is_country(word));
    // Words up to the first dot: `example`, `acme widgets`, `E X A M P L E`.
    let spelled = |at: usize| strand.raw(at).chars().count() == 1;
    while end < strand.len() && !dot_before(strand, end, first) {
        let plain = end - first < LONGEST_NAME || spelled(end);
        let clean = end == first || matches!(strand.gap(end), " " | "-" | ", " | "\n");
        if !plain || !clean || end - first > LONGEST_LOCAL {
            break;
        }
        if end > first && matches!(strand.lower(end), "hyphen" | "dash") {
            name.push('-');
            end += 1;
        } else {
            name.push_str(&text_at(reading, &mut end));
        }
    }
    while end < strand.len() && labels < MOST_LABELS && dot_before(strand, end, first) {
        said = strand.lower(end) == "dot";
        let label = end + usize::from(said);
        if label >= strand.len() || (labels > 0 && !is_top(strand.lower(label), said)) {
            break;
        }
        name.push('.');
        name.push_str(strand.lower(label));
        end = label + 1;
        labels += 1;
    }
    let last = name.rsplit('.').next()?;
    if labels > 0 && name.len() > last.len() + 1 && is_top(last, said) {
        return Some((end, name));
    }
    // `at gmail`, `at example com`.
    let provider = is_provider(strand.lower(first));
    if provider || (is_tld(strand.lower(first + 1)) && strand.gap(first + 1) == " ") {
        let asked = scene.context.near(strand, &(first..first + 1)) == Some(Topic::Email);
        let com = usize::from(is_tld(strand.lower(first + 1)));
        let tld = if com == 1 {
            strand.lower(first + 1)
        } else {
            "com"
        };
        let value = format!("{}.{tld}", strand.lower(first));
        return (asked || provider).then_some((first + 1 + com, value));
    }
    None
}

/// Whether a word, in lower case, is the top-level domain of a country, where a dot is said before
/// it: some are words.
fn is_country(word: &str) -> bool {
    matches!(
        word,
        "au" | "nz"
            | "ie"
            | "nl"
            | "ch"
            | "es"
            | "pt"
            | "pl"
            | "cz"
            | "dk"
            | "se"
            | "fi"
            | "jp"
            | "cn"
            | "kr"
            | "br"
            | "mx"
            | "za"
            | "ng"
            | "ke"
            | "tr"
            | "ua"
            | "gr"
            | "hu"
            | "ro"
            | "sk"
            | "sg"
            | "hk"
            | "ae"
            | "it"
            | "in"
            | "no"
            | "be"
            | "at"
    )
}

/// Whether there is a dot, written or said, before the word at a position, or it is the word.
fn dot_before(strand: &Strand<'_>, at: usize, first: usize) -> bool {
    at > first && (strand.gap(at) == "." || strand.lower(at) == "dot")
}

fn is_provider(word: &str) -> bool {
    matches!(
        word,
        "gmail" | "yahoo" | "hotmail" | "outlook" | "icloud" | "aol" | "proton" | "protonmail"
    )
}

/// What the word or number at a position writes; moves on behind it.
fn text_at(reading: &Reading<'_>, at: &mut usize) -> String {
    match reading.number_at(*at) {
        Some(number) => {
            *at = number.at.end;
            number.digits.clone()
        }
        None => {
            *at += 1;
            reading.strand.raw(*at - 1).to_lowercase()
        }
    }
}

/// The part before the sign at a position: where it starts, and what it is.
///
/// It is read backwards: a word, then whatever is tied to it by a dot, a dash or an underscore, or
/// by being a letter or a number.
fn local(reading: &Reading<'_>, sign: usize) -> Option<(usize, String)> {
    let strand = &reading.strand;
    let mut start = sign;
    while start > 0 && sign - start < LONGEST_LOCAL {
        let at = start - 1;
        if words::is_filler(strand.lower(at)) && start == sign {
            return None;
        }
        let tied =
            start < sign && (connector(strand.lower(start)).is_some() || ties(strand, start));
        let first = start == sign;
        let short = is_short(reading, at) && (first || spelled_gap(strand, start));
        let after_short = !first && is_short(reading, start) && spelled_gap(strand, start);
        let said = connector(strand.lower(at)).is_some() && !first;
        // "jsmith the number four"
        let number = start < sign && strand.lower(start) == "number";
        let the = number && strand.lower(at) == "the";
        let numbered = number || (start < sign && strand.says(start, &["the", "number"]));
        let fits = first || tied || said || short || after_short || numbered;
        let untied = !(tied || the) || is_verb(strand.lower(at));
        if !fits || (untied && is_stop(strand, at)) {
            break;
        }
        start = at;
    }
    while start < sign && connector(strand.lower(start)).is_some() {
        start += 1;
    }
    // Two words before the sign that nothing ties are one name: `john smith at …`.
    if sign - start == 1 && start > 0 && strand.gap(start) == " " {
        let before = start - 1;
        let name = words::is_given_name(strand.lower(before)) && !is_stop(strand, before);
        start -= usize::from(name && !words::is_common(strand.lower(start)));
    }
    let start = with_letters(reading, start);
    let value = value(reading, start..sign);
    (start < sign && !value.is_empty()).then(|| (taken_back(strand, start), value))
}

/// `p as in peter a t e l as in larry`: where the letters begin that are spelled up to a position or
/// over it.
fn with_letters(reading: &Reading<'_>, start: usize) -> usize {
    let index = reading.codes.partition_point(|run| run.at().end < start);
    let items = reading.codes.get(index).map_or(&[][..], |run| &run.items);
    let mut first = start;
    for item in items.iter().rev().filter(|item| item.at.start < start) {
        let spelled = item.chars.len() == 1 && item.at.end >= first;
        if !spelled {
            break;
        }
        first = item.at.start;
    }
    first
}

/// `maria dot, no wait, marie dot …`: what was begun and taken back belongs to the address, too.
fn taken_back(strand: &Strand<'_>, start: usize) -> usize {
    const LONGEST: usize = 5;
    let correction = |at: usize| {
        matches!(
            strand.lower(at),
            "no" | "wait"
                | "sorry"
                | "actually"
                | "mean"
                | "i"
                | "scratch"
                | "that"
                | "correction"
                | "rather"
                | "make"
                | "oops"
                | "not"
        ) || words::is_filler(strand.lower(at))
    };
    let mut at = start;
    while at > 0 && start - at < LONGEST && correction(at - 1) {
        at -= 1;
    }
    // The words before it: signs, and what they tie.
    let mut first = at;
    while first < start && first >= 2 && at - first < LONGEST_LOCAL {
        let behind = connector(strand.lower(first - 1)).is_some();
        let between = first < at && connector(strand.lower(first)).is_some();
        if !(behind || between) || strand.starts_turn(first) {
            break;
        }
        first -= 1;
    }
    let named = first < at && connector(strand.lower(first)).is_none();
    if named && at < start { first } else { start }
}

/// The characters of the words before the sign.
fn value(reading: &Reading<'_>, at: Range<usize>) -> String {
    let strand = &reading.strand;
    let mut value = String::new();
    let mut next = at.start;
    while next < at.end {
        let gap = strand.gap(next);
        if next > at.start && ties(strand, next) && !gap.contains('-') {
            value.push_str(gap);
        } else if next > at.start && gap == "-" && !is_short(reading, next) {
            value.push('-');
        }
        if let Some(sign) = connector(strand.lower(next)) {
            value.push_str(sign);
            next += 1;
        } else if words::is_filler(strand.lower(next))
            || strand.lower(next) == "number"
            || strand.says(next, &["the", "number"])
        {
            next += 1;
        } else if (strand.lower(next + 1), strand.lower(next + 2)) == ("as", "in") {
            value.push_str(strand.lower(next));
            next += 4;
        } else {
            value.push_str(&text_at(reading, &mut next));
        }
    }
    value
}

/// Whether written punctuation ties a word to the one before.
fn ties(strand: &Strand<'_>, at: usize) -> bool {
    matches!(strand.gap(at), "." | "_" | "-" | "+" | "'")
}

/// What a word writes within an address.
fn connector(word: &str) -> Option<&'static str> {
    Some(match word {
        "dot" | "period" | "point" => ".",
        "underscore" => "_",
        "dash" | "hyphen" | "minus" => "-",
        "plus" => "+",
        _ => return None,
    })
}

/// Whether a word is a single letter or part of a number.
fn is_short(reading: &Reading<'_>, at: usize) -> bool {
    let raw = reading.strand.raw(at);
    let letter = raw.len() == 1 && !matches!(reading.strand.gap(at), "'" | "\u{2019}");
    let index = reading
        .numbers
        .partition_point(|number| number.at.end <= at);
    letter
        || reading
            .numbers
            .get(index)
            .is_some_and(|number| number.at.contains(&at))
}

/// What may stand between spelled letters.
fn spelled_gap(strand: &Strand<'_>, at: usize) -> bool {
    matches!(
        strand.gap(at),
        " " | "-" | ", " | "." | ". " | "\n" | "..." | "... "
    )
}

fn is_verb(word: &str) -> bool {
    matches!(word, "is" | "at" | "it" | "s" | "to")
}

/// Words that come before an address and are no part of it.
fn is_stop(strand: &Strand<'_>, at: usize) -> bool {
    let word = strand.lower(at);
    let letter = word.len() == 1 && !matches!(strand.gap(at), "'" | "\u{2019}");
    !letter
        && (word.len() == 1
            || words::is_backchannel(word)
            || matches!(
                word,
                "is" | "at"
                    | "to"
                    | "email"
                    | "mail"
                    | "address"
                    | "my"
                    | "be"
                    | "was"
                    | "me"
                    | "us"
                    | "our"
                    | "your"
                    | "or"
                    | "the"
                    | "of"
                    | "on"
                    | "in"
                    | "by"
                    | "from"
                    | "for"
                    | "use"
                    | "then"
                    | "as"
                    | "write"
                    | "contact"
                    | "s"
                    | "re"
                    | "a"
                    | "here"
                    | "look"
                    | "am"
                    | "them"
                    | "him"
                    | "her"
                    | "not"
                    | "but"
                    | "well"
                    | "reach"
                    | "message"
                    | "send"
                    | "under"
                    | "please"
                    | "no"
                    | "actually"
                    | "are"
                    | "we"
                    | "just"
                    | "like"
                    | "called"
                    | "account"
            ))
}
