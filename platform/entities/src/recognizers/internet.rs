//! Web addresses and IP addresses, written or spoken.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::{Found, Reading, Scene};
use crate::entity::{Part, score, types};
use crate::numbers::Number;
use crate::text::Strand;

/// `https://…`, `www.…` and bare names under a common top-level domain, or under one that is reserved
/// for examples (RFC 2606) with a path.
static URL: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?i)\b(?:https?://[^\s<>]+|www\.[^\s<>]+|(?:[a-z0-9-]{1,63}\.){1,5}(?:com|org|net|io|gov|edu|co\.uk|info|biz|dev|app|ai)\b(?:/[^\s<>]*)?|(?:[a-z0-9-]{1,63}\.){1,5}(?:example|test|invalid|localhost)/[^\s<>]*)",
    )
    .expect("the constant pattern compiles")
});

/// `192.168.0.1`, before its numbers are checked.
static IPV4: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\b(?:[0-9]{1,3}\.){3}[0-9]{1,3}\b").expect("the constant pattern compiles")
});

/// Groups of hexadecimal digits with colons, before they are checked.
static IPV6: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}")
        .expect("the constant pattern compiles")
});

pub(super) fn find(scene: &Scene<'_>, found: &mut Found) {
    for (turn, content) in scene.conversation.turns.iter().enumerate() {
        // Most have neither, and looking for a byte costs little.
        for (start, word) in words_with(content.text, b'.') {
            find_urls(turn, start, word, found);
            for hit in IPV4.find_iter(word) {
                if hit.as_str().parse::<Ipv4Addr>().is_ok() {
                    let value = hit.as_str().to_owned();
                    add(turn, start, hit.range(), types::IP_ADDRESS, value, found);
                }
            }
        }
        for (start, word) in words_with(content.text, b':') {
            for hit in IPV6.find_iter(word) {
                if let Ok(ip) = hit.as_str().parse::<Ipv6Addr>() {
                    let value = ip.to_string();
                    add(turn, start, hit.range(), types::IP_ADDRESS, value, found);
                }
            }
        }
    }
    for reading in &scene.readings {
        find_spoken_ips(reading, found);
        find_spoken_urls(&reading.strand, found);
    }
}

/// What stands between white space and has a sign that is not its last, with the byte that it
/// starts at. No address has white space in it.
fn words_with(text: &str, sign: u8) -> impl Iterator<Item = (usize, &str)> {
    let mut from = 0;
    std::iter::from_fn(move || {
        loop {
            let rest = text.get(from..)?;
            let at = from + rest.bytes().position(|byte| byte == sign)?;
            let start = text[from..at].rfind(char::is_whitespace);
            let start = start.map_or(from, |space| {
                let space = from + space;
                space + text[space..].chars().next().map_or(1, char::len_utf8)
            });
            let end = text[at..].find(char::is_whitespace);
            let end = end.map_or(text.len(), |space| at + space);
            from = end;
            if end > at + 1 {
                return Some((start, &text[start..end]));
            }
        }
    })
}

fn add(
    turn: usize,
    word: usize,
    at: Range<usize>,
    kind: &'static str,
    value: String,
    found: &mut Found,
) {
    let part = Part {
        turn,
        start: word + at.start,
        end: word + at.end,
    };
    found.add_parts(vec![part], kind, value, score::CHECKED);
}

fn find_urls(turn: usize, start: usize, word: &str, found: &mut Found) {
    for hit in URL.find_iter(word) {
        let url = hit
            .as_str()
            .trim_end_matches(['.', ',', '?', '!', ';', ':', ')', '\'', '"']);
        let at = hit.start()..hit.start() + url.len();
        // "Barceló S.Com." is a limited partnership of Spain.
        let form = matches!(url, "S.Com" | "S.Coop");
        if !form && url.contains('.') && !word[..at.start].ends_with('@') {
            add(turn, start, at, types::URL, url.to_lowercase(), found);
        }
    }
}

