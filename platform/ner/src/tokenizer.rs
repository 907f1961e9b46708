//! Splits text into tokens by the rules of a model, the way spaCy documents it
//! (<https://spacy.io/usage/linguistic-features#how-tokenizer-works>).
//!
//! The text is cut at white space into chunks. Of a chunk, prefixes and suffixes are split off one
//! after the other until what is left is an exception ("don't" is "do" and "n't") or has no more;
//! the rest is one token if it is a web address, and is cut at infixes if not. At the end,
//! exceptions that contain affixes themselves (":-)") are looked for across tokens.
//!
//! A single space between chunks belongs to no token; any other white space is a token of its own.
//!
//! What is made of a chunk depends on the chunk alone and is remembered, within limits.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use foldhash::HashMap;
use quick_cache::sync::Cache;
use rmpv::ValueRef;

use crate::affix::{Search, Whole};
use crate::error::{Problem, Result, read};
use crate::msgpack;
use crate::specials::{Matcher, Special};
use crate::unicode::is_space;
use crate::vocabulary::string_id;

/// So many chunks are remembered; a conversation has a few thousand different ones.
const REMEMBERED: usize = 20_000;

/// Longer chunks, in bytes, are not remembered: they don't come again.
const LONGEST_REMEMBERED: usize = 64;

/// Longer chunks, in bytes, are no web addresses: browsers and servers stop at less.
const LONGEST_ADDRESS: usize = 8_192;

/// In the exceptions of a tokenizer file, the key of a token's text and that of its normal form.
const ORTH: u64 = 65;
const NORM: u64 = 67;

/// A token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token {
    /// Its first byte.
    pub(crate) start: usize,
    /// The byte after its last.
    pub(crate) end: usize,
    /// The number of its text.
    pub(crate) id: u64,
    /// The number of its normal form, if an exception gives it one.
    pub(crate) norm: Option<u64>,
}

/// A part of a chunk.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Piece {
    /// How many bytes.
    pub(crate) length: usize,
    /// As in [`Token`].
    pub(crate) id: u64,
    /// As in [`Token`].
    pub(crate) norm: Option<u64>,
}

/// The rules.
#[derive(Debug)]
pub(crate) struct Tokenizer {
    prefix: Option<Search>,
    suffix: Option<Search>,
    infix: Option<Search>,
    token: Option<Whole>,
    address: Option<Whole>,
    specials: HashMap<Box<str>, Special>,
    /// The longest exception, in bytes.
    longest_special: usize,
    matcher: Matcher,
    remembered: Cache<Box<str>, Arc<[Piece]>>,
}

impl Tokenizer {
    /// Reads the rules of a model.
    pub(crate) fn load(folder: &Path) -> Result<Self> {
        let path = folder.join("tokenizer");
        Self::parse(&read(&path)?).map_err(|problem| problem.within(&path))
    }

    fn parse(bytes: &[u8]) -> Result<Self, Problem> {
        let rules = msgpack::read(bytes)?;
        let pattern = |name| msgpack::get(&rules, name).and_then(msgpack::text);
        let search = |name| pattern(name).map(Search::new).transpose();
        let whole = |name| pattern(name).map(Whole::new).transpose();
        let specials = specials(&rules)?;
        let mut tokenizer = Self {
            prefix: search("prefix_search")?,
            suffix: search("suffix_search")?,
            infix: search("infix_finditer")?,
            token: whole("token_match")?,
            address: whole("url_match")?,
            longest_special: specials.keys().map(|text| text.len()).max().unwrap_or(0),
            specials: HashMap::default(),
            matcher: Matcher::default(),
            remembered: Cache::new(REMEMBERED),
        };
        let faster = msgpack::get(&rules, "faster_heuristics");
        let all = matches!(faster, Some(ValueRef::Boolean(false)));
        for text in specials.keys() {
            if all || tokenizer.is_affixed(text) {
                // As it would be split if it were no exception: those are not known here yet.
                let tokens = tokenizer.split_text(text);
                tokenizer.matcher.add(&tokens);
            }
        }
        tokenizer.remembered.clear();
        tokenizer.specials = specials;
        Ok(tokenizer)
    }

    /// Whether the affixes of an exception would be split off before it is recognized.
    fn is_affixed(&self, text: &str) -> bool {
        text.contains(' ')
            || self.prefix(text) > 0
            || self.suffix(text) > 0
            || self
                .infix
                .as_ref()
                .is_some_and(|infix| infix.find(text, 0).is_some())
    }

    /// The tokens of a text.
    pub(crate) fn tokenize(&self, text: &str) -> Vec<Token> {
        let mut tokens = self.split_text(text);
        self.matcher.apply(text, &mut tokens, &self.specials);
        tokens
    }

    /// Cuts at white space, and the chunks into tokens.
    fn split_text(&self, text: &str) -> Vec<Token> {
        let mut tokens = Vec::with_capacity(text.len() / 4);
        let mut start = 0;
        let mut blank = text.starts_with(is_space);
        for (at, c) in text.char_indices() {
            if is_space(c) == blank {
                continue;
            }
            self.split_chunk(text, start..at, &mut tokens);
            start = if c == ' ' { at + 1 } else { at };
            blank = !blank;
        }
        self.split_chunk(text, start..text.len(), &mut tokens);
        tokens
    }

    fn split_chunk(&self, text: &str, at: Range<usize>, tokens: &mut Vec<Token>) {
        let mut start = at.start;
        let Some(chunk) = text.get(at).filter(|chunk| !chunk.is_empty()) else {
            return;
        };
        let mut push = |pieces: &[Piece]| {
            for piece in pieces {
                tokens.push(piece.at(start));
                start += piece.length;
            }
        };
        if chunk.len() > LONGEST_REMEMBERED {
            push(&self.pieces(chunk));
        } else if let Some(pieces) = self.remembered.get(chunk) {
            push(&pieces);
        } else {
            let pieces: Arc<[Piece]> = self.pieces(chunk).into();
            push(&pieces);
            self.remembered.insert(chunk.into(), pieces);
        }
    }

    /// Cuts a chunk.
    fn pieces(&self, chunk: &str) -> Vec<Piece> {
        let mut before = Vec::new();
        let mut behind = Vec::new();
        let middle = self.split_affixes(chunk, &mut before, &mut behind);
        let mut pieces: Vec<_> = before.into_iter().map(Piece::new).collect();
        if let Some(special) = self.special(middle) {
            pieces.extend_from_slice(special);
        } else if self.is_whole(middle) {
            pieces.push(Piece::new(middle));
        } else if !middle.is_empty() {
            self.split_infixes(middle, &mut pieces);
        }
        pieces.extend(behind.into_iter().rev().map(Piece::new));
        pieces
    }

    /// Splits prefixes and suffixes off, and returns what is left.
    fn split_affixes<'t>(
        &self,
        chunk: &'t str,
        before: &mut Vec<&'t str>,
        behind: &mut Vec<&'t str>,
    ) -> &'t str {
        let mut rest = chunk;
        loop {
            let last = rest.len();
            if rest.is_empty()
                || self
                    .token
                    .as_ref()
                    .is_some_and(|token| token.is_match(rest))
                || self.special(rest).is_some()
            {
                return rest;
            }
            let (prefix, without) = rest.split_at(self.prefix(rest));
            if !prefix.is_empty() && self.special(without).is_some() {
                before.push(prefix);
                return without;
            }
            let suffix = self.suffix(without);
            // The exception is looked for with the prefix still on.
            let (kept, suffix) = rest.split_at(rest.len() - suffix);
            if !suffix.is_empty() && self.special(kept).is_some() {
                behind.push(suffix);
                return kept;
            }
            before.extend(Some(prefix).filter(|prefix| !prefix.is_empty()));
            behind.extend(Some(suffix).filter(|suffix| !suffix.is_empty()));
            rest = kept.get(prefix.len()..).unwrap_or("");
            if rest.len() == last {
                return rest;
            }
        }
    }

    fn split_infixes(&self, text: &str, pieces: &mut Vec<Piece>) {
        let mut push = |at: Range<usize>| {
            let piece = text.get(at).filter(|piece| !piece.is_empty());
            pieces.extend(piece.map(Piece::new));
        };
        let mut start = 0;
        let mut from = 0;
        while let Some((at, end)) = self.infix.as_ref().and_then(|infix| infix.find(text, from)) {
            // What stands at the very start cuts nothing off.
            if at > 0 {
                push(start..at);
                push(at..end);
                start = end;
            }
            // An empty match would be found again and again.
            let next = text.get(end..).and_then(|rest| rest.chars().next());
            from = end + next.filter(|_| end == at).map_or(0, char::len_utf8);
            if next.is_none() {
                break;
            }
        }
        push(start..text.len());
    }

    fn prefix(&self, text: &str) -> usize {
        self.prefix.as_ref().map_or(0, |prefix| prefix.prefix(text))
    }

    fn suffix(&self, text: &str) -> usize {
        self.suffix.as_ref().map_or(0, |suffix| suffix.suffix(text))
    }

    fn special(&self, text: &str) -> Option<&[Piece]> {
        if text.is_empty() || text.len() > self.longest_special {
            return None;
        }
        self.specials.get(text).map(|special| special.as_slice())
    }

    fn is_whole(&self, text: &str) -> bool {
        let matches = |pattern: &Option<Whole>| pattern.as_ref().is_some_and(|p| p.is_match(text));
        !text.is_empty()
            && text.len() <= LONGEST_ADDRESS
            && (matches(&self.token) || matches(&self.address))
    }
}

impl Piece {
    fn new(text: &str) -> Self {
        Self {
            length: text.len(),
            id: string_id(text),
            norm: None,
        }
    }

    /// It as a token that starts at a byte.
    pub(crate) fn at(&self, start: usize) -> Token {
        Token {
            start,
            end: start + self.length,
            id: self.id,
            norm: self.norm,
        }
    }
}

/// Reads the exceptions.
fn specials(rules: &ValueRef<'_>) -> Result<HashMap<Box<str>, Special>, Problem> {
    let wrong = || Problem::damaged("an exception does not spell its own text");
    let Some(ValueRef::Map(entries)) = msgpack::get(rules, "exceptions") else {
        return Err(Problem::damaged("it has no exceptions"));
    };
    let mut specials = HashMap::with_capacity_and_hasher(entries.len(), Default::default());
    for (text, parts) in entries {
        let text = msgpack::text(text).ok_or_else(wrong)?;
        let parts = msgpack::list(parts).ok_or_else(wrong)?;
        let mut spelled = String::new();
        let mut pieces = Vec::new();
        for part in parts {
            let orth = attribute(part, ORTH).ok_or_else(wrong)?;
            spelled.push_str(orth);
            pieces.push(Piece {
                norm: attribute(part, NORM).map(string_id),
                ..Piece::new(orth)
            });
        }
        if spelled != text || text.is_empty() {
            return Err(wrong());
        }
        specials.insert(text.into(), pieces);
    }
    Ok(specials)
}

fn attribute<'v>(part: &'v ValueRef<'_>, key: u64) -> Option<&'v str> {
    let ValueRef::Map(entries) = part else {
        return None;
    };
    let entry = entries.iter().find(|(name, _)| name.as_u64() == Some(key));
    entry.and_then(|(_, value)| msgpack::text(value))
}