/// `one ninety two dot one sixty eight dot one dot one`: four numbers below 256 between dots.
fn find_spoken_ips(reading: &Reading<'_>, found: &mut Found) {
    let groups = dotted(reading);
    for four in groups.windows(4) {
        let tied = four[1..].iter().all(|group| group.after_dot);
        let octets: Option<Vec<u8>> = four.iter().map(|group| group.digits.parse().ok()).collect();
        if let (true, Some(octets)) = (tied, octets) {
            let value = octets
                .iter()
                .map(u8::to_string)
                .collect::<Vec<_>>()
                .join(".");
            let at = four[0].at.start..four[3].at.end;
            found.add(
                &reading.strand,
                at,
                types::IP_ADDRESS,
                value,
                score::CHECKED,
            );
        }
    }
}

/// Numbers said in a row without a dot between them.
struct Group {
    at: Range<usize>,
    digits: String,
    after_dot: bool,
}

fn dotted(reading: &Reading<'_>) -> Vec<Group> {
    let strand = &reading.strand;
    let mut groups: Vec<Group> = Vec::new();
    let plain = |number: &&Number| !number.ordinal;
    for number in reading.numbers.iter().filter(plain) {
        let before = strand.lower_before(number.at.start);
        let said_dot = matches!(before, "dot" | "point");
        let end = groups.last().map(|group| group.at.end);
        match groups.last_mut() {
            Some(group) if end == Some(number.at.start) && group.digits.len() < 3 => {
                group.digits.push_str(&number.digits);
                group.at.end = number.at.end;
            }
            _ => groups.push(Group {
                at: number.at.clone(),
                digits: number.digits.clone(),
                after_dot: said_dot && end.map(|end| end + 1) == Some(number.at.start),
            }),
        }
    }
    groups
}

/// Between "www dot" and the dot before the domain people say the name of a site in at most this
/// many words.
const LONGEST_SITE: usize = 6;

/// A domain that is said, and what is said behind it, have at most this many words each.
const LONGEST_SAID: usize = 12;

/// `www dot example dot com slash help`.
fn find_spoken_urls(strand: &Strand<'_>, found: &mut Found) {
    for at in 2..strand.len() {
        if !is_tld(strand.lower(at)) || strand.lower(at - 1) != "dot" {
            continue;
        }
        let mut start = at - 2;
        while start >= 2 && at - start < LONGEST_SAID && strand.lower(start - 1) == "dot" {
            start -= 2;
        }
        // "www dot blue harbor dot com": a name of several words.
        let site = (start.saturating_sub(LONGEST_SITE)..start).rev();
        let web = site.take_while(|at| !strand.starts_turn(at + 1));
        let web = web
            .map(|at| (at, strand.lower(at)))
            .find(|(_, word)| *word == "dot");
        if let Some((dot, _)) = web.filter(|(dot, _)| is_web(strand, *dot)) {
            start = dot - 1;
            while start > 0 && strand.lower(start) == "w" && strand.lower_before(start) == "w" {
                start -= 1;
            }
        }
        let mut end = at + 1;
        while strand.lower(end) == "slash" && end - at < LONGEST_SAID && end + 1 < strand.len() {
            end += 2;
        }
        let value = (start..end).map(|at| match strand.lower(at) {
            "dot" => ".",
            "slash" => "/",
            word => word,
        });
        found.add(strand, start..end, types::URL, value.collect(), score::FORM);
    }
}

/// Whether the words before a dot are how a web address begins: `www`, `w w w`.
fn is_web(strand: &Strand<'_>, dot: usize) -> bool {
    matches!(strand.lower_before(dot), "www" | "w")
}

/// Whether a word, in lower case, is a top-level domain that people say.
pub(super) fn is_tld(word: &str) -> bool {
    matches!(
        word,
        "com"
            | "org"
            | "net"
            | "edu"
            | "gov"
            | "io"
            | "co"
            | "uk"
            | "us"
            | "info"
            | "biz"
            | "ca"
            | "de"
            | "fr"
            | "eu"
            | "mil"
            | "ai"
            | "app"
            | "dev"
            | "me"
    )
}
